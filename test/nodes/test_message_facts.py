from __future__ import annotations

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from lerobot_recorder.discovery.seen import ARRAY, COMPRESSED, IMAGE, JOINT_STATE, TRAJECTORY
from lerobot_recorder.topics import facts_of

JPEG = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
MOVED = SimpleNamespace(header=SimpleNamespace(frame_id="base"), child_frame_id="tool")
POINT = JointTrajectoryPoint(velocities=[1.0])


@pytest.mark.parametrize(
    ("kind", "message", "facts"),
    [
        (JOINT_STATE, JointState(name=["a"], position=[1.0]), {"joints": ("a",), "field": "position"}),
        (JOINT_STATE, JointState(name=["a"], effort=[1.0]), {"joints": ("a",), "field": "effort"}),
        (TRAJECTORY, JointTrajectory(joint_names=["a"]), {"joints": ("a",)}),
        (
            TRAJECTORY,
            JointTrajectory(joint_names=["a"], points=[POINT]),
            {"joints": ("a",), "field": "velocity"},
        ),
        (ARRAY, Float64MultiArray(data=[1.0, 2.0]), {"values": 2, "field": "position"}),
        (
            IMAGE,
            Image(encoding="16UC1", width=64, height=48),
            {"encoding": "16UC1", "width": 64, "height": 48},
        ),
        (
            COMPRESSED,
            CompressedImage(format="rgb8; jpeg compressed bgr8", data=array.array("B", JPEG)),
            {"encoding": "jpeg", "width": 64, "height": 48},
        ),
        (COMPRESSED, CompressedImage(format="16UC1; compressedDepth png"), {"encoding": "16UC1"}),
        (COMPRESSED, CompressedImage(format="h264", data=array.array("B", b"\0\0\0\1")), {}),
    ],
)
def test_a_message_shows_what_its_topic_carries(kind, message, facts):
    assert facts_of("/topic", kind, message) == facts
