from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lerobot_recorder.cli.controls import Controls, key_aliases
from lerobot_recorder.cli.status import PhoneCode, RunStatus
from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import LastEpisode, RecorderStatus

LAST = LastEpisode("20260101T000000", 12, frames=450, duration_s=15.0)


class Operator:
    """Presses keys, and notes what they ask for."""

    def __init__(self, *, may_leave: bool = False, **status: Any) -> None:
        self.now_s = 0.0
        self.asked: list[Any] = []
        self.run = RunStatus(RecorderStatus(**status))
        leave = (lambda: self.asked.append("leave")) if may_leave else None
        end = lambda: self.asked.append("end")  # noqa: E731
        self.controls = Controls(self.run, self._send, end, leave, lambda: self.now_s)

    def _send(self, node: str, content: Mapping[str, Any]) -> None:
        self.asked.append((node, *content.values()))

    def becomes(self, **status: Any) -> None:
        self.run.recorder = RecorderStatus(**status)

    def press(self, *keys: str) -> str:
        return [self.controls.press(key) for key in keys][-1]


@pytest.mark.parametrize(
    ("state", "key", "call"),
    [
        ("recording", "right", ("recorder", "save_episode")),
        ("recording", "space", ("recorder", "save_episode")),
        ("idle", "right", ("recorder", "start_episode")),
        ("resetting", "enter", ("recorder", "start_episode")),
        ("paused", "space", ("recorder", "start_episode")),
        ("recording", "left", ("recorder", "discard_episode")),
        ("resetting", "b", ("recorder", "undo_delete")),
        ("recording", "b", ("recorder", "undo_delete")),
        ("idle", "a", ("recorder", "accept_episode")),
        ("idle", "y", ("recorder", "mark_success", True)),
        ("recording", "n", ("recorder", "mark_success", False)),
        ("recording", "e", ("encoder", "encode_pending")),
        ("recording", "p", ("recorder", "pause", True)),
        ("recording", "q", "end"),
        ("idle", "escape", "end"),
    ],
)
def test_keys_call_services(state, key, call):
    operator = Operator(state=state)
    assert operator.press(key) == ""
    assert operator.asked == [call]


def test_a_pause_is_ended_by_the_same_key():
    operator = Operator(state="paused", paused=True)
    operator.press("p")
    assert operator.asked == [("recorder", "pause", False)]


@pytest.mark.parametrize(
    ("state", "key", "question", "service"),
    [
        ("recording", "d", "d again discards this take of episode 13 (4 s)", "discard_episode"),
        ("idle", "u", "u again deletes episode 12, which is saved (15 s)", "delete_last_episode"),
        ("recording", "u", "; d discards the take that is being recorded", "delete_last_episode"),
    ],
)
def test_a_key_that_takes_something_away_asks_once(state, key, question, service):
    operator = Operator(state=state, last=LAST, episode_index=13, elapsed_s=4.2, episode_id="b")
    assert question in operator.press(key)
    assert operator.asked == []
    assert operator.press(key) == ""
    assert operator.asked == [("recorder", service)]
    assert question in operator.press(key)


@pytest.mark.parametrize(
    ("waiting", "status", "can_delete"),
    [
        (0, {}, False),
        (1, {}, True),
        (0, {"saved": 1, "last": replace(LAST, state="discarded")}, True),
        (0, {"last": replace(LAST, state="discarded")}, False),
        (0, {"last": replace(LAST, state="deleted"), "saved": 1}, False),
        (0, {"last": replace(LAST, state="recording")}, False),
        (0, {"last": replace(LAST, state="rejected")}, True),
        (0, {"last": LAST}, True),
    ],
)
def test_a_deletion_is_offered_only_if_there_is_something_to_delete(waiting, status, can_delete):
    operator = Operator(state="idle", **status)
    operator.run.encoder = EncoderStatus(waiting=waiting)
    for key in ("left", "d"):
        assert ("; u deletes " in operator.press(key)) == can_delete
    assert operator.press("u").startswith("u again deletes ") == can_delete
    operator.press("u")
    assert operator.asked == ([("recorder", "delete_last_episode")] if can_delete else [])


def test_without_a_saved_episode_u_points_to_the_take_that_is_recorded():
    operator = Operator(state="recording")
    operator.run.encoder = EncoderStatus()
    answer = "there is no saved episode to delete; d discards the take that is being recorded"
    assert operator.press("u") == answer


def test_a_question_is_withdrawn_by_time_by_another_key_and_by_another_episode():
    status = {"state": "idle", "last": LAST}
    operator = Operator(**status)
    operator.press("u")
    operator.now_s = 6.0
    assert "again" in operator.press("u")
    operator.press("y")
    assert "again" in operator.press("u")
    operator.becomes(state="idle", last=LastEpisode("20260101T000100", 13))
    assert "episode 13" in operator.press("u")
    assert operator.asked == [("recorder", "mark_success", True)]


@pytest.mark.parametrize(
    ("state", "key", "answer"),
    [
        ("idle", "left", "no episode is being recorded, so ← does nothing"),
        ("saving", "d", "no episode is being recorded, so d does nothing"),
        ("idle", "x", "x has no meaning here: ? shows the keys"),
        ("idle", "", "that key has no meaning here"),
    ],
)
def test_a_wrong_key_is_answered(state, key, answer):
    operator = Operator(state=state)
    assert answer in operator.press(key)
    assert operator.asked == []


def test_what_is_deleted_already_is_not_asked_for_again():
    operator = Operator(last=LastEpisode("20260101T000000", 12, "deleted"))
    assert "b brings it back" in operator.press("u", "u")
    assert operator.asked == []


def test_the_next_task_comes_from_the_list_or_is_typed():
    listed = Operator(tasks=("Push", "Pull"), next_task="Push")
    assert listed.press("t") == ""
    assert listed.asked == [("recorder", "next_task")]
    for operator, key in ((Operator(next_task="Push"), "t"), (listed, "T")):
        operator.asked.clear()
        operator.press(key, "Ö", "f", "x", "backspace", "f", "space", "i", "t", "right", "")
        assert operator.controls.typed == "Öff it"
        operator.press("enter")
        assert operator.asked == [("recorder", "task", "Öff it")]
        assert operator.controls.typed is None
        assert operator.press(key, "q", "escape") == "the task stays: Push"
        assert len(operator.asked) == 1


def test_a_console_is_left_without_ending_the_recording():
    operator = Operator(may_leave=True)
    operator.press("q")
    operator.press("escape")
    assert operator.asked == ["leave", "end"]
    operator.run.ending = True
    assert "ending" in operator.press("right")
    operator.press("q")
    assert operator.asked == ["leave", "end", "leave"]


def test_before_the_recorder_has_answered_a_key_says_so():
    operator = Operator(may_leave=True)
    operator.run.recorder = None
    for key in ("right", "d", "u", "t", "p"):
        assert operator.press(key) == "the recorder has not answered yet: keys do nothing now"
    operator.press("?", "q")
    assert operator.controls.shows_help
    assert operator.asked == ["leave"]


def test_help_is_shown_and_hidden():
    operator = Operator()
    operator.press("?")
    assert operator.controls.shows_help
    assert {key for keys in operator.controls.help for key in keys.split()} >= {
        *"duabyntTpew?q",
        "→",
        "←",
        "Esc",
    }
    operator.press("?")
    assert not operator.controls.shows_help


def test_the_code_for_a_phone_is_shown_until_any_key_is_pressed():
    operator = Operator(state="idle")
    assert "there is no code" in operator.press("w")
    operator.run.code = PhoneCode("http://x/", ("#",))
    assert operator.press("w") == ""
    assert operator.controls.shows_code
    operator.press("w")
    assert not operator.controls.shows_code
    for key in ("right", "escape", "d", "q", "?"):
        operator.press("w")
        assert operator.press(key) == ""
        assert not operator.controls.shows_code
    assert operator.asked == []
    assert not operator.controls.shows_help
    operator.press("right")
    assert operator.asked == [("recorder", "start_episode")]


def test_a_key_for_a_node_that_does_not_answer_is_answered_and_not_sent():
    operator = Operator(may_leave=True, state="recording")
    operator.run.encoder = EncoderStatus()
    operator.run.heard_s = {"recorder": 6.0, "encoder": 0.0}
    operator.now_s = 7.0
    sentence = "the encoder does not answer, its last report is 7 s old: e does nothing now"
    assert operator.press("e") == sentence
    operator.press("right")
    assert operator.asked == [("recorder", "save_episode")]
    operator.now_s = 10.0
    for key, name in (("right", "→"), ("escape", "Esc")):
        sentence = f"the recorder does not answer, its last report is 4 s old: {name} does nothing now"
        assert operator.press(key) == sentence
    operator.press("q")
    assert operator.asked == [("recorder", "save_episode"), "leave"]


def test_record_can_be_ended_although_its_recorder_does_not_answer():
    operator = Operator(state="recording")
    operator.run.heard_s, operator.now_s = {"recorder": 0.0}, 60.0
    operator.press("escape")
    assert operator.asked == ["end"]


@pytest.mark.parametrize("pedal", ["b", "a", "c", "enter", "page_up", "page_down"])
def test_the_keys_of_pedals_can_act_as_others(pedal):
    operator = Operator(state="recording")
    operator.controls = Controls(
        operator.run, operator._send, lambda: None, aliases=key_aliases([f"{pedal}=right"])
    )
    assert operator.press(pedal) == ""
    assert operator.asked == [("recorder", "save_episode")]


def test_a_key_that_acts_as_another_still_writes_its_character():
    operator = Operator(state="idle")
    operator.controls = Controls(operator.run, operator._send, lambda: None, aliases=key_aliases(["a=right"]))
    operator.press("T", "a", "enter")
    assert operator.asked == [("recorder", "task", "a")]


@pytest.mark.parametrize("text", ["b", "b=jump", "pedal=right", "=right", "b="])
def test_an_alias_needs_a_key_and_one_that_has_a_meaning(text):
    with pytest.raises(ConfigError, match=r"--key: expected KEY=ACTING_AS, for example b=right"):
        key_aliases([text])
