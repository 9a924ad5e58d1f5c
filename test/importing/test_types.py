"""Transforms, tasks and fields of types that only the bag defines."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bags import START_NS, Sent, stamp, store, write_bag

from lerobot_recorder.importing import Cutting, ImportSession, import_bag, read_parameters
from lerobot_recorder.spool import Spool

pytestmark = pytest.mark.usefixtures("transform_buffer")

CONFIG = """
/**/recorder:
  ros__parameters:
    repo_id: lab/types
    fps: 25
    task_topic: instruction
    streams: [hand, grip]
    hand.type: tf
    hand.parent: base
    hand.child: tool
    hand.rotation: rotation_vector
    grip.topic: /fingers
    grip.type: lab_msgs/msg/Fingers
    grip.field: fingers[1]
    grip.feature: action
"""
DEFINITIONS = {
    "lab_msgs/msg/Finger": "float32 force\nstring name",
    "lab_msgs/msg/Fingers": "std_msgs/Header header\nlab_msgs/Finger[2] fingers",
}
PERIOD_NS = 20_000_000


def transform(parent: str, child: str, log_ns: int, x: float, angle: float = 0.0) -> dict:
    header = {"frame_id": parent, "stamp": stamp(log_ns)}
    rotation = {"z": math.sin(angle / 2), "w": math.cos(angle / 2)}
    moved = {"translation": {"x": x}, "rotation": rotation}
    return {"header": header, "child_frame_id": child, "transform": moved}


def sent():
    held = {"transforms": [transform("arm", "tool", START_NS, 0.5)]}
    yield Sent("/tf_static", "tf2_msgs/msg/TFMessage", START_NS, held)
    yield Sent("/instruction", "std_msgs/msg/String", START_NS, {"data": "Turn"})
    for number in range(101):
        log_ns = START_NS + number * PERIOD_NS
        turned = {"transforms": [transform("base", "arm", log_ns, 1.0, 0.1 * number)]}
        yield Sent("/tf", "tf2_msgs/msg/TFMessage", log_ns, turned)
        fingers = {"fingers": [{}, {"force": float(number)}]}
        yield Sent("/fingers", "lab_msgs/msg/Fingers", log_ns, fingers)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_transforms_and_custom_fields_become_rows(tmp_path, storage):
    bag = write_bag(tmp_path / "bag", sent(), storage=storage, types=store(DEFINITIONS))
    (tmp_path / "robot.yaml").write_text(CONFIG)
    made = ImportSession(tmp_path / "data", read_parameters(tmp_path / "robot.yaml"), Cutting())
    made.open([bag])
    (job,) = made.jobs()
    report = import_bag(job)
    assert [each.verdict for each in report.episodes] == ["good"], (report.error, report.episodes)
    (episode,) = Spool(tmp_path / "data").ready()
    assert episode.manifest.task == "Turn"
    assert episode.manifest.features["action"]["names"] == ["fingers[1].force"]
    rows = episode.rows()
    forces = rows["action"][:, 0]
    assert forces.tolist() == [forces[0] + 2 * row for row in range(len(forces))]
    angles = rows["observation.hand"][:, 5]
    assert angles == pytest.approx(0.1 * forces, abs=1e-5)  # on and on, beyond half a turn
    assert angles[-1] > 9
    assert rows["observation.hand"][:, 0] == pytest.approx(
        1 + 0.5 * forces**0 * [math.cos(a) for a in angles]
    )


def test_a_bag_without_transforms_is_refused_with_the_topic(tmp_path):
    kept = [each for each in sent() if each.topic != "/tf"]
    bag = write_bag(tmp_path / "bag", kept, types=store(DEFINITIONS))
    (tmp_path / "robot.yaml").write_text(CONFIG)
    made = ImportSession(tmp_path / "data", read_parameters(tmp_path / "robot.yaml"), Cutting())
    made.open([bag])
    (job,) = made.jobs()
    assert import_bag(job).error.count("no topic /tf for the stream hand") == 1
