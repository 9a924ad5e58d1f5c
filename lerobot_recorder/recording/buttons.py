"""Buttons of a pedal or a gamepad: which action a press asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import did_you_mean
from lerobot_recorder.settings import check_settings, setting

SERVICES: Mapping[str, tuple[str, bool]] = {
    "start_episode": ("start_episode", True),
    "save_episode": ("save_episode", True),
    "discard_episode": ("discard_episode", True),
    "delete_last_episode": ("delete_last_episode", True),
    "undo_delete": ("undo_delete", True),
    "accept_episode": ("accept_episode", True),
    "mark_success": ("mark_success", True),
    "mark_failure": ("mark_success", False),
    "pause": ("pause", True),
    "resume": ("pause", False),
    "next_task": ("next_task", True),
    "end_recording": ("end_recording", True),
}
"""The recorder's service behind each action, and the value that one with a choice gets."""

TOGGLES: Mapping[str, tuple[str, str]] = {
    "start_or_save": ("start_episode", "save_episode"),
    "pause_or_resume": ("pause", "resume"),
}
"""Actions that depend on the recorder's state: what they are before, and while it records or is paused."""

ACTIONS = (*TOGGLES, *SERVICES)


@dataclass(frozen=True)
class ButtonSettings:
    """Which buttons do what."""

    joy_topic: str = setting(
        "",
        "Topic of type sensor_msgs/msg/Joy whose buttons act, of a pedal or a gamepad; empty: none",
    )
    joy_buttons: tuple[str, ...] = setting(
        ("0:start_or_save", "1:discard_episode", "2:pause_or_resume"),
        "What the buttons do, each as NUMBER:ACTION with an action of " + ", ".join(ACTIONS),
        effect="at once",
    )
    joy_debounce_s: float = setting(
        0.05,
        "A press counts if the button was released for at least this time before",
        unit="s",
        low=0,
        high=10,
        effect="at once",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        _ = self.actions

    @cached_property
    def actions(self) -> Mapping[int, str]:
        """The actions by number of the button.

        Raises:
            ConfigError: an entry has no number or no action, or a button has two
        """
        actions: dict[int, str] = {}
        for entry in self.joy_buttons:
            number, _, action = (part.strip() for part in entry.partition(":"))
            if not number.isdecimal() or action not in ACTIONS:
                raise ConfigError(
                    f"joy_buttons: expected NUMBER:ACTION with an action of {', '.join(ACTIONS)}, "
                    f"found {entry!r}{did_you_mean(action, ACTIONS)}"
                )
            if (other := actions.setdefault(int(number), action)) != action:
                raise ConfigError(f"joy_buttons: button {number} has two actions, {other} and {action}")
        return actions


class Buttons:
    """Finds presses in the states of buttons.

    A button that is held when its first state arrives has not been pressed. A contact that bounces is
    released for less than ``joy_debounce_s``, so it does not count again.

    Attributes:
        settings: which buttons do what
    """

    def __init__(self, settings: ButtonSettings) -> None:
        self.settings = settings
        self._is_held: dict[int, bool] = {}
        self._released_s: dict[int, float] = {}

    def pressed(self, buttons: Sequence[int], now_s: float) -> list[str]:
        """Return the actions of the buttons that are pressed now and were released before.

        Args:
            buttons: state of each button, 0 for released
            now_s: time of the state, of a clock that only goes forward
        """
        return [
            action
            for number, action in self.settings.actions.items()
            if number < len(buttons) and self._is_press(number, bool(buttons[number]), now_s)
        ]

    def _is_press(self, number: int, is_held: bool, now_s: float) -> bool:
        was_held = self._is_held.get(number, True)
        self._is_held[number] = is_held
        if was_held and not is_held:
            first = number not in self._released_s
            self._released_s[number] = -math.inf if first else now_s
        if was_held or not is_held:
            return False
        return now_s - self._released_s[number] >= self.settings.joy_debounce_s


def request(action: str, *, recording: bool, paused: bool) -> tuple[str, bool]:
    """Return the service that does what a button asks for, and the value that one with a choice gets.

    Args:
        action: one of `ACTIONS`
        recording: whether an episode is being recorded
        paused: whether the run is paused
    """
    if action in TOGGLES:
        is_on = recording if action == "start_or_save" else paused
        action = TOGGLES[action][is_on]
    return SERVICES[action]
