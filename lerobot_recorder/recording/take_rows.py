"""The rows of one take, from samples to the spool, and its verdict. It uses no thread and no clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from lerobot_recorder.errors import DiskFullError, OverrunError, RecorderError, SpoolError, StreamError
from lerobot_recorder.recording.quality import (
    QualityRules,
    StreamQuality,
    TickQuality,
    advised_once,
    bad_because,
)
from lerobot_recorder.recording.row_queue import QUEUE_ROWS, Pace, TimedWriter
from lerobot_recorder.recording.rows import Row, row_at
from lerobot_recorder.recording.status import CUT_SHORT, Ending, Outcome
from lerobot_recorder.recording.streams import Sample, Stream
from lerobot_recorder.spool import AGES, SOURCE_STAMPS

SETTLE_S = 0.5
"""How long a row waits for late samples of streams that are stamped by their source."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakeSettings:
    """Settings of one take.

    Attributes:
        max_rows: the take ends by itself after this many rows; None: it has no limit
        queue_rows: number of rows that may wait for the disk
        ages: the streams in the feature ``stream_ages``, in its order; empty: no such feature
        rules: what makes an episode bad
        setup: writes the set-up that is known when the take ends to the spool, and returns its identifier;
            None: it stays as at the start
    """

    max_rows: int | None = None
    queue_rows: int = QUEUE_ROWS
    ages: tuple[str, ...] = ()
    rules: QualityRules = field(default_factory=QualityRules)
    setup: Callable[[], str] | None = None


class Kept(Protocol):
    """An episode that a writer has ended."""

    @property
    def state(self) -> str:
        """Where it is."""


class RowWriter(TimedWriter, Protocol):
    """What takes the rows of a take: ``EpisodeWriter``, or something that only counts them."""

    @property
    def size_bytes(self) -> int:
        """Bytes appended so far."""

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row."""

    def save(self, on_safe: Callable[[], None], **outcome: Any) -> Kept:
        """End the episode and keep it, see ``EpisodeWriter.save``."""

    def reject(self, *reasons: str, on_safe: Callable[[], None], **outcome: Any) -> Kept:
        """End the episode and set it aside, see ``EpisodeWriter.reject``."""

    def discard(self, **outcome: Any) -> None:
        """End the episode and remove it."""


class TakeRows:
    """Takes the rows of one take from its streams, and appends them to its writer.

    Two threads may use it: one calls ``look`` and ``note``, the other one ``append``.

    Attributes:
        header: the episode's header
        settings: settings of the take
        quality: the counts of each stream, by name
        ticks: the counts of the rows
        pace: how long the steps of writing a row take
    """

    def __init__(self, writer: RowWriter, streams: Sequence[Stream], settings: TakeSettings) -> None:
        self.header = writer.header
        self.settings = settings
        self.quality = {stream.spec.name: StreamQuality(stream, self.header.fps) for stream in streams}
        self.ticks = TickQuality(1 / self.header.fps)
        self.pace = Pace(writer)
        self._writer = writer
        self._streams = streams
        self._row: Row | None = None
        self._decoded: dict[str, tuple[Sample, Any]] = {}

    @property
    def rows(self) -> int:
        """Number of rows taken."""
        return self.ticks.ticks

    @property
    def is_full(self) -> bool:
        """Whether it has all rows that it may have."""
        return self.rows == self.settings.max_rows

    @property
    def next_ns(self) -> int:
        """Time of the next row, which is on the grid."""
        return self.header.started_at_ns + self.rows * 1_000_000_000 // self.header.fps

    def awaited(self) -> list[Stream]:
        """Return the streams that may still bring a sample for the next row.

        These are stamped by their source, have not brought a later sample, and have not fallen silent.
        """
        return awaited_at(self.next_ns, self._streams)

    def look(self) -> Row:
        """Return the next row.

        Raises:
            StreamError: a stream has no sample from before it.
        """
        time_ns = self.next_ns
        row = self._row = row_at(self._streams, time_ns, self.settings.ages, self._row)
        for stream in self._streams:
            stream.keep_from(time_ns)
        return row

    def note(self, row: Row, late_s: float) -> None:
        """Count a row that is taken, ``late_s`` seconds after its time."""
        for name, sample in row.samples.items():
            self.quality[name].note_tick(sample, row.ages_s[name])
        self.ticks.note(late_s)

    def append(self, row: Row) -> None:
        """Decode the images of a row and write it.

        Raises:
            StreamError: an image cannot be decoded, or has another size than the one before.
            SpoolError: the row cannot be written.
        """
        try:
            self._append(row)
        except RecorderError:
            raise
        except (OSError, ValueError) as error:  # a message cannot be decoded
            raise StreamError(str(error)) from error

    def _append(self, row: Row) -> None:
        images = {}
        for stream in self._streams:
            if stream.spec.is_image:
                name, feature = stream.spec.name, stream.spec.feature
                images[feature] = self._decode(stream, row.samples[name])
                self.quality[name].note_image(row.samples[name], images[feature])
        with self.pace.appending():
            self._writer.append({**row.vectors, **_ages(row), **images})

    def _decode(self, stream: Stream, sample: Sample) -> Any:
        """Decode a sample once, even if several rows have it."""
        name = stream.spec.name
        if name not in self._decoded or self._decoded[name][0] is not sample:
            self.quality[name].check_declared(sample.value)
            with self.pace.decoding():
                self._decoded[name] = (sample, stream.decode(sample.value))
        return self._decoded[name][1]

    def forget(self) -> None:
        """Free the memory of decoded images."""
        self._decoded.clear()

    # The end

    def conclude(
        self,
        ending: Ending | None,
        failure: Exception | None = None,
        success: bool | None = None,
        on_safe: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> Outcome:
        """Judge the take, and save it, set it aside or discard it.

        Args:
            ending: why it ended if nothing has failed; None: it was saved
            failure: what ended it
            success: the operator's mark; None if there is none
            on_safe: called with the outcome once no power cut can change it, before the episode moves

        Raises:
            SpoolError: the disk failed; the take stays where it is.
        """
        writer, reasons = self._writer, self._reasons(ending, failure)
        accepted = bool(reasons) and self.settings.rules.on_bad_episode == "keep"
        facts: dict[str, Any] = {
            "verdict": "bad" if reasons else "good",
            "reasons": reasons,
            "ended_by": _ended_by(ending, failure),
            "streams": {name: counted.figures() for name, counted in self.quality.items()},
            "ticks": self.ticks.figures(),
            "notes": (*_cut_short(failure, ending), *self._notes()),
        }
        marks, size = {"success": success, "accepted": accepted}, writer.size_bytes
        if ending == "discard" or writer.length == 0:
            writer.discard(**facts, **marks)
            why = (str(failure),) if failure else ()
            return self.outcome("discarded", size_bytes=size, reasons=why, ended_by="discard")
        state, end = ("rejected", writer.reject) if reasons and not accepted else ("ready", writer.save)
        outcome = self.outcome(state, size_bytes=size, success=success, **facts)
        kept = end(on_safe=lambda: on_safe(outcome), **facts, **marks, **self._setup())
        return replace(outcome, state=kept.state)

    def _notes(self) -> tuple[str, ...]:
        return advised_once([note for counted in self.quality.values() for note in counted.notes()])

    def _setup(self) -> dict[str, str]:
        """Return the entry for the set-up; none if it stays as at the start."""
        try:
            return {"setup": self.settings.setup()} if self.settings.setup else {}
        except SpoolError as error:
            logger.warning("the set-up of the start is kept with the episode: %s", error)
            return {}

    def outcome(self, state: str, **facts: Any) -> Outcome:
        """Return an outcome with what is known of the rows."""
        length = self._writer.length
        return Outcome(
            episode_id=self.header.episode_id,
            state=state,
            length=length,
            duration_s=length / self.header.fps,
            task=self.header.task,
            started_at_ns=self.header.started_at_ns,
            **facts,
        )

    def _reasons(self, ending: Ending | None, failure: Exception | None) -> tuple[str, ...]:
        """Return what makes the take bad."""
        found = [] if ending is None or ending not in CUT_SHORT else [CUT_SHORT[ending]]
        if failure is not None and not isinstance(failure, DiskFullError):
            found.insert(0, str(failure))
        return (*found, *bad_because(self.quality.values(), self.settings.rules))


def awaited_at(time_ns: int, streams: Iterable[Stream]) -> list[Stream]:
    """Return the streams that may still bring a sample for a row, see ``TakeRows.awaited``."""
    return [stream for stream in streams if stream.spec.by_header and _may_bring(stream, time_ns)]


def _may_bring(stream: Stream, time_ns: int) -> bool:
    newest = stream.newest()
    if newest is None:
        return False
    return newest.stamp_ns <= time_ns and (time_ns - newest.stamp_ns) / 1e9 < stream.spec.max_age_s


def _ended_by(ending: Ending | None, failure: Exception | None) -> str:
    if isinstance(failure, DiskFullError):
        return "disk_full"
    if isinstance(failure, OverrunError):
        return "overrun"
    return "error" if failure is not None else (ending or "save")


def _cut_short(failure: Exception | None, ending: Ending | None) -> tuple[str, ...]:
    """Return a note for an episode that is shorter than it was meant to be."""
    return ("cut short: no space left on the disk",) if _ended_by(ending, failure) == "disk_full" else ()


def _ages(row: Row) -> dict[str, Any]:
    """Return the ages and source stamps of a row's samples."""
    return {
        AGES: np.array(list(row.ages_s.values()), np.float32),
        SOURCE_STAMPS: np.array([sample.source_ns for sample in row.samples.values()], np.int64),
    }
