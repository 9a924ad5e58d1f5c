from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.arms.kinematics import forward, grasp_point, reach
from lerobot_recorder.errors import ConfigError

TIP = (0.0981, 0.0, -0.0079)
"""Tip of the fixed jaw, in the gripper's frame."""

BODY = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")


def tip(**joints: float) -> np.ndarray:
    return (forward(joints)["gripper"] @ (*TIP, 1.0))[:3]


@pytest.mark.parametrize(
    ("joints", "expected"),
    [
        # From so101_new_calib.urdf: its gripperframe, turned to look along x and lowered to the table.
        ({}, (0.3525, 0.0, 0.2265)),
        ({"shoulder_lift": 0.3}, (0.3706, 0.0, 0.1264)),
        ({"elbow_flex": 0.3}, (0.3386, 0.0, 0.1397)),
        ({"wrist_flex": 0.3}, (0.3431, 0.0, 0.1798)),
        ({"shoulder_pan": 0.3}, (0.3367, -0.1042, 0.2265)),
    ],
)
def test_the_tip_is_where_the_urdf_has_it(joints, expected):
    assert tip(**joints) == pytest.approx(expected, abs=4e-4)


def test_the_gripper_opens_away_from_the_fixed_jaw():
    closed, opened = (forward({"gripper": angle})["jaw"] @ (0.075, 0, 0, 1) for angle in (0.0, 1.0))
    assert opened[2] > closed[2] + 0.04


@given(
    bearing=st.floats(-1.2, 1.2),
    distance=st.floats(0.18, 0.26),
    z=st.floats(0.0, 0.1),
    pitch=st.floats(1.0, 1.57),
)
def test_reach_moves_the_grasp_point_to_the_position(bearing, distance, z, pitch):
    target = distance * math.cos(bearing), distance * math.sin(bearing), z
    joints = reach(*target, pitch)
    assert set(joints) == set(BODY)
    assert grasp_point(joints) == pytest.approx(target, abs=1e-9)
    assert joints["shoulder_lift"] + joints["elbow_flex"] + joints["wrist_flex"] == pytest.approx(pitch)


def test_a_position_out_of_reach_is_refused():
    with pytest.raises(ConfigError, match="cannot reach"):
        reach(0.6, 0, 0)
