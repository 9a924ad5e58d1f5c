"""What the recorder node tells: its status, diagnostics, and answers to calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lerobot_recorder.recording import Outcome, Recorder, Schedule, Stream

_STATES = {"starting": "recording"}
_IDLE = ("waiting", "saving", "resetting", "finished")


def status_json(recorder: Recorder, schedule: Schedule, missing: list[str], refused: str) -> dict[str, Any]:
    """Return the status as it is published.

    Args:
        recorder: what records.
        schedule: of an unattended run.
        missing: the streams that bring nothing.
        refused: why the next episode does not start, empty when nothing is wrong.
    """
    status, now_s, settings = recorder.status(), time.monotonic(), recorder.settings
    phase = schedule.phase(now_s)
    idle = phase if phase in _IDLE else "idle"
    streams = {
        name: {**asdict(health), **status.figures.get(name, {})} for name, health in status.streams.items()
    }
    return {
        "state": idle if status.state == "idle" else _STATES.get(status.state, status.state),
        "task": status.task,
        "episode": schedule.saved + 1,
        "num_episodes": schedule.num_episodes,
        "elapsed_s": status.elapsed_s,
        "episode_time_s": settings.episode_time_s,
        "reset_time_s": schedule.reset_time_s,
        "remaining_s": schedule.reset_left_s(now_s),
        "episode_id": status.episode_id,
        "frames": status.frames,
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


def saved(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that ended an episode to keep it."""
    if outcome.state == "ready":
        kept = f"; kept although {'; '.join(outcome.reasons)}" if outcome.reasons else ""
        return True, f"saved episode {outcome.episode_id} of {outcome.length} frames{kept}"
    return (
        False,
        f"episode {outcome.episode_id} is {outcome.state}: {'; '.join(outcome.reasons) or 'no frames'}",
    )


def discarded(outcome: Outcome) -> tuple[bool, str]:
    """Answer a call that ended an episode to remove it."""
    return True, f"discarded episode {outcome.episode_id} of {outcome.length} frames"


def judged(content: Mapping[str, Any], streams: Sequence[Stream]) -> list[tuple[str, int, str, Any]]:
    """Return the diagnostics: one report on the recorder, one for each stream."""
    level = 2 if content["message"] else 0
    reports = [("recorder", level, content["message"] or content["state"], {"frames": content["frames"]})]
    for stream in streams:
        name = stream.spec.name
        values = content["streams"][name]
        age = values["age_s"]
        wrong = next((line for line in content["missing"] if line.startswith(f"{name}:")), "")
        if not wrong and (age is None or age > stream.spec.max_age_s):
            wrong = "nothing is received" if age is None else f"nothing for {age:.1f} s"
        reports.append((name, 2 if wrong else 0, wrong or f"{values['rate_hz']:.1f} Hz", values))
    return reports
