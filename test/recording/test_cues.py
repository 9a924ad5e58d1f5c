from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lerobot_recorder.recording import Cues, Outcome, done_cue, end_cue, start_cue
from lerobot_recorder.recording.cues import TERMINAL_VARIABLE


class Voice:
    """A program named spd-say that writes what it says to a pipe, and takes as long as the test wants."""

    def __init__(self, directory: Path, status: int = 0) -> None:
        self._said, self._continue = directory / "said", directory / "continue"
        for pipe in (self._said, self._continue):
            os.mkfifo(pipe)
        program = directory / "spd-say"
        program.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$*\" > {self._said}\nread _ < {self._continue}\n"
            f"echo no device >&2\nexit {status}\n"
        )
        program.chmod(0o755)

    def hear(self) -> str:
        """Return what is being said now; it goes on being said until `go_on`."""
        return self._said.read_text().strip()

    def go_on(self) -> None:
        self._continue.write_text("\n")


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Let only the programs of the test be found."""
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setattr("lerobot_recorder.recording.cues.shutil.which", lambda name: found(tmp_path / name))


def found(path: Path) -> str | None:
    return str(path) if path.is_file() else None


@pytest.fixture
def bell(monkeypatch):
    """Return the end of a terminal at which its bell rings."""
    here, terminal = os.openpty()
    monkeypatch.setenv(TERMINAL_VARIABLE, os.ttyname(terminal))
    yield here
    os.close(here)
    os.close(terminal)


def test_old_cues_are_dropped_and_nobody_waits(only, tmp_path):
    voice, cues = Voice(tmp_path), Cues(enabled=True)
    cues.say("one")
    assert voice.hear() == "--wait -- one"
    for text in ("two", "three", "four"):
        cues.say(text)
    voice.go_on()
    assert voice.hear() == "--wait -- four"
    voice.go_on()
    cues.close()


def test_nothing_is_said_while_it_is_off(only, tmp_path):
    voice, cues = Voice(tmp_path), Cues(enabled=False)
    cues.say("one")
    cues.enabled = True
    cues.say("two")
    assert voice.hear() == "--wait -- two"
    voice.go_on()
    cues.close()


def test_the_end_does_not_wait_for_a_voice_that_hangs(only, tmp_path):
    voice, cues = Voice(tmp_path), Cues(enabled=True)
    cues.say("one")
    assert voice.hear() == "--wait -- one"
    cues.close(wait_s=0.05)
    for thread in threading.enumerate():
        if thread.name == "recorder-cues":
            thread.join(10)
            assert not thread.is_alive()


def test_the_bell_rings_without_a_voice(only, bell):
    cues = Cues(enabled=True)
    cues.say("one")
    assert os.read(bell, 1) == b"\a"
    cues.close()


def test_the_bell_rings_after_a_voice_has_failed(only, bell, tmp_path, caplog):
    voice, cues = Voice(tmp_path, status=1), Cues(enabled=True)
    cues.say("one")
    assert voice.hear() == "--wait -- one"
    voice.go_on()
    assert os.read(bell, 1) == b"\a"
    cues.say("two")
    assert os.read(bell, 1) == b"\a"
    cues.close()
    assert "spd-say cannot speak: no device; the bell rings instead" in caplog.text


def test_without_voice_and_terminal_nothing_happens(only, monkeypatch):
    monkeypatch.setenv(TERMINAL_VARIABLE, "/nowhere")
    cues = Cues(enabled=True)
    cues.say("one")
    cues.close()


def test_what_is_said():
    def ended(state: str, *reasons: str) -> Outcome:
        return Outcome("e", state, 10, 1.0, "Pick", reasons=reasons)

    assert start_cue(7) == "Recording episode 7"
    assert end_cue(ended("ready"), resets=True) == "Saved. Reset the environment"
    assert end_cue(ended("ready"), resets=False) == "Saved"
    assert end_cue(ended("discarded"), resets=False) == "Discarded"
    assert end_cue(ended("rejected", "top is frozen", "x"), resets=True) == (
        "Rejected: top is frozen. Reset the environment"
    )
    assert end_cue(ended("recording", "no space"), resets=False) == "Not saved: no space"
    assert len(end_cue(ended("rejected", "long " * 100), resets=False)) < 100
    assert done_cue(3) == "Recording has ended, 3 saved"
