"""Which episode an action is meant for: while an operator answers a question, somebody else may record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def not_the_target(service: str, meant: object, recorder: Mapping[str, Any] | None) -> str:
    """Return why an action would not reach the episode that the operator was asked about, else empty.

    Args:
        service: the action.
        meant: identifier of the episode in the question; None if the caller names none.
        recorder: the recorder's newest status; None if there is none.
    """
    if meant is None or service not in ("delete_last_episode", "discard_episode"):
        return ""
    if recorder is None:
        return "the recorder's state is unknown at the moment: nothing was done, try again"
    if service == "discard_episode":
        is_same = recorder.get("state") == "recording" and recorder.get("episode_id") == meant
        return "" if is_same else "this take is over by now: nothing was discarded"
    last = recorder.get("last") or {}
    if last.get("episode_id") != meant:
        return (
            "another episode is the last one by now: nothing was deleted; "
            "open the episode in the list to delete it"
        )
    return ""
