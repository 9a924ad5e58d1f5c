"""The encoding of one camera by an executor, step by step."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from lerobot_recorder.encoding.camera import CameraJob, EncodedCamera, JoinJob, steps
from lerobot_recorder.encoding.job import Executor
from lerobot_recorder.encoding.segment import Segment, SegmentJob


class RunningCamera:
    """A camera of an episode while its segments are encoded and joined.

    Attributes:
        began: when its first frames were encoded, on the monotonic clock; None before.
        ended: when its last frames were encoded.
        busy_s: seconds that its segments took, added up.
        busy_frames: frames in these segments.
    """

    def __init__(self, job: CameraJob, pool: Executor, before: Collection[Future[Any]]) -> None:
        """Begin.

        Args:
            job: what to encode, and how.
            pool: where to encode it.
            before: jobs to wait for, because their segments can be used.
        """
        self.began: float | None = None
        self.ended = 0.0
        self.busy_s = 0.0
        self.busy_frames = 0
        self._pool = pool
        self._steps = steps(job)
        self._is_begun = False
        self._jobs = list(before)
        self._frames: dict[int, int] = {}
        self._result: EncodedCamera | None = None
        self._error: Exception | None = None

    @property
    def frames(self) -> int:
        """Number of frames encoded so far."""
        return sum(self._frames.values())

    @property
    def waits_for(self) -> Sequence[Future[Any]]:
        """The jobs that it waits for; none if it has ended."""
        return [job for job in self._jobs if not job.done()]

    def advance(self) -> bool:
        """Take the next step if the last one is done; return whether it has ended."""
        if self._is_begun and any(map(_error, self._jobs)):
            for job in self._jobs:
                job.cancel()
        if self.waits_for:
            return False
        try:
            self._submit(self._steps.send(self._results()) if self._is_begun else next(self._steps))
        except StopIteration as end:
            self._result = end.value
        except Exception as error:
            self._error = error
        self._is_begun = True
        return self._result is not None or self._error is not None

    def result(self) -> EncodedCamera:
        """Return the video, once it has ended.

        Raises:
            Exception: it could not be encoded.
        """
        if self._result is None:
            raise self._error or RuntimeError("it has not ended")
        return self._result

    def _results(self) -> list[Any]:
        if error := next(filter(None, map(_error, self._jobs)), None):
            raise error
        results = [job.result() for job in self._jobs]
        for each in results:
            if isinstance(each, Segment) and each.busy_s:
                self.busy_s += each.busy_s
                self.busy_frames += each.frames
        return results

    def _submit(self, jobs: Sequence[SegmentJob] | Sequence[JoinJob]) -> None:
        self._jobs = []
        for job in jobs:
            number = job.first if isinstance(job, SegmentJob) else -1
            result = self._pool.submit(job, partial(self._note, number))
            if isinstance(job, SegmentJob):
                result.add_done_callback(partial(self._note_end, number, job.stop - job.first))
            self._jobs.append(result)

    def _note(self, number: int, frames: int) -> None:
        self._frames[number] = frames
        self.ended = time.monotonic()
        self.began = self.began or self.ended

    def _note_end(self, number: int, frames: int, result: Future[Any]) -> None:
        if not result.cancelled() and result.exception() is None:
            self._note(number, frames)
            began = self.ended - result.result().busy_s
            self.began = min(began, self.began or began)


def _error(job: Future[Any]) -> BaseException | None:
    """Return why a job has failed; None if it has not, has not ended, or was cancelled."""
    return job.exception() if job.done() and not job.cancelled() else None
