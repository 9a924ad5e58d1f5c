"""The recorder node's status, diagnostics and answers to service calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from lerobot_recorder.excerpt import counted, tallied
from lerobot_recorder.nodes.events import Diagnostic
from lerobot_recorder.recording import (
    Deleted,
    Marked,
    Outcome,
    Recorder,
    RecorderState,
    RecorderStatus,
    Restored,
    Schedule,
    StreamStatus,
)
from lerobot_recorder.status import ERROR, OK, WARN

_SHOWN = ("frames", "late", "queued", "saved", "rejected", "free_bytes", "seconds_left")


def recorder_status(
    recorder: Recorder, schedule: Schedule, missing: Sequence[str], refused: str
) -> RecorderStatus:
    """Return the status to publish: the recorder's, and what the schedule of an unattended run adds.

    Args:
        recorder: records the episodes.
        schedule: the schedule of an unattended run.
        missing: a sentence for each stream that delivers nothing.
        refused: why the next episode does not start; empty if nothing is wrong.
    """
    status, now_s = recorder.status(missing), time.monotonic()
    phase = schedule.phase(now_s)
    shown = status.state if status.state != "idle" or phase in ("manual", "recording") else phase
    return replace(
        status,
        state=cast("RecorderState", shown),
        episode=schedule.saved + 1,
        num_episodes=schedule.num_episodes,
        reset_time_s=schedule.reset_time_s,
        remaining_s=schedule.reset_left_s(now_s),
        paused=schedule.paused,
        message=refused or status.message,
    )


def saved(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that saved an episode."""
    if outcome.state == "ready":
        kept = f"; kept although {'; '.join(outcome.reasons)}" if outcome.reasons else ""
        kept += f"; {'; '.join(outcome.notes)}" if outcome.notes else ""
        return True, f"saved episode {outcome.episode_id} of {counted(outcome.length, 'frame')}{kept}"
    return (
        False,
        f"episode {outcome.episode_id} is {outcome.state}: {'; '.join(outcome.reasons) or 'no frames'}",
    )


def discarded(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that discarded an episode."""
    back = "; undo_delete brings it back" if outcome.length else ""
    return True, f"discarded episode {outcome.episode_id} of {counted(outcome.length, 'frame')}{back}"


def deletion(deleted: Deleted) -> str:
    """Describe what a deletion did."""
    if deleted.number is None:
        return f"deleted episode {deleted.episode_id}; undo_delete brings it back"
    name = f"{deleted.number} ({deleted.episode_id})"
    return f"deleted episode {name}, which was in the dataset; undo_delete brings it back"


def restoration(restored: Restored) -> str:
    """Describe what was brought back, and where it is."""
    if restored.number is None:
        return f"brought back episode {restored.episode_id}: it is in {restored.state}/"
    return f"brought back episode {restored.number} ({restored.episode_id}): it is in the dataset"


def marked(mark: Marked) -> tuple[bool, str]:
    """Answer a call that marked an episode."""
    if mark.number is None:
        return True, f"marked episode {mark.episode_id}"
    return True, f"marked episode {mark.number} ({mark.episode_id}), which is in the dataset"


def diagnostics(status: RecorderStatus) -> list[Diagnostic]:
    """Return the diagnostics of the recorder and of each stream.

    A missing stream is an error only while an episode is recorded: at rest the robot may be off.
    """
    shown = {name: getattr(status, name) for name in _SHOWN}
    is_at_rest = status.state not in ("recording", "saving")
    missing = WARN if is_at_rest else ERROR
    level = OK if not status.message else missing if status.missing else ERROR
    found: list[Diagnostic] = [("recorder", level, status.message or status.state, shown)]
    for name, stream in status.streams.items():
        level = missing if stream.silent else WARN if stream.wrong else OK
        found.append((name, level, stream.wrong or f"{stream.rate_hz:.1f} Hz", _values(stream)))
    return found


def _values(stream: StreamStatus) -> Mapping[str, Any]:
    faults = "; ".join(tallied(stream.faults))
    return {**asdict(stream), "faults": faults}
