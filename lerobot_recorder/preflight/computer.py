"""Checks the disk and the clock of this computer."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from lerobot_recorder.dataset import load_info
from lerobot_recorder.errors import DatasetError, SpoolError
from lerobot_recorder.excerpt import counted, duration
from lerobot_recorder.preflight.finding import FAULT, WARNING, Finding, combined
from lerobot_recorder.recording import RESERVE_BYTES
from lerobot_recorder.spool import Spool

_TYPICAL_VIDEO_BYTES_PER_PIXEL = 0.01
"""Of a frame in the dataset; measured ones are used once there are any."""

_RAW_BYTES_PER_PIXEL = 1.7
_EARLIEST_S = 1_750_000_000
"""A time in June 2025, before which this program did not exist."""

_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TYPICAL_EPISODE_S = 60.0


def check_disk(
    root: Path, *, pixels: int, fps: int, episode_time_s: float, num_episodes: int, batch: int
) -> Finding:
    """Return whether the disk has room for the episodes that are asked for.

    Each takes the room of its videos. Those that wait to be encoded, one more than a batch, take that of
    their images.

    Args:
        root: directory of the dataset
        pixels: of an image of every camera together
        fps: rows per second
        episode_time_s: length of an episode; 0: as long as the operator likes
        num_episodes: number of episodes; 0: as many as the operator likes
        batch: episodes that are encoded together
    """
    try:
        Spool(root).require()
        free_bytes = Spool(root).free_bytes() - RESERVE_BYTES
    except SpoolError as error:
        return Finding("disk", FAULT, str(error))
    except OSError as error:
        return Finding("disk", FAULT, f"the free space is unknown: {error}")
    frames = int((episode_time_s or _TYPICAL_EPISODE_S) * fps)
    episodes = num_episodes or 1
    one_bytes = frames * pixels * _RAW_BYTES_PER_PIXEL
    kept_bytes = episodes * frames * (_frame_bytes(root) or pixels * _TYPICAL_VIDEO_BYTES_PER_PIXEL)
    needed_bytes = min(batch + 1, episodes) * one_bytes + kept_bytes
    fine = f"{max(free_bytes, 0) / 1e9:.1f} GB free"
    if pixels:
        seconds = max(free_bytes, 0) / (fps * pixels * _RAW_BYTES_PER_PIXEL)
        fine += f", enough for {duration(seconds)} of images that wait to be encoded"
    if num_episodes:
        fine += (
            f"; {counted(num_episodes, 'episode')} of {frames / fps:g} s "
            f"{'needs' if num_episodes == 1 else 'need'} about {needed_bytes / 1e9:.1f} GB while the encoder "
            "keeps up"
        )
    if free_bytes < one_bytes:
        return Finding("disk", FAULT, f"{fine}: not even one fits, free some space")
    problems = [] if free_bytes >= needed_bytes else [(WARNING, "free some space, or record elsewhere")]
    return combined("disk", problems, fine)


def _frame_bytes(root: Path) -> float:
    """Return the bytes that a frame takes in the dataset; 0 if there is none, or it cannot be read."""
    try:
        info = load_info(root)
    except DatasetError:
        return 0.0
    if info is None or not info.total_frames:
        return 0.0
    sizes = (path.stat().st_size for part in ("videos", "data") for path in (root / part).rglob("*.*"))
    return sum(sizes) / info.total_frames


def check_clock(root: Path, now_s: Callable[[], float] = time.time) -> Finding:
    """Return whether the clock can be right, and whether something keeps it right.

    Args:
        root: directory of the dataset: its last change must not be in the future
        now_s: the clock, in seconds since 1970
    """
    shown = datetime.fromtimestamp(now_s(), timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    if now_s() < _EARLIEST_S:
        return Finding("clock", FAULT, f"{shown}: this is long ago, set it")
    changed_s = _last_change_s(root)
    if changed_s > now_s() + 60:
        last = datetime.fromtimestamp(changed_s, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        return Finding("clock", FAULT, f"{shown}, but the dataset was changed at {last}: set the clock")
    return Finding(
        "clock", "ok", f"{shown}, {'synchronised' if is_synchronised() else 'not synchronised by NTP'}"
    )


def _last_change_s(root: Path) -> float:
    try:
        return (root / "meta" / "info.json").stat().st_mtime
    except OSError:
        return 0.0


def is_synchronised() -> bool:
    """Return whether the kernel's clock is disciplined, for example by NTP."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))) not in (-1, _UNSYNCHRONISED)
    except (OSError, AttributeError):
        return False
