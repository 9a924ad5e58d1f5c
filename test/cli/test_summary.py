from __future__ import annotations

import io

import pytest
from filmed import filmed_dataset
from rich.console import Console
from takes import a_take

from lerobot_recorder.cli.record import conclude
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.cli.summary import in_dataset, summarise
from lerobot_recorder.dataset import DatasetPlace, recorded_numbers
from lerobot_recorder.editing import DatasetEditor
from lerobot_recorder.encoding import CommittedEpisode
from lerobot_recorder.recording import CompletedEpisode
from lerobot_recorder.spool import Spool


@pytest.fixture
def run(tmp_path) -> RunStatus:
    """A run of three episodes, the second of which was deleted from the dataset."""
    root = filmed_dataset(tmp_path / "data", (3, 3, 3))
    numbers = recorded_numbers(root)
    completed = {name: CompletedEpisode(name, "ready", 3, 0.1, "Push", root=str(root)) for name in numbers}
    committed = [CommittedEpisode(name, number, 3) for name, number in numbers.items()]
    DatasetEditor(root).delete([1])
    return RunStatus(completed=completed, committed=committed)


def test_the_summary_has_the_numbers_that_episodes_have_after_one_was_deleted(run):
    committed = in_dataset(run)
    kept = [run.committed[0].episode_id, run.committed[2].episode_id]
    assert [(each.episode_id, each.episode_index) for each in committed] == [(kept[0], 0), (kept[1], 1)]
    printed = io.StringIO()
    summarise(run, committed, Console(file=printed, width=200))
    assert "removed        1 episode of this run, from the dataset" in printed.getvalue()


def test_a_summary_that_cannot_be_made_is_named_and_raises_nothing(run, tmp_path):
    root, printed = tmp_path / "data", io.StringIO()
    (root / "meta/info.json").write_text("{")
    committed, faults = conclude(run, DatasetPlace(None, str(root)), None, Console(file=printed))
    assert committed == []
    assert "the summary is incomplete" in faults[0]
    assert "info.json" in faults[0]


def test_what_waits_after_the_encoder_has_died_is_listed_with_the_command(tmp_path):
    root = tmp_path / "data"
    name = a_take(Spool(root)).save().episode_id
    run = RunStatus(completed={name: CompletedEpisode(name, "ready", 5, 0.2, "Push", root=str(root))})
    printed = io.StringIO()
    summarise(run, in_dataset(run), Console(file=printed, width=200))
    assert f"waiting        1; to encode: lerobot-recorder encode {root}" in printed.getvalue()
