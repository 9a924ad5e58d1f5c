"""Imports the episodes of one bag into the spool of a dataset, or finds out what an import would give."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lerobot_recorder.bags import WholePart, open_bag
from lerobot_recorder.dataset import SUCCESS_FEATURE, recorded_sources
from lerobot_recorder.errors import DiskFullError, RecorderError, SpoolError
from lerobot_recorder.importing.cuts import Cut, Cutting, cuts_of
from lerobot_recorder.importing.parameters import ImportParameters
from lerobot_recorder.importing.setup import setup_of_bag
from lerobot_recorder.importing.sim_time import timed
from lerobot_recorder.importing.streams import BagStreams, check_clocks
from lerobot_recorder.importing.take import BagPass, CountingWriter, OfflineTake
from lerobot_recorder.recording import (
    RESERVE_BYTES,
    Outcome,
    RecorderSettings,
    RowWriter,
    Stream,
    TakeRows,
    fitting_features,
    probe_cameras,
    take_settings,
)
from lerobot_recorder.spool import EpisodeHeader, EpisodeWriter, Spool, keep_setup
from lerobot_recorder.topics import RobotSetup

_LOOK_EVERY_ROWS = 100
"""How often the free space is looked at."""

_EARLIEST_DATE_NS = 10**17
"""Earlier times are those of a simulation."""

KNOWN = "imported already"
_COUNTED = ("ready", "claimed", "committing", "failed")
_REQUIRED = {"bag", "size_bytes", "digest", "start_ns", "end_ns"}


@dataclass(frozen=True)
class Source:
    """The part of a bag that an episode is from; kept in its manifest and in ``meta/recordings``.

    Attributes:
        bag: path of the bag
        size_bytes: its size
        digest: identifies its content
        start_ns: start of the part
        end_ns: its end
        series: identifier of the import that all its bags share
        bag_number: number of the bag in the series
        number: number of the part in the bag
    """

    bag: str
    size_bytes: int
    digest: str
    start_ns: int
    end_ns: int
    series: str = ""
    bag_number: int = 0
    number: int = 0

    @property
    def order(self) -> str:
        """Its place among the episodes of the dataset."""
        return f"{self.series}.{self.bag_number:06d}.{self.number:06d}"

    def is_from(self, path: Path, digest: str) -> bool:
        """Return whether it is from a bag, also from one that has grown or was repaired at its path."""
        is_dated = self.start_ns > _EARLIEST_DATE_NS  # simulations begin at the same time again
        return self.digest == digest or (is_dated and self.bag == str(path.absolute()))

    def overlaps(self, cut: Cut) -> bool:
        """Return whether a cut of the same bag shares time with it."""
        return self.start_ns < cut.end_ns and cut.start_ns < self.end_ns

    def is_of(self, cut: Cut) -> bool:
        """Return whether it is exactly this cut."""
        return (self.start_ns, self.end_ns) == (cut.start_ns, cut.end_ns)


@dataclass(frozen=True)
class BagJob:
    """What to do with one bag.

    Attributes:
        path: the bag
        digest: identifies its content
        size_bytes: its size
        parameters: how its topics become rows
        cutting: how it is cut into episodes
        root: the dataset
        known: the parts that are imported already
        rejected: the parts that were imported and are bad; other cuts may share time with them
        series: identifier of the import
        number: number of the bag in the series
        is_dry: whether nothing is written
    """

    path: Path
    digest: str
    size_bytes: int
    parameters: ImportParameters
    cutting: Cutting
    root: Path
    known: tuple[Source, ...] = ()
    rejected: tuple[Source, ...] = ()
    series: str = ""
    number: int = 0
    is_dry: bool = False


@dataclass(frozen=True)
class ImportedEpisode:
    """What became of a part of a bag.

    Attributes:
        start_ns: start of the part
        end_ns: its end
        verdict: ``good``, ``bad``, ``known``: it is imported already, or ``none``: it cannot be an episode
        reasons: why it is not good
        notes: what is unusual without making it bad
        started_at_ns: time of the first row
        rows: number of rows
        duration_s: length on the grid
        task: what it shows
        state: where it is in the spool; empty if it is not
        missing: what the bag lacks of it; empty: nothing
    """

    start_ns: int
    end_ns: int
    verdict: str
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    started_at_ns: int = 0
    rows: int = 0
    duration_s: float = 0.0
    task: str = ""
    state: str = ""
    missing: str = ""


@dataclass(frozen=True)
class BagReport:
    """What became of a bag.

    Attributes:
        path: the bag
        start_ns: log time of its first message
        end_ns: log time of its last message
        episodes: its parts
        damage: what cannot be read of it; empty if nothing is
        error: why it could not be imported to its end; empty if it was
        differences_s: by how much the headers of each stream are ahead of the log time, in seconds
        is_disk_full: whether the disk is full
    """

    path: Path
    start_ns: int = 0
    end_ns: int = 0
    episodes: tuple[ImportedEpisode, ...] = ()
    damage: str = ""
    error: str = ""
    differences_s: Mapping[str, float] = field(default_factory=dict)
    is_disk_full: bool = False


GoOn = Callable[[float], bool]
"""Takes the fraction of the bag that is done; returns False to end."""


def import_bag(job: BagJob, go_on: GoOn = lambda _fraction: True) -> BagReport:
    """Import the episodes of a bag; whole episodes stay, whatever happens to the others.

    Args:
        job: what to do
        go_on: called often with the fraction that is done; False ends the import and leaves whole episodes
    """
    report = BagReport(job.path)
    taken, part = _Episodes(job), None
    try:
        with open_bag(job.path) as opened:
            part = WholePart(opened)
            bag = timed(part, job.parameters.clock)
            report = replace(report, start_ns=bag.start_ns, end_ns=bag.end_ns)
            differences_s = BagStreams(bag, job.parameters).differences_s()
            streams = BagStreams(bag, job.parameters)  # not those that have seen the first messages
            report = replace(report, differences_s=differences_s)
            check_clocks(bag, streams.streams, differences_s)
            taken.setup = setup_of_bag(bag, streams, job.parameters)
            cuts = cuts_of(bag, streams.topics, job.cutting, job.parameters)
            cuts = taken.without_known(cuts, bag.start_ns)
            span_ns = max(1, bag.end_ns - bag.start_ns)
            BagPass(bag, streams, cuts, job.parameters.rows.fps, taken).run(
                lambda now_ns: go_on((now_ns - bag.start_ns) / span_ns)
            )
    except DiskFullError:
        report = replace(report, error=_disk_full(Spool(job.root)), is_disk_full=True)
    except (RecorderError, OSError) as error:
        report = replace(report, error=str(error))
    finally:
        taken.close()
    episodes = tuple(sorted(taken.episodes, key=lambda each: each.start_ns))
    return replace(report, episodes=episodes, damage=part.damage if part is not None else "")


class _Episodes:
    """The takes of one bag: where they are written, and what became of them."""

    def __init__(self, job: BagJob) -> None:
        self.episodes: list[ImportedEpisode] = []
        self.setup: RobotSetup
        self._job = job
        self._spool = Spool(job.root)
        self._cuts: list[Cut] = []
        self._start_ns = 0
        self._late = ""
        self._current: EpisodeWriter | None = None

    def without_known(self, cuts: Sequence[Cut], start_ns: int) -> list[Cut]:
        """Return the cuts that are not imported yet, and note the others; the bag starts at ``start_ns``."""
        self._cuts, self._start_ns = list(cuts), start_ns
        left = []
        for cut in cuts:
            same = [each for each in self._job.rejected if each.is_of(cut)]
            known = next((each for each in (*same, *self._job.known) if each.overlaps(cut)), None)
            if known is None:
                left.append(cut)
                continue
            if known.is_of(cut):
                self._note(cut, verdict="known", reasons=(KNOWN,))
            else:
                self.skip(cut, self._partly(known))
        return left

    def _partly(self, known: Source) -> str:
        """Return that a part of a cut is imported already: when it is, in seconds of the bag."""
        start_s, end_s = ((each - self._start_ns) / 1e9 for each in (known.start_ns, known.end_ns))
        return (
            f"a part of it is imported already, {start_s:.2f} s to {end_s:.2f} s: import the rest with "
            "--range, or delete that episode"
        )

    def begin(self, cut: Cut, started_at_ns: int, rows: int, streams: Sequence[Stream]) -> OfflineTake:
        """Begin a take, see `Taking`."""
        header = self._header(cut, started_at_ns, streams)
        writer = self._writer(header)
        settings = replace(self._job.parameters.recorder, episode_time_s=0.0)
        limits = replace(take_settings(header, settings, streams), max_rows=rows or None)
        self._late = _late_start(cut, started_at_ns, streams, self._job.parameters.rows.fps)
        return OfflineTake(writer, TakeRows(writer, streams, limits))

    def end(self, cut: Cut, take: OfflineTake, failure: RecorderError | None) -> None:
        """End a take, see `Taking`."""
        outcome = take.rows.conclude("time" if take.rows.is_full else "save", failure, cut.success)
        self._current = None
        facts = _facts(outcome)
        if not outcome.length and not outcome.reasons:
            facts["reasons"] = (self._why_no_row(cut, outcome.started_at_ns),)
        missing = "; ".join(filter(None, [cut.missing, self._late]))
        self._note(replace(cut, missing=missing), **facts)

    def _why_no_row(self, cut: Cut, first_ns: int) -> str:
        first_s, end_s = ((each - self._start_ns) / 1e9 for each in (first_ns, cut.end_ns))
        if first_ns > cut.end_ns:
            why = f"its first row would be at {first_s:.3f} s, after its end at {end_s:.3f} s"
        else:
            why = f"no stream has a sample after its first row, which would be at {first_s:.3f} s"
        return f"it has no row: {why}; choose a longer part of the bag"

    def skip(self, cut: Cut, reason: str) -> None:
        """Note a cut without an episode, see `Taking`."""
        self._note(cut, verdict="none", reasons=(reason,))

    def close(self) -> None:
        """Remove a take that has begun: the bag still has it."""
        writer, self._current = self._current, None
        if writer is not None:
            with contextlib.suppress(RecorderError, OSError):  # the next import removes it
                writer.abandon()
                self._spool.erase(writer.path)

    def _note(self, cut: Cut, **facts: Any) -> None:
        self.episodes.append(ImportedEpisode(cut.start_ns, cut.end_ns, missing=cut.missing, **facts))

    def _writer(self, header: EpisodeHeader) -> RowWriter:
        if self._job.is_dry:
            return CountingWriter(header)
        _require_room(self._spool)
        order = Source(**header.source).order
        self._current = _RoomWatchingWriter(self._spool, header, order=order)
        return self._current

    def _header(self, cut: Cut, started_at_ns: int, streams: Sequence[Stream]) -> EpisodeHeader:
        parameters = self._job.parameters
        settings: RecorderSettings = parameters.recorder
        cameras = probe_cameras(streams)
        features = fitting_features(self._spool, parameters.rows.fps, streams, cameras, settings)
        return EpisodeHeader(
            episode_id="" if self._job.is_dry else self._spool.new_episode_id(),
            setup="" if self._job.is_dry else keep_setup(self._spool.path, self.setup.files()),
            fps=parameters.rows.fps,
            features=features,
            cameras=cameras,
            task=cut.task_at(started_at_ns) or settings.task,
            robot_type=settings.robot_type or None,
            started_at_ns=started_at_ns,
            clock=parameters.clock,
            record_success=SUCCESS_FEATURE in features,
            sampled=tuple(stream.spec.name for stream in streams),
            source=vars(self._source(cut)),
        )

    def _source(self, cut: Cut) -> Source:
        job = self._job
        return Source(
            bag=str(job.path.absolute()),
            size_bytes=job.size_bytes,
            digest=job.digest,
            start_ns=cut.start_ns,
            end_ns=cut.end_ns,
            series=job.series,
            bag_number=job.number,
            number=self._cuts.index(cut),
        )


def _late_start(cut: Cut, started_at_ns: int, streams: Sequence[Stream], fps: int) -> str:
    """Return what an episode lacks at its start; empty: nothing, or less than a row of a time range."""
    from_ns = cut.start_ns if cut.rows else cut.start_ns + 1_000_000_000 // fps
    oldest = {stream.spec.name: stream.oldest() for stream in streams}
    late = [name for name, sample in oldest.items() if sample is not None and sample.stamp_ns > from_ns]
    if not (cut.is_timed and late):
        return ""
    late_s = (started_at_ns - cut.start_ns) / 1e9
    return f"its first {late_s:.2f} s are missing: the bag has no earlier sample of {', '.join(late)}"


class _RoomWatchingWriter(EpisodeWriter):
    """Leaves room on the disk for the encoder."""

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Raises:
            DiskFullError: too little space is left.
        """
        if self.length % _LOOK_EVERY_ROWS == 0:
            _require_room(self._spool)
        super().append(row)


def _require_room(spool: Spool | Any) -> None:
    if spool.free_bytes() < RESERVE_BYTES:
        raise DiskFullError(_disk_full(spool))


def _disk_full(spool: Spool | Any) -> str:
    return (
        f"no space left on the disk of {spool.path.parent}: free some space, and run the same command again; "
        "it goes on with the episodes that are missing"
    )


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": "none" if outcome.length == 0 else outcome.verdict,
        "reasons": outcome.reasons,
        "notes": outcome.notes,
        "started_at_ns": outcome.started_at_ns,
        "rows": outcome.length,
        "duration_s": outcome.duration_s,
        "task": outcome.task,
        "state": outcome.state,
    }


def sources_in(root: Path) -> list[Source]:
    """Return the parts of bags that are in a dataset, or wait for it in its spool.

    Deleted and rejected episodes do not count.

    Raises:
        DatasetError: the dataset cannot be read.
    """
    return _sources([*recorded_sources(root), *_spooled_sources(root, *_COUNTED)])


def rejected_sources_in(root: Path) -> list[Source]:
    """Return the parts of bags whose episodes were set aside because they are bad."""
    return _sources(_spooled_sources(root, "rejected"))


def _spooled_sources(root: Path, *states: str) -> Iterator[Mapping[str, Any]]:
    for episode in Spool(root).episodes(*states):
        with contextlib.suppress(SpoolError):  # the encoder reports one that is damaged
            yield episode.manifest.source


def _sources(found: Iterable[Mapping[str, Any]]) -> list[Source]:
    names = {each.name for each in fields(Source)}
    return [
        Source(**{name: value for name, value in each.items() if name in names})
        for each in found
        if each.keys() >= _REQUIRED
    ]
