#!/usr/bin/env bash
# OpenCV's wheels open an AV1 video, count its frames, and decode none of them.
#
# Guess: a video that cv2.VideoCapture opens, with the right size and frame count, can be read; one that it cannot
#   decode is not opened.
# Seen with opencv-python-headless 4.13.0.92 and 5.0.0.93 on a video of ten frames that PyAV 19.0.2 made with libsvtav1:
#   isOpened() is True, CAP_PROP_FRAME_COUNT is 10, width and height are right, and the first read() returns False, like
#   at the end of a video. The same pictures in VP9 and H.264 are read completely.
# So tools that draw or check LeRobot datasets (AV1 by default) with OpenCV see empty videos, without an error.
set -euo pipefail
python=${PYTHON:-python3.12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/read.py" <<'PY'
import av
import cv2
import numpy as np

FRAMES = 10


def encode(path, codec, options):
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, 30, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for index in range(FRAMES):
            picture = np.full((128, 160, 3), 20 + 20 * index, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def read(path):
    video, decoded = cv2.VideoCapture(path), 0
    while video.read()[0]:
        decoded += 1
    size = video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    return video.isOpened(), size, int(video.get(cv2.CAP_PROP_FRAME_COUNT)), decoded


print("cv2", cv2.__version__)
AV1 = {"preset": "10", "svtav1-params": "lp=1"}
for codec, options, expected in (("libsvtav1", AV1, 0), ("libvpx-vp9", {}, FRAMES), ("libx264", {}, FRAMES)):
    encode(f"{codec}.mp4", codec, options)
    opened, size, counted, decoded = read(f"{codec}.mp4")
    print(f"  {codec}: opened {opened}, size {size}, counted {counted}, decoded {decoded}")
    assert opened and size == (160.0, 128.0) and counted == FRAMES
    assert decoded == expected
PY

check() {
    "$python" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install --quiet "opencv-python-headless==$1" 'av==19.0.2'
    (cd "$work" && SVT_LOG=1 "$work/$1/bin/python" read.py 2>"$work/log") || { cat "$work/log"; exit 1; }
}

check 4.13.0.92
check 5.0.0.93
