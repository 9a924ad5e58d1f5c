"""Compare our structure of AV1 videos with the codec's own at LeRobot's settings: size, likeness, cost.

    python benchmarks/quality.py                    crf 20, 30 and 40 of 128 frames of each clip
    python benchmarks/quality.py --crf 30 --frames 384

Both ways have the preset and ``g`` of LeRobot and one thread. The cheapest of some rounds counts.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from footage import CLIPS, back_and_forth, find_clip, load_frames
from rich.console import Console
from rich.table import Table

from lerobot_recorder.video import EncoderSettings
from lerobot_recorder.video.planar import rgb_to_i420
from lerobot_recorder.video.priority import unchanged_priority
from lerobot_recorder.video.svt import ONE_THREAD

WIDTH, HEIGHT, FPS = 640, 480, 30
Planes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Outcome:
    """A way to encode: CPU seconds, bytes, and likeness of brightness, as PSNR in dB and SSIM (at most 1)."""

    encode_s: float
    decode_s: float
    size: int
    psnr: float
    ssim: float


def main() -> None:
    args = parse_arguments()
    os.environ["SVT_LOG"] = "1"
    table = Table(title=f"PyAV {av.__version__}, {args.frames} frames of {WIDTH}x{HEIGHT}", box=None)
    for name in ("clip", "crf", "structure", "kB", "PSNR", "SSIM", "encoding", "decoding"):
        table.add_column(name, justify="left" if name in ("clip", "structure") else "right")
    for clip in CLIPS:
        footage = back_and_forth(load_frames(find_clip(clip), WIDTH, HEIGHT), 0)
        images = [rgb_to_i420(image) for image in itertools.islice(footage, args.frames)]
        for crf in args.crf:
            codecs, ours = compare(images, crf, args.rounds)
            table.add_row(clip, str(crf), "the codec's", *cells(codecs, codecs))
            table.add_row("", "", "ours", *cells(ours, codecs))
    Console(width=120).print(table)


def compare(images: list[Planes], crf: int, rounds: int) -> tuple[Outcome, Outcome]:
    settings = EncoderSettings(crf=crf).resolved()
    ours = settings.options()
    codecs = ours | {"svtav1-params": f"fast-decode={settings.fast_decode}:{ONE_THREAD}"}
    found = [(outcome(images, codecs), outcome(images, ours)) for _ in range(rounds)]
    codec, own = (min(each, key=lambda one: one.encode_s) for each in zip(*found, strict=True))
    return codec, own


def outcome(images: list[Planes], options: dict[str, str]) -> Outcome:
    video, encode_s = timed(lambda: encode(images, options))
    frames, decode_s = timed(lambda: decode(video))
    pairs = [(image[:HEIGHT], frame) for image, frame in zip(images, frames, strict=True)]
    errors = [np.mean((image.astype(np.float64) - frame) ** 2) for image, frame in pairs]
    likeness = [ssim(*map(np.float64, pair)) for pair in pairs[:: FPS // 4]]
    psnr = 10 * np.log10(255**2 / np.mean(errors))
    return Outcome(encode_s, decode_s, len(video), float(psnr), float(np.mean(likeness)))


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return function(), time.process_time() - start


def encode(images: list[Planes], options: dict[str, str]) -> bytes:
    video = io.BytesIO()
    with av.open(video, "w", format="mp4") as container:
        stream: Any = container.add_stream("libsvtav1", FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        with unchanged_priority():
            stream.codec_context.open(strict=False)
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_numpy_buffer(image, format="yuv420p")))
        container.mux(stream.encode())
    return video.getvalue()


def decode(video: bytes) -> list[Planes]:
    """Return the brightness of all frames."""
    with av.open(io.BytesIO(video)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [np.asarray(frame.to_ndarray()[:HEIGHT]) for frame in container.decode(video=0)]


def ssim(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Return the structural similarity, in Gaussian windows of 11 pixels (Wang et al. 2004)."""

    def mean(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return cv2.GaussianBlur(image, (11, 11), 1.5).astype(np.float64)

    steady, steady_contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    means = mean(first), mean(second)
    variances = mean(first * first) - means[0] ** 2 + mean(second * second) - means[1] ** 2
    covariance = mean(first * second) - means[0] * means[1]
    brightness = (2 * means[0] * means[1] + steady) / (means[0] ** 2 + means[1] ** 2 + steady)
    return float(np.mean(brightness * (2 * covariance + steady_contrast) / (variances + steady_contrast)))


def cells(found: Outcome, reference: Outcome) -> list[str]:
    return [
        f"{found.size / 1000:.0f}",
        f"{found.psnr:.2f}",
        f"{found.ssim:.4f}",
        f"{found.encode_s / reference.encode_s:.2f}",
        f"{found.decode_s / reference.decode_s:.2f}",
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crf", type=int, nargs="+", default=[20, 30, 40])
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
