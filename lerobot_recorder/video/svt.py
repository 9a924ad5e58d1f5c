"""The version of SVT-AV1, and which of its presets encode every block.

Some presets of some versions lose blocks of pictures with hard edges: up to 64x64 pixels become dark that
should be bright. This also depends on ``g``; ``benchmarks/presets.py`` measures it.
"""

from __future__ import annotations

import ctypes
import functools
import re
from pathlib import Path

import av

FASTEST_PRESET = 13
SLOWEST_SAFE_PRESET = 9
"""Correct with every measured version."""

_FLAT = (
    "hierarchical-levels=0:use-fixed-qindex-offsets=2:key-frame-qindex-offset=-18:enable-dlf=0:enable-cdef=0"
)
"""Every image refers to the key frame before it. The filters are off: they cost a tenth of the encoding,
and a fifth of the decoding. The offset gives about LeRobot's quality at the same ``crf``."""
_FLAT_FROM_PRESET = 11

ONE_THREAD = "lp=1"
"""The parameter for one thread: segments are encoded side by side, and more threads can mix up packets."""

_NAME = "libSvtAv1Enc"
_MAPPED = Path("/proc/self/maps")


@functools.cache
def loaded_version() -> tuple[int, int, int] | None:
    """Return the version of the SVT-AV1 that PyAV uses; None if it cannot be found."""
    path = _library()
    if path is None:
        return None
    try:
        get_version = ctypes.CDLL(str(path)).svt_av1_get_version
    except (OSError, AttributeError):
        return None
    get_version.restype = ctypes.c_char_p
    found = re.search(rb"(\d+)\.(\d+)\.(\d+)", get_version() or b"")
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def fastest_right_preset(version: tuple[int, int, int] | None, g: int | None) -> int:
    """Return the fastest preset that loses no block.

    Args:
        version: version of SVT-AV1; None if unknown.
        g: distance between key frames, None for the codec's choice.
    """
    if g == 1:
        return FASTEST_PRESET
    if version is None or version < (3, 1, 0) or g != 2:
        return SLOWEST_SAFE_PRESET
    return 10 if (4, 0, 0) <= version < (4, 2, 0) else FASTEST_PRESET


def structure(version: tuple[int, int, int] | None, g: int | None, preset: int) -> str:
    """Return the parameters with which fast presets lose no block; empty if they need none.

    Args:
        version: version of SVT-AV1; None if unknown.
        g: distance between key frames, None for the codec's choice.
        preset: the preset, not faster than `fastest_right_preset`.
    """
    is_flat = version is not None and version >= (4, 2, 0) and g == 2 and preset >= _FLAT_FROM_PRESET
    return _FLAT if is_flat else ""


def parameters(decoding: str, g: int | None, preset: int) -> str:
    """Return the ``svtav1-params`` that determine the bits of a video, for the loaded version.

    Args:
        decoding: the parameter of how fast the video can be decoded; may be empty.
        g: distance of key frames; None if unknown.
        preset: the preset.
    """
    return ":".join(filter(None, (decoding, structure(loaded_version(), g, preset))))


def _library() -> Path | None:
    """Find the library among those loaded by this process, or beside PyAV."""
    if _MAPPED.is_file():
        fields = (line.split(maxsplit=5) for line in _MAPPED.read_text().splitlines())
        mapped = (Path(each[5]) for each in fields if len(each) > 5)
        return next((path for path in mapped if _NAME in path.name), None)
    package = Path(av.__file__).parent
    beside = (package.parent / "av.libs", package / ".dylibs", package)
    return next((path for folder in beside for path in folder.glob(f"*{_NAME}*")), None)
