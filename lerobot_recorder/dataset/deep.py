"""What only decoding finds: pictures that are damaged, missing, or others than a loader gets at random.

Each video is decoded twice: once from beginning to end, and some of its frames in random order, each after a
jump to its time, as a training's loader does. Both must give the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import stat_faults
from lerobot_recorder.dataset.features import is_depth, shape_of
from lerobot_recorder.dataset.reader import CountedDataset
from lerobot_recorder.dataset.stat_faults import PictureSums
from lerobot_recorder.dataset.work import Work
from lerobot_recorder.errors import VideoError

RANDOM_FRAMES = 40
"""Frames of each file that are read in random order."""

SEQUENTIAL_SHARE = 0.8
"""Of the time that a file takes, the share of decoding it from beginning to end; only for the progress."""


class DecodedFrame(Protocol):
    """A frame that was decoded."""

    @property
    def number(self) -> int:
        """The frame of the grid that it is shown at."""

    @property
    def fingerprint(self) -> int:
        """A checksum of its pixels."""

    @property
    def is_damaged(self) -> bool:
        """Whether the decoder had to make parts of it up."""

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture, (height, width, 3)."""


class Decoder(Protocol):
    """Decodes video files; both methods raise `VideoError` where a file cannot be decoded."""

    def frames(self, path: Path) -> Iterator[DecodedFrame]:
        """Decode all frames, in the order in which they are shown."""

    def at(self, path: Path, numbers: Sequence[int], *, early: bool) -> Iterator[DecodedFrame | None]:
        """Jump to the time of each frame, or a tick earlier, and decode the first that is shown from then on.

        Yields:
            That frame, None where none comes.
        """


def pictures(dataset: CountedDataset, key: str, decoder: Decoder, work: Work) -> Iterator[str]:
    """Decode the video files of a camera."""
    members: dict[Path, list[int]] = {}
    for episode, index in enumerate(dataset.files(f"videos/{key}")):
        members.setdefault(dataset.layout.video_file(key, index), []).append(episode)
    for path, episodes in members.items():
        if path.is_file():
            found = _file(path, _Seen(dataset, key, episodes), decoder, work)
            yield from (f"{path}: {fault}" for fault in found)


def _file(path: Path, seen: _Seen, decoder: Decoder, work: Work) -> Iterator[str]:
    try:
        for frame in decoder.frames(path):
            seen.add(frame)
            work.reached(path, SEQUENTIAL_SHARE * len(seen.fingerprints) / max(seen.expected, 1))
    except VideoError as error:
        yield f"cannot be decoded from frame {len(seen.fingerprints)} on: {error}."
        return
    yield from seen.faults()
    if not seen.misplaced:
        yield from _at_random(path, seen, decoder)
    work.reached(path, 1)


class _Seen:
    """What was seen while a file was decoded from beginning to end."""

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
            yield f"{len(self.misplaced)} frames are in another place; frame {count} is shown at {number}."
        if self._damaged:
            yield f"{len(self._damaged)} frames are damaged, the first is frame {self._damaged[0]}."
        if self._differing:
            rest = len(self._differing) - 1
            more = f", and {rest} more episodes differ" if rest else ""
            yield f"its pictures are not those that were recorded: {self._differing[0]}{more}."

    def _next_sums(self) -> PictureSums | None:
        return PictureSums(self._lengths[0], *self._size) if self._stored and self._lengths else None

    def _end_episode(self, sums: PictureSums) -> None:
        assert self._stored is not None, "there are no sums without statistics"
        difference = stat_faults.picture_differences(self._stored, self._episodes.pop(0), sums.moments())
        if difference:
            self._differing.append(difference)
        self._start += self._lengths.pop(0)
        self._sums = self._next_sums()


def _at_random(path: Path, seen: _Seen, decoder: Decoder) -> Iterator[str]:
    """Read frames as LeRobot does: depth with PyAV, one tick early, all else with torchcodec."""
    fingerprints, count = seen.fingerprints, len(seen.fingerprints)
    chosen = np.random.default_rng(count).permutation(count)[:RANDOM_FRAMES]
    numbers = list(dict.fromkeys([*map(int, chosen), count - 1, 0])) if count else []
    wrong: list[str] = []
    try:
        for number, frame in zip(numbers, decoder.at(path, numbers, early=seen.is_depth), strict=True):
            if frame is None:
                wrong.append(f"instead of frame {number} comes none")
            elif frame.number != number:
                wrong.append(f"instead of frame {number} comes frame {frame.number}")
            elif frame.fingerprint != fingerprints[number]:
                wrong.append(f"frame {number} is another picture")
    except VideoError as error:
        yield f"cannot be decoded in random order: {error}."
        return
    if wrong:
        yield (
            f"{len(wrong)} of {len(numbers)} frames read in random order, as in training, are wrong: "
            f"{wrong[0]}. Encode the video again (with hevc: without open groups of pictures)."
        )
