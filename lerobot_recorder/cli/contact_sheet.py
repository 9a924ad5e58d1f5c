"""Draw a contact sheet: frames of each episode's videos, with the joint values as curves under them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_MARGIN = 16
_GUTTER = 88  # left of the frames and the plot: camera names and the axis
_GAP = 4
_FRAME_WIDTH = 208
_TITLE_HEIGHT = 34
_PLOT_HEIGHT = 190
_TIMES_HEIGHT = 18
_LEGEND_HEIGHT = 26
_EPISODE_GAP = 22

_PAPER = (255, 255, 255)
_PLOT = (248, 249, 251)
_GRID = (226, 229, 234)
_MARK = (203, 208, 216)
_INK = (33, 37, 41)
_FAINT = (108, 117, 125)
_CURVES = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (117, 112, 179),
    (140, 86, 75),
)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_ANY_SCRIPT = int(cv2.__version__.partition(".")[0]) >= 5
_SMALL = 0.42
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class SheetEpisode:
    """What the sheet shows of one episode.

    Attributes:
        title: One line above the frames.
        seconds: Length of the episode.
        frames: Per camera the shown frames: RGB, uint8, (height, width, 3). Of n frames, each is from the
            middle of its n-th part of the episode.
        names: Names of the joints.
        states: Observed values, (rows, joints).
        actions: Commanded values, (rows, joints), or no rows.
    """

    title: str
    seconds: float
    frames: Mapping[str, Sequence[Image]]
    names: Sequence[str]
    states: NDArray[np.float32]
    actions: NDArray[np.float32]


def write_contact_sheet(episodes: Sequence[SheetEpisode], output: Path) -> None:
    """Draw the episodes below each other into a PNG.

    Raises:
        OSError: The file cannot be written.
    """
    sheet = draw_contact_sheet(episodes)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())


def draw_contact_sheet(episodes: Sequence[SheetEpisode]) -> Image:
    """Return the sheet: RGB, uint8, (height, width, 3)."""
    columns = max((len(frames) for episode in episodes for frames in episode.frames.values()), default=6)
    width = columns * (_FRAME_WIDTH + _GAP) - _GAP
    blocks = [_draw_episode(episode, width) for episode in episodes]
    return np.pad(
        np.concatenate(blocks) if blocks else _paper(_TITLE_HEIGHT, width + _GUTTER),
        ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)),
        constant_values=_PAPER[0],
    )


def _draw_episode(episode: SheetEpisode, width: int) -> Image:
    title = _paper(_TITLE_HEIGHT, width + _GUTTER)
    _text(title, episode.title, (0, 20), _INK, 0.55)
    strips = [_draw_strip(name, frames, width) for name, frames in episode.frames.items()]
    end = _paper(_EPISODE_GAP, width + _GUTTER)
    plot = [_draw_curves(episode, width), _draw_times(episode, width), _draw_legend(episode, width)]
    return np.concatenate([title, *strips, *plot, end])


def _draw_strip(camera: str, frames: Sequence[Image], width: int) -> Image:
    height = max((round(_FRAME_WIDTH * f.shape[0] / f.shape[1]) for f in frames), default=0)
    strip = _paper(height + _GAP, width + _GUTTER)
    _text(strip, camera, (0, 18), _FAINT)
    for column, frame in enumerate(frames):
        left = _GUTTER + column * (_FRAME_WIDTH + _GAP)
        strip[:height, left : left + _FRAME_WIDTH] = cv2.resize(
            frame, (_FRAME_WIDTH, height), interpolation=cv2.INTER_AREA
        )
    return strip


def _draw_curves(episode: SheetEpisode, width: int) -> Image:
    panel = _paper(_PLOT_HEIGHT, width + _GUTTER)
    panel[:, _GUTTER:] = _PLOT
    axis = _axis(episode.states, episode.actions)
    for tick in axis.ticks():
        y = int(axis.height_of(tick))
        cv2.line(panel, (_GUTTER, y), (_GUTTER + width, y), _GRID)
        _text(panel, f"{tick:g}", (_GUTTER - 8, min(max(y + 4, 10), _PLOT_HEIGHT - 2)), _FAINT, right=True)
    for x in _frame_positions(episode, width):
        cv2.line(panel, (x, 0), (x, _PLOT_HEIGHT), _MARK)
    for joint in range(episode.states.shape[1]):
        colour = _CURVES[joint % len(_CURVES)]
        if len(episode.actions):
            _curve(panel, axis.height_of(episode.actions[:, joint]), _pale(colour), 1)
        _curve(panel, axis.height_of(episode.states[:, joint]), colour, 2)
    return panel


def _draw_times(episode: SheetEpisode, width: int) -> Image:
    panel = _paper(_TIMES_HEIGHT, width + _GUTTER)
    for x in _frame_positions(episode, width):
        text = f"{(x - _GUTTER) / width * episode.seconds:.1f} s"
        _text(panel, text, (x + _text_width(text) // 2, 13), _FAINT, right=True)
    return panel


def _draw_legend(episode: SheetEpisode, width: int) -> Image:
    panel = _paper(_LEGEND_HEIGHT, width + _GUTTER)
    x = _GUTTER
    for joint, name in enumerate(episode.names):
        cv2.line(panel, (x, 14), (x + 18, 14), _CURVES[joint % len(_CURVES)], 2, cv2.LINE_AA)
        x = _text(panel, name, (x + 24, 18), _FAINT) + 18
    if len(episode.actions):
        _text(panel, "bold: state, pale: action", (_GUTTER + width, 18), _FAINT, right=True)
    return panel


def _curve(panel: Image, values: NDArray[np.float64], colour: Colour, thickness: int) -> None:
    """Draw heights over the whole width of the plot; values that are not finite leave no trace."""
    x = np.linspace(_GUTTER, panel.shape[1] - 1, len(values))
    points = np.stack([x, values], axis=1)[np.isfinite(values)]
    fixed = np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(panel, [fixed.reshape(-1, 1, 2)], False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _frame_positions(episode: SheetEpisode, width: int) -> list[int]:
    """Where on the time axis the shown frames were taken."""
    count = max((len(frames) for frames in episode.frames.values()), default=0)
    return [_GUTTER + round((column + 0.5) * width / count) for column in range(count)]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    step: float

    def ticks(self) -> Iterator[float]:
        first = math.ceil(self.low / self.step)
        return (count * self.step for count in range(first, math.floor(self.high / self.step) + 1))

    def height_of(self, value: float | NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray((_PLOT_HEIGHT - 1) * (self.high - value) / (self.high - self.low), np.float64)


def _axis(*values: NDArray[np.float32]) -> _Axis:
    """Return an axis that shows all finite values."""
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    span = max(high - low, 1e-3)
    magnitude = 10.0 ** math.floor(math.log10(span / 4))
    step = next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor >= span / 4)
    return _Axis(low - 0.06 * span, high + 0.06 * span, step)


def _pale(colour: Colour) -> Colour:
    red, green, blue = ((value + 255) // 2 for value in colour)
    return red, green, blue


def _paper(height: int, width: int) -> Image:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _text(
    image: Image,
    text: str,
    at: tuple[int, int],
    colour: Colour,
    scale: float = _SMALL,
    *,
    right: bool = False,
) -> int:
    """Write at a baseline position, and return where the text ends."""
    width = _text_width(text, scale)
    left = at[0] - width if right else at[0]
    cv2.putText(image, _drawable(text), (left, at[1]), _FONT, scale, colour, 1, cv2.LINE_AA)
    return left + width


def _text_width(text: str, scale: float = _SMALL) -> int:
    (width, _), _ = cv2.getTextSize(_drawable(text), _FONT, scale, 1)
    return int(width)


def _drawable(text: str) -> str:
    """Replace what OpenCV's fonts do not have: before version 5 all but ASCII."""
    return text if _ANY_SCRIPT else text.encode("ascii", "replace").decode()
