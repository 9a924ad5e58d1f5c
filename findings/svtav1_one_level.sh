#!/usr/bin/env bash
# SVT-AV1 4.2 makes smaller and coarser videos when it is told to use fewer levels of hierarchy; older ones refuse.
#
# Guess: at g=2 a group has a key frame and one other, so the number of levels changes nothing.
# Seen with libsvtav1, preset 12, crf 30, g 2, one thread, 60 moving pictures of 320x240 with noise:
#   - PyAV 19.0.2 (SVT-AV1 4.2.0): hierarchical-levels=0 gives at least a tenth fewer bytes than the default, because
#     the key frames get a coarser quantizer; levels 1 and 2 give the same bytes as the default.
#   - PyAV 18.1.0 (SVT-AV1 4.1.0) and 16.1.0 (3.1.2) refuse hierarchical-levels=0 when the encoder opens.
# So the same crf means another quality with it, and a setting that one release needs ends the next older one.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/levels.py" <<'PY'
import sys

import av
import numpy as np

WIDTH, HEIGHT, COUNT = 320, 240, 60


def pictures():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(0).normal(0, 3, (HEIGHT, WIDTH, 3))
    for t in range(COUNT):
        waves = [np.sin((x * (c + 1) + y) / 25 + t / 6) for c in range(3)]
        yield np.clip(127 + 90 * np.stack(waves, -1) + np.roll(noise, t * 37, 0), 0, 255).astype(np.uint8)


def size(levels):
    parameters = "lp=1" if levels is None else f"lp=1:hierarchical-levels={levels}"
    options = {"g": "2", "crf": "30", "preset": "12", "svtav1-params": parameters}
    count = 0
    with av.open("video.mp4", "w") as file:
        stream = file.add_stream("libsvtav1", 30, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures():
            packets = stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
            count += sum(packet.size for packet in packets)
        count += sum(packet.size for packet in stream.encode())
    return count


default = size(None)
if sys.argv[1] == "refused":
    try:
        size(0)
    except (ValueError, av.error.FFmpegError) as error:
        print(f"  levels 0: refused ({type(error).__name__})")
    else:
        raise AssertionError("levels 0 is accepted")
else:
    sizes = {levels: size(levels) for levels in (0, 1, 2)}
    print(f"  default {default} bytes; by levels: {sizes}")
    assert sizes[0] < 0.9 * default
    assert sizes[1] == sizes[2] == default
PY

check() {
    "$python" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install --quiet "av==$1" 'numpy==2.2.6'
    echo "av $1"
    (cd "$work" && SVT_LOG=1 "$work/$1/bin/python" levels.py "$2" 2>&1 | grep -v '^Svt\[')
}

check 16.1.0 refused
check 18.1.0 refused
check 19.0.2 accepted
