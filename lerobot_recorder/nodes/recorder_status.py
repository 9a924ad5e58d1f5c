"""The recorder node's status, diagnostics and answers to service calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from lerobot_recorder.answers import Answer, with_offer
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
        offer="" if refused else status.offer,
    )


def started(episode_id: str, status: RecorderStatus) -> Answer:
    """Answer a call that started an episode."""
    return Answer(True, f"recording episode {status.episode_index}", episode_id=episode_id)


def saved(outcome: Outcome, status: RecorderStatus) -> Answer:
    """Answer a call that saved an episode; it may have been set aside."""
    reasons = "; ".join(outcome.reasons)
    if outcome.state != "ready":
        offer = "accept_episode" if outcome.state == "rejected" else ""
        message = f"the take is {outcome.state}: {reasons or 'no frames'}"
        return Answer(False, message, offer, outcome.episode_id)
    kept = f"; kept although {reasons}" if reasons else ""
    kept += f"; {'; '.join(outcome.notes)}" if outcome.notes else ""
    name, frames = _name(outcome.episode_id, status), counted(outcome.length, "frame")
    return Answer(True, f"saved {name} of {frames}{kept}", episode_id=outcome.episode_id)


def discarded(outcome: Outcome) -> Answer:
    """Answer a call that discarded a take."""
    offer = "undo_delete" if outcome.length else ""
    message = f"discarded the take of {counted(outcome.length, 'frame')}"
    return Answer(True, message, offer, outcome.episode_id)


def deleted(done: Deleted, status: RecorderStatus) -> Answer:
    """Answer a call that deleted an episode."""
    name = _name(done.episode_id, status, done.number)
    where = "" if done.number is None else ", which was in the dataset"
    return Answer(True, f"deleted {name}{where}", "undo_delete", done.episode_id)


def restored(done: Restored, status: RecorderStatus) -> Answer:
    """Answer a call that brought an episode or a take back."""
    name = _name(done.episode_id, status, done.number)
    if done.state == "rejected":
        return Answer(True, f"brought back {name}: it is rejected", "accept_episode", done.episode_id)
    place = "waits for the encoder" if done.number is None else "is in the dataset"
    return Answer(True, f"brought back {name}: it {place}", episode_id=done.episode_id)


def accepted_take(episode_id: str, status: RecorderStatus) -> Answer:
    """Answer a call that accepted a rejected take."""
    return Answer(True, f"accepted {_name(episode_id, status)}", episode_id=episode_id)


def marked(done: Marked, status: RecorderStatus) -> Answer:
    """Answer a call that marked an episode."""
    where = "" if done.number is None else ", which is in the dataset"
    name = _name(done.episode_id, status, done.number)
    return Answer(True, f"marked {name}{where}", episode_id=done.episode_id)


def _name(episode_id: str, status: RecorderStatus, number: int | None = None) -> str:
    """Return what to call an episode: its number in the dataset, as far as that is known."""
    last = status.last
    if number is None and last is not None and last.episode_id == episode_id:
        number = last.episode_index
    if number is None and status.episode_id == episode_id:
        number = status.episode_index
    return "the take" if number is None else f"episode {number}"


def diagnostics(status: RecorderStatus) -> list[Diagnostic]:
    """Return the diagnostics of the recorder and of each stream.

    A missing stream is an error only while an episode is recorded: at rest the robot may be off.
    """
    shown = {name: getattr(status, name) for name in _SHOWN}
    is_at_rest = status.state not in ("recording", "saving")
    missing = WARN if is_at_rest else ERROR
    level = OK if not status.message else missing if status.missing else ERROR
    message = with_offer(status.message, status.offer, {}) or status.state
    found: list[Diagnostic] = [("recorder", level, message, shown)]
    for name, stream in status.streams.items():
        level = missing if stream.silent else WARN if stream.wrong else OK
        found.append((name, level, stream.wrong or f"{stream.rate_hz:.1f} Hz", _values(stream)))
    return found


def _values(stream: StreamStatus) -> Mapping[str, Any]:
    faults = "; ".join(tallied(stream.faults))
    return {**asdict(stream), "faults": faults}
