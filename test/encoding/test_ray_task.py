"""A node of a cluster does what it can do, and explains what it cannot."""

from __future__ import annotations

import os

import pytest
from numbered import KEY, record

from lerobot_recorder.encoding import SegmentJob
from lerobot_recorder.encoding import ray_task as module
from lerobot_recorder.encoding.pool import WorkerProcess
from lerobot_recorder.errors import DiskFullError, PictureError, SpoolError, VideoError, WorkerError
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

OTHER = ("lerobot_recorder 9.9.9", *module.installed()[1:])


@pytest.fixture
def job(tmp_path) -> SegmentJob:
    record(tmp_path / "data", [1, 2, 3])
    return SegmentJob(Spool(tmp_path / "data").ready()[0].path, KEY, 0, 3, EncoderSettings().resolved())


def test_a_node_that_shares_the_directory_renames_the_marker(tmp_path):
    (tmp_path / "marker").touch()
    assert module.visit(tmp_path, "marker", module.installed()) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["marker-seen"]


def test_a_node_without_the_directory_reports_it(tmp_path):
    missing = tmp_path / "not mounted here"
    assert module.visit(missing, "marker", module.installed()) == f"it does not see {missing}"


@pytest.mark.skipif(os.getuid() == 0, reason="root can write everywhere")
def test_a_node_that_may_not_write_reports_it(tmp_path):
    (tmp_path / "marker").touch()
    tmp_path.chmod(0o500)
    assert "it cannot write to" in module.visit(tmp_path, "marker", module.installed())


def test_a_node_with_other_versions_does_not_encode(tmp_path, job):
    found = module.visit(tmp_path, "marker", OTHER)
    assert found.startswith("it has lerobot_recorder ")
    assert found.endswith("but this computer has lerobot_recorder 9.9.9")
    with pytest.raises(module.PassingError, match=r"9\.9\.9") as raised:
        module.run(job, 0, OTHER)
    assert isinstance(raised.value.error, WorkerError)


def test_a_job_whose_episode_is_not_there_is_tried_elsewhere(job):
    there = job.episode.rename(job.episode.with_name("elsewhere"))
    with pytest.raises(module.PassingError, match="does not see"):
        module.run(job, 0, module.installed())
    there.rename(job.episode)
    assert module.run(job, 0, module.installed()).frames == 3


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (VideoError("packets in the wrong order"), True),
        (WorkerError("no memory"), True),
        (SpoolError("an image is damaged"), False),
        (PictureError("nothing codes it right"), False),
        (DiskFullError("no room"), False),
    ],
)
def test_only_errors_that_can_pass_are_tried_again(job, monkeypatch, error, passes):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(WorkerProcess, "run", fail)
    if passes:
        with pytest.raises(module.PassingError) as raised:
            module.run(job, 0, module.installed())
        assert raised.value.error is error
    else:
        assert module.run(job, 0, module.installed()) is error
