from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.arms.kinematics import RESTING, forward, reach
from lerobot_recorder.simulation.scene.arm import CUBE
from lerobot_recorder.simulation.scene.renderer import Renderer
from lerobot_recorder.simulation.scene.viewpoint import TOP, VIEWPOINTS, look, viewpoint_of
from lerobot_recorder.simulation.tabletop import SPOTS, Tabletop

WIDTH, HEIGHT = 320, 240
UPRIGHT: dict[str, float] = {}


def frames(joints: dict[str, float]) -> dict[str, np.ndarray]:
    return forward(joints) | {"cube": Tabletop().update(joints, 0.0).frame}


def draw(camera: str, joints: dict[str, float], size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    return Renderer(viewpoint_of(camera), *size).draw(frames(joints))


def cube_pixels(image: np.ndarray) -> np.ndarray:
    """Pixels that are blue as only the cube is: rows and columns."""
    red, _, blue = np.moveaxis(image.astype(int), 2, 0)
    return np.argwhere(blue - red > 60)


@pytest.mark.parametrize("camera", [*VIEWPOINTS, "gripper_cam"])
@pytest.mark.parametrize("size", [(320, 240), (640, 480), (424, 240), (99, 77)])
def test_an_image_has_the_asked_size_and_shape(camera, size):
    image = draw(camera, RESTING, size)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


def test_the_viewpoint_goes_by_the_cameras_name():
    assert viewpoint_of("left_Wrist_cam") is VIEWPOINTS["wrist"]
    assert viewpoint_of("top") is TOP
    assert viewpoint_of("cam_high") is TOP


@pytest.mark.parametrize("camera", ["top", "wrist"])
def test_another_pose_is_another_image(camera):
    before, after = (draw(camera, pose).astype(int) for pose in (RESTING, reach(*SPOTS[0], 0.1)))
    assert np.abs(before - after).mean() > 5


def test_the_top_camera_stands_still():
    corner = np.s_[-60:, :60]
    before, after = (draw("top", pose)[corner].astype(int) for pose in (RESTING, UPRIGHT))
    assert np.abs(before.mean(axis=(0, 1)) - after.mean(axis=(0, 1))).max() < 3


def test_the_cube_is_seen_where_it_is():
    seen = cube_pixels(draw("top", RESTING)).mean(axis=0)[::-1]
    scene = frames(RESTING)
    expected, depth = look(TOP, scene, WIDTH, HEIGHT).project(scene["cube"][None, :3, 3])
    assert depth[0] > 0
    assert seen == pytest.approx(expected[0], abs=3)


def test_the_wrist_camera_sees_the_cube_between_the_jaws():
    rows, columns = cube_pixels(draw("wrist", reach(*SPOTS[0], 0.014) | {"gripper": 0.9})).T
    assert len(rows) > 500
    assert WIDTH / 4 < columns.mean() < 3 * WIDTH / 4


def test_the_wrist_camera_is_steady_on_its_own_gripper():
    """The fixed jaw is always at the same place of its image."""
    view = VIEWPOINTS["wrist"]
    places = []
    for joints in (RESTING, UPRIGHT, reach(*SPOTS[2], 0.05)):
        scene = frames(joints)
        tip = (scene["gripper"] @ (0.098, 0, -0.008, 1))[None, :3]
        places.append(look(view, scene, WIDTH, HEIGHT).project(tip)[0][0])
    assert places[1] == pytest.approx(places[0])
    assert places[2] == pytest.approx(places[0])


def test_looking_up_shows_no_table():
    image = draw("wrist", {"shoulder_lift": -1.6, "wrist_flex": -1.2})
    assert np.ptp(image[: HEIGHT // 3].astype(int).mean(axis=(0, 1))) < 12


def test_no_two_images_have_the_same_noise():
    renderer = Renderer(TOP, WIDTH, HEIGHT)
    first, second = (renderer.draw(frames(RESTING)).astype(float) for _ in range(2))
    assert 1.5 < np.std(first - second) / np.sqrt(2) < 6


def test_the_noise_has_no_bias():
    images = [draw("top", RESTING).astype(float) for _ in range(2)]
    assert abs(images[0].mean() - images[1].mean()) < 0.2


def test_the_cube_is_blue():
    assert CUBE[2] > CUBE[0] + 100
