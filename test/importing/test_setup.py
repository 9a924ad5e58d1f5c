"""What an import keeps of the robot."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import START_NS, write_bag, write_config

from lerobot_recorder import BatchEncoder
from lerobot_recorder.bags import BagWriter, open_bag
from lerobot_recorder.dataset import Source
from lerobot_recorder.importing import Cutting, ImportSession, import_bag, read_parameters
from lerobot_recorder.spool import Spool, setup_of
from lerobot_recorder.video import EncoderSettings

INFO = {"width": 64, "height": 48, "distortion_model": "plumb_bob", "d": [0.0] * 5}
INFO |= {"k": [60.0, 0, 32, 0, 60, 24, 0, 0, 1], "r": [1.0, 0, 0, 0, 1, 0, 0, 0, 1], "p": [0.0] * 12}


def test_urdf_calibration_and_parameters_are_kept(tmp_path):
    marks = [
        (0.1, "/robot_description", "std_msgs/msg/String", {"data": "<robot/>"}),
        *((at, "/cam/camera_info", "sensor_msgs/msg/CameraInfo", INFO) for at in (0.1, 0.2)),
    ]
    path = write_bag(tmp_path / "bag.mcap", 1, marks=marks)
    config = write_config(tmp_path / "robot.yaml", robot_type="arm")
    session = ImportSession(tmp_path / "data", read_parameters(config), Cutting())
    session.open([path])
    for job in session.jobs():
        assert [each.verdict for each in import_bag(job).episodes] == ["good"]
    files = setup_of(Spool(tmp_path / "data").ready()[0])
    assert files["robot_description.urdf"] == "<robot/>"
    assert "60.0" in files["camera_info/cam.yaml"]
    assert files["parameters/robot.yaml"] == config.read_text()
    described = json.loads(files["setup.json"])
    assert described["robot_type"] == "arm"
    assert described["features"]["observation.state"][0]["joints"] == ["one", "two"]


def test_the_kept_parameters_can_be_imported_with(tmp_path):
    path = write_bag(tmp_path / "bag.mcap", 1)
    session = ImportSession(
        tmp_path / "data", read_parameters(write_config(tmp_path / "robot.yaml")), Cutting()
    )
    session.open([path])
    import_bag(session.jobs()[0])
    kept = tmp_path / "recorder.yaml"
    kept.write_text(setup_of(Spool(tmp_path / "data").ready()[0])["recorder.yaml"])
    with open_bag(path):
        assert read_parameters(kept).streams == session.parameters.streams


PINHOLE = {**INFO, "k": [60.0, 0, 31, 0, 61, 23, 0, 0, 1], "d": [0.1, 0.2, 0.01, 0.02, 0.3]}
PINHOLE["p"] = [60.0, 0, 31, 0, 0, 61, 23, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("rotate", "resize", "size", "focal", "center", "tangential", "dot"),
    [
        # The crop moves the center (31, 23) to (23, 19), half the size maps x to (x + 0.5) / 2 - 0.5.
        (0, [24, 20], (24, 20), (30.0, 30.5), (11.25, 9.25), (0.01, 0.02), (6, 3)),
        # Clockwise, (x, y) of the 48x40 pixels of the crop becomes (39 - y, x): the center is (20, 23).
        (90, [20, 24], (20, 24), (30.5, 30.0), (9.75, 11.25), (0.02, -0.01), (16, 6)),
    ],
)
def test_a_calibration_fits_the_images_that_were_cropped_rotated_and_resized(
    tmp_path, rotate, resize, size, focal, center, tangential, dot
):
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[10:12, 20:22] = 200  # the pixels (12, 6) to (13, 7) of the crop
    image = {"height": 48, "width": 64, "encoding": "rgb8", "step": 192, "data": pixels.tobytes()}
    with BagWriter(tmp_path / "bag.mcap") as bag:
        for number in range(10):
            time_ns = START_NS + number * 10**8
            bag.add("/cam/camera_info", "sensor_msgs/msg/CameraInfo", time_ns, PINHOLE)
            bag.add("/cam/image_raw", "sensor_msgs/msg/Image", time_ns, image)
    changes = {"cam.crop": [8, 4, 48, 40], "cam.rotate": rotate, "cam.resize": resize}
    given = {"streams": ["cam"], "cam.topic": "/cam/image_raw", "fps": 10, **changes}
    parameters = read_parameters(write_config(tmp_path / "robot.yaml", "receive", **given))
    session = ImportSession(tmp_path / "data", parameters, Cutting())
    session.open([tmp_path / "bag.mcap"])
    assert [each.verdict for each in import_bag(session.jobs()[0]).episodes] == ["good"]
    (episode,) = Spool(tmp_path / "data").ready()
    kept = yaml.safe_load(setup_of(episode)["camera_info/cam.yaml"])
    assert (kept["image_width"], kept["image_height"]) == size
    (fx, fy), (cx, cy) = focal, center
    assert kept["camera_matrix"]["data"] == pytest.approx([fx, 0, cx, 0, fy, cy, 0, 0, 1])
    projection = [fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0]
    assert kept["projection_matrix"]["data"] == pytest.approx(projection)
    assert kept["distortion_coefficients"]["data"] == pytest.approx([0.1, 0.2, *tangential, 0.3])
    (width, height), (x, y) = size, dot
    planes = list(episode.frames("observation.images.cam"))[5]  # Y above U and V
    assert planes.shape == (height * 3 // 2, width)
    assert planes[y, x] > 150
    assert planes[:height].argmax() == y * width + x
    files = [setup_of(episode)]
    if not rotate:  # the dataset gets the same files
        with BatchEncoder(tmp_path / "data", settings=EncoderSettings(vcodec="h264")):
            pass
        files.append(Source(tmp_path / "data").setup(0))
    assert len({each["camera_info/cam.yaml"] for each in files}) == 1
