"""Stamps in the headers of messages."""

from __future__ import annotations

from typing import Any

from lerobot_recorder.errors import StreamError


def stamp_ns(stamp: Any) -> int:
    """Return a ``builtin_interfaces/msg/Time`` in nanoseconds: 0 if it is not set, negative if damaged."""
    nanoseconds: int = stamp.sec * 10**9 + stamp.nanosec
    return nanoseconds


def header_ns(message: Any) -> int:
    """Return the stamp in a message's header, of any clock, in nanoseconds; 0 if it has none."""
    if hasattr(message, "header"):
        return stamp_ns(message.header.stamp)
    stamp = getattr(message, "timestamp", None)  # as in the messages of Foxglove
    return stamp_ns(stamp) if hasattr(stamp, "nanosec") else 0


def measured_ns(found_ns: int) -> int:
    """Return a header's stamp.

    Raises:
        StreamError: the source has not set it, or it is damaged.
    """
    if found_ns <= 0:
        found = "a negative stamp" if found_ns else "no stamp"
        raise StreamError(f"the header carries {found}; set stamp: receive to use the time of arrival")
    return found_ns
