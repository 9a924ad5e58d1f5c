from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lerobot_recorder.arms.kinematics import RESTING, forward
from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.cameras.calibration import load_camera_calibration, save_camera_calibration
from lerobot_recorder.errors import CalibrationError
from lerobot_recorder.simulation import simulated_calibration
from lerobot_recorder.simulation.scene.viewpoint import look, viewpoint_of

FILE = """\
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.783367, 0.000000, 305.593336, 0.000000, 437.302876, 243.738352, 0.000000, 0.000000, 1.000000]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [0.999978, 0.002789, -0.006046, -0.002816, 0.999986, -0.004401, 0.006034, 0.004417, 0.999972]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.653800, 0, 322.797939, 0, 0, 393.653800, 241.090902, 0, 0, 0, 1, 0]
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(FILE)
    return path


def test_the_file_of_camera_calibration_is_read(path):
    calibration = load_camera_calibration(path)
    assert (calibration.width, calibration.height, calibration.distortion_model) == (640, 480, "plumb_bob")
    assert calibration.intrinsics[4] == 437.302876
    assert calibration.distortion[0] == -0.361976
    assert calibration.rectification[1] == 0.002789
    assert calibration.projection[2] == 322.797939


def test_without_rectification_the_image_is_projected_as_it_is(path):
    path.write_text(FILE[: FILE.index("rectification")])
    calibration = load_camera_calibration(path)
    assert calibration.rectification == tuple(np.eye(3).ravel())
    assert calibration.projection[:3] == calibration.intrinsics[:3]


@pytest.mark.parametrize(
    "content",
    ["", "[1, 2]", ": :", FILE.replace("camera_matrix", "matrix"), FILE.replace(", 1.000000]", "]")],
)
def test_another_file_is_refused_by_name(path, content):
    path.write_text(content)
    with pytest.raises(CalibrationError, match=r"camera\.yaml"):
        load_camera_calibration(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CalibrationError, match=r"gone\.yaml"):
        load_camera_calibration(tmp_path / "gone.yaml")


def test_a_simulated_camera_projects_according_to_its_calibration():
    settings = CameraSettings("top", "sim", width=320, height=240)
    projection = np.reshape(simulated_calibration(settings).projection, (3, 4))
    view = look(viewpoint_of("top"), forward(RESTING), 320, 240)
    point = np.array([0.2, 0.05, 0.02])
    seen = projection @ (*(view.world_to_camera @ (*point, 1.0)), 1.0)
    assert seen[:2] / seen[2] == pytest.approx(view.project(point[None])[0][0])


def test_a_file_that_is_too_large_for_a_calibration_is_not_read(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CalibrationError, match="larger than 1048576 bytes"):
        load_camera_calibration(path)


def test_a_saved_calibration_is_the_same_when_it_is_loaded(path, tmp_path):
    calibration = load_camera_calibration(path)
    copy = tmp_path / "new" / "copy.yaml"
    save_camera_calibration(copy, "top", calibration)
    assert load_camera_calibration(copy) == calibration


def test_what_is_no_calibration_is_not_saved(path):
    before = path.read_text()
    calibration = load_camera_calibration(path)
    for wrong in (
        replace(calibration, width=0),
        replace(calibration, intrinsics=(0.0,) * 9),
        replace(calibration, distortion=(float("nan"),)),
    ):
        with pytest.raises(CalibrationError, match="camera top: expected"):
            save_camera_calibration(path, "top", wrong)
    assert path.read_text() == before
