"""A copy in format v2.1: same rows, same video packets, and the descriptions that its readers expect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from encoded import CAMERA
from filmed import filmed_dataset
from numbered import DEPTH, make_dataset

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.dataset import RecordedEpisode, open_dataset, read_setup, setup_id
from lerobot_recorder.editing import DatasetEditor
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.sharing import Exported, export_v21
from lerobot_recorder.video import read_frames

LENGTHS = (5, 8, 6)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return filmed_dataset(tmp_path_factory.mktemp("export") / "dataset", LENGTHS, vcodec="h264")


def packets(path: Path, start: int = 0, stop: int | None = None) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size][start:stop]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_episode_has_its_rows_and_pictures_in_files_of_its_own(root, tmp_path):
    done = export_v21(root, tmp_path / "out/v21")
    assert (done.episodes, done.frames, list(done.left_out)) == (3, sum(LENGTHS), [])
    for number, length in enumerate(LENGTHS):
        rows = pq.read_table(tmp_path / f"out/v21/data/chunk-000/episode_{number:06d}.parquet")
        episode = RecordedEpisode(root, number)
        assert rows.num_rows == length
        for key in ("action", "observation.state", "index", "frame_index", "timestamp", "task_index"):
            recorded = episode.vectors(key).rows
            assert np.array_equal(np.array(rows[key].to_pylist()).reshape(recorded.shape), recorded)
        video = tmp_path / f"out/v21/videos/chunk-000/{CAMERA}/episode_{number:06d}.mp4"
        path, frames = episode.video_frames(CAMERA, range(length))
        assert np.array_equal(read_frames(video, range(length)), read_frames(path, frames))


def test_videos_are_not_encoded_again(tmp_path):
    root = filmed_dataset(tmp_path / "dataset", LENGTHS)
    export_v21(root, tmp_path / "v21")
    before = packets(root / f"videos/{CAMERA}/chunk-000/file-000.mp4")
    after = [packets(tmp_path / f"v21/videos/chunk-000/{CAMERA}/episode_{n:06d}.mp4") for n in range(3)]
    assert [packet for episode in after for packet in episode] == before


def test_descriptions_have_the_entries_of_the_format(root, tmp_path):
    export_v21(root, tmp_path / "v21")
    meta = tmp_path / "v21/meta"
    info = json.loads((meta / "info.json").read_text())
    expected = {
        "total_episodes": 3,
        "total_frames": 19,
        "total_tasks": 2,
        "total_videos": 3,
        "total_chunks": 1,
    }
    assert {name: info[name] for name in expected} == expected
    assert info["codebase_version"] == "v2.1"
    assert info["splits"] == {"train": "0:3"}
    assert info["features"] == json.loads((root / "meta/info.json").read_text())["features"]
    for number in range(3):
        place = {"episode_chunk": 0, "episode_index": number}
        assert (tmp_path / "v21" / info["data_path"].format(**place)).is_file()
        assert (tmp_path / "v21" / info["video_path"].format(**place, video_key=CAMERA)).is_file()
    assert lines(meta / "tasks.jsonl") == [
        {"task_index": 0, "task": "task 0"},
        {"task_index": 1, "task": "task 1"},
    ]
    assert lines(meta / "episodes.jsonl") == [
        {"episode_index": number, "tasks": [f"task {number % 2}"], "length": length}
        for number, length in enumerate(LENGTHS)
    ]


def test_each_episode_keeps_its_statistics(root, tmp_path):
    export_v21(root, tmp_path / "v21")
    recorded = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    for line, row in zip(lines(tmp_path / "v21/meta/episodes_stats.jsonl"), recorded, strict=True):
        assert {"action", "timestamp", CAMERA} <= set(line["stats"])
        for key, stats in line["stats"].items():
            assert set(stats) == {"min", "max", "mean", "std", "count"}
            assert all(row[f"stats/{key}/{name}"] == value for name, value in stats.items())
        assert np.shape(line["stats"][CAMERA]["mean"]) == (3, 1, 1)


def test_lists_are_described_as_older_readers_know_them(root, tmp_path):
    export_v21(root, tmp_path / "v21")
    schema = pq.read_schema(tmp_path / "v21/data/chunk-000/episode_000000.parquet")
    described = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert described["action"] == {
        "feature": {"dtype": "float32", "_type": "Value"},
        "length": 2,
        "_type": "Sequence",
    }
    assert b'"List"' not in schema.metadata[b"huggingface"]


def test_an_edited_dataset_is_exported_as_it_is_now(root, tmp_path):
    edited = filmed_dataset(tmp_path / "dataset", LENGTHS, vcodec="h264")
    DatasetEditor(edited).delete([0])
    export_v21(edited, tmp_path / "v21")
    shown = read_frames(tmp_path / f"v21/videos/chunk-000/{CAMERA}/episode_000000.mp4", range(8))
    path, frames = RecordedEpisode(root, 1).video_frames(CAMERA, range(8))
    assert np.array_equal(shown, read_frames(path, frames))


def test_gr00t_finds_joints_grippers_and_cameras(root, tmp_path):
    export_v21(root, tmp_path / "v21", gr00t=True)
    modality = json.loads((tmp_path / "v21/meta/modality.json").read_text())
    groups = {"single_arm": {"start": 0, "end": 1}, "gripper": {"start": 1, "end": 2}}
    assert modality == {
        "state": groups,
        "action": groups,
        "video": {"top": {"original_key": CAMERA}},
        "annotation": {"human.task_description": {"original_key": "task_index"}},
    }


def test_depth_is_left_out_and_named(tmp_path):
    root = make_dataset(tmp_path / "dataset", "depth")
    done = export_v21(root, tmp_path / "v21", gr00t=True)
    assert list(done.left_out) == [DEPTH]
    info = json.loads((tmp_path / "v21/meta/info.json").read_text())
    assert DEPTH not in info["features"]
    assert info["video_path"] is None
    assert not (tmp_path / "v21/videos").exists()
    assert json.loads((tmp_path / "v21/meta/modality.json").read_text())["video"] == {}


@pytest.mark.parametrize("name", ["full", "dataset/copy", "file"])
def test_only_a_new_or_empty_directory_outside_the_dataset_is_written(root, tmp_path, name):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    output = root / "copy" if name == "dataset/copy" else tmp_path / name
    with pytest.raises(DatasetError, match=r"choose (another|a directory outside)"):
        export_v21(root, output)
    assert (tmp_path / "full/notes.txt").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"
    assert not (root / "copy").exists()


def test_an_empty_directory_becomes_the_copy(root, tmp_path):
    (tmp_path / "v21").mkdir()
    assert isinstance(export_v21(root, tmp_path / "v21"), Exported)
    assert (tmp_path / "v21/meta/info.json").is_file()


def test_an_export_that_is_stopped_leaves_nothing(root, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_v21(root, tmp_path / "v21", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_that_is_edited_meanwhile_is_not_exported(tmp_path):
    root = filmed_dataset(tmp_path / "dataset", LENGTHS, vcodec="h264")

    def edit(done: int, total: int) -> None:
        if done == total:
            DatasetEditor(root).delete([0])

    with pytest.raises(DatasetError, match="was edited during the export"):
        export_v21(root, tmp_path / "v21", progress=edit)
    assert not (tmp_path / "v21").exists()


def test_a_dataset_that_grows_meanwhile_is_exported_as_it_was(tmp_path):
    root = filmed_dataset(tmp_path / "dataset", LENGTHS, vcodec="h264")
    other = filmed_dataset(tmp_path / "other", (4,), vcodec="h264")

    def grow(done: int, total: int) -> None:
        if done == 1:
            DatasetEditor(root).merge([other])

    assert export_v21(root, tmp_path / "v21", progress=grow).episodes == 3
    assert open_dataset(root).info.total_episodes == 4


def test_a_disk_without_room_is_noticed_before(root, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(DatasetError, match=r"needs \d+ MB, 1 MB are free"):
        export_v21(root, tmp_path / "v21")
    assert list(tmp_path.iterdir()) == []


def test_the_set_up_is_copied(tmp_path):
    files, features = (
        {"robot.urdf": "<robot/>"},
        {"action": {"dtype": "float32", "shape": (1,), "names": None}},
    )
    with (
        EpisodeRecorder(tmp_path / "dataset", features, 30, setup=files) as recorder,
        recorder.episode("Pick") as episode,
    ):
        episode.add({"action": np.zeros(1, np.float32)})
    with BatchEncoder(tmp_path / "dataset"):
        pass
    export_v21(tmp_path / "dataset", tmp_path / "v21")
    assert read_setup(tmp_path / "v21", setup_id(files)) == files


def test_a_dataset_of_another_program_needs_no_provenance(tmp_path):
    root = filmed_dataset(tmp_path / "dataset", LENGTHS, vcodec="h264")
    shutil.rmtree(root / "meta/recordings")
    assert export_v21(root, tmp_path / "v21").episodes == 3
    assert not (tmp_path / "v21/meta/recordings").exists()


def test_provenance_goes_along(root, tmp_path):
    export_v21(root, tmp_path / "v21")
    name = "meta/recordings/chunk-000/file-000.jsonl"
    assert (tmp_path / "v21" / name).read_bytes() == (root / name).read_bytes()


def test_rows_that_are_missing_are_named(tmp_path):
    root = filmed_dataset(tmp_path / "dataset", LENGTHS, vcodec="h264")
    path = root / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path)[: LENGTHS[0] + 2], path)
    with pytest.raises(
        DatasetError, match=r"expected 8 rows of episode 1, found 2\. Run `lerobot-recorder check"
    ):
        export_v21(root, tmp_path / "v21")
    assert not (tmp_path / "v21").exists()
