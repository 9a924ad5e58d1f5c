from __future__ import annotations

import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from takes import a_take

from lerobot_recorder.dataset import check
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.errors import (
    ConfigError,
    DatasetError,
    DatasetMismatchError,
    DiskFullError,
    EpisodeStateError,
    SpoolError,
)
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import EpisodeWriter, Spool
from lerobot_recorder.video import probe

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": [2], "names": ["a", "b"]},
    "observation.images.top": {
        "dtype": "video",
        "shape": [16, 16, 3],
        "names": ["height", "width", "channels"],
    },
}
FRAME = {
    "observation.state": np.zeros(2, np.float32),
    "observation.images.top": np.zeros((16, 16, 3), np.uint8),
}


def test_an_exception_sets_the_episode_aside(tmp_path):
    recorder = EpisodeRecorder(tmp_path / "d", FEATURES, 30)
    with pytest.raises(RuntimeError), recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
        raise RuntimeError("the gripper slipped")
    rejected = Spool(tmp_path / "d").rejected()
    assert [each.length for each in rejected] == [1]
    assert "the gripper slipped" in rejected[0].manifest.reasons[0]


def test_an_interrupted_take_is_reported_at_the_next_start(tmp_path, caplog):
    writer = a_take(Spool(tmp_path / "d"), "raw")
    writer.abandon()
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30):
        pass
    assert f"the take {writer.header.episode_id} was interrupted after 0.2 s" in caplog.text
    assert Spool(tmp_path / "d").accept().length == 5


def test_an_episode_without_frames_leaves_nothing(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up"):
        pass
    assert not Spool(tmp_path / "d").ready()


def test_a_wrong_frame_is_refused_and_adds_nothing(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
        with pytest.raises(SpoolError, match=r"observation.images.top: expected RGB"):
            episode.add({**FRAME, "observation.images.top": np.zeros((8, 8, 3), np.uint8)})
        with pytest.raises(SpoolError, match=r"observation\.state"):
            episode.add({**FRAME, "observation.state": np.zeros(3, np.float32)})
        with pytest.raises(SpoolError, match=r"observation\.state: expected float32 values"):
            episode.add({**FRAME, "observation.state": ["0.5", "1.0"]})
        with pytest.raises(SpoolError, match="reward, which is not a feature"):
            episode.add({**FRAME, "reward": 1.0})
        assert len(episode) == 1
    assert [each.length for each in Spool(tmp_path / "d").ready()] == [1]


def test_a_value_that_its_type_cannot_hold_is_refused(tmp_path):
    features = {"count": {"dtype": "uint8", "shape": (1,), "names": None}}
    with EpisodeRecorder(tmp_path / "d", features, 30) as recorder, recorder.episode("Count") as episode:
        episode.add({"count": 255})
        for value, trouble in ((256, "do not fit uint8"), (-1, "do not fit"), (1.5, "expected uint8 values")):
            with pytest.raises(SpoolError, match=trouble):
                episode.add({"count": value})
    assert Spool(tmp_path / "d").ready()[0].rows()["count"].tolist() == [[255]]


def test_a_text_per_row_is_recorded_and_appended_to(tmp_path):
    features = {
        "count": {"dtype": "int64", "shape": (1,), "names": None},
        "instruction": {"dtype": "string", "shape": (1,), "names": None},
    }
    said = ["open ", "", "\u2603" * 85]
    for _ in range(2):
        with EpisodeRecorder(tmp_path / "d", features, 30) as recorder, recorder.episode("Talk") as episode:
            for count, text in enumerate(said):
                episode.add({"count": count, "instruction": text})
            for wrong, why in (
                ("x" * 257, "at most 256 bytes"),
                ("a\0b", "NUL"),
                ("\udc80", "UTF-8"),
                (3, "text"),
            ):
                with pytest.raises(SpoolError, match=why):
                    episode.add({"count": 9, "instruction": wrong})
        with BatchEncoder(tmp_path / "d"):
            pass
    assert not list(check(tmp_path / "d", probe))
    table = pq.read_table(next((tmp_path / "d/data").rglob("*.parquet")))
    assert table["instruction"].to_pylist() == said * 2


@pytest.mark.parametrize("task", [3, None, ["pick", "place"], b"pick", "\udc80"])
def test_a_task_that_is_not_a_text_is_refused(tmp_path, task):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder:
        with pytest.raises(ConfigError, match="task: "), recorder.episode(task) as episode:
            episode.add(FRAME)
        with recorder.episode("Pick up") as episode:
            episode.add(FRAME)
    assert [each.manifest.task for each in Spool(tmp_path / "d").ready()] == ["Pick up"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_a_value_that_is_not_finite_is_refused_and_adds_nothing(tmp_path, value):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
        with pytest.raises(SpoolError, match=r"observation\.state: expected finite float32 values, found"):
            episode.add({**FRAME, "observation.state": np.array([0.0, value])})
    assert [each.length for each in Spool(tmp_path / "d").ready()] == [1]


def test_depth_may_hold_nan(tmp_path):
    depth = {"dtype": "video", "shape": [16, 16, 1], "names": None, "info": {"is_depth_map": True}}
    with EpisodeRecorder(tmp_path / "d", {"depth": depth}, 30) as recorder, recorder.episode("Go") as episode:
        episode.add({"depth": np.full((16, 16), np.nan, np.float32)})
    Spool(tmp_path / "d").ready()[0].verify()


def test_a_second_recorder_is_refused_until_the_first_has_ended(tmp_path):
    first = EpisodeRecorder(tmp_path / "d", FEATURES, 30)
    with pytest.raises(SpoolError, match="another recorder is recording into this dataset"):
        EpisodeRecorder(tmp_path / "d", FEATURES, 30)
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30, name="second arm"):
        first.close()
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30):
        pass


@pytest.mark.parametrize("image_format", ["raw", "png"])
def test_arrays_may_be_reused_at_once(tmp_path, image_format):
    small = {"dtype": "video", "shape": [16, 16, 1], "names": None, "info": {"is_depth_map": True}}
    features = {**FEATURES, "observation.images.depth": small}
    frame = {
        "observation.state": np.zeros(2, np.float32),
        "observation.images.top": np.zeros((16, 16, 3), np.uint8),
        "observation.images.depth": np.zeros((16, 16), np.uint16),
    }
    root = tmp_path / "d"
    recorder = EpisodeRecorder(root, features, 30, image_format=image_format)
    with recorder, recorder.episode("Pick up") as episode:
        for number in range(40):
            for array in frame.values():
                array[:] = number
            episode.add(frame)
    saved = Spool(root).ready()[0]
    saved.verify()
    assert saved.rows()["observation.state"][:, 0].tolist() == list(range(40))
    depth = [int(image[0, 0]) for image in saved.frames("observation.images.depth")]
    assert depth == list(range(40))
    assert saved.sample("observation.images.top", range(40))[:, 0, 0, 0].tolist() == list(range(40))


def test_a_busy_disk_does_not_block_the_caller(tmp_path, monkeypatch):
    free, write = threading.Event(), EpisodeWriter.write

    def late(writer, row):
        free.wait()
        write(writer, row)

    monkeypatch.setattr(EpisodeWriter, "write", late)
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up") as episode:
        for _ in range(30):
            episode.add(FRAME)
        assert len(episode) == 30
        free.set()
    assert [each.length for each in Spool(tmp_path / "d").ready()] == [30]


@pytest.mark.parametrize("more", [0, 3])
def test_a_full_disk_is_reported_and_whole_rows_are_kept(tmp_path, monkeypatch, more):
    write = EpisodeWriter.write

    def full(writer, row):
        if writer.length == 2:
            raise DiskFullError("no room")
        write(writer, row)

    monkeypatch.setattr(EpisodeWriter, "write", full)
    recorder = EpisodeRecorder(tmp_path / "d", FEATURES, 30)
    with pytest.raises(DiskFullError), recorder, recorder.episode("Pick up") as episode:
        for _ in range(3 + more):
            episode.add(FRAME)
    rejected = Spool(tmp_path / "d").rejected()
    assert [each.length for each in rejected] == [2]
    assert "no room" in rejected[0].manifest.reasons[0]


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint16, "mm"), (np.float32, "m")])
def test_the_first_frame_sets_the_unit_of_depth(tmp_path, dtype, unit):
    depth = {"dtype": "video", "shape": [16, 16, 1], "names": None, "info": {"is_depth_map": True}}
    root = tmp_path / "d"
    with EpisodeRecorder(root, {"depth": depth}, 30) as recorder:
        for _ in range(2):
            with recorder.episode("Look") as episode:
                episode.add({"depth": np.ones((16, 16, 1), dtype)})
    noted = [each.manifest.features["depth"]["info"]["depth_unit"] for each in Spool(root).ready()]
    assert noted == [unit, unit]


def test_depth_of_another_unit_than_in_the_dataset_is_refused(tmp_path):
    depth = {"dtype": "video", "shape": [16, 16, 1], "names": None, "info": {"is_depth_map": True}}
    root = tmp_path / "d"
    recorder = EpisodeRecorder(root, {"depth": depth}, 30)
    with recorder, BatchEncoder(root), recorder.episode("Look") as episode:
        episode.add({"depth": np.ones((16, 16), np.uint16)})
    with (
        EpisodeRecorder(root, {"depth": depth}, 30) as recorder,
        pytest.raises(DatasetMismatchError, match="depth_unit mm"),
        recorder.episode("Look") as episode,
    ):
        episode.add({"depth": np.ones((16, 16), np.float32)})


@pytest.mark.parametrize("fps", [0, 29.97])
def test_a_rate_that_is_not_a_whole_number_is_refused(tmp_path, fps):
    with pytest.raises(ConfigError, match="fps"):
        EpisodeRecorder(tmp_path / "d", FEATURES, fps)


def test_features_that_cannot_be_recorded_are_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"expected shape \(height, width, 3\) for a video, found \(16, 16\)"
    ):
        EpisodeRecorder(tmp_path / "d", {"x": {"dtype": "video", "shape": [16, 16], "names": None}}, 30)


def test_a_dataset_that_cannot_be_appended_to_is_refused_at_the_start(tmp_path):
    root = tmp_path / "d"
    vector = {"observation.state": FEATURES["observation.state"]}
    with (
        EpisodeRecorder(root, vector, 30) as recorder,
        BatchEncoder(root),
        recorder.episode("Pick up") as episode,
    ):
        episode.add({"observation.state": FRAME["observation.state"]})
    (root / "data/chunk-000/file-000.parquet").unlink()
    with pytest.raises(DatasetError, match="data"):
        EpisodeRecorder(root, vector, 30)


def test_an_episode_is_started_saved_and_discarded_without_a_block(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder:
        saved = recorder.start("Pick up")
        saved.add(FRAME)
        with pytest.raises(EpisodeStateError, match="save or discard it first"):
            recorder.start("Pick up")
        saved.save()
        assert [each.episode_id for each in Spool(tmp_path / "d").ready()] == [saved.episode_id]
        discarded = recorder.start("Pick up")
        discarded.add(FRAME)
        discarded.discard()
        for end in (lambda: discarded.add(FRAME), discarded.save, discarded.discard):
            with pytest.raises(EpisodeStateError, match="the episode is over"):
                end()
    assert len(Spool(tmp_path / "d").ready()) == 1
    assert Spool(tmp_path / "d").undo_delete().episode_id == discarded.episode_id


def test_an_episode_discarded_in_its_block_is_not_saved(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
        episode.discard()
    assert not Spool(tmp_path / "d").ready()


def test_closing_a_recorder_sets_an_open_episode_aside(tmp_path):
    recorder = EpisodeRecorder(tmp_path / "d", FEATURES, 30)
    recorder.start("Pick up").add(FRAME)
    recorder.close()
    (rejected,) = Spool(tmp_path / "d").rejected()
    assert "closed before the episode was saved" in rejected.manifest.reasons[0]


def test_a_task_in_a_frame_is_sent_to_the_right_place(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 30) as recorder, recorder.episode("Pick up") as episode:
        with pytest.raises(SpoolError, match=r"pass it to episode\(\)"):
            episode.add({**FRAME, "task": "Pick up"})
        episode.add(FRAME)


@pytest.mark.parametrize("fps", [30, 30.0, np.float64(30)])
def test_a_whole_number_of_frames_a_second_is_accepted(tmp_path, fps):
    with EpisodeRecorder(tmp_path / "d", FEATURES, fps) as recorder, recorder.episode("Pick up") as episode:
        episode.add(FRAME)
    header = Spool(tmp_path / "d").ready()[0].manifest.fps
    assert (header, type(header)) == (30, int)


@pytest.mark.parametrize("fps", [0, 29.97, float("nan"), float("inf"), "30", True])
def test_other_rates_are_refused(tmp_path, fps):
    with pytest.raises(ConfigError, match="fps: expected a whole number"):
        EpisodeRecorder(tmp_path / "d", FEATURES, fps)


def test_an_image_feature_is_pointed_to_video(tmp_path):
    image = {**FEATURES["observation.images.top"], "dtype": "image"}
    with pytest.raises(ConfigError, match="declare dtype 'video'"):
        EpisodeRecorder(tmp_path / "d", {"observation.images.top": image}, 30)


def test_the_recorder_paces_a_loop_at_its_rate(tmp_path):
    with EpisodeRecorder(tmp_path / "d", FEATURES, 100) as recorder:
        assert list(recorder.ticks(seconds=0.05)) == [0, 1, 2, 3, 4]
