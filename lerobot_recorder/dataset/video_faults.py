"""What can be wrong with videos: faults that their index shows, and faults that only decoding finds.

To find damaged or missing pictures, each video is decoded from beginning to end, and some of its frames again
in random order, each after a jump to its time, as a training's loader does. Both must give the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol, SupportsFloat

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import stat_faults, tables
from lerobot_recorder.dataset.faults import Reached, expected_rows, unequal
from lerobot_recorder.dataset.features import is_depth, shape_of
from lerobot_recorder.dataset.placement import TOLERANCE_S, readable
from lerobot_recorder.dataset.reader import CountedDataset
from lerobot_recorder.dataset.stat_faults import PictureSums
from lerobot_recorder.errors import DatasetError, VideoError

RANDOM_FRAMES = 40
"""Frames of each file to read in random order."""

SEQUENTIAL_SHARE = 0.8
"""Share of decoding from beginning to end in the time for a file; only for the progress."""


class ProbedVideo(Protocol):
    """Properties of a video file that are known without decoding it."""

    @property
    def frames(self) -> int:
        """Number of frames."""

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""

    @property
    def fps(self) -> SupportsFloat:
        """Frames per second."""

    @property
    def on_grid(self) -> bool:
        """Whether frame k is at k / fps."""


Probe = Callable[[Path], ProbedVideo]
"""Reads the properties of a video file; raises `VideoError` if it is not a video."""


# Without decoding


def videos(dataset: CountedDataset, key: str, probe: Probe, reached: Reached | None) -> Iterator[str]:
    """Check that each video file of a camera has exactly the frames of its episodes, in their places.

    Args:
        dataset: the dataset.
        key: the camera.
        probe: reads the properties of a video file.
        reached: receives the progress; None if the files are read again.
    """
    times = _row_times(dataset)
    episode = 0
    for index, group in groupby(dataset.files(f"videos/{key}")):
        members = slice(episode, episode + len(list(group)))
        path = dataset.layout.video_file(key, index)
        wrong = [*_spans(dataset, key, path, members), *_video(dataset, key, path, members, probe)]
        yield from wrong or _refused(dataset, key, path, members, times)
        episode = members.stop
        if reached is not None:
            reached(path, 1)


def _spans(dataset: CountedDataset, key: str, path: Path, members: slice) -> Iterator[str]:
    ends = np.cumsum(dataset.lengths[members])
    for name, frames in (("from", ends - dataset.lengths[members]), ("to", ends)):
        found = dataset.episodes[f"videos/{key}/{name}_timestamp"][members]
        what = f"{name}_timestamp of episode"
        wanted = frames / dataset.info.fps
        yield from unequal(path, what, found, wanted, first=members.start, tolerance=TOLERANCE_S)


def _row_times(dataset: CountedDataset) -> np.ndarray:
    """Read the timestamps of all rows; use the grid's for rows with a wrong one or none."""
    grid = expected_rows(dataset)["timestamp"].astype(np.float32)
    try:
        parts = [tables.read_table(path, ["timestamp"])["timestamp"] for path in dataset.layout.data_files()]
        found = np.concatenate([part.to_numpy() for part in parts])[: len(grid)]
    except (DatasetError, KeyError, ValueError):
        return grid
    if len(found) != len(grid) or found.dtype.kind != "f":
        return grid
    return np.where(np.abs(found - grid) <= TOLERANCE_S, found, grid)


def _refused(
    dataset: CountedDataset, key: str, path: Path, members: slice, times: np.ndarray
) -> Iterator[str]:
    """Look for rows whose picture LeRobot refuses although it is in its place."""
    ends = np.cumsum(dataset.lengths)
    begins = ends - dataset.lengths
    refused: dict[int, np.ndarray] = {}
    for episode in range(members.start, members.stop):
        rows = np.arange(begins[episode], ends[episode])
        frames = (rows - begins[members.start]) / dataset.info.fps
        from_s = float(dataset.episodes[f"videos/{key}/from_timestamp"][episode])
        wrong = np.flatnonzero(~readable(from_s, times[rows], frames))
        if len(wrong):
            refused[episode] = wrong
    if refused:
        episode, rows = next(iter(refused.items()))
        count = sum(map(len, refused.values()))
        yield (
            f"{path}: LeRobot refuses the pictures of {count} rows in {len(refused)} episodes, the first is "
            f"row {rows[0]} of episode {episode} (FrameTimestampError): it compares times in float32, which "
            "is too coarse so late in a file. Load the dataset with tolerance_s=2e-4."
        )


def _video(dataset: CountedDataset, key: str, path: Path, members: slice, probe: Probe) -> Iterator[str]:
    frames = int(dataset.lengths[members].sum())
    if not path.is_file():
        yield f"{path}: missing, though episodes with {frames} frames are in it."
        return
    try:
        video = probe(path)
    except VideoError as error:
        yield f"{error}."
        return
    fps = dataset.info.fps
    if not dataset.is_enough(video.frames, frames):
        yield f"{path}: has {video.frames} frames, but the episodes in it have {frames} rows."
    if abs(float(video.fps) - fps) > 1e-3 * fps:
        yield f"{path}: has {float(video.fps):g} frames per second, but the dataset has {fps}."
    elif not video.on_grid:
        yield f"{path}: its frames are not at multiples of 1/{fps} s."
    height, width = shape_of(dataset.info.features[key])[:2]
    if (video.height, video.width) != (height, width):
        yield f"{path}: is {video.width}x{video.height} pixels, expected {width}x{height}."


# By decoding


class DecodedFrame(Protocol):
    """A decoded frame."""

    @property
    def number(self) -> int:
        """Its number on the frame grid."""

    @property
    def fingerprint(self) -> int:
        """A checksum of its pixels."""

    @property
    def is_damaged(self) -> bool:
        """Whether the decoder had to guess parts of it."""

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture, (height, width, 3)."""


class Decoder(Protocol):
    """Decodes video files; both methods raise `VideoError` if a file cannot be decoded."""

    def frames(self, path: Path) -> Iterator[DecodedFrame]:
        """Decode all frames, in display order."""

    def at(self, path: Path, numbers: Sequence[int], *, early: bool) -> Iterator[DecodedFrame | None]:
        """Jump to the time of each frame, or a tick earlier, and decode the first one displayed from there.

        Yields:
            That frame, None if there is none.
        """


def pictures(dataset: CountedDataset, key: str, decoder: Decoder, reached: Reached) -> Iterator[str]:
    """Decode the video files of a camera."""
    for path, episodes in dataset.members(f"videos/{key}").items():
        if path.is_file():
            found = _file(path, _Seen(dataset, key, episodes), decoder, reached)
            yield from (f"{path}: {fault}" for fault in found)


def _file(path: Path, seen: _Seen, decoder: Decoder, reached: Reached) -> Iterator[str]:
    try:
        for frame in decoder.frames(path):
            seen.add(frame)
            reached(path, SEQUENTIAL_SHARE * len(seen.fingerprints) / max(seen.expected, 1))
    except VideoError as error:
        yield f"cannot be decoded from frame {len(seen.fingerprints)} on: {error}."
        return
    yield from seen.faults()
    if not seen.misplaced:
        yield from _at_random(path, seen, decoder)
    reached(path, 1)


class _Seen:
    """Collects what decoding a file from beginning to end finds."""

    def __init__(self, dataset: CountedDataset, key: str, episodes: Sequence[int]) -> None:
        feature = dataset.info.features[key]
        self.fingerprints: list[int] = []
        self.misplaced: list[tuple[int, int]] = []
        self._damaged: list[int] = []
        self._differing: list[str] = []
        self._size = shape_of(feature)[:2]
        self.is_depth = is_depth(feature)
        self._stored = None if self.is_depth else stat_faults.episode_stats(dataset, key)
        self._lengths = [int(dataset.lengths[episode]) for episode in episodes]
        self._episodes = list(episodes)
        self.expected = sum(self._lengths)
        self._start = 0
        self._sums = self._next_sums()

    def add(self, frame: DecodedFrame) -> None:
        count = len(self.fingerprints)
        if frame.number != count:
            self.misplaced.append((count, frame.number))
        if frame.is_damaged:
            self._damaged.append(count)
        self.fingerprints.append(frame.fingerprint)
        if self._sums is None:
            return
        if count - self._start in self._sums.wanted:
            self._sums.add(frame.rgb())
        if count - self._start == self._lengths[0] - 1:
            self._end_episode(self._sums)

    def faults(self) -> Iterator[str]:
        if len(self.fingerprints) != self.expected:
            count = len(self.fingerprints)
            yield f"{count} frames can be decoded, but the episodes in it have {self.expected} rows."
        if self.misplaced:
            count, number = self.misplaced[0]
            yield f"{len(self.misplaced)} frames are misplaced; frame {count} is displayed as frame {number}."
        if self._damaged:
            yield f"{len(self._damaged)} frames are damaged, the first is frame {self._damaged[0]}."
        if self._differing:
            rest = len(self._differing) - 1
            more = f", and {rest} more episodes differ" if rest else ""
            yield f"its pictures differ from the recorded ones: {self._differing[0]}{more}."

    def _next_sums(self) -> PictureSums | None:
        return PictureSums(self._lengths[0], *self._size) if self._stored and self._lengths else None

    def _end_episode(self, sums: PictureSums) -> None:
        assert self._stored is not None, "sums exist only with statistics"
        difference = stat_faults.picture_differences(self._stored, self._episodes.pop(0), sums.moments())
        if difference:
            self._differing.append(difference)
        self._start += self._lengths.pop(0)
        self._sums = self._next_sums()


def _at_random(path: Path, seen: _Seen, decoder: Decoder) -> Iterator[str]:
    """Read frames as LeRobot does: depth with PyAV, one tick early, color with torchcodec."""
    fingerprints, count = seen.fingerprints, len(seen.fingerprints)
    chosen = np.random.default_rng(count).permutation(count)[:RANDOM_FRAMES]
    numbers = list(dict.fromkeys([*map(int, chosen), count - 1, 0])) if count else []
    wrong: list[str] = []
    try:
        for number, frame in zip(numbers, decoder.at(path, numbers, early=seen.is_depth), strict=True):
            if frame is None:
                wrong.append(f"frame {number} is missing")
            elif frame.number != number:
                wrong.append(f"frame {frame.number} comes instead of frame {number}")
            elif frame.fingerprint != fingerprints[number]:
                wrong.append(f"frame {number} is a different picture")
    except VideoError as error:
        yield f"cannot be decoded in random order: {error}."
        return
    if wrong:
        yield (
            f"{len(wrong)} of {len(numbers)} frames read in random order, as in training, are wrong: "
            f"{wrong[0]}. Encode the video again (with hevc: without open groups of pictures)."
        )
