from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lerobot_recorder.cli import batch_demo as module
from lerobot_recorder.cli import batch_trial, contact_sheet
from lerobot_recorder.cli.batch_demo import advice, best_size, draw_chart, parsed_sizes, spooled_bytes
from lerobot_recorder.cli.batch_trial import Cost, Plan, Trial
from lerobot_recorder.errors import ConfigError

PLAN = Plan(episodes=3, episode_time_s=0.4)
SMALL = Cost("batch size 1", 1, 150.0, encoded_s=2.0, peak_bytes=100_000_000, cpu_s=120.0)
LARGE = Cost("batch size 50", 50, 150.0, encoded_s=90.0, peak_bytes=4_700_000_000, cpu_s=110.0)


@pytest.fixture(scope="module")
def frames() -> list[batch_trial.Frame]:
    return batch_trial.draw(PLAN.fps)


def test_a_trial_measures_what_it_records(tmp_path, frames):
    told = []
    cost = Trial(tmp_path / "data", PLAN, 2, lambda now, done: told.append((now, done))).run(frames)
    assert cost.batch_size == 2
    assert cost.recorded_s == pytest.approx(1.2)
    assert 0 < cost.wait_s <= cost.longest_wait_s
    assert cost.encoded_s > 0
    assert cost.cpu_s > 0
    assert 2 * 12 * 2 * 640 * 480 < cost.peak_bytes < 1.2 * spooled_bytes(PLAN, 2)
    assert told[-1] == ("recorded 3, encoded 3", 1.0)


def test_the_smallest_size_that_does_not_disturb_is_advised():
    assert best_size([LARGE, SMALL]) is SMALL
    text = advice([SMALL, LARGE], 2)
    assert text.startswith("Use batch size 1 on a machine like this one (2 cores)")
    assert "Batch size 50 held 4700 MB." in text
    disturbed = replace(SMALL, late=0.2)
    assert best_size([disturbed, LARGE]) is LARGE
    expected = "With batch size 1, encoding disturbed the recording: 20% of the ticks were late."
    assert expected in advice([disturbed, LARGE], 2)
    assert "Encoding is slower than recording" in advice([replace(SMALL, cpu_s=900.0)], 2)


def test_sizes_are_read_and_wrong_ones_refused():
    assert parsed_sizes("1, 5,5,50") == [1, 5, 50]
    for wrong in ("", "0", "1,-5", "a"):
        with pytest.raises(ConfigError, match="expected batch sizes"):
            parsed_sizes(wrong)


def test_the_chart_has_a_bar_for_each(tmp_path):
    pytest.importorskip("matplotlib")
    draw_chart([SMALL, LARGE], "two sizes", tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_prints_a_hint_and_continues(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(contact_sheet, "LIBRARY", "no_such_library")
    monkeypatch.chdir(tmp_path)
    module.batch_demo(sizes="1", episodes=1, episode_time_s=0.2)
    printed = capsys.readouterr().out
    assert "pip install matplotlib" in printed
    assert "Use batch size 1 on" in printed
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(ConfigError, match="record fewer or shorter episodes"):
        module.batch_demo(directory=tmp_path)
