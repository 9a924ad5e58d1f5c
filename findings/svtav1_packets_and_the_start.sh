#!/usr/bin/env bash
# SVT-AV1's packets do not depend on where its input began, if the cut is at a multiple of 128 frames, not of the GOP.
#
# Guess: with g=2 every second frame is a key frame, so an input that begins at any even frame gives the packets of the
#   whole video from there on.
# Seen with av 19.0.2 (SVT-AV1 4.2.0), g=2, crf 30, preset 10, lp=1, 300 moving frames of 160x120:
#   - begun at frame 128 or 256, all packets equal those of the whole video, byte for byte;
#   - begun at frame 64 or 192, all of them differ, although all that were begun at 64 decode to the same pictures: the
#     packets hold the frame's order hint, which has 7 bits.
# So a video can be encoded in pieces of 128 frames, on several machines, with the same result.
set -euo pipefail
python=${PYTHON:-python3.12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet 'av==19.0.2' 'numpy==2.2.6'
cd "$work"
SVT_LOG=1 "$work/venv/bin/python" - 2>&1 <<'PY' | grep -v '^Svt\['
import av
import numpy as np

FRAMES, WIDTH, HEIGHT = 300, 160, 120
noise = np.random.default_rng(0).integers(0, 255, (HEIGHT * 2, WIDTH * 2, 3), dtype=np.uint8)


def picture(index):
    x, y = index % WIDTH, index // 2 % HEIGHT
    return np.ascontiguousarray(noise[y : y + HEIGHT, x : x + WIDTH])


def encode(start):
    context = av.CodecContext.create("libsvtav1", "w")
    context.width, context.height, context.pix_fmt, context.framerate = WIDTH, HEIGHT, "yuv420p", 30
    context.options = {"g": "2", "crf": "30", "preset": "10", "svtav1-params": "lp=1"}
    packets = []
    for index in range(start, FRAMES):
        packets += context.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24"))
    packets += context.encode()
    return [bytes(packet) for packet in packets]


def decode(packets):
    context = av.CodecContext.create("libdav1d", "r")
    frames = [frame for packet in packets for frame in context.decode(av.Packet(packet))]
    return [frame.to_ndarray(format="gray") for frame in frames + context.decode(None)]


whole = encode(0)
assert len(whole) == FRAMES
for start in (64, 128, 192, 256):
    piece = encode(start)
    differ = sum(a != b for a, b in zip(piece, whole[start:], strict=True))
    print(f"begun at frame {start}: {differ} of {len(piece)} packets differ")
    assert (differ == 0) == (start % 128 == 0)

pictures, begun_at_64 = decode(whole)[64:], decode(encode(64))
assert all(np.array_equal(a, b) for a, b in zip(begun_at_64, pictures, strict=True))
print("begun at frame 64, all pictures are the same nevertheless")
PY
