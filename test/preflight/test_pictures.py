from __future__ import annotations

import cv2
import numpy as np
import pytest

from lerobot_recorder.preflight.pictures import compare, problems


def told(picture: np.ndarray, references, camera: str = "top") -> list[tuple[str, str]]:
    return [(level, text) for level, text in problems(camera, np.ascontiguousarray(picture), references)]


@pytest.mark.parametrize("camera", ["top", "wrist"])
def test_noise_dim_light_and_another_pose_are_nothing(draw, references, camera):
    picture = draw(camera)
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    dim = (picture * 0.5).astype(np.uint8)
    for each in (picture, noisy, dim, draw(camera, 0.3)):
        assert told(each, references, camera) == []


@pytest.mark.parametrize(
    ("value", "sentence"), [(0, "black"), (12, "black"), (255, "overexposed: 100%"), (90, "of one colour")]
)
def test_a_picture_of_nothing_is_a_fault_also_without_a_reference(value, sentence):
    ((level, text),) = told(np.full((240, 320, 3), value, np.uint8), {})
    assert level == "fault"
    assert sentence in text


def test_a_blurred_picture_is_out_of_focus(draw, references):
    ((level, text),) = told(cv2.GaussianBlur(draw("top"), (0, 0), 2), references)
    assert (level, text.partition(":")[0]) == ("warning", "out of focus")


def test_a_camera_that_was_turned_a_little_is_reported_with_how_far(draw, references):
    ((level, text),) = told(np.roll(draw("top"), (8, 20), (0, 1)), references)
    assert level == "warning"
    assert "shifted by 20, 8 pixels" in text


def test_swapped_cameras_are_a_fault(draw, references):
    assert told(draw("wrist"), references, "top") == [
        ("fault", "shows what wrist showed last time: swapped?")
    ]


def test_another_view_is_a_warning(draw, references):
    ((level, text),) = told(draw("top")[::-1, ::-1], {"top": references["top"]})
    assert level == "warning"
    assert "last time" in text


def test_pictures_of_another_size_can_be_compared(draw):
    match = compare(cv2.resize(draw("top"), (640, 480)), draw("top"))
    assert not match.has_moved
    assert match.best > 0.9
