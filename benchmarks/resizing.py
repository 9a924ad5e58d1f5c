"""Compares ways to make camera images smaller: how far they are from the mean of each area, and their CPU.

Usage: python benchmarks/resizing.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from lerobot_recorder.recording import ImageGeometry

PICTURE = Path(__file__).parents[1] / "docs" / "demo.jpg"
SIZES = (
    ((640, 480), (320, 240)),
    ((640, 480), (224, 224)),
    ((1280, 720), (640, 360)),
    ((1280, 720), (320, 180)),
    ((1920, 1080), (224, 224)),
)
ROUNDS = 15
NOISE = 6
SWSCALE = VideoReformatter()


def footage(width: int, height: int) -> np.ndarray:
    """Return a detailed picture with the noise of a sensor."""
    picture = cv2.resize(cv2.imread(str(PICTURE)), (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:height, :width]
    rings = 40 * np.cos((x**2 + y**2) * np.pi / (2 * max(width, height)))
    noise = np.random.default_rng(0).normal(0, NOISE, picture.shape)
    return (picture + rings[..., None] + noise).clip(0, 255).astype(np.uint8)


def mean_of_areas(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the exact mean over the area of each new pixel."""

    def shares(old: int, new: int) -> np.ndarray:
        edges, starts = np.arange(new + 1) * old / new, np.arange(old)
        overlaps = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
        return overlaps.clip(0) * new / old

    rows, columns = shares(image.shape[0], size[1]), shares(image.shape[1], size[0])
    return np.einsum("ij,jkc,lk->ilc", rows, image.astype(float), columns, optimize=True)


def swscale(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize as FFmpeg's ``scale=flags=area`` does."""
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    return SWSCALE.reformat(
        frame, width=size[0], height=size[1], format="rgb24", interpolation="AREA"
    ).to_ndarray()


def reduced(jpeg: np.ndarray, size: tuple[int, int], whole: tuple[int, int]) -> np.ndarray:
    """Decode a JPEG at a half or a quarter of its size, then resize it."""
    quarter = min(whole[0] // size[0], whole[1] // size[1]) >= 4
    flag = cv2.IMREAD_REDUCED_COLOR_4 if quarter else cv2.IMREAD_REDUCED_COLOR_2
    return ImageGeometry(resize=size).apply(cv2.imdecode(jpeg, flag))


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the least CPU time of several rounds, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) * 1e3


def line(name: str, expected: np.ndarray, work: Callable[[], np.ndarray]) -> str:
    """Return a row of the table."""
    off = np.abs(work() - expected)
    quality = 10 * np.log10(255**2 / (off**2).mean())
    return f"{name:34} {off.max():8.1f} {off.mean():6.2f} {quality:6.1f} dB {cpu_ms(work):8.2f} ms"


def decoded_whole(jpeg: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Decode a JPEG, then resize it, as the recorder does."""
    return ImageGeometry(resize=size).apply(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))


def main() -> None:
    """Print a table."""
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, PyAV {av.__version__}; errors in levels of 255")
    print(f"{'':34} {'largest':>8} {'mean':>6} {'PSNR':>9} {'CPU':>11}")
    for whole, size in SIZES:
        print(f"{whole[0]}x{whole[1]} to {size[0]}x{size[1]}")
        image = footage(*whole)
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        mean = mean_of_areas(image, size)
        print(line("  OpenCV, INTER_AREA", mean, partial(ImageGeometry(resize=size).apply, image)))
        print(line("  swscale, area", mean, partial(swscale, image, size)))
        mean = mean_of_areas(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), size)
        print(line("  JPEG, decoded whole", mean, partial(decoded_whole, jpeg, size)))
        print(line("  JPEG, decoded at a reduced size", mean, partial(reduced, jpeg, size, whole)))


if __name__ == "__main__":
    main()
