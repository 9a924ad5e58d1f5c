"""Encodes takes while they are recorded, segment by segment, from what is on the disk so far."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lerobot_recorder.encoding.camera import CameraJob
from lerobot_recorder.encoding.job import Executor
from lerobot_recorder.encoding.segment import Segment, SegmentJob
from lerobot_recorder.encoding.status import TakeProgress
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool import Spool, SpooledTake

Place = tuple[str, str, int]
"""Episode, camera, and number of the first frame of a segment."""


@dataclass
class _LiveSegment:
    """A segment that is being encoded, or has been.

    Attributes:
        running: its job.
        rows: rows that the take had when the job was submitted.
        frames: frames encoded so far.
    """

    running: Future[Any]
    rows: int
    frames: int = 0

    @property
    def segment(self) -> Segment | None:
        """The segment; None before the end, and if it could not be encoded."""
        running = self.running
        failed = not running.done() or running.cancelled() or running.exception() is not None
        return None if failed else running.result()


class LiveEncoding:
    """The segments of takes in `recording/`, which the recorder still writes; used by one thread.

    The recorder knows nothing of it. Segments of a take that is not saved are removed.
    """

    def __init__(self, note_end: Callable[[], None]) -> None:
        """Begin with nothing.

        Args:
            note_end: called when a job has ended, by another thread; it is time to `look` again.
        """
        self._note_end = note_end
        self._segments: dict[Place, _LiveSegment] = {}
        self._takes: dict[Path, SpooledTake] = {}

    def look(self, spool: Spool) -> None:
        """Look for takes, and forget those that have ended."""
        paths = spool.paths("recording")
        self._takes = {path: take for path in paths if (take := self._takes.get(path) or _opened(path))}
        recorded = {path.name for path in paths}
        self._segments = {
            place: each
            for place, each in self._segments.items()
            if place[0] in recorded or not each.running.done()
        }
        spool.drop_useless_segments()

    def submit(self, pool: Executor, job_of: Callable[[Path, str], CameraJob]) -> None:
        """Encode the segments that have begun, the earliest first, as far as there are workers."""
        free = pool.size - sum(not each.running.done() for each in self._segments.values())
        waiting = sorted(self._waiting(job_of), key=lambda each: each[0].first)
        for job, rows in waiting[: max(0, free)]:
            job.folder.mkdir(0o700, parents=True, exist_ok=True)
            place = (job.episode.name, job.key, job.first)
            running = pool.submit(job, partial(self._note, place))
            self._segments[place] = _LiveSegment(running, rows)
            running.add_done_callback(lambda _: self._note_end())

    def jobs_of(self, episode_id: str, key: str) -> list[Future[Any]]:
        """Return the jobs of a camera that have not ended; those of a take that was saved soon will."""
        return [
            each.running
            for place, each in self._segments.items()
            if place[:2] == (episode_id, key) and not each.running.done()
        ]

    @property
    def progress(self) -> TakeProgress | None:
        """The progress of the take that began last; None if none is being encoded."""
        for path, take in reversed(self._takes.items()):
            done = [each.frames for place, each in self._segments.items() if place[0] == path.name]
            with contextlib.suppress(SpoolError):
                if done:
                    return TakeProgress(path.name, sum(done), take.rows() * len(take.header.cameras))
        return None

    @property
    def frame_s(self) -> float | None:
        """Seconds that a worker took for a video frame; None if it is unknown."""
        segments = [found for each in self._segments.values() if (found := each.segment) and found.busy_s]
        frames = sum(segment.frames for segment in segments)
        return sum(segment.busy_s for segment in segments) / frames if frames else None

    def _waiting(self, job_of: Callable[[Path, str], CameraJob]) -> Iterator[tuple[SegmentJob, int]]:
        """Yield the segments to encode, each with the number of rows of its take."""
        for path, take in self._takes.items():
            with contextlib.suppress(SpoolError):  # it has just been moved
                rows = take.rows()
                for key, camera in take.header.cameras.items() if rows else ():
                    for job in _begun(job_of(path, key).segment(camera), rows):
                        if self._is_waiting(job, rows):
                            yield job, rows

    def _is_waiting(self, job: SegmentJob, rows: int) -> bool:
        known = self._segments.get((job.episode.name, job.key, job.first))
        return known is None or (known.running.done() and known.segment is None and known.rows < rows)

    def _note(self, place: Place, frames: int) -> None:
        if place in self._segments:
            self._segments[place].frames = frames


def _begun(camera: SegmentJob, rows: int) -> Iterator[SegmentJob]:
    """Yield the segments of a camera's video that have begun; none if it is encoded in one piece."""
    if frames := camera.settings.segment_frames():
        for first in range(0, rows, frames):
            yield replace(camera, first=first, stop=first + frames, follow=True)


def _opened(path: Path) -> SpooledTake | None:
    """Read how a take is stored; None if that cannot be read, or not yet."""
    try:
        return SpooledTake(path)
    except SpoolError:
        return None
