from __future__ import annotations

from typing import Any

from rich.console import Console, Group

from lerobot_recorder.cli.screen import Screen
from lerobot_recorder.cli.status import Remark, RunStatus
from lerobot_recorder.encoding import EncoderStatus, EncodingProgress, TakeProgress
from lerobot_recorder.recording import RecorderStatus, StreamStatus


def stream(**changes: Any) -> StreamStatus:
    return StreamStatus(**{"age_s": 0.01, "rate_hz": 30.0, **changes})


def shown(
    streams: dict[str, StreamStatus],
    *,
    ready: bool = True,
    after_s: float = 0.0,
    printed: str = "",
    ending: bool = False,
    encoder: EncoderStatus | None = None,
    **changes: Any,
) -> dict[str, str]:
    """What each line shows."""
    status = {
        "state": "recording",
        "task": "Pick up the cube",
        "episode": 3,
        "episode_index": 12,
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
    lines: dict[str, str] = {}
    now_s = 0.0
    run = RunStatus(RecorderStatus(**status), encoder, ready=ready, ending=ending)
    screen = Screen(run, console, clock=lambda: now_s)
    screen.shows_keys = True
    with console.capture():
        screen.print(Remark("recorder", printed))
    now_s = after_s
    for name, content in screen.rows():
        with console.capture() as capture:
            console.print(Group(content))
        lines[name] = capture.get().strip()
    return lines


def test_the_operator_sees_the_episode_the_streams_and_the_room_left():
    lines = shown({"state": stream(rate_hz=100.0), "top": stream(age_s=None)})
    assert "recording   episode 12   2 of 50 saved" in lines["state"]
    assert "4.2 / 15.0 s" in lines["state"]
    assert lines["streams"] == "state 100 Hz   top nothing"
    assert lines["disk"] == "42.0 GB free, enough for 2 h"
    assert "wrong" not in lines


def test_what_is_wrong_with_a_stream_is_seen_while_the_take_can_be_repeated():
    lines = shown({"state": stream(), "top": stream(wrong="top: the same picture for 2.0 s")})
    assert lines["wrong"] == "top: the same picture for 2.0 s"


def test_before_an_episode_what_is_missing_is_shown_once():
    said = "top: nothing is received on cameras/top"
    lines = shown({"top": stream(age_s=None, wrong=said)}, state="waiting", missing=[said])
    assert lines["missing"] == said
    assert "wrong" not in lines


def test_room_that_is_not_known_yet_is_no_error():
    assert "free space unknown" in shown({}, free_bytes=None, seconds_left=None)["disk"]


def test_numbers_are_those_of_the_dataset_and_of_the_run():
    assert shown({}, state="idle", num_episodes=0)["state"] == "ready   next: episode 12   2 saved"
    resetting = shown({}, state="resetting", remaining_s=4.0)["state"]
    assert resetting == "reset the scene   episode 12 in 4 s   2 of 50 saved"
    assert shown({}, state="finished", episode=51)["state"] == "finished   50 of 50 saved"


def test_an_ordinary_start_shows_no_fault():
    silent = {"top": stream(age_s=None, wrong="top: nothing is received"), "state": stream()}
    lines = shown(
        silent, ready=False, state="waiting", missing=["top: nothing is received"], message="waiting"
    )
    assert lines["state"] == "starting   waiting for top"
    assert not {"missing", "wrong", "problem", "streams"} & set(lines)
    late = shown(silent, ready=False, after_s=60, state="waiting", missing=["top: nothing is received"])
    assert late["missing"] == "top: nothing is received"


def test_nobody_is_ready_while_a_stream_is_missing():
    assert shown({}, state="idle", missing=["top: nothing"])["state"].startswith("not ready")


def test_what_was_printed_is_not_shown_as_well():
    failed = "the take of episode 12 is rejected: the wrist camera froze"
    assert shown({}, state="idle", message=failed)["problem"] == failed
    assert "problem" not in shown({}, state="idle", message=failed, printed=failed)


def test_the_end_shows_only_what_is_still_done():
    encoder = EncoderStatus(state="encoding", encoding=EncodingProgress(1, 30, 90), waiting=2, waiting_s=30.0)
    lines = shown({"top": stream()}, ending=True, encoder=encoder, state="finished", episode=51)
    assert lines["state"] == "ending"
    assert lines["encoder"].startswith("encoding 1 episode   2 waiting (30 s)")
    assert lines[""] == "Ctrl-C leaves the encoding for the next start"
    assert not {"streams", "keys", "disk", "task"} & set(lines)


def test_the_take_that_is_encoded_while_it_is_recorded_is_shown():
    encoder = EncoderStatus(take=TakeProgress("20260101T000000.000000Z-abcd", 250, 400), eta_s=2.4)
    line = shown({}, encoder=encoder)["encoder"]
    assert "encoding this take   2 s to clear" in line
    assert "250 / 400 frames" in line
