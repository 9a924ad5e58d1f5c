#!/usr/bin/env bash
# swscale halves the colour resolution when it resizes an RGB picture to an RGB picture.
#
# Guess: resizing rgb24 to rgb24 treats the three channels alike, as if each were a grey picture.
# Seen with PyAV 19.0.2 (FFmpeg in its wheel), interpolation AREA, 640x480 to 224x224:
#   - each channel as a grey picture is within 1 level of the exact mean of the area;
#   - the same picture as rgb24 is more than 10 levels off, because colours pass through subsampled chroma on the way;
#   - a picture without colour (three equal channels) is within 1 level as rgb24, too, so grey test pictures hide it,
#   - and so does a factor of exactly two (320x240), which is within 1 level.
# Pictures for a policy of 224x224 so depend on the library that reduced them; OpenCV's INTER_AREA is exact in all cases.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'av==19.0.2' 'numpy==2.2.6' 'opencv-python-headless==4.12.0.88'
"$work/venv/bin/python" - <<'PY'
import av
import cv2
import numpy as np

HEIGHT, WIDTH = 480, 640
colours = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
grey = np.repeat(colours[..., :1], 3, axis=2)


def shares(old, new):
    """Return how much of each old pixel a new pixel covers, (new, old), each row with the sum 1."""
    edges, starts = np.arange(new + 1) * old / new, np.arange(old)
    overlaps = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return overlaps.clip(0) * new / old


def exact(picture, width, height):
    rows, columns = shares(HEIGHT, height), shares(WIDTH, width)
    return np.einsum("ij,jkc,lk->ilc", rows, picture.astype(float), columns, optimize=True)


def resized(picture, width, height, kind):
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=kind)
    return frame.reformat(width, height, kind, interpolation="AREA").to_ndarray()


print("PyAV", av.__version__)
for size in ((224, 224), (320, 240)):
    wanted = exact(colours, *size)
    channels = np.dstack([resized(colours[..., k], *size, "gray") for k in range(3)])
    found = {
        "channels one by one": np.abs(channels - wanted).max(),
        "rgb24": np.abs(resized(colours, *size, "rgb24") - wanted).max(),
        "rgb24 without colour": np.abs(resized(grey, *size, "rgb24") - exact(grey, *size)).max(),
        "OpenCV": np.abs(cv2.resize(colours, size, interpolation=cv2.INTER_AREA) - wanted).max(),
    }
    print(f"{size[0]}x{size[1]}, largest error:", ", ".join(f"{name} {value:.1f}" for name, value in found.items()))
    limit_reached = found.pop("rgb24") > 10
    assert limit_reached == (size == (224, 224))
    assert all(value <= 1.0 for value in found.values())
PY
