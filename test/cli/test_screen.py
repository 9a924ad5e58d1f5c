from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions, Group

from lerobot_recorder.cli.controls import Controls
from lerobot_recorder.cli.large_type import HEIGHT
from lerobot_recorder.cli.large_type import large as large_type
from lerobot_recorder.cli.screen import Screen
from lerobot_recorder.cli.status import PhoneCode, Remark, RunStatus
from lerobot_recorder.encoding import EncoderStatus, EncodingProgress, TakeProgress
from lerobot_recorder.encoding.status import Report
from lerobot_recorder.recording import LastEpisode, RecorderStatus, StreamStatus


def stream(**changes: Any) -> StreamStatus:
    return StreamStatus(**{"age_s": 0.01, "rate_hz": 30.0, **changes})


def controls(run: RunStatus) -> Controls:
    return Controls(run, lambda node, content: None, lambda: None)


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
    screen = Screen(run, controls(run), console, clock=lambda: now_s)
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
    assert "recording   episode 12   3 of 50   ━━━───" in lines["state"]
    assert "4.2 / 15.0 s" in lines["state"]
    assert lines["streams"] == "state 100 Hz 10 ms   top nothing"
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
    assert resetting == "reset the scene   4 s, then episode 12   3 of 50"
    assert shown({}, state="finished", episode=51)["state"] == "finished   50 of 50 saved"


def test_a_sentence_about_other_programs_is_shown_as_a_whole(tmp_path):
    report = Report(tmp_path)
    report.warn_of_starvation(0.07, 19)
    warning = report.starvation_warning
    assert shown({}, encoder=EncoderStatus(warning=warning))["warning"] == warning


def test_the_name_of_a_node_is_apart_from_what_it_says():
    printed = io.StringIO()
    screen = Screen(RunStatus(), controls(RunStatus()), Console(file=printed, width=80))
    screen.print(Remark("dashboard", "the dashboard is at http://127.0.0.1:8090/"))
    assert printed.getvalue() == "dashboard the dashboard is at http://127.0.0.1:8090/\n"


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


@pytest.mark.parametrize(("state", "word"), [("idle", "not ready"), ("waiting", "waiting")])
def test_a_full_disk_is_why_nothing_starts_and_not_the_robot(state, word):
    full = "58 MB free, enough for 0 s of recording, but 60 s must fit; free some space in /data"
    lines = shown({"top": stream()}, state=state, message=full, is_blocked=True)
    assert lines["state"].startswith(f"{word}   next")
    assert lines["problem"] == full
    assert "missing" not in lines


def test_what_was_printed_is_not_shown_as_well():
    failed = "the take of episode 12 is rejected: the wrist camera froze"
    assert shown({}, state="idle", message=failed)["problem"] == failed
    assert "problem" not in shown({}, state="idle", message=failed, printed=failed)


def test_the_end_shows_only_what_is_still_done():
    encoder = EncoderStatus(state="encoding", encoding=EncodingProgress(1, 30, 90), waiting=2, waiting_s=30.0)
    lines = shown({"top": stream()}, ending=True, encoder=encoder, state="finished", episode=51)
    assert lines["state"] == "ending"
    assert lines["encoder"] == "encoding 1 episode   ━━━━──────── 30 / 90 frames   " + (
        "2 episodes waiting, 30 s of recording"
    )
    assert lines[""] == "Ctrl-C leaves the encoding for the next start"
    assert not {"streams", "keys", "disk", "task"} & set(lines)


def test_the_take_that_is_encoded_while_it_is_recorded_is_shown():
    encoder = EncoderStatus(take=TakeProgress("20260101T000000.000000Z-abcd", 250, 400), eta_s=2.4)
    line = shown({}, encoder=encoder)["encoder"]
    assert "250 / 400 frames   2 s to clear" in line
    assert line.startswith("encoding this take")


# The whole view


def busy_run(state: str) -> RunStatus:
    streams = {f"camera_{number}": stream() for number in range(6)}
    streams["wrist"] = stream(wrong="wrist: the same picture for 2.0 s")
    streams["top"] = stream(age_s=3.2)
    last = LastEpisode("a", None, "rejected", 450, 15.0, "bad", ("top: no sample within 0.5 s " * 9,))
    recorder = RecorderStatus(
        state=state,
        task="Pick up the cube and put it into the blue box beside the drawer",
        next_task="Open the drawer",
        episode=3,
        num_episodes=50,
        elapsed_s=4.2,
        episode_time_s=15.0,
        remaining_s=42.0,
        streams=streams,
        free_bytes=42_000_000_000,
        seconds_left=7200.0,
        last=last,
    )
    batch = EncodingProgress(2, 300, 1800)
    encoder = EncoderStatus(
        state="encoding", encoding=batch, waiting=3, waiting_s=45.0, eta_s=75.0, warning="slow"
    )
    return RunStatus(recorder, encoder, ready=True)


class Painted:
    """A screen on an emulated terminal.

    Attributes:
        written: everything that was written to the terminal
    """

    def __init__(self, run: RunStatus, width: int, height: int, **console: Any) -> None:
        pyte = pytest.importorskip("pyte")
        self._output = io.StringIO()
        self.console = Console(
            file=self._output, force_terminal=True, width=width, height=height, highlight=False, **console
        )
        self._terminal = pyte.Screen(width, height)
        self._terminal.set_mode(pyte.modes.LNM)  # a terminal's driver returns the carriage
        self._stream = pyte.Stream(self._terminal)
        self._controls = controls(run)
        self._screen = Screen(run, self._controls, self.console)
        self._screen.shows_keys = True
        self.written = ""

    def __enter__(self) -> Painted:
        self._screen.__enter__()
        self._screen.notify("")
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.__exit__()

    def press(self, key: str) -> None:
        self._screen.notify(self._controls.press(key))

    def note(self) -> None:
        self._screen.note_status()
        self._screen.notify("")

    def resize(self, width: int, height: int) -> None:
        self.console.size = ConsoleDimensions(width, height)
        self._terminal.resize(height, width)
        self.press("")

    def print(self, text: str) -> None:
        self._screen.print(Remark("recorder", text))

    @property
    def lines(self) -> list[str]:
        """What is on the terminal, without what is blank."""
        new = self._output.getvalue()[len(self.written) :]
        self.written += new
        self._stream.feed(new)
        return [line.rstrip() for line in self._terminal.display if line.strip()]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.lines).split())


@pytest.mark.parametrize(("state", "large"), [("recording", "RECORDING 11"), ("resetting", "REJECTED 42")])
def test_a_busy_recording_fits_a_terminal_of_80_by_24_with_the_state_in_large_type(state, large):
    with Painted(busy_run(state), 80, 24) as view:
        assert view.lines[:HEIGHT] == large_type(large)
        for part in (
            "3 of 50",
            "wrist: the same picture",
            "top nothing for 3 s",
            "camera_5 30 Hz 10 ms",
            "take rejected",
            "then: Open the drawer",
            "300 / 1800 frames",
            "1 min to clear",
            "42.0 GB free",
            "? keys",
        ):
            assert part in view.text


LINK = "http://192.168.178.100:8090/login?token=0123456789abcdefghijkl"


@pytest.fixture
def code() -> PhoneCode:
    pytest.importorskip("segno")
    from lerobot_recorder.dashboard import qr_lines

    return PhoneCode(LINK, tuple(qr_lines(LINK)))


def test_the_code_for_a_phone_fits_a_terminal_of_80_by_24_with_its_link_and_the_state(code):
    run = busy_run("idle")
    with Painted(run, 80, 24) as view:
        run.code = code
        view.note()
        assert view.lines[: len(code.lines)] == [line.rstrip() for line in code.lines if line.strip()]
        assert LINK in view.text
        assert "ready   next: episode" in "".join(view.lines)
        view.press("p")
        assert LINK not in view.text
        assert "next: episode" in view.text
        view.press("w")
        assert LINK in view.text
        run.recorder = replace(run.recorder, state="recording")
        view.note()
        assert LINK not in view.text


def test_a_code_that_does_not_fit_is_printed_with_its_link_after_it(code):
    run = busy_run("idle")
    run.code = code
    printed = io.StringIO()
    screen = Screen(run, controls(run), Console(file=printed, width=80, height=24))
    screen.note_status()
    screen.note_status()
    lines = printed.getvalue().splitlines()
    assert lines[1:-1] == [*code.lines]
    assert lines[-1] == f"scan this with the phone, or open {LINK}"
    assert len(lines) <= 24
    with Painted(run, 80, 12) as view:
        view.note()
        assert "next: episode" in view.text
        assert LINK in view.written


def test_sentences_that_are_too_long_are_shortened_between_words():
    wrong = (
        "wrist: only 12 of 30 rows have a new image (12.0 a second), 30 expected; see the diagnostics of it"
    )
    wrong += " and its cable, its USB port and the light, which make a camera slow if it is dark"
    reasons = (wrong, "state: the oldest sample was 0.9 s old", "top: the same picture for 2.0 s")
    last = LastEpisode("7", state="rejected", frames=30, duration_s=1.0, reasons=reasons)
    run = busy_run("idle")
    status = replace(run.recorder, missing=(), last=last, streams={"wrist": stream(wrong=wrong)})
    run.recorder = replace(status, message=f"problem: {wrong}, {wrong}")
    with Painted(run, 80, 24) as view:
        text = view.text
    words = {*f"{wrong} {' '.join(reasons)}".replace(";", " ").split()}
    shown = text[text.index("wrist: only") : text.index("30 frames, 1.0 s")].replace(";", " ").split()
    assert {*shown} - words <= {"...", "and", "more", "2"}
    assert "which make a camera slow if it is dark; and 2 more" in text
    assert f"wrong {wrong}" in text  # one alone is shown whole
    assert text.count("...") == 2


def test_the_state_is_one_line_of_80_columns():
    run = busy_run("recording")
    numbers = {
        "episode": 200,
        "episode_index": 199,
        "num_episodes": 200,
        "elapsed_s": 12.3,
        "episode_time_s": 60.0,
    }
    run.recorder = replace(run.recorder, **numbers, late=12, paused=True)
    with Painted(run, 80, 24) as view:
        lines = view.lines
    (state,) = (number for number, line in enumerate(lines) if "● recording" in line)
    assert "12.3 / 60.0 s" in lines[state]
    assert lines[state + 1].strip() == "12 rows late   then paused"


def test_a_console_without_a_recorder_waits():
    run = RunStatus()
    operator = Controls(run, lambda node, content: None, lambda: None, leave=lambda: None)
    rows = dict(Screen(run, operator, Console(width=80)).rows())
    assert str(rows["state"]) == "waiting for a recorder"


@pytest.mark.parametrize(
    ("state", "large"), [("resetting", "RESET 42"), ("idle", "READY"), ("paused", "PAUSED")]
)
def test_a_take_that_is_not_rejected_leaves_the_state_in_large_type(state, large):
    run = busy_run(state)
    run.recorder = replace(run.recorder, last=replace(run.recorder.last, state="ready", reasons=()))
    with Painted(run, 80, 24) as view:
        assert view.lines[:HEIGHT] == large_type(large)


def test_in_a_small_terminal_the_most_important_lines_are_left():
    with Painted(busy_run("recording"), 60, 10) as view:
        view.press("u")
        assert "● recording" in view.text
        assert "u again deletes the last take, which is rejected" in view.text


def test_all_keys_fit_a_terminal_of_80_by_24():
    with Painted(busy_run("idle"), 80, 24) as view:
        view.press("?")
        assert view.lines[-1].split() == ["?", "these", "keys"]
        assert "u delete the last episode, also from the dataset (asks)" in view.text
        assert view.lines[:HEIGHT] == large_type("REJECTED")


def test_what_happens_stays_above_the_view():
    with Painted(busy_run("idle"), 80, 40) as view:
        for number in range(5):
            view.print(f"episode {number} is saved")
        view.press("x")
        assert [line.split()[-3] for line in view.lines[:5]] == ["0", "1", "2", "3", "4"]
        assert "x has no meaning here" in view.text
        assert view.lines[5:9] == large_type("REJECTED")


def test_without_colour_nothing_is_lost():
    with Painted(busy_run("recording"), 80, 24, no_color=True) as view:
        assert "wrong wrist" in view.text
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]", view.written)


def test_a_terminal_without_cursor_movement_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with Painted(busy_run("recording"), 80, 24) as view:
        view.press("u")
        assert "keys u: delete the last episode" in view.text
        assert "keys u again deletes the last take" in view.text
        assert "\x1b" not in view.written


def test_a_terminal_whose_size_changes_is_painted_anew():
    with Painted(busy_run("recording"), 120, 40) as view:
        assert view.lines
        for width, height in ((80, 24), (60, 15), (100, 30)):
            view.resize(width, height)
            assert sum("● recording" in line for line in view.lines) == 1
            assert sum(line.startswith("keys") for line in view.lines) == 1
        assert view.lines[:HEIGHT] == large_type("RECORDING 11")


def test_a_node_that_reports_nothing_is_shown_as_not_answering():
    run = busy_run("recording")
    run.heard_s = {"recorder": 100.0, "encoder": 99.0}
    screen = Screen(run, controls(run), Console(width=80), clock=lambda: 108.0)
    rows = list(screen.rows())
    silent = "the recorder does not answer, its last report is 8 s old"
    assert rows[0][1].plain == silent
    assert rows[1][0] == "before"
    assert not {"state", "streams", "disk"} & set(dict(rows))
    assert dict(rows)["encoder"].plain == "does not answer, its last report is 9 s old"
    run.gone = {"encoder"}
    assert dict(screen.rows())["encoder"].plain == "has ended; saved episodes wait for its next start"


def test_a_hardware_node_that_is_gone_is_named():
    run = busy_run("idle")
    run.heard_s = {"recorder": 105.0, "encoder": 105.0, "hardware": 100.0}
    screen = Screen(run, controls(run), Console(width=80), clock=lambda: 106.0)
    silent = "the hardware does not answer, its last report is 6 s old"
    assert str(next(screen.rows())[1]) == silent
    run.gone = {"hardware"}
    assert str(next(screen.rows())[1]) == "the hardware has ended"
    run.ending = True
    assert "problem" not in dict(screen.rows())


def test_the_large_type_shows_that_the_recorder_does_not_answer():
    run = busy_run("idle")
    run.heard_s = {"recorder": time.monotonic() - 60}
    with Painted(run, 80, 24) as view:
        assert view.lines[:HEIGHT] == large_type("NO ANSWER")


def test_without_a_view_a_node_that_does_not_answer_is_a_line():
    run, now_s, printed = busy_run("idle"), 101.0, io.StringIO()
    run.heard_s = {"recorder": 100.0}
    screen = Screen(run, controls(run), Console(file=printed, width=80), clock=lambda: now_s)
    for now_s in (101.0, 104.0, 105.0):  # noqa: B007 - the clock returns it
        screen.note_silence()
    run.heard_s = {"recorder": 105.0}
    screen.note_silence()
    assert printed.getvalue().splitlines() == [
        "recorder does not answer, its last report is 4 s old",
        "recorder reports again",
    ]


def test_faults_leave_room_for_the_state_the_encoder_and_the_keys():
    run = busy_run("recording")
    streams = {f"camera_{number}": stream(wrong=f"camera_{number}: no image " * 5) for number in range(5)}
    status = replace(run.recorder, streams=streams, episode_time_s=0.0, elapsed_s=4.0)
    for width, height in ((60, 20), (80, 24), (60, 12)):
        run.recorder = status
        with Painted(run, width, height) as view:
            assert "● recording" in view.text
            assert "300 / 1800 frames" in view.text
            assert "? keys" in view.text
            if height > 12:
                assert "wrong camera_0: no image" in view.text
                assert "; and" in view.text
    with Painted(run, 80, 24) as view:
        assert view.lines[:HEIGHT] == large_type("RECORDING 4")


def test_a_terminal_without_cursor_movement_shows_what_is_typed(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with Painted(busy_run("idle"), 80, 24) as view:
        for key in ("t", "p", "u", "s", "backspace", "t", "enter"):
            view.press(key)
        assert view.written.count("task of the next episode") == 0
        assert view.text.count("task of the next episode") == 1
        assert [line for line in view.lines if "task" not in line and line[:1] == "p"] == ["pus", "put"]


TAKEN = LastEpisode("20260101T000000", None, "rejected", 30, 1.0, "bad", ("the wrist camera froze",))


@pytest.mark.parametrize(
    ("state", "has_keys", "has_page", "offered"),
    [
        ("rejected", True, True, "a keeps the take"),
        ("deleted", True, False, "b brings it back"),
        ("discarded", False, True, "“Bring back” on the page brings it back"),
        ("rejected", False, False, "accept_episode keeps the take"),
    ],
)
def test_what_can_be_done_with_the_last_take_has_the_name_that_the_operator_uses(
    state, has_keys, has_page, offered
):
    status = RecorderStatus(last=replace(TAKEN, state=state))
    run = RunStatus(status, ready=True, has_page=has_page)
    screen = Screen(run, controls(run), Console(width=200))
    screen.shows_keys = has_keys
    assert str(dict(screen.rows())["last"]).endswith(f"   30 frames, 1.0 s   {offered}")


@pytest.mark.parametrize(("has_keys", "name"), [(True, "a"), (False, "accept_episode")])
def test_a_message_is_shown_with_what_helps_and_printed_once_without_a_view(has_keys, name):
    status = RecorderStatus(message="a take was interrupted and set aside", offer="accept_episode")
    run, output = RunStatus(status, ready=True), io.StringIO()
    screen = Screen(run, controls(run), Console(file=output, width=200))
    screen.shows_keys = has_keys
    sentence = f"a take was interrupted and set aside; {name} keeps the take"
    assert str(dict(screen.rows())["problem"]) == sentence
    screen.note_status()
    screen.note_status()
    assert output.getvalue().count(sentence) == 1
    assert str(dict(screen.rows())["problem"]) == sentence
