from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from lerobot_recorder.arms.calibration import JOINTS, SIMULATED
from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.nodes.message_types import InstalledTypes
from lerobot_recorder.topics import StreamBinding, StreamSettings, binding_of

POSE = np.radians([10.0, -20.0, 30.0, -40.0, 50.0, 35.0])
UNITS = SIMULATED.lerobot_units(POSE)


def so100_binding(names: list[str], **settings: object) -> StreamBinding:
    given = {"topic": "/arm/joint_states", "names": names, "unit": "so100", "calibration": "sim", **settings}
    return binding_of("state", StreamSettings(**given), "raw", InstalledTypes())


@pytest.mark.parametrize("arm", ["left", "right", "third"])
def test_each_of_several_arms_is_recorded_in_lerobots_units(arm: str) -> None:
    source = so100_binding(list(JOINTS), aliases=[f"{arm}_{joint}" for joint in JOINTS])
    assert source.take(JointState(name=JOINTS, position=POSE)) == pytest.approx(UNITS)
    assert source.stream.spec.names == tuple(f"{arm}_{joint}.pos" for joint in JOINTS)


@pytest.mark.parametrize("form", ["left_{}", "left/{}", "arm2_{}_joint", "{}_joint"])
def test_joints_with_a_common_prefix_are_recorded_in_lerobots_units(form: str) -> None:
    names = [form.format(joint) for joint in reversed(JOINTS)]
    message = JointState(name=["base", *names], position=[0.0, *POSE[::-1]])
    assert so100_binding(names).take(message) == pytest.approx(UNITS[::-1])


def test_joints_of_other_names_are_those_of_their_aliases() -> None:
    names = ["1", "2", "3", "4", "5", "6"]
    source = so100_binding(names, aliases=[f"left_{joint}" for joint in JOINTS])
    assert source.take(JointState(name=names, position=POSE)) == pytest.approx(UNITS)


@pytest.mark.parametrize(
    "names",
    [
        list(JOINTS[:5]),
        [*JOINTS[:5], "left_gripper"],
        [*JOINTS[:5], "jaw"],
        [f"{side}_{joint}" for side in ("left", "right") for joint in JOINTS],
    ],
)
def test_topics_of_other_robots_have_no_unit_of_an_arm(names: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"positions of one arm, .*: give each arm a stream of its own"):
        so100_binding(names)


def test_velocities_have_no_unit_of_an_arm() -> None:
    with pytest.raises(ConfigError, match="found the velocity of shoulder_pan"):
        so100_binding(list(JOINTS), field="velocity")


def test_a_text_is_recorded_from_any_field_that_is_one() -> None:
    said = StreamSettings(topic="/said", type="std_msgs/msg/String")
    binding = binding_of("instruction", said, "raw", InstalledTypes())
    assert (binding.stream.spec.is_text, binding.stream.spec.feature) == (True, "instruction")
    assert binding.take(String(data="Open")) == "Open"
    frame = StreamSettings(topic="/joints", field="header.frame_id", stamp="header", feature="frame")
    message = JointState()
    message.header.frame_id = "base"
    assert binding_of("frame", frame, "raw", InstalledTypes()).take(message) == "base"
    for text, why in (("x" * 300, "at most 256 bytes in UTF-8, found 300"), ("a\0b", "NUL")):
        with pytest.raises(StreamError, match=why):
            binding.take(String(data=text))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"feature": "observation.text"}, "policies take features that begin with observation"),
        ({"names": ("a",)}, r"says\.names: has no meaning for the text data of std_msgs/msg/String"),
        ({"stamp": "header"}, r"says\.stamp: std_msgs/msg/String has no header"),
    ],
)
def test_parameters_that_a_text_cannot_have_are_refused(settings: dict, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        binding_of(
            "says",
            StreamSettings(topic="/t", type="std_msgs/msg/String", **settings),
            "raw",
            InstalledTypes(),
        )
