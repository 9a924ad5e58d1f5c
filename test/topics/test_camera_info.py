"""The calibration of changed images: a point in space must be where its pixel went."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lerobot_recorder.recording import ImageGeometry
from lerobot_recorder.topics import adjusted_camera_info

INFO = {
    "header": {"frame_id": "camera"},
    "width": 640,
    "height": 480,
    "distortion_model": "plumb_bob",
    "d": [0.1, -0.05, 0.002, -0.003, 0.01],
    "k": [510.0, 0.0, 322.5, 0.0, 505.0, 238.25, 0.0, 0.0, 1.0],
    "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    "p": [500.0, 0.0, 320.0, -50.0, 0.0, 500.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "binning_x": 0,
    "binning_y": 0,
    "roi": {"x_offset": 0, "y_offset": 0, "width": 0, "height": 0, "do_rectify": False},
}
POINTS = np.array([[0.1, -0.2, 1.0], [-0.3, 0.15, 1.2], [0.0, 0.0, 0.8]])


def seen(info: dict, points: np.ndarray) -> np.ndarray:
    """Return where a camera of this calibration sees points: pixels, (n, 2)."""
    k = np.array(info["k"]).reshape(3, 3)
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, np.array(info["d"]))[0][:, 0]


def rectified(info: dict, points: np.ndarray) -> np.ndarray:
    """Return where points are in the rectified image."""
    r, p = np.array(info["r"]).reshape(3, 3), np.array(info["p"]).reshape(3, 4)
    image = p @ np.vstack([r @ points.T, np.ones(len(points))])
    return (image[:2] / image[2]).T


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_points_are_where_their_pixels_went(degrees):
    geometry = ImageGeometry((40, 20, 500, 400), degrees, (200, 160))
    wide, high = (400, 500) if degrees in (90, 270) else (500, 400)

    def moved(pixels: np.ndarray) -> np.ndarray:
        u, v = (pixels - (40, 20)).T
        turned = {0: (u, v), 90: (399 - v, u), 180: (499 - u, 399 - v), 270: (v, 499 - u)}[degrees]
        return (np.stack(turned, axis=1) + 0.5) * (200 / wide, 160 / high) - 0.5

    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    info = adjusted_camera_info(INFO, geometry)
    assert (info["width"], info["height"]) == (200, 160)
    assert info["header"] == INFO["header"]
    assert seen(info, POINTS @ turn.T) == pytest.approx(moved(seen(INFO, POINTS)), abs=1e-6)
    assert rectified(info, POINTS @ turn.T) == pytest.approx(moved(rectified(INFO, POINTS)), abs=1e-6)


def test_the_pixels_of_the_image_agree_with_its_calibration():
    square = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(square, (400, 160), 12, (255, 255, 255), -1)
    geometry = ImageGeometry((101, 31, 400, 400), 90, (100, 100))
    info = adjusted_camera_info({**INFO, "d": [0.0] * 5}, geometry)
    y, x = np.nonzero(geometry.apply(square)[..., 0])
    k = np.array(INFO["k"]).reshape(3, 3)
    ray = np.linalg.inv(k) @ (400, 160, 1)
    turned = np.array([[-ray[1], ray[0], 1.0]])
    assert (x.mean(), y.mean()) == pytest.approx(seen(info, turned)[0], abs=0.1)


def test_a_region_of_interest_and_binning_are_taken_into_account():
    roi = {"x_offset": 100, "y_offset": 60, "width": 400, "height": 300, "do_rectify": True}
    info = adjusted_camera_info({**INFO, "binning_x": 2, "binning_y": 2, "roi": roi}, ImageGeometry())
    assert (info["width"], info["height"], info["binning_x"], info["binning_y"]) == (200, 150, 0, 0)
    assert info["roi"] == {"x_offset": 0, "y_offset": 0, "width": 0, "height": 0, "do_rectify": True}
    expected = (seen(INFO, POINTS) - (100, 60) + 0.5) / 2 - 0.5
    assert seen(info, POINTS) == pytest.approx(expected, abs=1e-6)


def test_images_that_stay_as_they_are_keep_their_calibration():
    assert adjusted_camera_info(INFO, ImageGeometry()) == INFO
    odd = adjusted_camera_info({**INFO, "width": 641}, ImageGeometry(odd_size="pad"))
    assert odd == {**INFO, "width": 642}
