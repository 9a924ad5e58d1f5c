"""The recorder node's status, diagnostics and answers to service calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lerobot_recorder.nodes.events import Diagnostic
from lerobot_recorder.recording import (
    Outcome,
    Recorder,
    RecorderSnapshot,
    RecorderState,
    RecorderStatus,
    Schedule,
    StreamHealth,
    StreamSpec,
    StreamStatus,
)

_OK, _WARN, _ERROR = range(3)
_PHASES: Mapping[str, RecorderState] = {
    "waiting": "waiting",
    "saving": "saving",
    "resetting": "resetting",
    "finished": "finished",
}
_SHOWN = ("frames", "late", "queued", "saved", "rejected", "free_bytes", "seconds_left")


def recorder_status(
    recorder: Recorder, schedule: Schedule, missing: Sequence[str], refused: str
) -> RecorderStatus:
    """Return the status to publish.

    Args:
        recorder: records the episodes.
        schedule: the schedule of an unattended run.
        missing: a sentence for each stream that delivers nothing.
        refused: why the next episode does not start; empty if nothing is wrong.
    """
    snapshot, now_s = recorder.status(), time.monotonic()
    return RecorderStatus(
        state=_state(snapshot, schedule, now_s),
        task=snapshot.task,
        episode=schedule.saved + 1,
        episode_index=snapshot.episode_index,
        num_episodes=schedule.num_episodes,
        elapsed_s=snapshot.elapsed_s,
        episode_time_s=snapshot.episode_time_s,
        reset_time_s=schedule.reset_time_s,
        remaining_s=schedule.reset_left_s(now_s),
        episode_id=snapshot.episode_id,
        frames=snapshot.frames,
        late=snapshot.late,
        queued=snapshot.queued,
        saved=snapshot.saved,
        rejected=snapshot.rejected,
        wait_s=snapshot.last.wait_s if snapshot.last else None,
        message=refused or snapshot.message,
        missing=tuple(missing),
        streams={
            stream.spec.name: _stream_status(stream.spec, snapshot, missing) for stream in recorder.streams
        },
        free_bytes=snapshot.disk.free_bytes,
        seconds_left=snapshot.disk.seconds_left,
    )


def _state(snapshot: RecorderSnapshot, schedule: Schedule, now_s: float) -> RecorderState:
    if snapshot.state == "starting":
        return "recording"
    if snapshot.state != "idle":
        return snapshot.state
    return _PHASES.get(schedule.phase(now_s), "idle")


def _stream_status(spec: StreamSpec, snapshot: RecorderSnapshot, missing: Sequence[str]) -> StreamStatus:
    name, health = spec.name, snapshot.streams[spec.name]
    absent = [line for line in missing if line.startswith(f"{name}:")] or _silent(spec, health)
    trouble = [f"{name}: {health.trouble}"] if health.trouble else []
    wrong = [*(absent or snapshot.notes.get(name, [])), *snapshot.reasons.get(name, []), *trouble]
    counted = {**asdict(health), **snapshot.figures.get(name, {})}
    return StreamStatus(**counted, silent=bool(absent), wrong="; ".join(wrong))


def _silent(spec: StreamSpec, health: StreamHealth) -> list[str]:
    if health.age_s is None:
        return [f"{spec.name}: nothing is received"]
    return [f"{spec.name}: nothing for {health.age_s:.1f} s"] if health.age_s > spec.max_age_s else []


def saved(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that saved an episode."""
    if outcome.state == "ready":
        kept = f"; kept although {'; '.join(outcome.reasons)}" if outcome.reasons else ""
        kept += f"; {'; '.join(outcome.notes)}" if outcome.notes else ""
        return True, f"saved episode {outcome.episode_id} of {outcome.length} frames{kept}"
    return (
        False,
        f"episode {outcome.episode_id} is {outcome.state}: {'; '.join(outcome.reasons) or 'no frames'}",
    )


def discarded(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that discarded an episode."""
    back = "; undo_delete brings it back" if outcome.length else ""
    return True, f"discarded episode {outcome.episode_id} of {outcome.length} frames{back}"


def diagnostics(status: RecorderStatus) -> list[Diagnostic]:
    """Return the diagnostics of the recorder and of each stream."""
    shown = {name: getattr(status, name) for name in _SHOWN}
    level = _ERROR if status.message else _OK
    found: list[Diagnostic] = [("recorder", level, status.message or status.state, shown)]
    for name, stream in status.streams.items():
        level = _ERROR if stream.silent else _WARN if stream.wrong else _OK
        found.append((name, level, stream.wrong or f"{stream.rate_hz:.1f} Hz", _values(stream)))
    return found


def _values(stream: StreamStatus) -> Mapping[str, Any]:
    faults = "; ".join(f"{what} ({number} times)" for what, number in stream.faults.items())
    return {**asdict(stream), "faults": faults}
