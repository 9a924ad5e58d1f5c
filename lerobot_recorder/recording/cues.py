"""Cues that the operator hears: speech where the computer can speak, otherwise the terminal's bell.

The operator's eyes are on the robot. The cues are those of ``lerobot-record``, and why a take was rejected.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.recording.status import Outcome
from lerobot_recorder.settings import check_settings, setting

TERMINAL_VARIABLE = "LEROBOT_RECORDER_TERMINAL"
"""Environment variable with the terminal whose bell rings; by default it is that of the process."""

PROGRAMS: Mapping[str, Sequence[str]] = {"spd-say": ("--wait", "--"), "espeak-ng": ("--",)}
"""Programs that speak a text, in the order of preference, with arguments before it."""

_LONGEST_S = 15.0
_LONGEST_REASON = 80
_BELL = b"\a"
_RESET = "Reset the environment"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CueSettings:
    """Whether the operator hears what happens."""

    play_sounds: bool = setting(
        True,
        "Speak what happens, with spd-say or espeak-ng; ring the terminal's bell if neither is installed",
        effect="at once",
    )

    def __post_init__(self) -> None:
        check_settings(self)


def start_cue(number: int) -> str:
    """Return what is said when an episode starts.

    Args:
        number: its number in the dataset
    """
    return f"Recording episode {number}"


def end_cue(outcome: Outcome, *, resets: bool) -> str:
    """Return what is said when a take has ended.

    Args:
        outcome: how it ended
        resets: whether the scene is to be reset now
    """
    if outcome.state == "ready":
        said = "Saved"
    elif outcome.state == "discarded":
        said = "Discarded"
    else:
        reason = excerpt(outcome.reasons[0], _LONGEST_REASON) if outcome.reasons else "no frames"
        said = f"{'Rejected' if outcome.state == 'rejected' else 'Not saved'}: {reason}"
    return f"{said}. {_RESET}" if resets else said


def done_cue(saved: int) -> str:
    """Return what is said when the recording ends.

    Args:
        saved: number of episodes that were saved
    """
    return f"Recording has ended, {saved} saved"


class Cues:
    """Says cues in its own thread; a cue that still waits when the next one comes is dropped.

    Attributes:
        enabled: whether cues are said; may change at any time
    """

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._waiting: queue.Queue[str | None] = queue.Queue(1)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._command = _speech_command()

    def say(self, text: str) -> None:
        """Say a cue soon; never waits."""
        if self.enabled:
            self._put(text)

    def close(self, wait_s: float = 2.0) -> None:
        """Let the last cue end, but not for longer than ``wait_s`` seconds; then nothing is said any more."""
        self.enabled = False
        if self._thread is None:
            return
        with suppress(queue.Full):
            self._waiting.put(None, timeout=wait_s)
        self._thread.join(wait_s)
        if (process := self._process) is not None:
            process.kill()

    def _put(self, text: str) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._say_all, name="recorder-cues", daemon=True)
                self._thread.start()
            with suppress(queue.Empty):
                self._waiting.get_nowait()
            with suppress(queue.Full):
                self._waiting.put_nowait(text)

    def _say_all(self) -> None:
        while (text := self._waiting.get()) is not None:
            if not self._speak(text):
                _ring()

    def _speak(self, text: str) -> bool:
        """Return whether a text was spoken; a program that fails is not tried again."""
        if not self._command:
            return False
        try:
            fault = self._run(text)
        except (OSError, subprocess.SubprocessError) as error:
            fault = str(error)
        if fault:
            logger.warning(f"{self._command[0]} cannot speak: {excerpt(fault)}; the bell rings instead")
            self._command = ()
        return not fault

    def _run(self, text: str) -> str:
        self._process = process = subprocess.Popen(
            [*self._command, text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _, printed = process.communicate(timeout=_LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        finally:
            self._process = None
        if not process.returncode or not self.enabled:
            return ""
        return printed.decode(errors="replace").strip() or f"exit status {process.returncode}"


def _speech_command() -> tuple[str, ...]:
    found = ((path, *arguments) for name, arguments in PROGRAMS.items() if (path := shutil.which(name)))
    return next(found, ())


def _ring() -> None:
    """Ring the bell of the terminal; does nothing without one."""
    with suppress(OSError):
        place = os.environ.get(TERMINAL_VARIABLE) or "/dev/tty"
        terminal = os.open(place, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(terminal, _BELL)
        finally:
            os.close(terminal)
