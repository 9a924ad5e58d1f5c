"""Looks at a camera for some seconds, and judges its rate, its size, its device and its picture."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.cameras import (
    Camera,
    CameraImage,
    CameraSettings,
    DeviceIdentity,
    OpenSource,
    identity_of,
)
from lerobot_recorder.errors import CameraError
from lerobot_recorder.preflight import pictures
from lerobot_recorder.preflight.finding import FAULT, WARNING, Finding, combined
from lerobot_recorder.preflight.reference import Reference

_SLOW, _UNUSABLE = 0.9, 0.4
"""Fractions of the rate that is asked for: below them a camera is slow, or makes every take bad."""

_BURST = 0.5
"""Fraction of the expected interval; images that follow sooner were kept somewhere."""

_FASTER = "more light or a fixed exposure, pixel_format mjpeg, or a USB port of its own"
_LESS_WORK = "this computer may be busy: ending other programs, fewer fps or smaller images"
_FIRST_IMAGE_S = 5.0
_POLL_S = 0.02


@dataclass(frozen=True)
class CameraLook:
    """What a camera delivered.

    Attributes:
        settings: how it was opened
        identity: its device
        picture: its last image, RGB, uint8, (height, width, 3); None if there was none
        rate_hz: images per second
        problem: why there is no picture; empty if there is one
    """

    settings: CameraSettings
    identity: DeviceIdentity
    picture: NDArray[np.uint8] | None
    rate_hz: float
    problem: str = ""


def look_at(settings: CameraSettings, seconds: float, opener: OpenSource | None = None) -> CameraLook:
    """Open a camera, and collect its images for some seconds after the first.

    Args:
        settings: settings of the camera
        seconds: how long
        opener: opens the source; by default a device, a stream or a file
    """
    identity = identity_of(settings)
    images: list[CameraImage] = []
    stamps_ns: list[int] = []

    def take(image: CameraImage) -> None:
        images[:] = [image]
        stamps_ns.append(image.stamp_ns)

    camera = Camera(settings, take, opener=opener)
    try:
        camera.start()
    except CameraError as error:
        return CameraLook(settings, identity, None, 0.0, str(error))
    try:
        _await_images(stamps_ns, seconds)
        status = camera.status()
    finally:
        camera.stop()
    if not images or (picture := images[0].rgb) is None:
        return CameraLook(settings, identity, None, 0.0, status.message or "it delivers no image")
    return CameraLook(settings, identity, picture, _rate_hz(stamps_ns, settings.fps))


def _rate_hz(stamps_ns: Sequence[int], expected_hz: float) -> float:
    """Return images per second by their capture times.

    What a camera or a network has kept until it was opened arrives at once, and does not count; later bursts
    do, after the pauses that caused them.
    """
    intervals_s = np.diff(stamps_ns) / 1e9
    first = next(iter(np.flatnonzero(intervals_s >= _BURST / expected_hz)), 0)  # all are fast: count all
    span_s = float(intervals_s[first:].sum())
    return len(intervals_s[first:]) / span_s if span_s > 0 else 0.0


def _await_images(stamps_ns: Sequence[int], seconds: float) -> None:
    deadline_s = time.monotonic() + _FIRST_IMAGE_S
    while not stamps_ns and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    if stamps_ns:
        time.sleep(seconds)


def check_camera(look: CameraLook, references: Mapping[str, Reference]) -> Finding:
    """Judge what a camera delivered.

    Args:
        look: what it delivered
        references: what the cameras were and showed in the last session, by name
    """
    name = look.settings.name
    if look.picture is None:
        return Finding(name, FAULT, look.problem)
    height, width, _ = look.picture.shape
    fine = f"{look.identity.name}: {width}x{height} at {look.rate_hz:.1f} of {look.settings.fps:g} Hz"
    problems = [*_rate_problems(look), *_size_problems(look, width, height)]
    problems += _device_problems(look, references)
    problems += pictures.problems(name, look.picture, references)
    return combined(name, problems, fine)


def _rate_problems(look: CameraLook) -> list[tuple[str, str]]:
    expected_hz = look.settings.fps
    if look.rate_hz >= _SLOW * expected_hz:
        return []
    level = FAULT if look.rate_hz < _UNUSABLE * expected_hz else WARNING
    return [(level, f"slow: {_FASTER if is_real(look.settings.source) else _LESS_WORK} may help")]


def is_real(source: str) -> bool:
    """Return whether a source is a camera at this computer, not a simulation, a file or an address."""
    return source.startswith("/dev/") or source.isdecimal()


def _size_problems(look: CameraLook, width: int, height: int) -> list[tuple[str, str]]:
    if look.settings.size in (None, (width, height)):
        return []
    return [(FAULT, f"expected {look.settings.width}x{look.settings.height}")]


def _device_problems(look: CameraLook, references: Mapping[str, Reference]) -> list[tuple[str, str]]:
    now, reference = look.identity, references.get(look.settings.name)
    if reference is None:
        return []
    before = reference.identity
    if now.name != before.name:
        others = {each.identity.name: name for name, each in references.items()}
        whose = f"; this one was {others[now.name]}: swapped?" if now.name in others else ""
        return [(FAULT, f"another device than last time, which was {before.name}{whose}")]
    if now.bus != before.bus and not now.has_serial:
        return [
            (
                WARNING,
                f"in another USB port than last time ({now.bus}, was {before.bus}), and without a serial "
                "number: cameras of one model may be swapped",
            )
        ]
    return []
