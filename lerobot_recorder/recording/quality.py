"""Counts what is wrong with an episode."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.excerpt import counted, tallied
from lerobot_recorder.recording.streams import NOT_FINITE, Arrivals, Sample, Stream, StreamSpec
from lerobot_recorder.settings import check_settings, setting
from lerobot_recorder.spool import EncodedImage

Image = npt.NDArray[Any] | EncodedImage

_LOOKED_AT = 16
"""Step between the pixels that are compared first; camera noise makes them differ between images."""


_SLOW = 0.8
"""A stream slower than this fraction of ``fps`` gets a note, as many rows repeat its samples. Jitter of a
camera with the same rate as the rows causes fewer repetitions."""

_TOO_SLOW = 0.4
"""A camera slower than this fraction of ``fps`` makes an episode bad, as most rows show an old image. Cameras
at half of ``fps`` are common, and well above this limit."""

_ADVICE = "; use fewer fps, or set <stream>.min_rate_hz if that is intended"

_HELD_S = 1.0
"""A vector with a larger ``max_age_s`` is meant to hold until the next one, like the command of a motion."""


@dataclass(frozen=True)
class QualityRules:
    """When an episode is bad, and what happens to it."""

    frozen_after_s: float = setting(
        1.0,
        "A camera that repeats the same image for this long is frozen, which makes the episode bad; 0: no "
        "check. Use 0 in a simulator, whose images have no noise",
        unit="s",
        low=0,
        effect="from the next episode",
    )
    on_bad_episode: Literal["reject", "keep"] = setting(
        "reject",
        "What happens to a bad episode: reject sets it aside, keep saves it with its faults noted",
        choices=("reject", "keep"),
        effect="from the next episode",
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class _Shown:
    """A camera's last image: its stamp, the stamp of the first equal image, and a fingerprint."""

    stamp_ns: int
    since_ns: int
    image: Image
    fingerprint: int

    @property
    def size(self) -> tuple[int, int]:
        if isinstance(self.image, EncodedImage):
            return self.image.width, self.image.height
        return self.image.shape[1], self.image.shape[0]

    def repeats(self, before: _Shown) -> bool:
        return self.fingerprint == before.fingerprint and _are_equal(self.image, before.image)


class StreamQuality:
    """Counts one stream over one episode; only one thread may call each ``note_`` method.

    Attributes:
        spec: the stream's spec
    """

    def __init__(self, stream: Stream, fps: int) -> None:
        """Start counting, with ``fps`` rows per second."""
        self.spec = stream.spec
        self._fps = fps
        self._stream = stream
        self._faults_before = stream.faults()
        self._arrivals_before = stream.arrivals()
        self._ticks = 0
        self._stale = 0
        self._repeated_ticks = 0
        self._age_sum_s = 0.0
        self._max_age_s = 0.0
        self._conflict = ""
        self._taken: Sample | None = None
        self._repeated_images = 0
        self._size_changes = 0
        self._longest_same_s = 0.0
        self._shown: _Shown | None = None
        self._declared: tuple[int, int] | None = None

    def note_tick(self, sample: Sample, age_s: float) -> None:
        """Count a tick and its sample."""
        self._ticks += 1
        self._age_sum_s += age_s
        self._max_age_s = max(self._max_age_s, age_s)
        self._stale += age_s > self.spec.max_age_s
        self._repeated_ticks += sample is self._taken
        self._conflict = self._conflict or self._stream.conflict
        self._taken = sample

    def check_declared(self, value: Any) -> None:
        """Compare an image's declared size with the image before it, before it is decoded.

        Args:
            value: a sample's value; one without ``width`` and ``height`` is not checked

        Raises:
            StreamError: the size has changed.
        """
        if not hasattr(value, "width"):
            return
        size = (value.width, value.height)
        self._require_same(size, self._declared or size)
        self._declared = size

    def note_image(self, sample: Sample, image: Image) -> None:
        """Compare an image with the one before it.

        Raises:
            StreamError: the size has changed.
        """
        before = self._shown
        if before is not None and before.stamp_ns == sample.stamp_ns:
            return
        self._shown = shown = _Shown(sample.stamp_ns, sample.stamp_ns, image, _fingerprint(image))
        if before is None:
            return
        self._require_same(shown.size, before.size)
        if shown.repeats(before):
            self._repeated_images += 1
            self._shown = replace(shown, since_ns=before.since_ns)
            self._longest_same_s = max(self._longest_same_s, (sample.stamp_ns - before.since_ns) / 1e9)

    def _require_same(self, size: tuple[int, int], before: tuple[int, int]) -> None:
        if size != before:
            self._size_changes += 1
            raise StreamError(
                f"{self.spec.name}: the images on {self.spec.source or self.spec.name} changed from "
                f"{before[0]}x{before[1]} to {size[0]}x{size[1]}"
            )

    def figures(self) -> dict[str, Any]:
        """Return the figures that are kept with the episode."""
        return {
            "stale_ticks": int(self._stale),
            "repeated_ticks": int(self._repeated_ticks),
            "mean_age_s": round(self._age_sum_s / self._ticks, 6) if self._ticks else None,
            "max_age_s": round(self._max_age_s, 6),
            "repeated_images": self._repeated_images,
            "longest_same_image_s": round(self._longest_same_s, 3),
            "size_changes": self._size_changes,
            "faults": self._faults(),
            "lost": self._arrivals().lost,
        }

    def reasons(self, rules: QualityRules) -> list[str]:
        """Return what makes the episode bad, one sentence each."""
        name, found = self.spec.name, []
        if self._conflict:
            found.append(f"{name}: {self._conflict}")
        if self._stale:
            found.append(
                f"{name}: {self._stale} of {self._ticks} ticks had no sample within "
                f"{self.spec.max_age_s:g} s (the oldest was {self._max_age_s:.2f} s old)"
            )
        if self._is_slower_than(least_rate_hz(self.spec, self._fps)):
            found.append(self._slow())
        if rules.frozen_after_s and self._longest_same_s >= rules.frozen_after_s:
            found.append(f"{name}: the image did not change for {self._longest_same_s:.1f} s")
        if found:
            found += [f"{name}: {fault}" for fault in tallied(self._faults())]
            found += self._losses()
        return found

    def notes(self) -> list[str]:
        """Return what the operator should know but does not make the episode bad."""
        is_bad = self._is_slower_than(least_rate_hz(self.spec, self._fps))
        is_slow = self._is_slower_than(_usual_rate_hz(self.spec, self._fps))
        slow = [self._slow()] if is_slow and not is_bad else []
        if slow or (self.spec.is_image and not is_bad and not self._stale):
            slow += self._losses()
        left_out = self._faults().get(NOT_FINITE)
        return slow + (
            [f"{self.spec.name}: {counted(left_out, 'message')} with NaN or infinity left out"]
            if left_out
            else []
        )

    def _is_slower_than(self, rate_hz: float) -> bool:
        """Return whether new samples arrived at less than a rate; always False in the first second.

        One missing sample is tolerated.
        """
        least = rate_hz * self._ticks / self._fps
        return self._ticks >= self._fps and self._ticks - self._repeated_ticks + 1 < least

    def _slow(self) -> str:
        new = self._ticks - self._repeated_ticks
        return (
            f"{self.spec.name}: only {new} of {self._ticks} rows have a new {_kind(self.spec)} "
            f"({new * self._fps / self._ticks:.1f} a second), "
            f"{_expected(self.spec, self._fps, has_losses=self._arrivals().has_losses)}"
        )

    def _arrivals(self) -> Arrivals:
        return self._stream.arrivals().since(self._arrivals_before)

    def _losses(self) -> list[str]:
        losses = self._stream.describe_losses(self._arrivals())
        return [f"{self.spec.name}: {losses}"] if losses else []

    def _faults(self) -> dict[str, int]:
        before = self._faults_before
        return {
            what: number - before.get(what, 0)
            for what, number in self._stream.faults().items()
            if number > before.get(what, 0)
        }


@dataclass
class TickQuality:
    """Counts how late the rows are taken.

    Attributes:
        period_s: time between ticks
    """

    period_s: float
    ticks: int = 0
    late: int = 0
    max_lateness_s: float = 0.0
    lateness_sum_s: float = 0.0

    def note(self, lateness_s: float) -> None:
        """Count a tick; it is late if it was taken more than half a period after its time."""
        self.ticks += 1
        self.late += lateness_s > self.period_s / 2
        self.lateness_sum_s += lateness_s
        self.max_lateness_s = max(self.max_lateness_s, lateness_s)

    def figures(self) -> dict[str, Any]:
        """Return the figures that are kept with the episode."""
        return {
            "late": int(self.late),
            "mean_lateness_s": round(self.lateness_sum_s / self.ticks, 6) if self.ticks else None,
            "max_lateness_s": round(self.max_lateness_s, 6),
        }


def least_rate_hz(spec: StreamSpec, fps: int) -> float:
    """Return the rate of new samples below which a stream makes an episode bad."""
    return spec.min_rate_hz or (_TOO_SLOW * fps if spec.is_image else 0.0)


def _usual_rate_hz(spec: StreamSpec, fps: int) -> float:
    """Return the rate of new samples below which a stream gets a note."""
    is_held = not spec.is_image and spec.max_age_s > _HELD_S
    return 0.0 if spec.min_rate_hz or is_held else _SLOW * fps


def slow_source(stream: Stream, rate_hz: float, fps: int) -> list[str]:
    """Report a slow stream, or images that are lost, before it is recorded.

    Args:
        stream: the stream
        rate_hz: its samples per second; 0 if unknown
        fps: rows per second
    """
    spec, arrivals = stream.spec, stream.recent_arrivals()
    is_slow = 0 < rate_hz < max(least_rate_hz(spec, fps), _usual_rate_hz(spec, fps))
    losses = stream.describe_losses(arrivals)
    if losses and (is_slow or spec.is_image):  # they explain the rate, and one sentence fits on the screen
        return [f"{spec.name}: {losses}"]
    expected = _expected(spec, fps, has_losses=False)
    return [f"{spec.name}: only {rate_hz:.1f} {_kind(spec)}s a second, {expected}"] if is_slow else []


def check_rates(specs: Iterable[StreamSpec], fps: int) -> None:
    """Check that no stream requires more new samples per second than there are rows.

    Raises:
        ConfigError: ``min_rate_hz`` of a stream is higher than ``fps``.
    """
    for spec in specs:
        if spec.min_rate_hz > fps:
            raise ConfigError(
                f"{spec.name}.min_rate_hz: {spec.min_rate_hz:g} new samples a second need as many rows, "
                f"but fps is {fps}: expected at most that"
            )


def _kind(spec: StreamSpec) -> str:
    return "image" if spec.is_image else "sample"


def _expected(spec: StreamSpec, fps: int, *, has_losses: bool) -> str:
    if spec.min_rate_hz:
        return f"min_rate_hz is {spec.min_rate_hz:g}"
    if has_losses:  # the source is not slow
        return f"fps is {fps}"
    return f"fps is {fps}{_ADVICE}"


def advised_once(lines: Sequence[str]) -> tuple[str, ...]:
    """Return lines with the advice for slow streams only in the last that has it."""
    last = max((number for number, line in enumerate(lines) if line.endswith(_ADVICE)), default=0)
    return tuple(line if number >= last else line.removesuffix(_ADVICE) for number, line in enumerate(lines))


def bad_because(streams: Iterable[StreamQuality], rules: QualityRules) -> tuple[str, ...]:
    """Return what makes an episode bad, one sentence each; nothing if it is good."""
    return advised_once([reason for stream in streams for reason in stream.reasons(rules)])


def _fingerprint(image: Image) -> int:
    if isinstance(image, EncodedImage):
        return zlib.crc32(image.data)
    return zlib.crc32(image[::_LOOKED_AT, ::_LOOKED_AT].tobytes())


def _are_equal(image: Image, other: Image) -> bool:
    if isinstance(image, EncodedImage) or isinstance(other, EncodedImage):
        return image == other
    # Bytes, because in depth images NaN would not equal NaN.
    return np.array_equal(_bytes_of(image), _bytes_of(other))


def _bytes_of(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(image).view(np.uint8)
