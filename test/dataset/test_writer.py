"""Commits: the contents of the dataset, growth of files, refusals."""

from __future__ import annotations

import dataclasses
import fcntl
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from encoded import CAMERA, FEATURES, FPS, LineFiles, commit, encoded_episode, faults

from lerobot_recorder.dataset import (
    DatasetWriter,
    EncodedEpisode,
    check_appendable,
    check_fits,
    staging,
    tables,
)
from lerobot_recorder.dataset.info import DatasetInfo, grown_splits, load_info, to_json
from lerobot_recorder.dataset.layout import DatasetLayout, commit_path
from lerobot_recorder.errors import DatasetError, DatasetMismatchError

MIB = 1024**2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def episodes_of(root: Path) -> list[dict[str, Any]]:
    found = [tables.read_table(path) for path in DatasetLayout(root).episodes_files()]
    return pa.concat_tables(found).to_pylist()


def rows_of(root: Path) -> dict[str, list[Any]]:
    found = [tables.read_table(path) for path in DatasetLayout(root).data_files()]
    return pa.concat_tables(found).to_pydict()


def contents(root: Path) -> dict[str, object]:
    """Return the contents of all files except checksums; of episodes files the table only."""
    return {
        str(path.relative_to(root)): tables.read_table(path).to_pydict()
        if "episodes" in path.parts
        else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "checksums.json"
    }


def test_new_dataset_holds_rows_frames_and_bookkeeping(root: Path, tmp_path: Path) -> None:
    takes = [encoded_episode(tmp_path, 0, 4, task="pick"), encoded_episode(tmp_path, 1, 3, task="place")]
    placed = commit(DatasetWriter(root, LineFiles()), takes)

    assert [(each.episode_id, each.episode_index, each.from_index) for each in placed] == [
        ("episode-0", 0, 0),
        ("episode-1", 1, 4),
    ]
    rows = rows_of(root)
    assert rows["index"] == list(range(7))
    assert rows["frame_index"] == [0, 1, 2, 3, 0, 1, 2]
    assert rows["episode_index"] == [0] * 4 + [1] * 3
    assert rows["task_index"] == [0] * 4 + [1] * 3
    assert rows["timestamp"][3] == np.float32(3 / FPS)
    assert rows["observation.state"][5] == [1.0, 1.0]
    assert tables.read_tasks(root / "meta/tasks.parquet") == ["pick", "place"]
    info = load_info(root)
    assert info is not None
    assert (info.total_episodes, info.total_frames, info.total_tasks) == (2, 7, 2)
    assert (info.robot_type, info.splits) == ("so100", {"train": "0:2"})
    assert info.features[CAMERA]["info"]["video.codec"] == "av1"
    assert faults(root) == []


def test_episode_row_has_the_columns_of_lerobot_in_their_order(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    (row,) = episodes_of(root)
    names = list(row)
    assert names[:11] == [
        "episode_index",
        "tasks",
        "length",
        "data/chunk_index",
        "data/file_index",
        "dataset_from_index",
        "dataset_to_index",
        f"videos/{CAMERA}/chunk_index",
        f"videos/{CAMERA}/file_index",
        f"videos/{CAMERA}/from_timestamp",
        f"videos/{CAMERA}/to_timestamp",
    ]
    assert names[-2:] == ["meta/episodes/chunk_index", "meta/episodes/file_index"]
    parts = ["min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"]
    features = [*FEATURES, "timestamp", "frame_index", "episode_index", "index", "task_index"]
    assert names[11:-2] == [f"stats/{feature}/{part}" for feature in features for part in parts]


def test_appending_continues_files_numbers_and_tasks(root: Path, tmp_path: Path) -> None:
    for number, task in enumerate(["pick", "place", "pick"]):
        commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, number, 4, task=task)])
    assert [row["dataset_from_index"] for row in episodes_of(root)] == [0, 4, 8]
    assert rows_of(root)["task_index"] == [0] * 4 + [1] * 4 + [0] * 4
    assert len(list(root.rglob("*.mp4"))) == len(DatasetLayout(root).data_files()) == 1
    assert faults(root) == []


def test_timestamps_are_frames_over_fps_after_many_episodes(root: Path, tmp_path: Path) -> None:
    takes = [encoded_episode(tmp_path, number, 1 + number % 3) for number in range(100)]
    commit(DatasetWriter(root, LineFiles()), takes[:50])
    commit(DatasetWriter(root, LineFiles()), takes[50:])
    frames = 0
    for row in episodes_of(root):
        assert row[f"videos/{CAMERA}/from_timestamp"] == frames / FPS
        frames += row["length"]
        assert row[f"videos/{CAMERA}/to_timestamp"] == frames / FPS


@pytest.mark.parametrize("batch", [2, 5, 12])
def test_result_does_not_depend_on_the_batch_size(
    tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "EPISODES_PER_FILE", 5)
    takes = [
        encoded_episode(tmp_path, number, 3 + number % 4, task=f"task {number % 3}") for number in range(12)
    ]
    sizes: dict[str, Any] = {
        "data_files_size_in_mb": 1700 / MIB,
        "video_files_size_in_mb": 2600 / MIB,
        "chunks_size": 2,
    }
    for name, size in (("singly", 1), ("batches", batch)):
        writer = DatasetWriter(tmp_path / name, LineFiles(), **sizes)
        for start in range(0, len(takes), size):
            commit(writer, takes[start : start + size])
    assert contents(tmp_path / "singly") == contents(tmp_path / "batches")
    assert (tmp_path / "singly/data/chunk-001/file-000.parquet").exists()
    assert (tmp_path / "singly/videos" / CAMERA / "chunk-001/file-000.mp4").exists()
    assert (tmp_path / "singly/meta/episodes/chunk-001/file-000.parquet").exists()
    assert faults(tmp_path / "singly") == faults(tmp_path / "batches") == []


def test_files_stay_below_their_limits(root: Path, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"data_files_size_in_mb": 3000 / MIB, "video_files_size_in_mb": 3000 / MIB}
    takes = [encoded_episode(tmp_path, number, 8) for number in range(20)]
    commit(DatasetWriter(root, LineFiles(), **limits), takes)
    assert len(list(root.rglob("*.mp4"))) > 2
    assert all(path.stat().st_size < 3000 for path in root.rglob("*.mp4"))
    assert all(tables.summarize_data_file(path).size < 3000 for path in DatasetLayout(root).data_files())
    assert faults(root) == []


def test_episode_larger_than_the_limit_has_a_file_of_its_own(root: Path, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"data_files_size_in_mb": 1 / MIB, "video_files_size_in_mb": 1 / MIB}
    commit(DatasetWriter(root, LineFiles(), **limits), [encoded_episode(tmp_path, n) for n in range(2)])
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 2)])
    assert len(DatasetLayout(root).data_files()) == len(list(root.rglob("*.mp4"))) == 3
    assert faults(root) == []


def test_videos_encoded_differently_are_not_joined(root: Path, tmp_path: Path) -> None:
    takes = [encoded_episode(tmp_path, n, codec=codec) for n, codec in enumerate(["av1", "h264", "h264"])]
    commit(DatasetWriter(root, LineFiles()), takes[:1])
    commit(DatasetWriter(root, LineFiles()), takes[1:])
    assert [row[f"videos/{CAMERA}/file_index"] for row in episodes_of(root)] == [0, 1, 1]
    assert faults(root) == []


def test_new_video_does_not_replace_what_a_crash_has_left(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    left = root / "videos" / CAMERA / "chunk-000/file-001.mp4"
    left.write_text("not ours")
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 1, codec="h264")])
    assert left.read_text() == "not ours"
    assert episodes_of(root)[1][f"videos/{CAMERA}/file_index"] == 2
    assert faults(root) == [f"{left}: no episode is in it."]


def test_dataset_without_quantiles_keeps_its_columns(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    (path,) = DatasetLayout(root).episodes_files()
    old = tables.read_table(path)
    tables.write_table(path, [old.select([name for name in old.column_names if "/q" not in name])])
    stats = json.loads((root / "meta/stats.json").read_text())
    plain = {key: {n: v for n, v in part.items() if n[0] != "q"} for key, part in stats.items()}
    (root / "meta/stats.json").write_text(json.dumps(plain))

    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 1)])
    assert not any("/q" in name for name in episodes_of(root)[1])
    assert "q50" not in json.loads((root / "meta/stats.json").read_text())["action"]
    assert faults(root) == []


def test_first_episode_of_one_frame_does_not_narrow_the_columns(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0, 1)])
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 1, 5)])
    assert episodes_of(root)[1]["stats/next.success/mean"] == [pytest.approx(0.4)]


def test_empty_directory_and_dataset_without_episodes_are_filled(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    assert faults(root) == []

    other = tmp_path / "created"
    info = load_info(root)
    assert info is not None
    (other / "meta").mkdir(parents=True)
    empty = DatasetInfo(fps=FPS, features=info.features, robot_type="so100", extra={"note": "kept"})
    (other / "meta/info.json").write_text(to_json(empty))
    assert faults(other) == [f"{other}: it has no episodes yet; LeRobot can load it from the first one on."]
    commit(DatasetWriter(other, LineFiles()), [encoded_episode(tmp_path, 0)])
    assert faults(other) == []
    assert json.loads((other / "meta/info.json").read_text())["note"] == "kept"


def test_symbolic_link_as_root_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root.symlink_to(tmp_path / "elsewhere")
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    assert root.is_symlink()
    assert faults(tmp_path / "elsewhere") == []


def test_mismatch_names_each_difference_and_changes_nothing(root: Path, tmp_path: Path) -> None:
    take = encoded_episode(tmp_path, 0)
    commit(DatasetWriter(root, LineFiles()), [take])
    before = contents(root)
    features = {
        "action": {**FEATURES["action"], "shape": (3,), "names": ["a", "b", "c"]},
        "observation.images.wrist": FEATURES[CAMERA],
        **{key: FEATURES[key] for key in ("observation.state", "next.success")},
    }
    with pytest.raises(DatasetMismatchError) as error:
        commit(DatasetWriter(root, LineFiles()), [take], features=features, fps=15, robot_type="so101")
    for difference in (
        "feature 'action' has shape (2,) in the dataset, (3,) now",
        f"feature {CAMERA!r} of the dataset is not recorded",
        "feature 'observation.images.wrist' is not in the dataset",
        "fps is 30 in the dataset, 15 now",
        "robot_type is 'so100' in the dataset, 'so101' now",
    ):
        assert difference in str(error.value)
    assert contents(root) == before


def test_check_fits_accepts_what_can_be_appended(root: Path, tmp_path: Path) -> None:
    check_fits(root, FEATURES, FPS)
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    check_fits(root, dict(reversed(FEATURES.items())), FPS)
    check_fits(root, FEATURES, FPS, "so100")


@pytest.mark.parametrize("content", ["a file", "another directory", "broken info", "older format"])
def test_directory_that_holds_something_else_is_refused(root: Path, tmp_path: Path, content: str) -> None:
    if content == "a file":
        root.write_text("hello")
    else:
        (root / "meta").mkdir(parents=True)
        text = {"broken info": "{", "older format": '{"codebase_version": "v2.1", "fps": 1, "features": {}}'}
        if content in text:
            (root / "meta/info.json").write_text(text[content])
    with pytest.raises(DatasetError, match=str(root)):
        check_fits(root, FEATURES, FPS)
    with pytest.raises(DatasetError, match=str(root)):
        commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 6}, "expected 6 frames of 'action', found 5"),
        ({"rows": {}}, "no rows of action, observation.state, next.success"),
        ({"videos": {}}, f"no videos of {CAMERA}"),
        ({"length": 0}, "it has no rows"),
    ],
)
def test_episode_whose_parts_do_not_fit_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    take = encoded_episode(tmp_path, 0)
    with pytest.raises(DatasetError, match=message):
        dataclasses.replace(take, **change)


def test_dataset_whose_files_disagree_is_not_appended_to(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    info = load_info(root)
    assert info is not None
    (root / "meta/info.json").write_text(to_json(info.grown(1, 5, 1)))
    with pytest.raises(DatasetError, match="ends after 1 episodes and 5 rows"):
        commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 1)])


def test_full_disk_is_an_error_and_the_next_commit_works(root: Path, tmp_path: Path) -> None:
    class FullDisk(LineFiles):
        def join(self, parts: object, output: Path, fps: int) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(DatasetError, match="no space left for the commit"):
        commit(DatasetWriter(root, FullDisk()), [encoded_episode(tmp_path, 0)])
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    assert faults(root) == []


def test_commit_holds_a_lock(root: Path, tmp_path: Path) -> None:
    def is_locked(ids: object) -> None:
        with (commit_path(root) / "lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    commit(DatasetWriter(root, LineFiles(), forget=is_locked), [encoded_episode(tmp_path, 0)])
    with (commit_path(root) / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_writers_take_turns(root: Path, tmp_path: Path) -> None:
    takes = [[encoded_episode(tmp_path, 10 * writer + k) for k in range(5)] for writer in range(2)]

    def record(own: list[EncodedEpisode]) -> None:
        for take in own:
            commit(DatasetWriter(root, LineFiles()), [take])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(record, takes))
    states = {state[0] for state in rows_of(root)["observation.state"]}
    assert states == {0, 1, 2, 3, 4, 10, 11, 12, 13, 14}
    assert len(episodes_of(root)) == 10
    assert faults(root) == []


def test_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"the commit stopped: .*file"):
        commit(DatasetWriter(tmp_path / "file/dataset", LineFiles()), [encoded_episode(tmp_path, 0)])


def test_episodes_files_are_found_by_their_names(root: Path, tmp_path: Path) -> None:
    """Converters of other programs do not update the file numbers in the rows."""
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    (path,) = DatasetLayout(root).episodes_files()
    path.rename(path.with_name("file-003.parquet"))
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 1)])
    assert [path.name for path in DatasetLayout(root).episodes_files()] == ["file-003.parquet"]
    assert [row["episode_index"] for row in episodes_of(root)] == [0, 1]


@pytest.mark.parametrize(
    ("robot", "hint"),
    [
        ("so101_follower", "set robot_type to 'so101_follower' after comparing the units"),
        ("koch", "if it is the same robot, set robot_type to 'koch')"),
        (None, "set robot_type to '')"),
    ],
)
def test_another_robot_names_the_parameter(root: Path, tmp_path: Path, robot: str | None, hint: str) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)], robot_type=robot)
    with pytest.raises(DatasetMismatchError) as error:
        check_fits(root, FEATURES, FPS, "so_follower")
    assert hint in str(error.value)
    check_fits(root, FEATURES, FPS, robot)


@pytest.mark.parametrize("dtype", ["image", "language"])
def test_dataset_with_features_of_other_kinds_is_refused_at_the_start(
    root: Path, tmp_path: Path, dtype: str
) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 0)])
    info = load_info(root)
    assert info is not None
    features: Any = {**info.features, "note": {"dtype": dtype, "shape": [1], "names": None}}
    (root / "meta/info.json").write_text(to_json(dataclasses.replace(info, features=features)))
    for refuse in (check_appendable, lambda root: check_fits(root, FEATURES, FPS)):
        with pytest.raises(DatasetMismatchError, match="'note' of the dataset"):
            refuse(root)


@pytest.mark.parametrize(
    ("splits", "grown"),
    [
        ({}, {"train": "0:5"}),
        ({"train": "0:3"}, {"train": "0:5"}),
        ({"val": "0:1", "train": "1:3"}, {"val": "0:1", "train": "1:5"}),
        ({"train": "0:2", "val": "2:3"}, {"train": "0:2", "val": "2:3"}),
        ({"val": "0:3"}, {"val": "0:3"}),
    ],
)
def test_train_grows_without_episodes_of_other_splits(splits: dict[str, str], grown: dict[str, str]) -> None:
    assert grown_splits(splits, 3, 5) == grown
