"""The program of a worker process: reads jobs from standard input and writes answers to standard output.

Jobs and answers are pickled, one after the other. The process ends when its standard input ends, so it never
outlives its parent.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from typing import BinaryIO

from lerobot_recorder.durable import is_full
from lerobot_recorder.encoding.job import Answer, Job
from lerobot_recorder.errors import (
    DiskFullError,
    RecorderError,
    VideoError,
    WorkerError,
    explained,
    is_transient,
)
from lerobot_recorder.video import forbid_real_time, return_memory, yield_to_others

PROGRESS_STEP = 15
"""Frames between two progress reports."""


def main() -> None:
    """Encode until standard input ends."""
    yield_to_others(int(sys.argv[1]))
    forbid_real_time()
    answers = claim_stdout()
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(sys.stdin.buffer, jobs), daemon=True).start()
    while True:
        _send(answers, _run(jobs.get(), answers))
        return_memory()


def claim_stdout() -> BinaryIO:
    """Reserve standard output for answers; output of the codecs goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _read_jobs(source: BinaryIO, jobs: queue.SimpleQueue[Job]) -> None:
    try:
        while True:
            jobs.put(pickle.load(source))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)


def _run(job: Job, answers: BinaryIO) -> Answer:
    def progress(frames: int) -> None:
        if frames % PROGRESS_STEP == 0:
            _send(answers, frames)

    try:
        return job.run(progress)
    except Exception as error:  # an error in one episode must not end the others
        return _translated(error, job)


def _translated(error: Exception, job: Job) -> RecorderError:
    if is_full(error):
        return DiskFullError(
            f"no space left to encode {job.key} in {job.episode.parents[1]}; free some space"
        )
    if is_transient(error):
        return WorkerError(explained(error))
    return error if isinstance(error, RecorderError) else VideoError(explained(error))


def _send(answers: BinaryIO, answer: Answer) -> None:
    try:
        pickle.dump(answer, answers)
        answers.flush()
    except BrokenPipeError:  # the parent was killed
        os._exit(0)


if __name__ == "__main__":
    main()
