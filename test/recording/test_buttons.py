from __future__ import annotations

import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording.buttons import ACTIONS, Buttons, ButtonSettings, request


def pressed(buttons: Buttons, *states: tuple[float, list[int]]) -> list[str]:
    return [action for now_s, held in states for action in buttons.pressed(held, now_s)]


def test_a_press_acts_once_however_long_it_is_held():
    states = [(0.0, [0, 0]), (1.0, [1, 0]), (1.5, [1, 0]), (9.0, [1, 1]), (9.5, [0, 0])]
    assert pressed(Buttons(ButtonSettings()), *states) == ["start_or_save", "discard_episode"]


def test_a_button_that_is_held_from_the_beginning_has_not_been_pressed():
    states = [(0.0, [1]), (0.1, [0]), (0.2, [1])]
    assert pressed(Buttons(ButtonSettings()), *states) == ["start_or_save"]


def test_a_contact_that_bounces_acts_once():
    pressing = [(1.0, [1]), (1.004, [0]), (1.006, [1]), (1.009, [0]), (1.011, [1])]
    releasing = [(2.0, [0]), (2.003, [1]), (2.005, [0])]
    again = [(2.2, [1])]
    states = [(0.0, [0]), *pressing, *releasing, *again]
    assert pressed(Buttons(ButtonSettings()), *states) == ["start_or_save"] * 2


def test_buttons_without_an_action_or_beyond_those_of_the_device_do_nothing():
    buttons = Buttons(ButtonSettings(joy_buttons=("1:save_episode", "7:pause")))
    assert pressed(buttons, (0.0, [0, 0]), (1.0, [1, 0]), (2.0, [1, 1])) == ["save_episode"]


def test_what_a_toggle_does_depends_on_the_state():
    assert request("start_or_save", recording=False, paused=True) == ("start_episode", True)
    assert request("start_or_save", recording=True, paused=False) == ("save_episode", True)
    assert request("pause_or_resume", recording=True, paused=True) == ("pause", False)
    assert request("mark_failure", recording=False, paused=False) == ("mark_success", False)


@pytest.mark.parametrize("entry", ["save_episode", "0", "0:", "-1:pause", "0:jump", "a:pause"])
def test_an_entry_needs_a_number_and_an_action(entry):
    with pytest.raises(
        ConfigError, match=r"joy_buttons: expected NUMBER:ACTION with an action of start_or_save"
    ):
        ButtonSettings(joy_buttons=(entry,))


def test_a_mistyped_action_is_named_with_the_one_that_is_meant():
    with pytest.raises(
        ConfigError, match=r"end_recording, found '0:save_episde' \(did you mean 'save_episode'\?\)"
    ):
        ButtonSettings(joy_buttons=("0:save_episde",))


def test_a_button_has_one_action():
    assert ButtonSettings(joy_buttons=("0:pause", "0: pause")).actions == {0: "pause"}
    with pytest.raises(ConfigError, match="joy_buttons: button 0 has two actions, pause and save_episode"):
        ButtonSettings(joy_buttons=("0:pause", "0:save_episode"))


def test_every_action_has_a_service():
    for action in ACTIONS:
        assert request(action, recording=False, paused=False)[0]
