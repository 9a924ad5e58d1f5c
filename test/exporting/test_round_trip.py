"""Datasets that are exported as bags, and imported again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from filmed import HEIGHT, WIDTH, pictures
from numbered import DEPTH, STEP_MM, record_depth
from rosbags.highlevel import AnyReader

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.arms import JOINTS, SIMULATED
from lerobot_recorder.dataset import RecordedEpisode, Source, check
from lerobot_recorder.editing import DatasetEditor, Selection
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.exporting import export_bag
from lerobot_recorder.importing import Cutting, ImportSession, import_bag, read_parameters
from lerobot_recorder.spool import Spool
from lerobot_recorder.topics import RobotSetup, RowSettings, StreamSettings, binding_of
from lerobot_recorder.video import EncoderSettings, probe, read_frames

TOP = "observation.images.top"
FPS = 30
URDF_JOINTS = tuple(f"robot/{joint}_joint" for joint in JOINTS)
STREAMS = {
    "state": StreamSettings(
        topic="/joint_states", names=URDF_JOINTS, aliases=JOINTS, unit="so100", calibration="sim"
    ),
    "action": StreamSettings(topic="/joint_commands", names=JOINTS, unit="degrees"),
    "top": StreamSettings(topic="/top/image_raw"),
}
VALUES = {"dtype": "float32", "shape": (6,), "names": [f"{joint}.pos" for joint in JOINTS]}
SUCCESS = "next.success"
FEATURES = {
    SUCCESS: {"dtype": "bool", "shape": (1,), "names": None},
    "observation.state": VALUES,
    "action": VALUES,
    TOP: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
}
LENGTHS = (7, 5)
FAST = EncoderSettings(vcodec="h264", crf=10)


class Types:
    def fields(self, message_type: str) -> dict[str, str]:
        return {"header": "std_msgs/Header"} if "/" in message_type else {}


def set_up(streams=STREAMS) -> dict[str, str]:
    bindings = [binding_of(name, settings, "raw", Types()) for name, settings in streams.items()]
    setup = RobotSetup(bindings, streams, RowSettings(FPS, tuple(streams)), "so_follower")
    setup.robot_description = "<robot/>"
    return {**setup.files(), "camera_info/top.yaml": CALIBRATION}


CALIBRATION = yaml.safe_dump(
    {
        "image_width": WIDTH,
        "image_height": HEIGHT,
        "camera_matrix": {"rows": 3, "cols": 3, "data": [60.0, 0, 32, 0, 60, 24, 0, 0, 1]},
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, 0, 0, 0, 0]},
    }
)


def record(root, setups, seed=0):
    """Record an episode with each set-up."""
    random = np.random.default_rng(seed)
    for number, (setup, length) in enumerate(zip(setups, LENGTHS, strict=False)):
        with (
            EpisodeRecorder(root, FEATURES, FPS, robot_type="so_follower", setup=setup) as recorder,
            recorder.episode(f"task {number}") as episode,
        ):
            for picture in pictures(number, length):
                values = random.uniform(-170, 170, 6).astype(np.float32)
                values[5] = random.choice([0, 100, random.uniform(0, 100)])
                action = random.uniform(-170, 170, 6).astype(np.float32)
                row = {"observation.state": values, "action": action, TOP: picture}
                episode.add({**row, SUCCESS: np.zeros(1, bool)})
    with BatchEncoder(root, settings=FAST):
        pass
    DatasetEditor(root).set_success(Selection([0]), True)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return record(tmp_path_factory.mktemp("recorded") / "dataset", [set_up()] * 2)


def import_again(bag, config, root):
    """Import a bag as `import --from-recorder` does."""
    session = ImportSession(root, read_parameters(config), Cutting("recorder"))
    session.open([bag])
    for job in session.jobs():
        report = import_bag(job)
        assert (report.error, [each.reasons for each in report.episodes]) == ("", [()] * len(LENGTHS))
    with BatchEncoder(root, settings=FAST):
        pass
    return root


def frames(root):
    return np.array(read_frames(root / f"videos/{TOP}/chunk-000/file-000.mp4", range(sum(LENGTHS))), float)


@pytest.mark.parametrize(("name", "images"), [("bag.mcap", "jpeg"), ("folder", "video")])
def test_an_exported_dataset_is_imported_with_the_same_rows(root, tmp_path, name, images):
    exported = export_bag(root, tmp_path / name, parameters=tmp_path / "robot.yaml", images=images)
    assert not [note for note in exported.notes if "again" in note]
    again = import_again(tmp_path / name, tmp_path / "robot.yaml", tmp_path / "again")
    assert list(check(again, probe)) == []
    for number, length in enumerate(LENGTHS):
        old, new = RecordedEpisode(root, number), RecordedEpisode(again, number)
        assert (new.length, new.task) == (length, f"task {number}")
        assert new.recording["success"] is (True if number == 0 else None)
        for key in ("observation.state", "action", SUCCESS):
            assert new.vectors(key).names == old.vectors(key).names
            assert np.array_equal(new.vectors(key).rows, old.vectors(key).rows)
    assert np.abs(frames(again) - frames(root)).mean() < 4
    starts = [Source(each).recordings[0]["started_at_ns"] for each in (root, again)]
    assert starts[0] == starts[1]
    old, new = Source(root).setup(0), Source(again).setup(0)
    assert new["robot_description.urdf"] == "<robot/>"
    assert json.loads(new["calibrations/follower.json"]) == json.loads(old["calibrations/follower.json"])
    assert yaml.safe_load(new["camera_info/top.yaml"])["camera_matrix"]["data"][0] == 60


def test_joints_have_the_names_and_the_unit_of_the_robot(root, tmp_path):
    export_bag(root, tmp_path / "bag.mcap", images="none")
    with AnyReader([tmp_path / "bag.mcap"]) as reader:
        found = {c.topic: reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()}
    last = RecordedEpisode(root, 1)
    state, action = (last.vectors(key).rows[-1] for key in ("observation.state", "action"))
    assert tuple(found["/observation/state"].name) == URDF_JOINTS
    assert found["/observation/state"].position == pytest.approx(SIMULATED.from_lerobot_units(state))
    assert found["/action"].position == pytest.approx(np.radians(action))
    assert found["/robot_description"].data == "<robot/>"


def test_a_calibration_has_the_stamp_of_its_image(root, tmp_path):
    export_bag(root, tmp_path / "bag.mcap", images="video")
    with AnyReader([tmp_path / "bag.mcap"]) as reader:
        found = [(c.topic, reader.deserialize(raw, c.msgtype)) for c, _, raw in reader.messages()]
    infos = [message for topic, message in found if topic == "/observation/images/top/camera_info"]
    videos = [message for topic, message in found if topic == "/observation/images/top/video"]
    assert [info.header.stamp for info in infos] == [video.timestamp for video in videos]
    assert {(info.width, info.height, info.k[0], info.d[0]) for info in infos} == {(WIDTH, HEIGHT, 60, 0.1)}


def test_one_parameter_file_for_two_calibrations_is_refused(tmp_path):
    other = {**set_up()}
    other["calibrations/follower.json"] = SIMULATED.text().replace("-117", "-118")
    root = record(tmp_path / "dataset", [set_up(), other])
    with pytest.raises(ConfigError, match="no parameter file can be right for episodes 0 and 1"):
        export_bag(root, tmp_path / "bag.mcap", parameters=tmp_path / "robot.yaml")
    export_bag(root, tmp_path / "bag.mcap", episodes=[1], parameters=tmp_path / "robot.yaml")
    assert "setup/" in (tmp_path / "robot.yaml").read_text()


def test_a_damaged_set_up_leaves_values_as_they_are(tmp_path):
    root = record(tmp_path / "dataset", [{**set_up(), "setup.json": '{"features": {"action": [{}]}}'}])
    export_bag(root, tmp_path / "bag.mcap", images="none")
    with AnyReader([tmp_path / "bag.mcap"]) as reader:
        found = {c.topic: reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()}
    assert tuple(found["/action"].name) == JOINTS
    assert found["/action"].position.tolist() == RecordedEpisode(root, 0).vectors("action").rows[-1].tolist()


def test_a_dataset_of_another_program_and_depth_are_imported_again(tmp_path):
    root, depths = tmp_path / "dataset", [0, 20, 100, 1000]
    record_depth(root, depths)
    with BatchEncoder(root):
        pass
    shutil.rmtree(root / "meta/recordings")
    export_bag(root, tmp_path / "bag.mcap", parameters=tmp_path / "robot.yaml")
    session = ImportSession(tmp_path / "again", read_parameters(tmp_path / "robot.yaml"), Cutting("recorder"))
    session.open([tmp_path / "bag.mcap"])
    (episode,) = import_bag(session.jobs()[0]).episodes
    assert (episode.verdict, episode.started_at_ns, episode.task) == ("good", 10**9, "Count")
    (spooled,) = Spool(tmp_path / "again").ready()
    assert spooled.rows()["observation.state"][:, 0].tolist() == depths
    found = [int(np.median(image)) for image in spooled.frames(DEPTH)]
    assert found == pytest.approx([depth * STEP_MM for depth in depths], abs=2)


def test_parts_of_an_episode_keep_their_times(tmp_path):
    root = record(tmp_path / "dataset", [set_up()])
    started_ns = Source(root).recordings[0]["started_at_ns"]
    DatasetEditor(root).split(0, 3 / FPS)
    export_bag(root, tmp_path / "bag.mcap", images="none")
    with AnyReader([tmp_path / "bag.mcap"]) as reader:
        times = [t for c, t, _ in reader.messages() if c.topic == "/action"]
    assert [round((each - started_ns) * FPS / 1e9) for each in times] == list(range(7))


def test_texts_and_values_that_are_no_joints_keep_their_names(tmp_path):
    features = {
        "observation.stick": {"dtype": "float32", "shape": (2,), "names": ["axes[0]", "force.x"]},
        "action": {"dtype": "float32", "shape": (1,), "names": ["data"]},
        "instruction": {"dtype": "string", "shape": (1,), "names": None},
    }
    for length in LENGTHS:
        with EpisodeRecorder(tmp_path / "old", features, FPS) as recorder, recorder.episode("t") as episode:
            for number in range(length):
                stick, action = np.full(2, number, np.float32), np.full(1, -number, np.float32)
                said = f"say {number // 3}"
                episode.add({"observation.stick": stick, "action": action, "instruction": said})
    with BatchEncoder(tmp_path / "old"):
        pass
    export_bag(tmp_path / "old", tmp_path / "bag.mcap", parameters=tmp_path / "robot.yaml")
    again = import_again(tmp_path / "bag.mcap", tmp_path / "robot.yaml", tmp_path / "again")
    tables = [pq.read_table(root / "data/chunk-000/file-000.parquet") for root in (tmp_path / "old", again)]
    for key, feature in features.items():
        assert tables[0][key].to_pylist() == tables[1][key].to_pylist()
        assert Source(again).info.features[key]["names"] == feature["names"]


@pytest.mark.parametrize("images", ["jpeg", "video"])
def test_images_with_odd_sides_keep_their_size(tmp_path, images):
    features = {TOP: {**FEATURES[TOP], "shape": (HEIGHT - 1, WIDTH - 1, 3)}, "action": VALUES}
    with (
        EpisodeRecorder(tmp_path / "old", features, FPS, image_format="png") as recorder,
        recorder.episode("t") as episode,
    ):
        for picture in pictures(0, LENGTHS[0]):
            episode.add({TOP: picture[:-1, :-1], "action": np.zeros(6, np.float32)})
    with BatchEncoder(tmp_path / "old"):
        pass
    export_bag(tmp_path / "old", tmp_path / "bag.mcap", parameters=tmp_path / "robot.yaml", images=images)
    session = ImportSession(tmp_path / "again", read_parameters(tmp_path / "robot.yaml"), Cutting("recorder"))
    session.open([tmp_path / "bag.mcap"])
    (episode,) = import_bag(session.jobs()[0]).episodes
    assert (episode.verdict, episode.rows) == ("good", LENGTHS[0])
    (spooled,) = Spool(tmp_path / "again").ready()
    assert spooled.manifest.features[TOP]["shape"][:2] == [HEIGHT - 1, WIDTH - 1]
