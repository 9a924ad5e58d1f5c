#!/usr/bin/env bash
# FFmpeg's libsvtav1 takes crf=0, the best quality there is, for "not given", and encodes with 35.
#
# Guess: crf=0 gives the largest and best video of all, as it does with x264 and libaom.
# Seen with av 15.1.0 and 18.1.0: the packets of crf=0 are those of crf=35, byte for byte, and smaller than those of crf=1.
# So the best quality that can be asked for is crf=1.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/crf.py" <<'PY'
import av
import numpy as np

noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
pictures = [np.kron(np.roll(noise, step, axis=1), np.ones((4, 4, 1), np.uint8)) for step in range(12)]


def packets(crf):
    context = av.CodecContext.create("libsvtav1", "w")
    context.width, context.height, context.pix_fmt, context.framerate = 160, 120, "yuv420p", 30
    context.options = {"g": "2", "crf": str(crf), "preset": "8", "svtav1-params": "lp=1"}
    found = []
    for picture in pictures:
        found += context.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
    return [bytes(packet) for packet in found + context.encode()]


sizes = {crf: sum(map(len, packets(crf))) for crf in (0, 1, 10, 35)}
print("av", av.__version__, "bytes by crf:", sizes)
assert packets(0) == packets(35)
assert sizes[1] > sizes[10] > sizes[35]
PY
for version in 15.1.0 18.1.0; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "av==$version" 'numpy==2.2.6'
    SVT_LOG=1 "$work/$version/bin/python" "$work/crf.py" 2>"$work/log" || { cat "$work/log"; exit 1; }
done
