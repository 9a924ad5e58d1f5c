"""The newest samples of one source, looked up by time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import excerpt, tallied
from lerobot_recorder.settings import check_settings, setting

_KEPT_VECTORS = 4096
_KEPT_IMAGES = 160
"""More than arrive at 240 Hz while a row waits 0.5 s for late samples of other streams."""

_RATE_WINDOW = 32
_FOREVER_NS = 1 << 62

NOT_FINITE = "a value is NaN or infinite"
"""The fault that is counted for vectors that are left out."""

_KINDS_OF_FAULTS = 10
_LONGEST_FAULT = 300
_OTHER_FAULTS = "something else is wrong with a message"
"""Counts all further kinds of faults: a fault may contain a number, so that each one is a new kind."""

_LOSS_WINDOW_S = 5.0
_LEAST_LOSS = 0.01
"""Fraction of the messages that is worth a sentence; subscribing may lose one."""

_SET_BACK_NS = 2_000_000_000
_SET_BACK_S = 1.0
"""Samples are this much older than the newest, and no others arrive for this long: then they are not late,
but the clock that stamps them was set back."""


@dataclass(frozen=True)
class Sample:
    """One message of a stream.

    Attributes:
        stamp_ns: time of receipt, or of measurement as its header gives it, in nanoseconds of the recorder's
            clock
        value: a vector, float, (n,); a text; or what the stream's ``decode`` turns into an image
        source_ns: the stamp in its header, in nanoseconds of its source's clock; 0: none
    """

    stamp_ns: int
    value: Any
    source_ns: int = 0


@dataclass(frozen=True)
class StreamSpec:
    """A stream, and the part of the dataset that it fills.

    Attributes:
        name: the stream's name
        feature: the dataset's feature that it fills; vector streams of one feature are concatenated
        names: names of a vector's values; empty for images and texts
        is_image: whether it carries images
        is_text: whether it carries texts; no other stream fills its feature
        is_depth: whether these are depth maps
        size: required width and height of its images; None: any
        image_format: format of its images in the spool, see ``lerobot_recorder.spool.CameraSpool``
        max_age_s: a tick whose newest sample is older than this makes the episode bad
        min_rate_hz: fewer new samples per second make the episode bad; 0: see ``quality.least_rate_hz``
        by_header: whether its source stamps the samples; then ticks wait for late ones
        source: its topic, for messages
    """

    name: str
    feature: str
    names: tuple[str, ...] = ()
    is_image: bool = False
    is_text: bool = False
    is_depth: bool = False
    size: tuple[int, int] | None = None
    image_format: str = "raw"
    max_age_s: float = setting(
        0.5, "A sample that is older than this when a row is taken makes the episode bad", unit="s", low=0.001
    )
    min_rate_hz: float = setting(
        0.0,
        "Fewer new samples per second make the episode bad; 0: two fifths of fps for cameras, no minimum "
        "for other streams, and a warning below four fifths of fps",
        unit="Hz",
        low=0,
    )
    by_header: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        check_settings(self, f"stream {self.name}: ")
        if not (self.is_image or self.is_text or self.names):
            raise ConfigError(f"stream {self.name}: no names are given for its values")


@dataclass(frozen=True)
class StreamStatus:
    """State of one stream.

    Attributes:
        rate_hz: messages per second; 0 if none arrived lately.
        age_s: age of the newest sample in seconds; null if there is none.
        received: samples received since the start.
        faults: what was wrong with messages, and how often: in the current take, else since the start.
        trouble: what is wrong with the newest message; empty if nothing is.
        lost: messages that were sent but did not arrive, as far as the middleware knows: in the current take,
            else since the start.
        stale_ticks: rows of the current take without a sample that is new enough; 0 while nothing is
            recorded, like the counts that follow.
        repeated_ticks: rows of the current take that repeat the sample of the row before.
        mean_age_s: mean age of the samples of the current take, in seconds; null while nothing is
            recorded.
        max_age_s: largest age of a sample of the current take, in seconds.
        repeated_images: images of the current take that equal the one before.
        longest_same_image_s: longest time without a change of the image, in seconds.
        size_changes: images of the current take whose size differs from the one before.
        silent: whether the stream delivers nothing.
        wrong: what is wrong with the stream; empty if nothing is.
    """

    rate_hz: float = 0.0
    age_s: float | None = None
    received: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    trouble: str = ""
    lost: int = 0
    stale_ticks: int = 0
    repeated_ticks: int = 0
    mean_age_s: float | None = None
    max_age_s: float = 0.0
    repeated_images: int = 0
    longest_same_image_s: float = 0.0
    size_changes: int = 0
    silent: bool = False
    wrong: str = ""


@dataclass(frozen=True)
class Arrivals:
    """How many messages of a stream arrived, and how many were lost in transport."""

    received: int = 0
    lost: int = 0

    def since(self, before: Arrivals) -> Arrivals:
        """Return the difference to an earlier count."""
        return Arrivals(self.received - before.received, self.lost - before.lost)

    @property
    def has_losses(self) -> bool:
        """Whether the losses are worth a sentence."""
        return self.lost > 1 and self.lost >= _LEAST_LOSS * (self.received + self.lost)


class Stream:
    """The newest samples of one source. Any thread may push and read; neither waits for long.

    Attributes:
        spec: the stream's spec
        decode: turns an image sample's value into RGB uint8 (height, width, 3), depth (height, width) or an
            ``EncodedImage``; called by the thread that writes
        steady_s: a clock that is never set, for how long the stream is silent; that of a bag is its log time
        conflict: why samples may come from more than one source; empty if they do not. With a conflict no
            episode can start, and a running take becomes bad.
        remedy: what to do if messages are lost in transport; empty if that is unknown
        follow: makes a vector continue that of the row before, where several vectors mean the same, as with
            rotations; it gets the vector and the one before, which is None in the first row
    """

    def __init__(self, spec: StreamSpec, decode: Callable[[Any], Any] = lambda value: value) -> None:
        self.spec = spec
        self.decode = decode
        self.steady_s: Callable[[], float] = time.monotonic
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque(maxlen=_KEPT_IMAGES if spec.is_image else _KEPT_VECTORS)
        self._recent: deque[int] = deque(maxlen=_RATE_WINDOW)
        self._needed_from_ns = _FOREVER_NS
        self._received = 0
        self._received_at_s = self.steady_s()
        self._faults: dict[str, int] = {}
        self._trouble = ""
        self._back_ns = 0
        self._lost = 0
        self._marks = deque([(self.steady_s(), Arrivals())], maxlen=2)
        self.conflict = ""
        self.remedy = ""
        self.follow: Callable[[Any, Any], Any] | None = None

    def set_conflict(self, why: str) -> None:
        """Set why samples may come from more than one source; empty if they do not."""
        self.conflict = why

    def push(self, sample: Sample) -> None:
        """Add a sample.

        A vector with NaN or infinity is a fault and left out, because it would spoil the statistics.
        A sample that is older than the newest is left out, too, unless the clock of its source was set back:
        then those that are newer are left out instead.
        """
        is_usable = self.spec.is_image or self.spec.is_text or _is_finite(sample.value)
        with self._lock:
            if not is_usable:
                self._count_fault(NOT_FINITE)
                return
            if self._samples and sample.stamp_ns < self._samples[-1].stamp_ns:
                back = self._set_back(sample)
                self._count_fault(back or "a message is older than the one before it")
                if not back:
                    return
                while self._samples and self._samples[-1].stamp_ns > sample.stamp_ns:
                    self._samples.pop()
                self._recent.clear()
            self._back_ns = 0
            self._samples.append(sample)
            self._recent.append(sample.stamp_ns)
            self._received += 1
            self._received_at_s = self.steady_s()
            self._trouble = ""
            self._prune()

    def fault(self, what: str) -> None:
        """Count a fault of the newest message, which usually means that it cannot be used."""
        with self._lock:
            self._count_fault(what)

    def note_lost(self, number: int) -> None:
        """Count messages that were sent but did not arrive."""
        with self._lock:
            self._lost += number

    def arrivals(self) -> Arrivals:
        """Return the number of messages since the start."""
        with self._lock:
            return Arrivals(self._received, self._lost)

    def recent_arrivals(self) -> Arrivals:
        """Return the number of messages of the last few seconds."""
        now_s, total = self.steady_s(), self.arrivals()
        with self._lock:
            if now_s - self._marks[-1][0] > _LOSS_WINDOW_S:
                self._marks.append((now_s, total))
            return total.since(self._marks[0][1])

    def describe_losses(self, arrivals: Arrivals) -> str:
        """Report lost messages and what to do; empty if there are hardly any."""
        if not arrivals.has_losses:
            return ""
        kind, sent = "images" if self.spec.is_image else "messages", arrivals.received + arrivals.lost
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{arrivals.lost} of {sent} {kind} were lost in transport{remedy}"

    def faults(self) -> dict[str, int]:
        """Return the number of messages since the start, by what was wrong with them."""
        with self._lock:
            return dict(self._faults)

    def reset(self) -> None:
        """Forget all samples, for example after the clock jumped."""
        with self._lock:
            self._samples.clear()
            self._recent.clear()

    def keep_from(self, time_ns: int | None) -> None:
        """Keep the samples that are needed to look up times from here on; None: keep only the newest."""
        with self._lock:
            self._needed_from_ns = _FOREVER_NS if time_ns is None else time_ns
            self._prune()

    def at(self, time_ns: int) -> Sample | None:
        """Return the newest sample that is not later than a time; None if there is none."""
        with self._lock:
            return next((sample for sample in reversed(self._samples) if sample.stamp_ns <= time_ns), None)

    def newest(self) -> Sample | None:
        """Return the newest sample; None if there is none."""
        with self._lock:
            return self._samples[-1] if self._samples else None

    def oldest(self) -> Sample | None:
        """Return the oldest sample that is kept; None if there is none."""
        with self._lock:
            return self._samples[0] if self._samples else None

    def recent_ns(self) -> list[int]:
        """Return the stamps of the newest samples, oldest first."""
        with self._lock:
            return list(self._recent)

    def silent_s(self) -> float:
        """Return the seconds since the last sample in real time, independent of stamps and clock."""
        return self.steady_s() - self._received_at_s

    def status(self, now_ns: int) -> StreamStatus:
        """Return what is known without a take: rate, age and faults."""
        with self._lock:
            newest = self._samples[-1].stamp_ns if self._samples else None
            age_s = None if newest is None else (now_ns - newest) / 1e9
            return StreamStatus(
                self._rate(now_ns), age_s, self._received, dict(self._faults), self._trouble, self._lost
            )

    def silent(self, now_ns: int) -> list[str]:
        """Return a sentence if the stream delivers nothing."""
        age_s, spec = self.status(now_ns).age_s, self.spec
        if age_s is None:
            return [f"{spec.name}: nothing is received"]
        return [f"{spec.name}: nothing for {age_s:.1f} s"] if age_s > spec.max_age_s else []

    def missing(self, now_ns: int) -> str:
        """Return why the stream cannot be recorded now; empty if it can."""
        status, spec = self.status(now_ns), self.spec
        source = spec.source or spec.name
        if self.conflict:
            return f"{spec.name}: {self.conflict}"
        losses = self.describe_losses(self.recent_arrivals())
        if status.age_s is None:
            unusable = "; ".join(tallied(status.faults))
            why = f": {losses}" if losses else ""
            return f"{spec.name}: {unusable or 'nothing is received'} on {source}{why}"
        if status.age_s > spec.max_age_s:
            by = " by its headers" if spec.by_header else ""
            why = f": {status.trouble or losses}" if status.trouble or losses else ""
            return f"{spec.name}: nothing for {status.age_s:.1f} s{by} on {source}{why}"
        if status.age_s < -spec.max_age_s:
            return self._ahead(-status.age_s)
        return ""

    def _ahead(self, by_s: float) -> str:
        name, source = self.spec.name, self.spec.source or self.spec.name
        if self.spec.by_header:
            return (
                f"{name}: the headers on {source} are {by_s:.1f} s ahead of the clock; set the computers' "
                "clocks by the same server, or use stamp: receive"
            )
        return (
            f"{name}: the clock was set back by {by_s:.1f} s since the last message on {source}; "
            "try again after the next message"
        )

    def _set_back(self, sample: Sample) -> str:
        """Return that the clock of a sample was set back, and by how much; empty if it was not."""
        by_ns = self._samples[-1].stamp_ns - sample.stamp_ns
        self._back_ns = self._back_ns or by_ns
        if by_ns <= _SET_BACK_NS or self.silent_s() <= _SET_BACK_S:
            return ""
        by_s, source = self._back_ns / 1e9, self.spec.source or self.spec.name
        if not self.spec.by_header:
            return f"the clock was set back by {by_s:.1f} s"
        return f"the stamps on {source} ran back by {by_s:.1f} s: correct that clock, or use stamp: receive"

    def _rate(self, now_ns: int) -> float:
        if len(self._recent) < 2 or self._recent[-1] == self._recent[0]:
            return 0.0
        span_ns = max(self._recent[-1], now_ns) - self._recent[0]
        return (len(self._recent) - 1) * 1e9 / span_ns

    def _prune(self) -> None:
        while len(self._samples) > 1 and self._samples[1].stamp_ns <= self._needed_from_ns:
            self._samples.popleft()

    def _count_fault(self, what: str) -> None:
        what = self._trouble = excerpt(what, _LONGEST_FAULT)
        counted = what if what in self._faults or len(self._faults) < _KINDS_OF_FAULTS else _OTHER_FAULTS
        self._faults[counted] = self._faults.get(counted, 0) + 1


def _is_finite(vector: Any) -> bool:
    """Return whether a vector is finite in the precision that it is recorded in."""
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.asarray(vector, np.float64).astype(np.float32)).all())
