"""Invalid episodes in the spool fail with their reason, and the others are encoded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from vectors import numbers_in, record, whereabouts

from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.spool import Spool
from lerobot_recorder.spool.manifest import MANIFEST_FILE, read_manifest, to_json


def with_manifest(**changes: Any) -> Callable[[Path], None]:
    def poison(episode: Path) -> None:
        manifest = read_manifest(episode)
        for name, value in changes.items():
            object.__setattr__(manifest, name, value)  # what its constructor would refuse
        (episode / MANIFEST_FILE).write_bytes(to_json(manifest))

    return poison


def with_file(content: bytes) -> Callable[[Path], None]:
    return lambda episode: (episode / MANIFEST_FILE).write_bytes(content) and None


def without_manifest(episode: Path) -> None:
    (episode / MANIFEST_FILE).unlink()


def with_directory(episode: Path) -> None:
    (episode / MANIFEST_FILE).unlink()
    (episode / MANIFEST_FILE).mkdir()


POISON = {
    "a task that is a list": with_manifest(task=["pick", "place"]),
    "a task that is a number": with_manifest(task=3),
    "no task": with_manifest(task=None),
    "no features": with_manifest(features={}),
    "features that are a list": with_manifest(features=["observation.state"]),
    "a feature that is no object": with_manifest(features={"observation.state": "float32"}),
    "an unknown dtype": with_manifest(features={"observation.state": {"dtype": "float7", "shape": [2]}}),
    "a dtype that is a list": with_manifest(features={"observation.state": {"dtype": [], "shape": [2]}}),
    "a shape that is text": with_manifest(
        features={"observation.state": {"dtype": "float32", "shape": "2x"}}
    ),
    "no rows": with_manifest(length=0),
    "more rows than there are": with_manifest(length=99),
    "a length that is text": with_manifest(length="3"),
    "no rate": with_manifest(fps=0),
    "a rate that is text": with_manifest(fps="30"),
    "a robot that is a number": with_manifest(robot_type=5),
    "a cut manifest": with_file(b'{"task": '),
    "an empty manifest": with_file(b""),
    "a manifest that is a list": with_file(b"[1]"),
    "a manifest that is no text": with_file(b"\xff\xfe\x00"),
    "no manifest": without_manifest,
    "a directory in its place": with_directory,
}


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_episode_fails_and_the_others_are_encoded(tmp_path, name):
    root = tmp_path / "data"
    _, poisoned, _ = record(root, 0, 1, 2)
    POISON[name](Spool(root).directory("ready") / poisoned)
    with BatchEncoder(root, batch_size=3) as encoder:
        pass
    assert numbers_in(root) == [0, 2]
    assert whereabouts(root) == {"failed": [poisoned]}
    reason = Spool(root).error(Spool(root).failed()[0])
    assert reason
    assert reason in str(encoder.failure)


def test_an_episode_that_alone_cannot_be_committed_fails(tmp_path, monkeypatch):
    root = tmp_path / "data"
    _, poisoned, _ = record(root, 0, 1, 2)
    commit = DatasetWriter.commit

    def surprise(self: DatasetWriter, episodes: Any, **kwargs: Any) -> Any:
        if any(each.episode_id == poisoned for each in episodes):
            raise TypeError("what nobody has thought of")
        return commit(self, episodes, **kwargs)

    monkeypatch.setattr(DatasetWriter, "commit", surprise)
    with BatchEncoder(root, batch_size=3) as encoder:
        pass
    assert numbers_in(root) == [0, 2]
    assert whereabouts(root) == {"failed": [poisoned]}
    assert "unexpected TypeError: what nobody has thought of" in str(encoder.failure)


def test_failed_episodes_are_tried_again_on_request(tmp_path):
    root = tmp_path / "data"
    first, _ = record(root, 0, 1)
    manifest = Spool(root).directory("ready") / first / MANIFEST_FILE
    shutil.move(manifest, tmp_path / "manifest")
    with BatchEncoder(root, batch_size=2) as encoder:
        pass
    assert (encoder.status().failed, encoder.status().retryable) == (1, 1)
    assert "--retry-failed" in encoder.status().message
    shutil.move(tmp_path / "manifest", Spool(root).directory("failed") / first / MANIFEST_FILE)
    with BatchEncoder(root, batch_size=5) as encoder:
        encoder.retry_failed()
    assert encoder.failure is None
    assert (encoder.status().failed, encoder.status().retryable) == (0, 0)
    assert numbers_in(root) == [1, 0]
    assert whereabouts(root) == {}
