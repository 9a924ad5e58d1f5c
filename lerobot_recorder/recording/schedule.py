"""Unattended runs: a number of episodes, with pauses to reset the scene."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from lerobot_recorder.errors import EpisodeStateError
from lerobot_recorder.recording.status import Outcome
from lerobot_recorder.settings import check_settings, setting

Phase = Literal["manual", "waiting", "recording", "saving", "resetting", "paused", "finished"]


@dataclass(frozen=True)
class RunSettings:
    """How many episodes an unattended run records."""

    num_episodes: int = setting(
        0, "Number of episodes to record; 0: each episode is started by hand", low=0, effect="at once"
    )
    reset_time_s: float = setting(
        60.0,
        "Pause after each episode of an unattended run, to reset the scene",
        unit="s",
        low=0,
        effect="at once",
    )

    def __post_init__(self) -> None:
        check_settings(self)


class Schedule:
    """Decides when the next episode starts; independent of clock and recorder.

    An episode that is rejected or discarded is recorded again.

    Attributes:
        num_episodes: number of episodes to save; 0: the operator starts each by hand
        reset_time_s: pause between episodes, in seconds
        saved: number of episodes saved so far
        bad_in_a_row: number of takes since the last good one that were rejected, or lost to a failing disk
    """

    def __init__(self, num_episodes: int, reset_time_s: float) -> None:
        self.num_episodes = num_episodes
        self.reset_time_s = reset_time_s
        self.saved = 0
        self.bad_in_a_row = 0
        self._open = 0
        self._recording = False
        self._ended_s: float | None = None
        self._paused_s: float | None = None
        self._counting = threading.Lock()
        """Episodes start and end in different threads."""

    @property
    def paused(self) -> bool:
        """Whether no episode starts by itself until `resume`."""
        return self._paused_s is not None

    def phase(self, now_s: float) -> Phase:
        """Return the phase at a time."""
        if self._recording:
            return "recording"
        if self.num_episodes == 0:
            return "manual"
        if self.saved >= self.num_episodes:
            return "finished"
        if self.saved + self._open >= self.num_episodes:
            return "saving"
        if self.paused:
            return "paused"
        return "resetting" if self.reset_left_s(now_s) > 0 else "waiting"

    def reset_left_s(self, now_s: float) -> float:
        """Return how many seconds of the pause are left."""
        if self._ended_s is None or self._recording:
            return 0.0
        if self._paused_s is not None:
            now_s = max(self._paused_s, self._ended_s)
        return max(0.0, self._ended_s + self.reset_time_s - now_s)

    def pause(self, now_s: float) -> None:
        """Start no episode until `resume`; one that is being recorded continues.

        Raises:
            EpisodeStateError: each episode is started by hand.
        """
        if self.num_episodes == 0:
            raise EpisodeStateError("each episode is started by hand (num_episodes is 0): nothing to pause")
        if self._paused_s is None:
            self._paused_s = now_s

    def resume(self, now_s: float) -> None:
        """Continue; what was left of the time to reset the scene is still left."""
        if self._paused_s is not None and self._ended_s is not None:
            self._ended_s += now_s - max(self._paused_s, self._ended_s)
        self._paused_s = None

    def note_start(self) -> None:
        """Note that an episode has started."""
        self._recording = True
        with self._counting:
            self._open += 1

    def note_refusal(self) -> None:
        """Note that an episode could not start; the pause before it has ended anyway."""
        self._recording = False
        with self._counting:
            self._open -= 1
        self._ended_s = None

    def note_end(self, now_s: float) -> None:
        """Note that the recording of an episode has ended; the pause starts."""
        self._recording = False
        self._ended_s = now_s

    def note_outcome(self, outcome: Outcome) -> None:
        """Count an episode that is safe on disk, or was discarded."""
        is_bad = outcome.state in ("rejected", "recording")
        with self._counting:
            self._open -= 1
            self.bad_in_a_row = self.bad_in_a_row + 1 if is_bad else 0
            self.saved += outcome.state == "ready"

    def adjust_saved(self, by: int) -> None:
        """Count an episode that was accepted (1) or deleted (-1) after its outcome."""
        with self._counting:
            self.saved += by

    def aim(self, num_episodes: int) -> None:
        """Change how many episodes to save; those started by hand before do not count."""
        if self.num_episodes == 0 and num_episodes > 0:
            self.saved = 0
        if num_episodes == 0:
            self._paused_s = None
        self.num_episodes = num_episodes

    def skip_reset(self) -> None:
        """Let the next episode start at once, although the scene is being reset; a pause stays."""
        self._ended_s = None
