"""An edit that is stopped before any of its file operations, and started again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numbered import FEATURES, KEY, picture, spread
from reaper import REAPER, Killed, make_audible

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.dataset import DatasetWriter, check, spool_path
from lerobot_recorder.editing import DatasetEditor
from lerobot_recorder.video import EncoderSettings, Mp4Files, probe

Contents = dict[str, bytes]


@pytest.fixture(autouse=True)
def audible(monkeypatch: pytest.MonkeyPatch) -> None:
    make_audible(monkeypatch)


def record(root: Path, lengths: tuple[int, ...]) -> None:
    with EpisodeRecorder(root, FEATURES, 30) as recorder:
        for length in lengths:
            with recorder.episode("Count") as episode:
                for number in range(length):
                    value = np.full(1, number, np.float32)
                    episode.add({"observation.state": value, KEY: picture(spread(number))})
    with BatchEncoder(root, settings=EncoderSettings(vcodec="h264")):
        pass


def contents(root: Path) -> Contents:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")} - {"edits"}


def without_token(found: Contents) -> Contents:
    """Leave out the name of the edit, which is random."""
    return {name: content for name, content in found.items() if name != "meta/recordings/edit.json"}


def recover(root: Path) -> None:
    DatasetWriter(root, Mp4Files()).recover()


def delete(root: Path) -> None:
    DatasetEditor(root).delete([1])


def undo(root: Path) -> None:
    DatasetEditor(root).undo()


@pytest.mark.parametrize("act", [delete, undo, "undo after recording"])
def test_an_edit_stopped_anywhere_leaves_the_old_or_the_new_dataset(
    tmp_path: Path, act: Callable[[Path], None] | str
) -> None:
    base = tmp_path / "base" / "data"
    record(base, (4, 2, 3))
    if act is not delete:
        delete(base)
    if isinstance(act, str):
        record(base, (5,))
        act = undo
    old, spool = contents(base), names(spool_path(base))

    def fresh(name: str) -> Path:
        shutil.copytree(base.parent, tmp_path / name)
        return tmp_path / name / "data"

    root = fresh("whole")
    with REAPER.after(None):
        act(root)
    operations, new = REAPER.count, contents(root)
    assert operations > 20
    assert list(check(root, probe)) == []
    reached = set()
    for stop in range(operations):
        root = fresh("stopped")
        with REAPER.after(stop), pytest.raises(Killed):
            act(root)
        found = contents(root)
        assert found == old or without_token(found) == without_token(new), stop
        recover(root)
        assert contents(root) == found, stop
        if found == old and True not in reached:
            act(root)
            assert without_token(contents(root)) == without_token(new)
        elif found == old:  # nothing is left, so that a second attempt is like the first one
            assert names(spool_path(root)) == spool, stop
        leftovers = {path.name for path in (spool_path(root) / "edits").glob("*/*")}
        assert leftovers <= {"edit.json", "files.json", "old"}, stop
        reached.add(found == old)
        shutil.rmtree(root.parent)
    assert reached == {True, False}
