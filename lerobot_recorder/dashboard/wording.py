"""The nodes' answers in the words of the page: numbers for identifiers, buttons for services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lerobot_recorder.dashboard.live import Live
from lerobot_recorder.excerpt import counted
from lerobot_recorder.recording import IS_REJECTED

_ID = r"\d{8}T\d{6}\.\d+Z-[0-9a-f]+"
_BUTTONS = {
    "start_episode": "Start",
    "save_episode": "Save",
    "discard_episode": "Discard",
    "delete_last_episode": "Delete last",
    "undo_delete": "Bring back",
    "accept_episode": "Accept",
    "next_task": "Next task",
    "encode_pending": "Encode now",
    "retry_failed": "Retry failed",
    "end_recording": "End",
}
_PLACES = {
    "recording": "being recorded",
    "ready": "waiting for the encoder",
    "claimed": "being encoded",
    "committing": "being added to the dataset",
    "rejected": "set aside",
    "failed": "in the list, marked as failed",
    "discarded": "deleted",
}
_STARTED = re.compile(rf"recording episode {_ID}")
_REJECTED = re.compile(rf"episode {_ID}{re.escape(IS_REJECTED)}")
_NAME = re.compile(rf"(?:(?:the )?(?P<kind>episode|take) )?(?P<id>{_ID})")
_FOLDER = re.compile(r"\bis in (?:/.*/)?(?P<place>" + "|".join(_PLACES) + r")(?:/|$)")
_SERVICE = re.compile(r"\b(" + "|".join(_BUTTONS) + r")\b")


def plain(text: str, live: Live) -> str:
    """Return a sentence of a node or of the spool as an operator reads it.

    Args:
        text: the sentence.
        live: the newest statuses, which give episodes their numbers.
    """
    recorder, encoder = live.state("recorder") or {}, live.state("encoder") or {}
    return in_words(text, names(recorder, encoder), recorder.get("episode_index"))


def in_words(text: str, known: Mapping[str, str], number: int | None = None) -> str:
    """Return a sentence without identifiers, names of services and folders.

    Args:
        text: the sentence.
        known: names of episodes and takes by identifier.
        number: of the present or next episode; None if unknown.
    """
    if number is not None and _STARTED.fullmatch(text):
        return f"recording episode {number}"
    text = _REJECTED.sub("the take is set aside: ", text)
    text = re.sub(rf" \({_ID}\)", "", text)
    text = _NAME.sub(lambda found: known.get(found["id"], f"the {found['kind'] or 'episode'}"), text)
    text = re.sub(r", or lerobot-recorder accept .*, keeps it$", " keeps it", text)
    text = _FOLDER.sub(lambda found: f"is {_PLACES[found['place']]}", text)
    text = re.sub(r"^(there is no [^:]*?) in /.*$", r"\1", text)
    return _SERVICE.sub(lambda found: f"“{_BUTTONS[found[1]]}”", text)


def names(recorder: Mapping[str, Any], encoder: Mapping[str, Any]) -> dict[str, str]:
    """Return what the page calls the episodes that two statuses name."""
    last = recorder.get("last") or {}
    listed = [*(encoder.get("episodes") or ()), last, recorder]
    return {
        str(each["episode_id"]): "the take"
        if each.get("episode_index") is None
        else f"episode {each['episode_index']}"
        for each in listed
        if each.get("episode_id")
    }


def is_set(name: str, value: Any) -> str:
    """Return what the page answers when a parameter has been set."""
    if name == "paused":
        return "encoding is paused: episodes wait" if value else "encoding continues"
    if name == "video_encoding_batch_size":
        return f"encodes {counted(value, 'episode')} at a time"
    return f"next task: {value}" if name == "task" else f"{name.replace('_', ' ')}: {value}"
