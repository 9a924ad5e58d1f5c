#!/usr/bin/env bash
# After a seek to frame k of an HEVC file, decoding can begin with a frame after k.
#
# Guess: a backward seek to the time of frame k lands on a key frame at or before it, so frame k is among those decoded.
# Seen with PyAV 15.1.0 and 19.0.2 (libx265, 60 frames of a moving texture, 128x128): with groups of 10 frames the seeks to
# some frames before a key frame decode that key frame first, and frame k never comes; with groups of 2 others do.
# With open-gop=0, and with libx264, all 60 seeks return a frame at or before the one that was asked for.
# The pictures that precede a key frame of an open group in display order refer to the group before; the container's
# index knows decoding order only, and the decoder drops these pictures. Seek one group earlier, or close the groups.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/try.py" <<'PY'
import os
import sys

import av
import numpy as np

FRAMES = 60
codec, group, groups = sys.argv[1:]
path = os.path.join(os.path.dirname(__file__), "moving.mp4")
options = {"g": group}
if codec == "libx265":
    options["x265-params"] = f"log-level=error:open-gop={int(groups == 'open')}"
texture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
with av.open(path, "w") as file:
    stream = file.add_stream(codec, rate=30, options=options)
    stream.width = stream.height = 128
    stream.pix_fmt = "yuv420p"
    for index in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(np.roll(texture, 3 * index, axis=1), format="rgb24")
        frame.pts = index
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))
late = []
with av.open(path) as file:
    stream = file.streams.video[0]
    unit = 1 / float(30 * stream.time_base)
    for index in range(FRAMES):
        file.seek(round(index * unit), stream=stream)
        if (first := round(next(file.decode(stream)).pts / unit)) > index:
            late.append(f"{index}->{first}")
print(len(late), " ".join(late))
PY
# expect VERSION CODEC GROUP open|closed late|exact
expect() {
    found=$("$work/$1/bin/python" "$work/try.py" "$2" "$3" "$4")
    echo "PyAV $1, $2, groups of $3, $4: later than asked: $found"
    if [ "$5" = late ]; then [ "${found%% *}" -gt 0 ]; else [ "${found%% *}" -eq 0 ]; fi
}
for version in 15.1.0 19.0.2; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "av==$version" numpy
    expect "$version" libx265 10 open late
    expect "$version" libx265 2 open late
    expect "$version" libx265 10 closed exact
    expect "$version" libx265 2 closed exact
    expect "$version" libx264 10 closed exact
done
