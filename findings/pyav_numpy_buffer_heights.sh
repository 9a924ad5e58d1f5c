#!/usr/bin/env bash
# VideoFrame.from_numpy_buffer loses lines of yuv420p and nv12 pictures whose height is no multiple of 4.
#
# Guess: from_numpy_buffer and from_ndarray, given the same array, make frames of the same size.
# Seen with PyAV 15.1.0 and 19.0.2, an array of 405 x 480 bytes, which is a yuv420p picture of 480x270:
#   from_ndarray makes a frame of 480x270, from_numpy_buffer one of 480x268, without an error; nv12 alike.
#   A picture of 480x272 (408 lines) is the same by both. The documentation names no such limit.
# 480x270 is the usual half of 960x540, and loses two lines.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/heights.py" <<'PY'
import av
import numpy as np

print("PyAV", av.__version__)
for height in (270, 272):
    for kind in ("yuv420p", "nv12"):
        planes = np.zeros((height * 3 // 2, 480), np.uint8)
        copied = av.VideoFrame.from_ndarray(planes, format=kind)
        shared = av.VideoFrame.from_numpy_buffer(planes, format=kind)
        print(f"{kind} 480x{height}: from_ndarray {copied.height}, from_numpy_buffer {shared.height} lines")
        assert copied.height == height
        assert shared.height == (268 if height == 270 else height)
PY
for version in 15.1.0 19.0.2; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "av==$version" 'numpy==2.2.6'
    "$work/$version/bin/python" "$work/heights.py"
done
