from __future__ import annotations

from typing import Any

from rich.console import Console, Group

from lerobot_recorder.cli.screen import rows
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.recording import RecorderStatus, StreamStatus


def stream(**changes: Any) -> StreamStatus:
    return StreamStatus(**{"age_s": 0.01, "rate_hz": 30.0, **changes})


def shown(streams: dict[str, StreamStatus], **changes: Any) -> dict[str, str]:
    """What each line says."""
    status = {
        "state": "recording",
        "task": "Pick up the cube",
        "episode": 3,
        "num_episodes": 50,
        "elapsed_s": 4.2,
        "episode_time_s": 15.0,
        "missing": [],
        "message": "",
        "streams": streams,
        "free_bytes": 42_000_000_000,
        "seconds_left": 7200.0,
        **changes,
    }
    console = Console(width=200)
    lines = {}
    for name, content in rows(RunStatus(recorder=RecorderStatus(**status))):
        with console.capture() as capture:
            console.print(Group(content))
        lines[name] = capture.get().strip()
    return lines


def test_the_operator_sees_the_episode_the_streams_and_the_room_left():
    lines = shown({"state": stream(rate_hz=100.0), "top": stream(age_s=None)})
    assert "recording   episode 3 of 50" in lines["state"]
    assert "4.2 / 15.0 s" in lines["state"]
    assert lines["streams"] == "state 100 Hz   top nothing"
    assert lines["disk"] == "42.0 GB free, enough for 2 h"
    assert "wrong" not in lines


def test_what_is_wrong_with_a_stream_is_seen_while_the_take_can_be_repeated():
    lines = shown({"state": stream(), "top": stream(wrong="top: the same picture for 2.0 s")})
    assert lines["wrong"] == "top: the same picture for 2.0 s"


def test_before_an_episode_what_is_missing_is_said_once():
    said = "top: nothing is received on cameras/top"
    lines = shown({"top": stream(age_s=None, wrong=said)}, state="waiting", missing=[said])
    assert lines["missing"] == said
    assert "wrong" not in lines


def test_room_that_is_not_known_yet_is_no_error():
    assert "free space unknown" in shown({}, free_bytes=None, seconds_left=None)["disk"]
