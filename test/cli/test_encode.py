from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from takes import a_take, camera_key
from typer.testing import CliRunner

from lerobot_recorder.cli.app import app
from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.spool import Spool


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def record(spool: Spool, episodes: int) -> None:
    for _ in range(episodes):
        a_take(spool, "raw", length=6, width=64, height=48).save()


def test_what_waits_becomes_a_dataset_without_faults(spool):
    record(spool, 2)
    result = invoke("encode", spool.root)
    assert result.exit_code == 0, result.output
    assert "episode 1: 6 frames" in result.output
    assert f"{spool.root}: 2 episodes added" in result.output
    assert spool.ready() == []
    checked = invoke("check", spool.root)
    assert (checked.exit_code, checked.output) == (0, f"{spool.root}: no faults in 2 episodes, 12 frames\n")


def test_several_datasets_are_encoded_and_reported(spool, tmp_path):
    other = Spool(tmp_path / "other")
    record(spool, 1)
    record(other, 2)
    result = invoke("encode", spool.root, other.root, spool.root)
    assert result.exit_code == 0, result.output
    assert result.output.count(f"{spool.root}: 1 episode added") == 1
    assert f"{other.root}: 2 episodes added" in result.output


def test_a_dataset_with_a_fault_does_not_stop_the_next_one(spool, tmp_path):
    other = Spool(tmp_path / "other")
    for each in (spool, other):
        record(each, 1)
    damaged = spool.ready()[0].path / f"{camera_key('raw')}.i420"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    result = invoke("encode", spool.root, other.root)
    assert result.exit_code == 1
    assert "1 episode could not be encoded" in result.output
    assert f"{other.root}: 1 episode added" in result.output


def test_nothing_recorded_is_an_error(tmp_path):
    result = invoke("encode", tmp_path / "dataset")
    assert result.exit_code == 1
    assert f"error: {tmp_path}/dataset: expected a dataset" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_empty_spool_is_no_error(spool):
    spool.create()
    result = invoke("encode", spool.root)
    assert result.exit_code == 0
    # Before 14.3, rich ends a progress display that shows nothing with an empty line.
    assert result.output.lstrip("\n") == f"{spool.root}: 0 episodes added\n"


def test_an_episode_that_cannot_be_encoded_is_an_error_and_is_kept(spool):
    record(spool, 2)
    damaged = spool.ready()[0].path / f"{camera_key('raw')}.i420"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    result = invoke("encode", spool.root)
    assert result.exit_code == 1
    assert "1 episode added" in result.output
    assert "1 episode could not be encoded" in result.output
    assert "is damaged" in result.output
    assert f"lerobot-recorder encode {spool.root} --retry-failed" in result.output
    assert len(spool.failed()) == 1
    again = invoke("encode", spool.root)
    assert again.exit_code == 0
    assert (
        f"1 failed before, see {spool.directory('failed')}; --retry-failed tries them again" in again.output
    )


def test_failed_episodes_can_be_tried_again(spool):
    record(spool, 1)
    episode = spool.ready()[0]
    name = f"{camera_key('raw')}.i420"
    sound = (episode.path / name).read_bytes()
    (episode.path / name).write_bytes(bytes(len(sound)))
    assert invoke("encode", spool.root).exit_code == 1
    assert invoke("encode", spool.root, "--retry-failed").exit_code == 1
    (spool.failed()[0].path / name).write_bytes(sound)
    result = invoke("encode", spool.root, "--retry-failed")
    assert (result.exit_code, "1 episode added" in result.output) == (0, True)
    assert not spool.failed()


@pytest.mark.parametrize(("options", "nice"), [((), "10"), (("--nice", "0"), "0")])
def test_its_processes_get_time_besides_busy_programs(spool, monkeypatch, options, nice):
    started, real = [], subprocess.Popen

    def start(arguments, **settings):
        started.append(arguments)
        return real(arguments, **settings)

    monkeypatch.setattr(subprocess, "Popen", start)
    record(spool, 1)
    assert invoke("encode", spool.root, *options).exit_code == 0
    assert {arguments[-1] for arguments in started} == {nice}


ERRORS = (
    DatasetError("tasks.parquet: damaged"),
    OSError(errno.EIO, os.strerror(errno.EIO)),
    RuntimeError("unexpected"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("step", ["recover", "commit"])
def test_a_dataset_that_can_never_be_written_ends_it_after_two_tries(spool, monkeypatch, step, error):
    tries = []

    def failing(*_: object, **__: object) -> None:
        tries.append(step)
        raise error

    record(spool, 2)
    monkeypatch.setattr(DatasetWriter, step, failing)
    result = invoke("encode", spool.root)
    assert result.exit_code == 1
    assert str(error) in result.output
    assert 1 <= len(tries) <= 6  # at most twice: both episodes together, then each alone
    assert len(spool.ready()) == 2
    monkeypatch.undo()
    assert invoke("encode", spool.root).exit_code == 0


def test_an_unknown_codec_is_refused(spool):
    record(spool, 1)
    result = invoke("encode", spool.root, "--vcodec", "mpeg9")
    assert result.exit_code == 1
    assert "mpeg9" in result.output
    assert len(spool.ready()) == 1


@pytest.mark.parametrize("damage", ["cut video", "no dataset"])
def test_check_names_each_fault(spool, damage):
    record(spool, 1)
    assert invoke("encode", spool.root).exit_code == 0
    for video in spool.root.rglob("*.mp4" if damage == "cut video" else "info.json"):
        video.unlink()
    result = invoke("check", spool.root)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) >= 1
    assert str(spool.root) in result.output
    assert "Traceback" not in result.output
