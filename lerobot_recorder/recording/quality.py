"""What was wrong with an episode, and the verdict on it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lerobot_recorder.recording.streams import Sample, StreamSpec

_LOOKED_AT = 16  # every so many pixels both ways tell whether two images are the same


@dataclass(frozen=True)
class QualityRules:
    """When an episode is bad.

    Attributes:
        frozen_after_s: a camera that sends the same image for so long is frozen; 0 does not look.
        reject: whether bad episodes are set aside; else they are kept, with their reasons.
    """

    frozen_after_s: float = 1.0
    reject: bool = True


@dataclass
class StreamQuality:
    """Counts over one episode of one stream; each method is called by one thread only.

    Attributes:
        spec: the stream.
        fps: ticks per second.
    """

    spec: StreamSpec
    fps: int
    ticks: int = 0
    stale: int = 0
    repeated: int = 0
    nan: int = 0
    same: int = 0
    longest_same: int = 0
    age_sum_s: float = 0.0
    max_age_s: float = 0.0
    _last: Sample | None = None
    _print: int | None = None

    def note_tick(self, sample: Sample, age_s: float) -> None:
        """Count a tick and the sample that it took."""
        self.ticks += 1
        self.age_sum_s += age_s
        self.max_age_s = max(self.max_age_s, age_s)
        self.stale += age_s > self.spec.max_age_s
        self.repeated += sample is self._last
        if not self.spec.is_image and not np.isfinite(sample.value).all():
            self.nan += 1
        self._last = sample

    def note_image(self, image: Any) -> None:
        """Compare an image with the one before it."""
        if isinstance(image, np.ndarray):
            fingerprint = zlib.crc32(image[::_LOOKED_AT, ::_LOOKED_AT].tobytes())
        else:
            fingerprint = zlib.crc32(image.data)
        self.same = self.same + 1 if fingerprint == self._print else 0
        self.longest_same = max(self.longest_same, self.same)
        self._print = fingerprint

    def figures(self) -> dict[str, Any]:
        """Return what is kept with the episode."""
        return {
            "stale_ticks": int(self.stale),
            "repeated_ticks": int(self.repeated),
            "mean_age_s": round(self.age_sum_s / self.ticks, 6) if self.ticks else None,
            "max_age_s": round(self.max_age_s, 6),
            "nan_ticks": self.nan,
            "longest_same_image_s": round(self.longest_same / self.fps, 3),
        }

    def reasons(self, rules: QualityRules) -> list[str]:
        """Say what is wrong, one sentence each."""
        name, found = self.spec.name, []
        if self.stale:
            found.append(
                f"{name}: {self.stale} of {self.ticks} ticks had no sample within {self.spec.max_age_s:g} s "
                f"(the oldest was {self.max_age_s:.2f} s old)"
            )
        if self.nan:
            found.append(f"{name}: {self.nan} of {self.ticks} rows hold NaN or infinity")
        if rules.frozen_after_s and self.longest_same >= rules.frozen_after_s * self.fps:
            found.append(f"{name}: the image did not change for {self.longest_same / self.fps:.1f} s")
        return found


@dataclass
class TickQuality:
    """How late the rows were taken.

    Attributes:
        period_s: from tick to tick.
    """

    period_s: float
    ticks: int = 0
    late: int = 0
    max_lateness_s: float = 0.0
    lateness_sum_s: float = 0.0

    def note(self, lateness_s: float) -> None:
        """Count a tick; it is late when it was taken more than half a period after its time."""
        self.ticks += 1
        self.late += lateness_s > self.period_s / 2
        self.lateness_sum_s += lateness_s
        self.max_lateness_s = max(self.max_lateness_s, lateness_s)

    def figures(self) -> dict[str, Any]:
        """Return what is kept with the episode."""
        return {
            "late": int(self.late),
            "mean_lateness_s": round(self.lateness_sum_s / self.ticks, 6) if self.ticks else None,
            "max_lateness_s": round(self.max_lateness_s, 6),
        }


@dataclass(frozen=True)
class Verdict:
    """Whether an episode is fit for a dataset.

    Attributes:
        good: whether it is.
        reasons: why not, one sentence each.
    """

    good: bool
    reasons: tuple[str, ...] = field(default=())


def judge(
    streams: Sequence[StreamQuality], faults: Mapping[str, Mapping[str, int]], rules: QualityRules
) -> Verdict:
    """Judge an episode.

    Args:
        streams: what was counted.
        faults: per stream, messages during the episode that could not be used, by what was wrong.
        rules: when an episode is bad.
    """
    reasons: list[str] = []
    for stream in streams:
        name, found = stream.spec.name, stream.reasons(rules)
        if found:
            counts = faults.get(name, {})
            reasons += [*found, *(f"{name}: {what} ({number} times)" for what, number in counts.items())]
    return Verdict(not reasons, tuple(reasons))


def figures(streams: Sequence[StreamQuality]) -> dict[str, dict[str, Any]]:
    """Return what is kept of all streams with the episode."""
    return {stream.spec.name: stream.figures() for stream in streams}


def fresh(streams: Sequence[StreamSpec], fps: int) -> dict[str, StreamQuality]:
    """Begin to count, for each stream by name."""
    return {spec.name: StreamQuality(spec, fps) for spec in streams}


def merged(counts: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """Return what was counted since `before`."""
    return {
        what: number - before.get(what, 0) for what, number in counts.items() if number > before.get(what, 0)
    }
