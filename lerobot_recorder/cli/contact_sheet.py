"""Draws contact sheets: video frames of each episode, with the joint values as curves below them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.dataset import RecordedEpisode, vector_keys, video_keys
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.video import read_frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES = 6
"""Frames that are shown of each camera."""
SHEET_EPISODES = 8
"""Episodes that are shown at most."""

LIBRARY = "matplotlib"
INSTALL_HINT = "it needs matplotlib: pip install matplotlib"

_STATE, _ACTION = "observation.state", "action"
_DPI = 100
_WIDTH, _LEFT, _RIGHT = 13.6, 0.9, 0.2  # inches: of the sheet, and of its margins
_TITLE, _PLOT, _AXIS, _LEGEND_LINE, _GAP = 0.42, 2.0, 0.3, 0.24, 0.05
_LEGEND_COLUMNS = 8
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7570b3", "#8c564b")
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "Noto Sans")
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#adb5bd",
    "axes.facecolor": "#f8f9fb",
    "axes.labelcolor": "#6c757d",
    "font.size": 9,
    "grid.color": "#dee2e6",
    "text.color": "#212529",
    "xtick.color": "#6c757d",
    "ytick.color": "#6c757d",
}


@dataclass(frozen=True)
class SheetEpisode:
    """The part of an episode that a sheet shows.

    Attributes:
        title: one line above the frames
        seconds: length of the episode
        frames: the shown frames of each camera: RGB, uint8, (height, width, 3). Of n frames, each is from
            the middle of its n-th part of the episode.
        names: names of the joints
        states: observed values, (rows, joints)
        actions: commanded values, (rows, joints), or no rows
    """

    title: str
    seconds: float
    frames: Mapping[str, Sequence[NDArray[np.uint8]]]
    names: Sequence[str]
    states: NDArray[np.floating[Any]]
    actions: NDArray[np.floating[Any]]


def can_draw() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec(LIBRARY) is not None


def read_sheet_episode(root: Path, index: int) -> SheetEpisode:
    """Read an episode of the dataset at ``root``.

    Raises:
        DatasetError: there is no such dataset or episode, or it cannot be read
        VideoError: a video cannot be read
    """
    episode = RecordedEpisode(root, index)
    features = episode.features
    vectors = [key for key in vector_keys(features) if features[key]["dtype"] != "string"]
    states = episode.vectors(_STATE if _STATE in vectors else vectors[0])
    shown = min(FRAMES, episode.length)
    numbers = [int((part + 0.5) * episode.length / shown) for part in range(shown)]
    cameras = video_keys(episode.features)
    seconds = episode.length / episode.fps
    return SheetEpisode(
        title=f"Episode {index}: {episode.task} ({episode.length} frames, {seconds:.1f} s)",
        seconds=seconds,
        frames={key.split(".")[-1]: read_frames(*episode.video_frames(key, numbers)) for key in cameras},
        names=states.names,
        states=states.rows,
        actions=episode.vectors(_ACTION).rows if _ACTION in vectors else np.zeros((0, 1)),
    )


def write_contact_sheet(episodes: Sequence[SheetEpisode], output: Path) -> None:
    """Draw the episodes below each other into a PNG.

    Raises:
        ConfigError: matplotlib is not installed
        OSError: the file cannot be written
    """
    image = contact_sheet(episodes)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(image)


def contact_sheet(episodes: Sequence[SheetEpisode], format: str = "png") -> bytes:
    """Draw the episodes below each other.

    Args:
        episodes: what is drawn
        format: ``png`` or ``jpeg``

    Raises:
        ConfigError: matplotlib is not installed
    """
    if not can_draw():
        raise ConfigError(f"cannot draw a contact sheet: {INSTALL_HINT}")
    from matplotlib import font_manager, rc_context
    from matplotlib.figure import Figure

    installed = set(font_manager.get_font_names())
    fonts = [name for name in _FONTS if name in installed]
    image = BytesIO()
    with rc_context({**_STYLE, "font.family": fonts}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # no font has it: a box is drawn
        height = sum(map(_height, episodes)) + 2 * _GAP
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI)
        top = height - _GAP
        for episode in episodes:
            _draw_episode(figure, episode, top)
            top -= _height(episode)
        figure.savefig(image, format=format)
    return image.getvalue()


def _strip_heights(episode: SheetEpisode) -> Iterator[float]:
    """Yield the height of each camera's row of frames, in inches."""
    for frames in episode.frames.values():
        height, width = frames[0].shape[:2]
        yield (_WIDTH - _LEFT - _RIGHT) * height / (width * len(frames))


def _height(episode: SheetEpisode) -> float:
    strips = sum(height + _GAP for height in _strip_heights(episode))
    legend = -(-len(episode.names) // _LEGEND_COLUMNS) * _LEGEND_LINE
    return _TITLE + strips + _PLOT + _AXIS + legend + 2 * _GAP


def _draw_episode(figure: Any, episode: SheetEpisode, top: float) -> None:
    """Draw an episode whose upper edge is ``top`` inches above the lower edge of the sheet."""
    page = figure.get_figheight()
    width = (_WIDTH - _LEFT - _RIGHT) / _WIDTH
    title = figure.text(_GAP / _WIDTH, (top - 0.28) / page, episode.title, size="large")
    title.set_parse_math(False)
    bottom = top - _TITLE
    for (camera, frames), height in zip(episode.frames.items(), _strip_heights(episode), strict=True):
        axes = figure.add_axes((_LEFT / _WIDTH, (bottom - height) / page, width, height / page))
        _draw_strip(axes, camera, frames)
        bottom -= height + _GAP
    _draw_curves(figure.add_axes((_LEFT / _WIDTH, (bottom - _PLOT) / page, width, _PLOT / page)), episode)


def _draw_strip(axes: Axes, camera: str, frames: Sequence[NDArray[np.uint8]]) -> None:
    for number, frame in enumerate(frames):
        axes.imshow(frame, extent=(number, number + 1, 0, 1), aspect="auto")
        axes.axvline(number, color="white", linewidth=3)
    axes.set(xlim=(0, len(frames)), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_ylabel(camera, rotation="horizontal", ha="right", va="center", parse_math=False)


def _draw_curves(axes: Axes, episode: SheetEpisode) -> None:
    """Draw the states as lines and the actions as pale lines, with a tick below each frame."""
    for joint in range(episode.states.shape[1]):
        color = _COLORS[joint % len(_COLORS)]
        for values, alpha, width in ((episode.actions, 0.4, 1.0), (episode.states, 1.0, 1.8)):
            if len(values):
                times = np.arange(len(values)) * episode.seconds / len(values)
                axes.plot(times, values[:, joint], color=color, alpha=alpha, linewidth=width)
    count = max(map(len, episode.frames.values()), default=FRAMES)
    ticks = (np.arange(count) + 0.5) * episode.seconds / count
    axes.set_xticks(ticks, [f"{tick:.1f} s" for tick in ticks])
    axes.set_xlim(0, episode.seconds)
    axes.grid(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_legend(axes, episode)


def _draw_legend(axes: Axes, episode: SheetEpisode) -> None:
    if not episode.names:
        return
    lines = [axes.plot([], [], color=_COLORS[n % len(_COLORS)])[0] for n in range(len(episode.names))]
    below = -_AXIS / _PLOT
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, below), "borderaxespad": 0}
    # Numbers first: matplotlib leaves out labels that start with an underscore, and reads $ as a formula.
    numbers = [str(number) for number in range(len(lines))]
    legend = axes.legend(lines, numbers, ncols=_LEGEND_COLUMNS, frameon=False, borderpad=0, **place)
    for text, name in zip(legend.get_texts(), episode.names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
    if len(episode.actions):
        key = "bold: state, pale: action"
        axes.text(1, below, key, ha="right", va="top", transform=axes.transAxes)
