"""An edit equals a recording of what is left, and touches only the files that change."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from encoded import CAMERA, FEATURES, LineFiles, commit, encoded_episode

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, load_info, open_dataset
from lerobot_recorder.editing import DatasetEditor

COUNT = 60
VECTORS = {key: feature for key, feature in FEATURES.items() if key != CAMERA}
CHECKSUMS = "meta/recordings/checksums.json"

Edit = Callable[[DatasetEditor], object]


@pytest.fixture(autouse=True)
def few_episodes_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lerobot_recorder.dataset.staging", "lerobot_recorder.dataset.edits.compose"):
        monkeypatch.setattr(sys.modules[name], "EPISODES_PER_FILE", 20)


def episode(folder: Path, number: int, task: str = "") -> EncodedEpisode:
    made = encoded_episode(folder, number, 5 + number % 3, task=task or f"task {number // 30}")
    known = {"verdict": "good" if number % 4 else "bad", "started_at_ns": 10**18 + number}
    ages = made.ages if number % 5 else {"arm": made.ages["top"]}
    return dataclasses.replace(
        made, features=VECTORS, videos={}, image_stats={}, recording=known, ages=ages, setup={}
    )


def recorded(root: Path, episodes: list[EncodedEpisode], data_mb: float = 100) -> Path:
    writer = DatasetWriter(root, LineFiles(), data_files_size_in_mb=data_mb)
    commit(writer, episodes, features=VECTORS)
    return root


def contents(root: Path) -> dict[str, object]:
    """Return what the files have: bytes, or rows where the same ones can be described in several ways."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {
        name: pq.read_table(path) if name.startswith("meta/episodes") else path.read_bytes()
        for name, path in files.items()
        if name not in ("meta/recordings/edit.json", CHECKSUMS)
    }


@pytest.mark.parametrize(
    ("edit", "left"),
    [
        (lambda editor: editor.delete([0]), [*range(1, COUNT)]),
        (lambda editor: editor.delete([31, 33]), [n for n in range(COUNT) if n not in (31, 33)]),
        (lambda editor: editor.delete([COUNT - 1]), [*range(COUNT - 1)]),
        (lambda editor: editor.keep([2, 3, 9, 40]), [2, 3, 9, 40]),
        (lambda editor: editor.keep([7]), [7]),
    ],
    ids=["first", "middle", "last", "some", "one"],
)
def test_every_file_is_as_if_only_the_episodes_that_are_left_had_been_recorded(
    tmp_path: Path, edit: Edit, left: list[int]
) -> None:
    root = recorded(tmp_path / "edited", [episode(tmp_path, number) for number in range(COUNT)])
    edit(DatasetEditor(root))
    expected = recorded(tmp_path / "recorded", [episode(tmp_path, number) for number in left])
    assert contents(root) == contents(expected)


def test_a_merged_dataset_is_as_if_it_had_been_recorded_at_once(tmp_path: Path) -> None:
    root = recorded(tmp_path / "edited", [episode(tmp_path, number) for number in range(30)])
    other = recorded(tmp_path / "other", [episode(tmp_path, number) for number in range(30, 45)])
    DatasetEditor(root).merge([other])
    expected = recorded(tmp_path / "recorded", [episode(tmp_path, number) for number in range(45)])
    found, wanted = contents(root), contents(expected)
    assert found.keys() - {"data/chunk-000/file-001.parquet"} == wanted.keys()
    for name in ("meta/stats.json", "meta/recordings/chunk-000/file-001.jsonl", "meta/tasks.parquet"):
        assert found[name] == wanted[name]


def touched(before: dict[str, tuple[int, int]], root: Path) -> set[str]:
    """Return the files that were written; those that are only copied keep their time."""
    after = states(root)
    return {name for name, state in after.items() if before.get(name) != state}


def states(root: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of the files with episodes; those of ``meta`` are copies."""
    found = {}
    for kind in ("data", "meta/episodes", "meta/recordings"):
        for path in (root / kind).rglob("file-*"):
            state = path.stat()
            inode = 0 if kind.startswith("meta") else state.st_ino
            found[path.relative_to(root).as_posix()] = inode, state.st_mtime_ns
    return found


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (lambda editor: editor.delete([COUNT - 1]), [COUNT - 1]),
        (lambda editor: editor.delete([30]), range(30, COUNT)),
        (lambda editor: editor.set_task([20], "task 1"), [20]),
    ],
    ids=["last", "middle", "task"],
)
def test_only_files_with_episodes_that_change_are_written(
    tmp_path: Path, edit: Edit, changed: Sequence[int]
) -> None:
    root = recorded(tmp_path / "edited", [episode(tmp_path, number) for number in range(COUNT)], 0.02)
    data = open_dataset(root).files("data")
    before = states(root)
    edit(DatasetEditor(root))
    expected = {f"data/chunk-000/file-{data[number].file:03d}.parquet" for number in changed}
    expected |= {f"meta/episodes/chunk-000/file-{number // 20:03d}.parquet" for number in changed}
    if load_info(root).total_episodes < COUNT:  # the provenance is that of other numbers
        expected |= {f"meta/recordings/ages/chunk-000/file-{number // 25:03d}.parquet" for number in changed}
        expected |= {f"meta/recordings/chunk-000/file-{number // 20:03d}.jsonl" for number in changed}
    assert touched(before, root) == expected
