"""LeRobot's default reader finds every frame in any order; LEROBOT_PYTHON names a Python that has it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import numbered
import pytest

from lerobot_recorder import DatasetEditor
from lerobot_recorder.video import available_encoders

PYTHON = os.environ.get("LEROBOT_PYTHON")
SCRIPT = Path(__file__).with_name("random_reads.py")
ROOT = Path(__file__).parents[2]
FOREIGN = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def lerobot(*arguments: object, libraries: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"LD_LIBRARY_PATH": libraries} if libraries else {}
    command = [str(PYTHON), "-P", *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ffmpeg(tmp_path_factory) -> str:
    """Give torchcodec, which looks for an FFmpeg on the system, the one that PyAV brings."""
    package = Path(lerobot("-c", "import av; print(av.__file__)").strip()).parent
    bundled, links = package.with_name("av.libs"), tmp_path_factory.mktemp("ffmpeg")
    for library in bundled.glob("lib*.so.*"):
        if named := re.match(r"(lib(?:av|sw)\w+)-\w+(\.so\.\d+)", library.name):
            (links / f"{named[1]}{named[2]}").symlink_to(library)
    return f"{links}:{bundled}"


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc", "libaom-av1", "depth"])
def test_frames_read_in_random_order_are_those_asked_for(tmp_path, ffmpeg, vcodec):
    root = tmp_path / vcodec
    if vcodec in (*available_encoders(), "depth"):
        numbered.make_dataset(root, vcodec)
    else:  # LeRobot's PyAV has it
        lerobot(numbered.__file__, root, vcodec)
    found = json.loads(lerobot(SCRIPT, root, libraries=ffmpeg).splitlines()[-1])
    assert found == {"reader": "torchcodec", "frames": 3 * 61, "failures": []}


def test_av1_that_two_versions_have_encoded_is_read_in_random_order(tmp_path, ffmpeg):
    root = tmp_path / "data"
    lerobot(numbered.__file__, root, "libsvtav1")
    DatasetEditor(root).trim(0, 3 / 30)
    found = json.loads(lerobot(SCRIPT, root, libraries=ffmpeg).splitlines()[-1])
    assert found == {"reader": "torchcodec", "frames": 3 * 58, "failures": []}
