"""Takes the episodes of one bag in one pass over its messages, with the rows that a recorder takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from lerobot_recorder.errors import DiskFullError, RecorderError, StreamError
from lerobot_recorder.excerpt import tallied
from lerobot_recorder.importing.cuts import Cut
from lerobot_recorder.importing.sim_time import TimedBag
from lerobot_recorder.importing.streams import BagStreams
from lerobot_recorder.recording import (
    SETTLE_S,
    RowWriter,
    Stream,
    TakeRows,
    awaited_at,
    grid_start_ns,
)
from lerobot_recorder.spool import EpisodeHeader

_SETTLE_NS = int(SETTLE_S * 1e9)
_AHEAD_NS = 500_000_000
"""Images that arrive within this time decide where the rows lie between them."""

_PAUSE_S = 10.0
"""Silences of all streams that are longer than this and any `max_age_s` end an episode."""

_LEAD_NS = 10_000_000_000
"""How long before an episode messages are read, at least."""


class OfflineTake:
    """A take whose rows are taken when the bag has brought their samples."""

    def __init__(self, writer: RowWriter, rows: TakeRows) -> None:
        self.rows = rows
        self.writer = writer

    def take_row(self) -> None:
        """Take the next row and write it.

        Raises:
            StreamError: a stream has no sample, or an image cannot be used.
            SpoolError: the row cannot be written.
        """
        row = self.rows.look()
        self.rows.note(row, 0.0)
        self.rows.append(row)


class Taking(Protocol):
    """What the pass needs: where takes begin and end."""

    def begin(self, cut: Cut, started_at_ns: int, rows: int, streams: Sequence[Stream]) -> OfflineTake:
        """Begin a take at a time, from streams that have samples then.

        Raises:
            RecorderError: it cannot be recorded.
        """

    def end(self, cut: Cut, take: OfflineTake, failure: RecorderError | None) -> None:
        """End a take.

        Raises:
            DiskFullError: the disk is full; the take is removed, because the bag still has it.
            SpoolError: it cannot be saved.
        """

    def skip(self, cut: Cut, reason: str) -> None:
        """Note that a cut cannot be an episode."""


class BagPass:
    """One pass over a bag.

    A row is taken as soon as the bag's log time is past it, and as late samples of streams that are stamped
    by their source have come, for which a recorder waits as well.
    """

    def __init__(
        self, bag: TimedBag, streams: BagStreams, cuts: Sequence[Cut], fps: int, taking: Taking
    ) -> None:
        self._bag = bag
        self._streams = streams
        self._fps = fps
        self._taking = taking
        self._cuts: Iterator[Cut] = iter(cuts)
        self._last_ns = max((cut.end_ns for cut in cuts), default=0) + 2 * _SETTLE_NS
        self._cut: Cut | None = None
        self._take: OfflineTake | None = None
        self._now_ns = 0
        self._sought: Cut | None = None

    def run(self, go_on: Callable[[int], bool] = lambda _now_ns: True) -> None:
        """Read the bag.

        Args:
            go_on: called with each log time; False ends the pass, and removes the take that has begun

        Raises:
            BagError: the bag cannot be read.
            DiskFullError: the disk is full.
            SpoolError: an episode cannot be saved.
        """
        self._next_cut()
        from_ns: int | None = self._bag.start_ns
        while from_ns is not None:
            from_ns = self._read(self._skip(from_ns), go_on)

    def _read(self, from_ns: int, go_on: Callable[[int], bool]) -> int | None:
        """Read from a time on; return from when to go on if the next cut is far away, None at the end."""
        for message in self._bag.messages(self._streams.topics, from_ns, self._last_ns):
            if message.log_ns > self._now_ns:
                self._break_off((message.log_ns - self._now_ns) / 1e9)
                self._now_ns = message.log_ns
                if not go_on(self._now_ns):
                    return None
                self._advance()
                if self._cut is None:
                    return None
                if self._is_far(message.log_ns):
                    return message.log_ns
            self._streams.take(message)
        self._advance(is_end=True)
        return None

    def _is_far(self, from_ns: int) -> bool:
        """Return whether messages before the next cut may be left out, which is tried once."""
        cut = self._cut
        return cut is not None and cut is not self._sought and cut.start_ns - from_ns > 2 * _LEAD_NS

    def _skip(self, from_ns: int) -> int:
        """Leave out what the next cut does not need; return the time from which to read."""
        if self._cut is None or not self._is_far(from_ns):
            return from_ns
        self._sought = self._cut
        streams = self._streams.at(self._cut.start_ns, _LEAD_NS)
        if streams is None:
            return from_ns
        self._streams = streams
        return self._cut.start_ns

    def _next_cut(self) -> None:
        self._cut, self._take = next(self._cuts, None), None
        for stream in self._streams.streams:
            stream.keep_from(self._cut.start_ns if self._cut else None)

    def _advance(self, *, is_end: bool = False) -> None:
        """Take all rows that are due, before the message of this log time is used."""
        while (cut := self._cut) is not None:
            try:
                if self._take is None and not self._begin(cut, is_end=is_end):
                    if not is_end and self._now_ns <= cut.end_ns + _SETTLE_NS:
                        return
                    self._leave_out(cut)
                elif not self._step(cut, is_end=is_end):
                    return
            except DiskFullError:
                raise
            except RecorderError as error:
                self._fail(cut, error)

    # The start of a take

    def _begin(self, cut: Cut, *, is_end: bool) -> bool:
        """Begin the take if its streams have samples; return whether it has begun."""
        first_ns = self._first_ns(cut)
        if first_ns is None or first_ns > cut.end_ns:
            return False
        if cut.rows:
            return self._begin_at(cut, first_ns, is_end=is_end)
        if not is_end and self._now_ns < max(first_ns, cut.start_ns) + _AHEAD_NS:
            return False
        images = (
            (stamp_ns for stamp_ns in stream.recent_ns() if stamp_ns >= first_ns - _LEAD_NS)
            for stream in self._streams.streams
            if stream.spec.is_image
        )
        period_ns = 1_000_000_000 // self._fps
        started_at_ns = grid_start_ns(first_ns, period_ns, chain.from_iterable(images))
        self._take = self._taking.begin(cut, started_at_ns, 0, self._streams.streams)
        return True

    def _begin_at(self, cut: Cut, first_ns: int, *, is_end: bool) -> bool:
        """Begin a take whose rows are known, without those before the first sample of each stream."""
        is_late = self._now_ns > cut.start_ns + _SETTLE_NS
        if not (is_end or is_late) and (
            self._now_ns <= cut.start_ns or awaited_at(cut.start_ns, self._streams.streams)
        ):
            return False
        times = enumerate(cut.start_ns + row * 1_000_000_000 // self._fps for row in range(cut.rows))
        missing, started_at_ns = next((each for each in times if each[1] >= first_ns), (cut.rows, 0))
        if missing == cut.rows:
            return False
        self._take = self._taking.begin(cut, started_at_ns, cut.rows - missing, self._streams.streams)
        return True

    def _first_ns(self, cut: Cut) -> int | None:
        """Return the first time from which on every stream has a sample; None if one has none yet."""
        oldest = [stream.oldest() for stream in self._streams.streams]
        stamps = [sample.stamp_ns for sample in oldest if sample is not None]
        return max(cut.start_ns, *stamps) if len(stamps) == len(oldest) else None

    # Its rows

    def _step(self, cut: Cut, *, is_end: bool) -> bool:
        """Take one row or end the take; return whether there is more to do now."""
        assert self._take is not None
        rows = self._take.rows
        if rows.is_full or (not cut.rows and rows.next_ns > cut.end_ns):
            self._end(cut, None)
            return True
        if self._is_last(cut, rows.next_ns) if is_end else self._is_due(rows.next_ns):
            self._take.take_row()
            return True
        if is_end:
            self._end(cut, self._cut_off(cut, rows))
        return is_end

    def _is_due(self, time_ns: int) -> bool:
        """Return whether all samples of a row have come."""
        if self._now_ns <= time_ns:
            return False
        return self._now_ns > time_ns + _SETTLE_NS or not awaited_at(time_ns, self._streams.streams)

    def _is_last(self, cut: Cut, time_ns: int) -> bool:
        """Return whether a row is taken although the bag has ended.

        Unless the number of rows is known, one is not for which a stream's last measurement did not arrive.
        """
        newest = [stream.newest() for stream in awaited_at(time_ns, self._streams.streams)]
        is_missing = any(sample.stamp_ns < time_ns for sample in newest if sample is not None)
        return time_ns <= self._now_ns and (bool(cut.rows) or not is_missing)

    @staticmethod
    def _cut_off(cut: Cut, rows: TakeRows) -> RecorderError | None:
        wanted = rows.settings.max_rows
        if not cut.rows or wanted is None:
            return None
        return StreamError(f"the bag ends after {rows.rows} of {wanted} rows")

    # Its end

    def _break_off(self, silent_s: float) -> None:
        """End the take before a silence of all streams that is too long for any of them.

        Nothing bounds the rows in it: a recorder may have been paused for hours, or its clock set by years.
        Announced rows are as many as the recorder took.
        """
        cut, take = self._cut, self._take
        longest_s = max((stream.spec.max_age_s for stream in self._streams.streams), default=0.0) + _PAUSE_S
        if cut is None or take is None or cut.rows or silent_s <= longest_s:
            return
        failure: RecorderError = StreamError(
            f"no stream has a message for {silent_s:.0f} s, because the bag's recorder was paused or its "
            f"clock was set: --gap {longest_s:.0f} makes an episode of each part"
        )
        try:
            while self._is_last(cut, take.rows.next_ns) and take.rows.next_ns <= cut.end_ns:
                take.take_row()
        except DiskFullError:
            raise
        except RecorderError as error:
            failure = error
        self._end(cut, failure)

    def _end(self, cut: Cut, failure: RecorderError | None) -> None:
        take, self._take = self._take, None
        assert take is not None
        self._taking.end(cut, take, failure)
        self._next_cut()

    def _fail(self, cut: Cut, error: RecorderError) -> None:
        if self._take is not None:
            self._end(cut, error)
        else:
            self._taking.skip(cut, str(error))
            self._next_cut()

    def _leave_out(self, cut: Cut) -> None:
        streams = [stream for stream in self._streams.streams if _has_none(stream, cut)]
        named = [f"{each.spec.name}: {_nothing(each)}" for each in streams]
        self._taking.skip(cut, "; ".join(named) or "no row fits into it: choose a longer part of the bag")
        self._next_cut()


def _has_none(stream: Stream, cut: Cut) -> bool:
    oldest = stream.oldest()
    return oldest is None or oldest.stamp_ns > cut.end_ns


def _nothing(stream: Stream) -> str:
    faults = "; ".join(tallied(stream.faults()))
    return f"no message on {stream.spec.source} that can be used{f': {faults}' if faults else ''}"


@dataclass
class CountingWriter:
    """Takes rows without writing them, to see what an import would give.

    Attributes:
        header: the episode's header
        length: number of rows
    """

    header: EpisodeHeader
    length: int = 0
    convert_s: float = 0.0
    write_s: float = 0.0
    size_bytes: int = 0

    @property
    def state(self) -> str:
        """Where the episode is: nowhere."""
        return ""

    def append(self, row: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Count a row."""
        self.length += 1

    def save(self, on_safe: Callable[[], None], **outcome: Any) -> CountingWriter:  # noqa: ARG002
        """Keep nothing."""
        return self

    def reject(
        self,
        *reasons: str,  # noqa: ARG002
        on_safe: Callable[[], None],  # noqa: ARG002
        **outcome: Any,  # noqa: ARG002
    ) -> CountingWriter:
        """Keep nothing."""
        return self

    def discard(self, **outcome: Any) -> None:
        """Keep nothing."""
