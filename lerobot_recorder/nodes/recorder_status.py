"""What the recorder node tells: its status, diagnostics, and answers to calls."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lerobot_recorder.recording import Outcome, Recorder, RecorderStatus, Schedule, StreamHealth, StreamSpec

_STATES = {"starting": "recording"}
_IDLE = ("waiting", "saving", "resetting", "finished")
_OK, _WARN, _ERROR = range(3)
_SHOWN = ("frames", "late", "queued", "saved", "rejected", "free_bytes", "seconds_left")


def status_json(recorder: Recorder, schedule: Schedule, missing: list[str], refused: str) -> dict[str, Any]:
    """Return the status as it is published.

    Args:
        recorder: what records.
        schedule: of an unattended run.
        missing: the streams that bring nothing.
        refused: why the next episode does not start, empty when nothing is wrong.
    """
    status, now_s = recorder.status(), time.monotonic()
    phase = schedule.phase(now_s)
    idle = phase if phase in _IDLE else "idle"
    streams = {stream.spec.name: _stream_json(stream.spec, status, missing) for stream in recorder.streams}
    return {
        "state": idle if status.state == "idle" else _STATES.get(status.state, status.state),
        "task": status.task,
        "episode": schedule.saved + 1,
        "num_episodes": schedule.num_episodes,
        "elapsed_s": status.elapsed_s,
        "episode_time_s": status.episode_time_s,
        "reset_time_s": schedule.reset_time_s,
        "remaining_s": schedule.reset_left_s(now_s),
        "episode_id": status.episode_id,
        "frames": status.frames,
        "late": status.late,
        "queued": status.queued,
        "saved": status.saved,
        "rejected": status.rejected,
        "wait_s": status.last.wait_s if status.last else None,
        "message": refused or status.message,
        "missing": missing,
        "streams": streams,
        "free_bytes": status.disk.free_bytes,
        "seconds_left": status.disk.seconds_left,
    }


def _stream_json(spec: StreamSpec, status: RecorderStatus, missing: list[str]) -> dict[str, Any]:
    health, reasons = status.streams[spec.name], status.reasons.get(spec.name, [])
    notes = status.notes.get(spec.name, [])
    absent = [line for line in missing if line.startswith(f"{spec.name}:")] or _silent(spec, health)
    trouble = [f"{spec.name}: {health.trouble}"] if health.trouble else []
    return {
        **asdict(health),
        **status.figures.get(spec.name, {}),
        "silent": bool(absent),
        "wrong": "; ".join([*(absent or notes), *reasons, *trouble]),
    }


def _silent(spec: StreamSpec, health: StreamHealth) -> list[str]:
    if health.age_s is None:
        return [f"{spec.name}: nothing is received"]
    return [f"{spec.name}: nothing for {health.age_s:.1f} s"] if health.age_s > spec.max_age_s else []


def saved(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that ended an episode to keep it."""
    if outcome.state == "ready":
        kept = f"; kept although {'; '.join(outcome.reasons)}" if outcome.reasons else ""
        kept += f"; {'; '.join(outcome.notes)}" if outcome.notes else ""
        return True, f"saved episode {outcome.episode_id} of {outcome.length} frames{kept}"
    return (
        False,
        f"episode {outcome.episode_id} is {outcome.state}: {'; '.join(outcome.reasons) or 'no frames'}",
    )


def discarded(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that ended an episode to remove it."""
    back = "; undo_delete brings it back" if outcome.length else ""
    return True, f"discarded episode {outcome.episode_id} of {outcome.length} frames{back}"


def judged(content: Mapping[str, Any]) -> list[tuple[str, int, str, Any]]:
    """Return the diagnostics that a status makes: one report on the recorder, one for each stream."""
    shown = {key: content[key] for key in _SHOWN}
    level = _ERROR if content["message"] else _OK
    reports = [("recorder", level, content["message"] or content["state"], shown)]
    for name, stream in content["streams"].items():
        level = _ERROR if stream["silent"] else _WARN if stream["wrong"] else _OK
        values = {**stream, "faults": _listed(stream["faults"])}
        reports.append((name, level, stream["wrong"] or f"{stream['rate_hz']:.1f} Hz", values))
    return reports


def _listed(faults: Mapping[str, int]) -> str:
    return "; ".join(f"{what} ({number} times)" for what, number in faults.items())
