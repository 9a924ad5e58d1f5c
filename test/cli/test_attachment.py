from __future__ import annotations

import json
import queue
from collections import deque
from typing import Any, ClassVar

import pytest

from lerobot_recorder.cli import attachment as module
from lerobot_recorder.cli import status as status_module
from lerobot_recorder.cli.attachment import Attachment
from lerobot_recorder.cli.console import left
from lerobot_recorder.cli.keyboard import KeyPressed
from lerobot_recorder.cli.processes import NodeEnded, NodeOutput
from lerobot_recorder.cli.view import Interrupted
from lerobot_recorder.recording import RecorderStatus


class FakeBridge:
    """Stands for the node that connects to the others: it reports what a test gives it."""

    reports: tuple[object, ...] = ()
    last_lines: ClassVar[deque[str]] = deque()
    sent: list[dict[str, Any]]

    def __init__(self, name: str, arguments: object, environment: object, events: queue.SimpleQueue) -> None:
        FakeBridge.sent = []
        for event in self.reports:
            events.put(event)

    def send(self, line: str) -> None:
        self.sent.append(json.loads(line))

    def end(self, grace_s: float) -> None:
        pass


def told(node: str, **content: object) -> NodeOutput:
    return NodeOutput("console", json.dumps({"from": node, **content}), is_log=False)


@pytest.fixture
def attach(monkeypatch):
    monkeypatch.setattr(module, "NodeProcess", FakeBridge)
    monkeypatch.setattr(module, "_IDLE_S", 0.0)

    def run(*reports: object) -> Attachment:
        FakeBridge.reports = reports
        attachment = Attachment([], {})
        attachment.run()
        return attachment

    return run


RECORDING = told("recorder", status={"state": "recording", "episode": 2, "num_episodes": 2})
ENDED = told("recorder", status={"state": "ended", "episode": 3, "num_episodes": 2})


def test_it_ends_when_the_recorder_has_ended_and_everything_is_encoded(attach):
    encoding = told("encoder", status={"state": "encoding"})
    ended = told("encoder", status={"state": "ended"})
    attachment = attach(RECORDING, encoding, ENDED, told("recorder", gone={}), ended)
    assert (attachment.status.problems, attachment.status.not_recorded()) == ([], [])
    assert not attachment.has_left


def test_a_recorder_that_is_gone_without_a_word_is_a_problem(attach):
    attachment = attach(RECORDING, told("recorder", gone={}))
    assert "vanished" in attachment.status.problems[0]
    assert attachment.status.not_recorded() == ["1 of 2 episodes were recorded"]


def test_the_reason_for_which_a_recorder_fails_is_kept(attach):
    fatal = told("recorder", log={"level": "FATAL", "text": "the disk is full"})
    attachment = attach(RECORDING, fatal, told("recorder", gone={}))
    assert attachment.status.problems == ["the recorder node ended: the disk is full"]


def test_a_recorder_that_was_ended_during_a_take_is_a_problem(attach):
    episode = {"episode_id": "a", "state": "ready", "length": 30, "duration_s": 1.0, "task": "Pick"}
    completed = told("recorder", episode_completed={**episode, "ended_by": "interrupted"})
    attachment = attach(RECORDING, completed, ENDED)
    assert attachment.status.problems[0].startswith("the recorder was ended during a take")


def test_an_encoder_that_has_stopped_without_ending_is_a_problem(attach):
    status = {"state": "recording", "episode": 2, "root": "/data"}
    encoder = told("encoder", status={"state": "idle"})
    attachment = attach(told("recorder", status=status), encoder, told("encoder", gone={}), ENDED)
    (problem,) = attachment.status.problems
    assert problem.startswith("the encoder has stopped unexpectedly, episodes that are not encoded wait")


def test_an_encoder_that_is_silent_at_the_end_is_waited_for_and_then_a_problem(attach, monkeypatch):
    monkeypatch.setattr(module, "_QUIET_S", -1.0)
    monkeypatch.setattr(module, "_LOST_S", 0.0)
    attachment = attach(RECORDING, told("encoder", status={"state": "encoding"}), ENDED)
    assert "the encoder has stopped unexpectedly" in attachment.status.problems[0]


def test_a_recorder_that_is_left_while_it_does_not_answer_is_a_problem(attach, monkeypatch):
    monkeypatch.setattr(status_module, "SILENT_S", -1.0)
    attachment = attach(RECORDING, KeyPressed("q"))
    assert attachment.has_left
    assert "the recorder does not answer, its last report is 0 s old" in attachment.status.problems[0]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (3, "left: 1 of 3 episodes recorded so far, the recording continues"),
        (0, "left: 1 episode recorded so far, the recording continues"),
    ],
)
def test_leaving_names_how_much_is_recorded_so_far(asked, sentence):
    assert left(RecorderStatus(episode=2, num_episodes=asked)) == sentence


@pytest.mark.parametrize("leave", [KeyPressed("q"), Interrupted()])
def test_leaving_ends_nothing(attach, leave):
    attachment = attach(RECORDING, leave)
    assert attachment.has_left
    assert FakeBridge.sent == []
    assert attachment.status.problems == []


def test_keys_call_services_of_the_nodes(attach):
    attach(RECORDING, KeyPressed("right"), KeyPressed("e"), KeyPressed("escape"), KeyPressed("q"))
    assert FakeBridge.sent == [
        {"to": "recorder", "call": "save_episode"},
        {"to": "encoder", "call": "encode_pending"},
        {"to": "recorder", "call": "end_recording"},
    ]


def test_a_bridge_that_fails_is_reported(attach):
    FakeBridge.last_lines = deque(["[FATAL] [1.0] [console]: several recorders run"])
    assert attach(NodeEnded("console", 1)).status.problems == ["several recorders run"]
