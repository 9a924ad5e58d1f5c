from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lerobot_recorder.video.settings import available_encoders

ENCODE = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from lerobot_recorder.errors import VideoError
from lerobot_recorder.video import encode
from lerobot_recorder.video.settings import EncoderSettings

settings = EncoderSettings(vcodec=sys.argv[2]).resolved()
images = [np.full((120 * 3 // 2, 160), k, np.uint8) for k in range(5)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
try:
    encode(images, Path(sys.argv[1]), fps=30, width=160, height=120, settings=settings)
except VideoError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "vcodec", [each for each in ("libsvtav1", "h264", "hevc") if each in available_encoders()]
)
def test_a_file_whose_first_byte_cannot_be_written_is_an_error(tmp_path: Path, vcodec: str) -> None:
    command = [sys.executable, "-c", ENCODE, str(tmp_path / "video.mp4"), vcodec]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    assert f"video.mp4 cannot be encoded with {vcodec}: [Errno 27] File too large" in done.stdout
