"""Imports several bags side by side, in processes, with their episodes in the order of the bags."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path

from lerobot_recorder.bags import open_bag
from lerobot_recorder.errors import BagError, RecorderError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.importing.bag_import import (
    BagJob,
    BagReport,
    Source,
    import_bag,
    rejected_sources_in,
    sources_in,
)
from lerobot_recorder.importing.cuts import Cutting
from lerobot_recorder.importing.parameters import ImportParameters
from lerobot_recorder.spool import Spool

logger = logging.getLogger(__name__)

_POLL_S = 0.2
_STEP = 0.01
"""A worker reports its progress each time that it has done this fraction of its bag."""

_ROOM_FRACTION = 0.25
"""Bags that are imported before they are encoded may have this fraction of the free space."""

OnProgress = Callable[[int, int], object]
"""Takes the bytes that are done and the bytes of all bags."""


@dataclass(frozen=True)
class Opened:
    """A bag that will be imported."""

    path: Path
    size_bytes: int
    digest: str
    start_ns: int
    end_ns: int


@dataclass
class ImportSession:
    """An import of bags into one dataset.

    Attributes:
        root: the dataset
        parameters: how the topics become rows
        cutting: how bags are cut into episodes
        bags: the bags, in the order that their episodes get
        copies: bags with the content of another one, which are left out
        problems: what is wrong with bags that cannot be opened, one sentence each
        warnings: what is unusual, one sentence each
        reports: what became of each bag
    """

    root: Path
    parameters: ImportParameters
    cutting: Cutting
    bags: list[Opened] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reports: list[BagReport] = field(default_factory=list)

    @property
    def is_disk_full(self) -> bool:
        """Whether the import ended because the disk is full."""
        return any(report.is_disk_full for report in self.reports)

    def forget_full_disk(self) -> bool:
        """Forget the reports of a full disk if any episode was imported; return whether one was."""
        full = [report for report in self.reports if report.is_disk_full]
        is_progress = any(each.state for report in full for each in report.episodes)
        if is_progress:
            self.reports = [report for report in self.reports if not report.is_disk_full]
        return is_progress

    def open(self, paths: Sequence[Path]) -> None:
        """Look at the bags; note those that cannot be read, and those that overlap in time."""
        for path in dict.fromkeys(paths):
            try:
                self._add(path)
            except (RecorderError, OSError) as error:
                self.problems.append(str(error))
        for one, other in pairwise(sorted(self.bags, key=lambda bag: bag.start_ns)):
            shared_s = (min(one.end_ns, other.end_ns) - other.start_ns) / 1e9
            if shared_s > 0:
                self.warnings.append(
                    f"{one.path} and {other.path} overlap by {shared_s:.1f} s: if both recorded the same "
                    "robot, import only one"
                )

    def _add(self, path: Path) -> None:
        with open_bag(path) as bag:
            opened = Opened(path, bag.size_bytes, bag.digest(), bag.start_ns, bag.end_ns)
            why = bag.damage or "the bag has no messages, or only one"
        if opened.end_ns <= opened.start_ns:
            raise BagError(f"{path}: there is nothing to import: {why}")
        if same := next((each for each in self.bags if each.digest == opened.digest), None):
            self.warnings.append(f"{path} is the same bag as {same.path}: it is imported once")
            self.copies.append(path)
        else:
            self.bags.append(opened)

    def jobs(self, *, is_dry: bool = False) -> list[BagJob]:
        """Return a job for each bag, without the parts that are imported already.

        Raises:
            SpoolError: the spool cannot be written.
        """
        known, rejected = sources_in(self.root), rejected_sources_in(self.root)
        series = "" if is_dry else self._series([*known, *rejected])
        return [
            BagJob(
                path=bag.path,
                digest=bag.digest,
                size_bytes=bag.size_bytes,
                parameters=self.parameters,
                cutting=self.cutting,
                root=self.root,
                known=tuple(each for each in known if each.is_from(bag.path, bag.digest)),
                rejected=tuple(each for each in rejected if each.is_from(bag.path, bag.digest)),
                series=series,
                number=number,
                is_dry=is_dry,
            )
            for number, bag in enumerate(self.bags)
        ]

    def _series(self, known: Sequence[Source]) -> str:
        """Return the identifier of this import, or of an interrupted one of the same bags."""
        digests = [bag.digest for bag in self.bags]
        before = {each.series for each in known if each.series}
        for series in sorted(before, reverse=True):
            parts = [each for each in known if each.series == series]
            if all(digests[each.bag_number : each.bag_number + 1] == [each.digest] for each in parts):
                return series
        return Spool(self.root).new_episode_id()

    def groups(self, jobs: Sequence[BagJob], processes: int) -> Iterator[list[BagJob]]:
        """Yield the jobs in groups that fit on the disk, at least one for each process."""
        room, group = int(_ROOM_FRACTION * Spool(self.root).free_bytes()), list[BagJob]()
        for job in jobs:
            if len(group) >= processes and sum(each.size_bytes for each in group) + job.size_bytes > room:
                yield group
                group, room = [], int(_ROOM_FRACTION * Spool(self.root).free_bytes())
            group.append(job)
        if group:
            yield group

    def run(self, jobs: Sequence[BagJob], processes: int, on_progress: OnProgress) -> bool:
        """Import bags side by side, and note the reports.

        Args:
            jobs: the bags
            processes: how many to import at a time
            on_progress: called several times a second

        Returns:
            Whether all bags were read; False after Ctrl-C, and if the disk is full. Whole episodes stay.
        """
        context = multiprocessing.get_context("spawn")
        updates: SimpleQueue[tuple[int, float]] = context.SimpleQueue()
        stop = context.Event()
        total, done = sum(job.size_bytes for job in jobs), dict.fromkeys(range(len(jobs)), 0.0)
        with ProcessPoolExecutor(
            min(processes, len(jobs)), context, initializer=_begin_worker, initargs=(updates, stop)
        ) as pool:
            futures = {pool.submit(_work, number, job): number for number, job in enumerate(jobs)}
            reports: dict[int, BagReport] = {}
            try:
                while len(reports) < len(futures):
                    pending = [future for future, number in futures.items() if number not in reports]
                    for future in wait(pending, _POLL_S, FIRST_COMPLETED).done:
                        number = futures[future]
                        reports[number] = _result(future, jobs[number])
                        done[number] = 1.0
                        if reports[number].is_disk_full:
                            stop.set()
                    while not updates.empty():
                        number, fraction = updates.get()
                        done[number] = max(done[number], fraction)
                    on_progress(int(sum(jobs[each].size_bytes * part for each, part in done.items())), total)
            except KeyboardInterrupt:
                stop.set()
                reports |= {number: _result(future, jobs[number]) for future, number in futures.items()}
            self.reports += [reports[number] for number in sorted(reports)]
            return not stop.is_set()


def _result(future: Future[BagReport], job: BagJob) -> BagReport:
    try:
        return future.result()
    except BrokenProcessPool:
        return BagReport(job.path, error=f"{job.path}: the process that read it was killed")
    except Exception as error:
        logger.exception("importing %s failed", job.path)
        return BagReport(job.path, error=f"{job.path}: unexpected {type(error).__name__}: {error}")


# The worker processes

_updates: SimpleQueue[tuple[int, float]]
_stop: Event


def _begin_worker(updates: SimpleQueue[tuple[int, float]], stop: Event) -> None:
    global _updates, _stop
    _updates, _stop = updates, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what to finish
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(number: int, job: BagJob) -> BagReport:
    told = 0.0

    def go_on(fraction: float) -> bool:
        nonlocal told
        if fraction - told >= _STEP:
            told = fraction
            _updates.put((number, fraction))
            return not _stop.is_set()
        return True

    if _stop.is_set():
        return BagReport(job.path)
    return import_bag(job, go_on)


def problems_of(reports: Sequence[BagReport]) -> list[str]:
    """Return why bags could not be imported to their end, and how many episodes are missing."""
    found = list(dict.fromkeys(report.error for report in reports if report.error))
    missing = sum(episode.verdict == "none" for report in reports for episode in report.episodes)
    return (
        [*found, f"{counted(missing, 'episode')} could not be imported, as described above"]
        if missing
        else found
    )
