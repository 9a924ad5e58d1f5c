"""The redo log: recovery, and journals that it refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from encoded import LineFiles, commit, encoded_episode, faults

from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.dataset.journal import is_journaled, journal_path, read_journal, staged_path
from lerobot_recorder.errors import DatasetError


class Stopped(BaseException):
    """Simulates the end of the process."""


def stop(names: Sequence[str]) -> None:
    raise Stopped


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a dataset of one episode, and a commit of a second one that stopped before it ended."""
    root = tmp_path / "dataset"
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    with pytest.raises(Stopped):
        commit(DatasetWriter(root, LineFiles(), forget=stop), [encoded_episode(tmp_path, 1)])
    return root


def test_journal_names_episodes_and_files_with_info_last(root: Path) -> None:
    journal = read_journal(root)
    assert journal is not None
    assert journal.episode_ids == ["episode-1"]
    kinds = [path.split("/")[0] if path[0] != "m" else path for path in journal.paths]
    assert kinds == [
        "videos",
        "data",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/recordings/ages/chunk-000/file-000.parquet",
        "meta/recordings/chunk-000/file-000.jsonl",
        "meta/recordings/checksums.json",
        "meta/stats.json",
        "meta/info.json",
    ]


def test_recovery_forgets_and_leaves_only_the_lock(root: Path) -> None:
    forgotten: list[str] = []
    (placed,) = DatasetWriter(root, LineFiles(), forget=forgotten.extend).recover()
    assert (placed.episode_id, placed.episode_index) == ("episode-1", 1)
    assert forgotten == ["episode-1"]
    assert [path.name for path in journal_path(root).parent.iterdir()] == ["lock"]
    assert DatasetWriter(root, LineFiles(), forget=forgotten.extend).recover() == []


def test_recovery_without_a_commit_creates_nothing(tmp_path: Path) -> None:
    assert DatasetWriter(tmp_path / "dataset", LineFiles(), forget=stop).recover() == []
    assert list(tmp_path.iterdir()) == []


def test_episode_that_recovery_commits_is_not_added_again(root: Path, tmp_path: Path) -> None:
    takes = [encoded_episode(tmp_path, 1), encoded_episode(tmp_path, 2)]
    placed = commit(DatasetWriter(root, LineFiles()), takes)
    assert [(each.episode_id, each.episode_index) for each in placed] == [("episode-1", 1), ("episode-2", 2)]
    assert faults(root) == []


def test_recovery_does_not_touch_a_dataset_that_was_changed(root: Path, tmp_path: Path) -> None:
    journal = journal_path(root).read_text()
    DatasetWriter(root, LineFiles()).recover()
    before = (root / "meta/info.json").read_bytes()
    journal_path(root).write_text(journal)
    (staged_path(root) / "meta").mkdir(parents=True)
    (staged_path(root) / "meta/info.json").write_text("older")
    with pytest.raises(DatasetError, match=r"expects 1 episodes, found 2.*Remove .*journal.json"):
        DatasetWriter(root, LineFiles(), forget=stop).recover()
    assert (root / "meta/info.json").read_bytes() == before


def test_recovery_misses_a_staged_file(root: Path) -> None:
    (root / "meta/stats.json").unlink()
    with pytest.raises(DatasetError, match=r"stats.json: neither in the dataset nor in"):
        DatasetWriter(root, LineFiles(), forget=stop).recover()


def written(index: object, path: str) -> str:
    place = {"episode_id": "a", "episode_index": index, "length": 3, "from_index": 0, "task_index": 0}
    return json.dumps({"episodes": [place], "paths": [path]})


BROKEN = ["", "{}", "[]", '{"episodes": [{"name": 1}], "paths": []}', '{"episodes": [], "paths": []}']
BROKEN += [written(0, "../outside"), written(0, "/etc/passwd"), written("0", "meta/info.json")]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_journal_is_named(root: Path, text: str) -> None:
    journal_path(root).write_text(text)
    with pytest.raises(DatasetError, match=r"journal.json: not the journal of a commit.*Remove"):
        DatasetWriter(root, LineFiles(), forget=stop).recover()
    assert any("not the journal of a commit" in fault for fault in faults(root))


def test_episodes_of_an_unfinished_commit_are_known_until_it_is_finished(root: Path) -> None:
    assert is_journaled(root, "episode-1")
    assert not is_journaled(root, "episode-2")
    DatasetWriter(root, LineFiles()).recover()
    assert not is_journaled(root, "episode-1")


def test_a_journal_that_cannot_be_read_may_name_any_episode(root: Path) -> None:
    journal_path(root).write_text("{")
    assert is_journaled(root, "episode-2")
