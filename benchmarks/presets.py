"""Measure which presets of libsvtav1 lose blocks, with the SVT-AV1 inside PyAV.

    python benchmarks/presets.py                        presets 8 to 13, g 1, 2 and 30, seven crf
    python benchmarks/presets.py --presets 12 --g 2

Each cell: the number of films of tiles, noise and text that have a block whose mean is off by more than the
picture check allows; then the largest difference in the other films, in percent of the allowed one.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from lerobot_recorder.video import EncoderSettings, Sketches, encode
from lerobot_recorder.video.sketches import tolerance
from lerobot_recorder.video.svt import loaded_version

WIDTH, HEIGHT, FRAMES = 160, 120, 4
CRFS = (10, 20, 30, 35, 45, 55, 63)


def main() -> None:
    args = parse_arguments()
    films = list(draw_films())
    version = ".".join(map(str, loaded_version() or ("unknown",)))
    table = Table(title=f"PyAV {av.__version__}, SVT-AV1 {version}, {len(films)} films", box=None)
    for name in ("g", "preset", *(f"crf {crf}" for crf in CRFS)):
        table.add_column(name, justify="right")
    for g in args.g:
        for preset in args.presets:
            cells = [cell(films, EncoderSettings(g=g, preset=preset, crf=crf)) for crf in CRFS]
            table.add_row(str(g), str(preset), *cells)
    Console(width=120).print(table)


def cell(films: list[list[np.ndarray]], settings: EncoderSettings) -> str:
    shares = [largest_share(film, settings) for film in films]
    fine = [share for share in shares if share <= 1]
    return f"{len(shares) - len(fine)} ({max(fine, default=0):.0%})"


def largest_share(film: list[np.ndarray], settings: EncoderSettings) -> float:
    """Return the largest difference of a block in a film, in parts of what the picture check allows."""
    with tempfile.TemporaryDirectory() as folder, Sketches(Path(folder)) as sketches:
        video = Path(folder) / "film.mp4"
        encode(film, video, fps=30, width=WIDTH, height=HEIGHT, settings=settings, observe=sketches.add)
        allowed = tolerance(settings)
        found = [difference for _, difference in sketches.differences(video)]
    return max(max(each.luma / allowed.luma, each.chroma / allowed.chroma) for each in found)


def draw_films() -> Iterator[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    for side in (3, 4, 5, 8, 10, 16, 20, 24, 40):
        for share in (0.5, 0.1):
            yield [tiles(rng.random((HEIGHT, WIDTH, 1)) < share, side) for _ in range(FRAMES)]
    for side in (4, 8, 16, 20, 32, 50):
        yield [tiles(rng.integers(0, 256, (HEIGHT, WIDTH, 3)), side, 1) for _ in range(FRAMES)]
    for deviation in (3, 20, 80):
        yield [np.clip(rng.normal(128, deviation, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)] * FRAMES
    yield [text(rng) for _ in range(FRAMES)]


def tiles(values: np.ndarray, side: int, factor: int = 219) -> np.ndarray:
    """Return tiles of the first values: 16 and 235 of truth values, else the values themselves."""
    levels = (values[::side, ::side] * factor + (16 if factor > 1 else 0)).astype(np.uint8)
    drawn = np.broadcast_to(levels, (*levels.shape[:2], 3)).repeat(side, 0).repeat(side, 1)
    return np.ascontiguousarray(drawn[:HEIGHT, :WIDTH])


def text(rng: np.random.Generator) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for line in range(12, HEIGHT, 14):
        words = "".join(map(chr, rng.integers(33, 120, 40)))
        colour = tuple(map(int, rng.integers(0, 200, 3)))
        cv2.putText(image, words, (0, line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1)
    return image


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", type=int, nargs="+", default=[8, 9, 10, 11, 12, 13])
    parser.add_argument("--g", type=int, nargs="+", default=[1, 2, 30])
    return parser.parse_args()


if __name__ == "__main__":
    main()
