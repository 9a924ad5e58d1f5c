from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from lerobot_recorder.arms.kinematics import RESTING, reach
from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.simulation import SimulatedCamera
from lerobot_recorder.simulation.camera import tabletop_of
from lerobot_recorder.simulation.tabletop import CUBE_SIDE, SPOTS


class Arm:
    def __init__(self) -> None:
        self.joints = dict(RESTING)

    def pose(self) -> dict[str, float]:
        return self.joints


@pytest.fixture
def arm() -> Arm:
    return Arm()


def settings(name: str = "top", **values) -> CameraSettings:
    return CameraSettings(name, "sim", **{"width": 160, "height": 120, "fps": 200} | values)


def test_an_image_is_stamped_when_the_pose_is_taken(arm):
    before_ns = time.time_ns()
    camera = SimulatedCamera(settings(), arm.pose)
    stamps = [camera.read(want_rgb=True).stamp_ns for _ in range(4)]
    assert before_ns <= stamps[0]
    assert stamps == sorted(set(stamps))
    assert stamps[-1] <= time.time_ns()


def test_nothing_is_drawn_that_nobody_wants(arm):
    image = SimulatedCamera(settings(), arm.pose).read(want_rgb=False)
    assert (image.rgb, image.jpeg, image.width, image.height) == (None, None, 160, 120)


@pytest.mark.parametrize("want_rgb", [True, False])
def test_it_can_give_jpeg_as_a_webcam_does(arm, want_rgb):
    image = SimulatedCamera(settings(pixel_format="mjpeg"), arm.pose).read(want_rgb)
    assert cv2.imdecode(np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)
    assert (image.rgb is not None) == want_rgb


def test_all_cameras_of_an_arm_see_the_same_cube(arm):
    cameras = [SimulatedCamera(settings(name), arm.pose) for name in ("top", "wrist")]
    arm.joints = reach(*SPOTS[0], CUBE_SIDE / 2) | {"gripper": 0.9}
    cameras[0].read(want_rgb=False)
    arm.joints = arm.joints | {"gripper": 0.36}
    cameras[1].read(want_rgb=False)
    assert tabletop_of(arm.pose).update(arm.joints, 0.0).held


def test_two_arms_have_a_table_each(arm):
    assert tabletop_of(arm.pose) is tabletop_of(arm.pose)
    assert tabletop_of(arm.pose) is not tabletop_of(Arm().pose)


def test_without_an_arm_it_shows_one_at_rest():
    image = SimulatedCamera(settings()).read(want_rgb=True)
    at_rest = SimulatedCamera(settings(), lambda: RESTING).read(want_rgb=True)
    assert image is not None
    assert at_rest is not None
    assert np.abs(image.rgb.astype(int) - at_rest.rgb).mean() < 5
