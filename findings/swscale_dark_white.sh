#!/usr/bin/env bash
# FFmpeg's scaler makes white two levels dark when it converts most limited-range YUV formats to RGB, and not others.
#
# Guess: luma 235 with neutral chroma becomes RGB 255 in every format of limited range, scaled or not, as in OpenCV.
# Seen with av 15.1.0, 18.1.0 (and 19.0.2 on Python 3.12 or newer):
#   - yuv420p, yuv422p and yuv444p without scaling: 255.
#   - yuv420p scaled to half its size, yuyv422, uyvy422, nv12, yuv420p10le: 253; luma 126 becomes 126, not 128.
#   - OpenCV converts the same YUYV buffer to 255 and 128.
# So the same camera gives other pixels by YUYV through FFmpeg than through OpenCV, and a video frame other pixels when it
# is scaled while it is converted.
set -euo pipefail
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/convert.py" <<'PY'
import av
import cv2
import numpy as np

WIDTH, HEIGHT = 64, 48


def frame(pixel_format, luma):
    """Return a grey picture: this luma, neutral chroma."""
    made = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
    for index, plane in enumerate(made.planes):
        if pixel_format == "yuyv422":
            content = np.tile(np.array([luma, 128], np.uint8), plane.buffer_size // 2)
        elif pixel_format == "uyvy422":
            content = np.tile(np.array([128, luma], np.uint8), plane.buffer_size // 2)
        elif pixel_format.endswith("10le"):
            content = np.full(plane.buffer_size // 2, 512 if index else luma * 4, np.uint16)
        else:
            content = np.full(plane.buffer_size, 128 if index else luma, np.uint8)
        plane.update(content.tobytes())
    return made


def rgb(pixel_format, luma, **size):
    pixels = frame(pixel_format, luma).reformat(format="rgb24", **size).to_ndarray()
    assert (pixels == pixels[0, 0]).all() and len(set(pixels[0, 0].tolist())) == 1
    return int(pixels[0, 0, 0])


print("av", av.__version__)
for pixel_format in ("yuv420p", "yuv422p", "yuv444p"):
    print(f"  {pixel_format}: 235 -> {rgb(pixel_format, 235)}")
    assert rgb(pixel_format, 235) == 255
half = {"width": WIDTH // 2, "height": HEIGHT // 2}
for pixel_format, size in (("yuv420p", half), ("yuyv422", {}), ("uyvy422", {}), ("nv12", {}), ("yuv420p10le", {})):
    white, grey = rgb(pixel_format, 235, **size), rgb(pixel_format, 126, **size)
    print(f"  {pixel_format}{' scaled to half' if size else ''}: 235 -> {white}, 126 -> {grey}")
    assert (white, grey) == (253, 126)

yuyv = np.empty((HEIGHT, WIDTH, 2), np.uint8)
yuyv[..., 1] = 128
found = []
for luma in (235, 126):
    yuyv[..., 0] = luma
    found.append(int(cv2.cvtColor(yuyv, cv2.COLOR_YUV2RGB_YUY2)[0, 0, 0]))
print("  OpenCV, YUYV: 235 ->", found[0], " 126 ->", found[1])
assert found == [255, 128]
PY
versions="15.1.0 18.1.0"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' && versions="$versions 19.0.2"
for version in $versions; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "av==$version" 'numpy==2.2.6' 'opencv-python-headless==4.13.0.92'
    "$work/$version/bin/python" "$work/convert.py"
done
