"""`check` finds and names each fault in a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from encoded import CAMERA, LineFiles, LineProbe, commit, encoded_episode, faults, probe

from lerobot_recorder.dataset import DatasetWriter, check, placement, tables
from lerobot_recorder.dataset.files import CHECKSUMS_PATH
from lerobot_recorder.errors import VideoError

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    takes = [encoded_episode(tmp_path, number, 4, task=f"task {number % 2}") for number in range(3)]
    commit(DatasetWriter(root, LineFiles()), takes)
    (root / CHECKSUMS_PATH).unlink()
    return root


def rewrite(path: Path, column: str, change: Callable[[np.ndarray], Any]) -> None:
    """Change the values of a column."""
    table = tables.read_table(path)
    place = table.column_names.index(column)
    values = pa.array(change(np.array(table[column].to_numpy())), table.schema.field(column).type)
    tables.write_table(path, [table.set_column(place, table.schema.field(column), values)])


def edit(path: Path, **entries: Any) -> None:
    """Change entries of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def setting(row: int, value: Any) -> Callable[[np.ndarray], Any]:
    def change(values: np.ndarray) -> np.ndarray:
        values[row] = value
        return values

    return change


def test_sound_dataset_has_no_faults(root: Path) -> None:
    assert faults(root) == []


@pytest.mark.parametrize(
    ("column", "row", "value", "fault"),
    [
        ("index", 5, 6, "index of row 5 is 6, expected 5."),
        ("episode_index", 7, 0, "episode_index of row 7 is 0, expected 1."),
        ("frame_index", 4, 1, "frame_index of row 4 is 1, expected 0."),
        ("timestamp", 3, 0.2, "timestamp of row 3 is 0.20000000298023224, expected 0.1."),
        ("task_index", 2, 2, "task_index goes from 0 to 2, but there are 2 tasks."),
    ],
)
def test_wrong_row_is_named(root: Path, column: str, row: int, value: Any, fault: str) -> None:
    rewrite(root / DATA, column, setting(row, value))
    assert faults(root) == [f"{root / DATA}: {fault}"]


@pytest.mark.parametrize(
    ("column", "row", "value", "where", "fault"),
    [
        ("dataset_from_index", 1, 5, "meta/episodes", "dataset_from_index of episode 1 is 5, expected 4."),
        ("episode_index", 2, 1, "meta/episodes", "episode_index of episode 2 is 1, expected 2."),
        ("meta/episodes/file_index", 0, 3, "meta/episodes", "file_index of episode 0 is 3, expected 0."),
        (
            f"videos/{CAMERA}/from_timestamp",
            1,
            0.2,
            VIDEO,
            "from_timestamp of episode 1 is 0.2, expected 0.1333",
        ),
        ("tasks", 0, ["sing"], "meta/episodes", "task 'sing' of episode 0 is not in meta/tasks.parquet."),
        ("stats/action/mean", 0, [float("nan"), 0], EPISODES, "stats/action/mean is missing or not finite"),
    ],
)
def test_wrong_episode_is_named(
    root: Path, column: str, row: int, value: Any, where: str, fault: str
) -> None:
    rewrite(root / EPISODES, column, setting(row, value))
    (found,) = faults(root)
    assert str(root / where) in found
    assert fault in found


def test_several_wrong_rows_are_one_fault(root: Path) -> None:
    rewrite(root / DATA, "index", lambda values: values + 1)
    assert faults(root) == [f"{root / DATA}: index of row 0 is 1, expected 0, and 11 more are wrong."]


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ({"total_episodes": 4}, "total_episodes is 4, but meta/episodes has 3 rows."),
        ({"total_frames": 11}, "total_frames is 11, but the episodes have 12 rows."),
        ({"total_tasks": 1}, "total_tasks is 1, but meta/tasks.parquet has 2."),
        ({"splits": {"train": "0:2"}}, "the train split is 0:2, expected 0:3."),
    ],
)
def test_wrong_total_is_named(root: Path, entries: dict[str, Any], fault: str) -> None:
    edit(root / "meta/info.json", **entries)
    assert f"{root / 'meta/info.json'}: {fault}" in faults(root)


def test_missing_rows_are_counted(root: Path) -> None:
    tables.write_table(root / DATA, [tables.read_table(root / DATA).slice(0, 9)])
    assert faults(root) == [f"{root / DATA}: has 9 rows, but the episodes in it have 12."]


@pytest.mark.parametrize("frames", [11, 13])
def test_video_with_another_number_of_frames_is_named(root: Path, frames: int) -> None:
    (root / VIDEO).write_text("frame\n" * frames)
    assert faults(root) == [f"{root / VIDEO}: has {frames} frames, but the episodes in it have 12 rows."]


def test_video_of_another_size_or_off_the_grid_is_named(root: Path) -> None:
    found = list(check(root, lambda path: LineProbe(12, width=8, height=4, on_grid=False)))
    assert found == [
        f"{root / VIDEO}: its frames are not at multiples of 1/30 s.",
        f"{root / VIDEO}: is 8x4 pixels, expected 6x4.",
    ]


def test_missing_and_unreadable_videos_are_named(root: Path) -> None:
    def broken(path: Path) -> LineProbe:
        raise VideoError(f"{path} is no video")

    assert list(check(root, broken)) == [f"{root / VIDEO} is no video."]
    (root / VIDEO).unlink()
    assert faults(root) == [f"{root / VIDEO}: missing, though episodes with 12 frames are in it."]


def test_stray_files_are_named(root: Path) -> None:
    stray = root / "data/chunk-000/file-001.parquet"
    tables.write_table(stray, [tables.read_table(root / DATA).slice(0, 2)])
    video = root / "videos" / CAMERA / "chunk-000/file-001.mp4"
    video.write_text("frame\n")
    assert faults(root) == [
        f"{stray}: has 2 rows, but the episodes in it have 0.",
        f"{stray}: no episode is in it.",
        f"{video}: no episode is in it.",
    ]


@pytest.mark.parametrize("name", [DATA, EPISODES, "meta/tasks.parquet"])
def test_unreadable_parquet_is_named(root: Path, name: str) -> None:
    (root / name).write_bytes(b"PAR1 cut off")
    assert faults(root)[0].startswith(f"{root / name}: cannot be read as parquet")


def test_statistics_must_be_there_and_finite(root: Path) -> None:
    path = root / "meta/stats.json"
    stats = json.loads(path.read_text())
    del stats["action"]["mean"]
    stats[CAMERA]["std"][0] = [[float("nan")]]
    stats["index"]["count"] = [7]
    path.write_text(json.dumps(stats))
    assert [fault.removeprefix(f"{path}: ") for fault in faults(root)] == [
        "no mean of action.",
        f"std of {CAMERA} is not finite: [[[nan]], {stats[CAMERA]['std'][1]}, {stats[CAMERA]['std'][2]}].",
        "index was counted 7 times, but there are 12 rows.",
    ]
    path.unlink()
    assert [fault.split(":")[1] for fault in faults(root)] == [" cannot be read"]


def test_missing_column_is_named(root: Path) -> None:
    tables.write_table(root / DATA, [tables.read_table(root / DATA).drop_columns(["action"])])
    assert faults(root) == [f"{root / DATA}: no column action."]


def test_directory_without_dataset_is_a_fault(tmp_path: Path) -> None:
    assert list(check(tmp_path / "none", probe)) == [
        f"{tmp_path / 'none'}: no dataset, there is no meta/info.json."
    ]


def test_rows_that_lerobot_refuses_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "is_readable", lambda *_: True)
    root = tmp_path / "dataset"
    takes = [encoded_episode(tmp_path, number, 3000) for number in range(6)]
    commit(DatasetWriter(root, LineFiles()), takes, fps=15)
    (fault,) = check(root, lambda path: LineProbe(18_000, fps=15))
    assert (
        "LeRobot refuses the pictures of 144 rows in 1 episodes, the first is row 1924 of episode 5" in fault
    )
