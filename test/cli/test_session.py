from __future__ import annotations

import json
import os
import queue
import signal
from collections import deque
from collections.abc import Mapping, Sequence

import pytest

from lerobot_recorder.cli import session as module
from lerobot_recorder.cli.keyboard import KeyPressed
from lerobot_recorder.cli.processes import NodeEnded, NodeOutput
from lerobot_recorder.cli.session import Interrupted, Session
from lerobot_recorder.cli.status import RunStatus, described_end

NODES: Mapping[str, Sequence[str]] = {"hardware": [], "recorder": [], "encoder": []}


class Stage:
    """What the fake nodes are told, and what they answer."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.last_lines: dict[str, list[str]] = {}
        self.events: list[object] = []
        self.stubborn: set[str] = set()

    def heard(self, **content: object) -> NodeOutput:
        return NodeOutput(str(content["from"]), json.dumps(content), is_log=False)

    def status(self, state: str) -> NodeOutput:
        return self.heard(**{"from": "recorder", "status": {"state": state}})


class FakeNode:
    stage: Stage

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], events: queue.SimpleQueue
    ) -> None:
        self.name, self.events = name, events
        self.last_lines = deque(self.stage.last_lines.get(name, []))
        if name == "encoder":
            for event in self.stage.events:
                event() if callable(event) else events.put(event)

    def _end(self, how: str) -> None:
        self.stage.calls.append(f"{how} {self.name}")
        if self.name in self.stage.stubborn:
            return
        if self.name == "encoder":
            self.events.put(self.stage.heard(**{"from": "encoder", "status": {"state": "ended"}}))
        self.events.put(NodeEnded(self.name, 0))

    def interrupt(self) -> None:
        self._end("interrupt")

    def terminate(self) -> None:
        self._end("terminate")

    def send(self, line: str) -> None:
        call = f"call {self.name}/{json.loads(line)['call']}" if line else f"release {self.name}"
        self.stage.calls.append(call)

    def end(self, grace_s: float) -> None:
        self.stage.calls.append(f"end {self.name}")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    FakeNode.stage = Stage()
    monkeypatch.setattr(module, "NodeProcess", FakeNode)
    return FakeNode.stage


def record(*events: object, stage: Stage) -> RunStatus:
    stage.events = list(events)
    return Session(NODES, {}).run()


def test_when_the_recorder_has_finished_the_others_end_too(stage):
    run = record(NodeEnded("recorder", 0), stage=stage)
    assert stage.calls == [
        "interrupt hardware",
        "interrupt encoder",
        "end hardware",
        "end recorder",
        "end encoder",
    ]
    assert run.problems == []
    assert run.encoder.state == "ended"


def test_a_hardware_node_that_fails_ends_the_recording_with_its_reason(stage):
    stage.last_lines["hardware"] = ["[INFO] starting", "error: /dev/ttyACM0 is busy", ""]
    run = record(NodeEnded("hardware", 1), stage=stage)
    assert run.problems == ["the hardware node ended: /dev/ttyACM0 is busy"]
    assert stage.calls[:2] == ["interrupt recorder", "interrupt encoder"]


def test_a_hardware_node_that_ends_by_itself_is_a_problem_too(stage):
    assert record(NodeEnded("hardware", 0), stage=stage).problems


def test_recording_goes_on_without_the_encoder(stage):
    stage.last_lines["encoder"] = ["Segmentation fault"]
    encoder = stage.heard(**{"from": "encoder", "status": {"state": "encoding", "waiting": 2}})
    run = record(encoder, NodeEnded("encoder", -11), NodeEnded("recorder", 0), stage=stage)
    expected = (
        "the encoder node was killed (SIGSEGV): Segmentation fault; recorded episodes wait in the spool"
    )
    assert run.problems == [expected]
    assert stage.calls[0] == "interrupt hardware"


@pytest.mark.parametrize(
    ("status", "lines", "sentence"),
    [
        (-9, ["[INFO] [1.0] [lerobot_recorder]: The follower is following"], "was killed (SIGKILL)"),
        (
            1,
            ["[ERROR] [1.0] [hardware]: no servo 3", "[INFO] [1.1] [hardware]: x"],
            "ended with status 1; its last error: no servo 3",
        ),
        (1, ["[INFO] [1.0] [hardware]: x", "KeyError: 'y'", ""], "ended with status 1: KeyError: 'y'"),
        (1, ["[FATAL] [1.0] [hardware]: the port is gone", "[INFO] [1.1] [x]: y"], "ended: the port is gone"),
        (-9, ["BrokenPipeError: [Errno 32] Broken pipe"], "was killed (SIGKILL)"),
        (-64, [], "was killed (SIGRTMAX)"),
        (0, [], "ended with status 0"),
    ],
)
def test_the_end_of_a_node_is_described_by_its_error_or_its_status(status, lines, sentence):
    assert described_end("hardware", status, lines) == f"the hardware node {sentence}"


def test_a_recorder_that_is_killed_keeps_the_take_that_it_recorded(stage):
    run = record(stage.status("recording"), NodeEnded("recorder", -9), stage=stage)
    kept = "the take that was interrupted is kept: the next start recovers it"
    assert run.problems == [f"the recorder node was killed (SIGKILL); {kept}"]


def test_a_recording_goes_on_without_its_dashboard_and_its_end_is_kept(stage, capsys):
    stage.last_lines["dashboard"] = ["error: the dashboard cannot listen"]
    stage.events = [
        stage.status("idle"),
        NodeEnded("dashboard", 1),
        KeyPressed("right"),
        NodeEnded("recorder", 0),
    ]
    run = Session({**NODES, "dashboard": []}, {}).run()
    assert "call recorder/start_episode" in stage.calls
    assert run.incidents == ["the dashboard ended: the dashboard cannot listen"]
    assert run.problems == []
    assert "ended: the dashboard cannot listen; the recording goes on without it" in capsys.readouterr().out


def test_a_rejection_that_the_recorder_logs_is_not_repeated_as_the_answer(stage, capsys):
    answer = {"call": "save_episode", "success": False}
    refusal = {"message": "the take is rejected: too old", "offer": "accept_episode"}
    rejected = stage.heard(**{"from": "recorder", "answer": {**answer, **refusal}})
    idle = stage.heard(
        **{"from": "recorder", "answer": {**answer, "message": "no episode is being recorded"}}
    )
    record(rejected, idle, NodeEnded("recorder", 0), stage=stage)
    printed = capsys.readouterr().out
    assert "is rejected" not in printed
    assert "no episode is being recorded" in printed


def test_nodes_that_were_asked_to_end_may_end_by_the_signal(stage):
    stage.stubborn.add("hardware")
    run = record(NodeEnded("recorder", 0), NodeEnded("hardware", -signal.SIGINT), stage=stage)
    assert run.problems == []


def test_an_interruption_ends_the_recording_and_encodes_what_remains(stage):
    record(Interrupted(), stage=stage)
    assert stage.calls[:3] == ["interrupt recorder", "interrupt hardware", "interrupt encoder"]


def test_a_second_interruption_leaves_the_rest(stage):
    stage.stubborn.add("recorder")
    run = record(Interrupted(), Interrupted(), NodeEnded("recorder", 0), stage=stage)
    assert {"terminate recorder", "terminate hardware", "terminate encoder"} <= set(stage.calls)
    assert run.problems == []


def test_a_third_interruption_ends_everything_at_once(stage):
    stage.stubborn |= {"recorder", "hardware", "encoder"}
    record(Interrupted(), Interrupted(), Interrupted(), stage=stage)
    assert stage.calls[-3:] == ["end hardware", "end recorder", "end encoder"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_interruptions(stage, number):
    before = signal.getsignal(number)
    record(lambda: os.kill(os.getpid(), number), stage=stage)
    assert stage.calls[0] == "interrupt recorder"
    assert signal.getsignal(number) is before


def test_an_interruption_after_the_last_episode_leaves_the_encoding(stage):
    stage.stubborn.add("encoder")
    record(NodeEnded("recorder", 0), Interrupted(), NodeEnded("encoder", 0), stage=stage)
    assert stage.calls[:2] == ["interrupt hardware", "interrupt encoder"]
    assert "terminate encoder" in stage.calls


def test_no_arm_moves_before_recorder_and_encoder_are_ready(stage):
    ready = {"from": "encoder", "status": {"state": "idle"}}
    record(stage.status("idle"), stage.heard(**ready), NodeEnded("recorder", 0), stage=stage)
    assert stage.calls[:2] == ["release hardware", "interrupt hardware"]


@pytest.mark.parametrize("node", ["recorder", "encoder"])
def test_an_arm_stays_at_rest_when_another_node_cannot_start(stage, node):
    stage.last_lines[node] = ["error: vcodec: no such codec"]
    run = record(stage.status("idle"), NodeEnded(node, 1), stage=stage)
    assert "release hardware" not in stage.calls
    assert "vcodec: no such codec" in run.problems[0]


def test_a_problem_is_reported_once(stage, capsys):
    stage.last_lines["hardware"] = ["error: /dev/ttyACM0 is busy"]
    run = record(NodeEnded("hardware", 1), stage=stage)
    assert "busy" in run.problems[0]
    assert "busy" not in capsys.readouterr().out


def test_keys_are_answered_while_the_recording_ends(stage, capsys):
    stage.stubborn.add("encoder")
    record(NodeEnded("recorder", 0), KeyPressed("right"), NodeEnded("encoder", 0), stage=stage)
    assert not any(call.startswith("call") for call in stage.calls)
    assert "the recording is ending: keys do nothing now" in capsys.readouterr().out


def test_the_nodes_end_when_something_unforeseen_happens(stage):
    with pytest.raises(json.JSONDecodeError):
        record(NodeOutput("recorder", "{no JSON", is_log=False), stage=stage)
    assert {"end hardware", "end recorder", "end encoder"} <= set(stage.calls)


def test_keys_call_services(stage):
    keys = [KeyPressed(key) for key in ("right", "e", "p")]
    record(stage.status("resetting"), *keys, NodeEnded("recorder", 0), stage=stage)
    assert stage.calls[:3] == [
        "call recorder/start_episode",
        "call encoder/encode_pending",
        "call recorder/pause",
    ]


def test_what_a_key_asks_is_printed_where_there_is_no_screen(stage, capsys):
    record(stage.status("idle"), KeyPressed("d"), NodeEnded("recorder", 0), stage=stage)
    assert "no episode is being recorded, so d does nothing" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["q", "escape"])
def test_quitting_lets_the_recorder_save_and_end(stage, key):
    record(stage.status("recording"), KeyPressed(key), NodeEnded("recorder", 0), stage=stage)
    assert stage.calls[0] == "call recorder/end_recording"


def test_quitting_before_the_recorder_is_ready_ends_at_once(stage):
    record(KeyPressed("q"), stage=stage)
    assert stage.calls[0] == "interrupt recorder"


def test_a_key_for_a_node_that_has_ended_is_answered(stage, capsys):
    encoder = stage.heard(**{"from": "encoder", "status": {"state": "idle"}})
    record(encoder, NodeEnded("encoder", 1), KeyPressed("e"), NodeEnded("recorder", 0), stage=stage)
    assert not any(call.startswith("call") for call in stage.calls)
    printed = capsys.readouterr().out
    assert "the encoder has ended: e does nothing now" in printed
    assert "does not answer" not in printed


def test_what_the_nodes_log_is_shown(stage, capsys):
    log = NodeOutput("recorder", "[WARN] [1763.5] [recorder]: the wrist camera froze", is_log=True)
    printed = NodeOutput("encoder", "Fatal Python error", is_log=True)
    stray = NodeOutput("encoder", "a library says hello", is_log=False)
    reason = NodeOutput("hardware", "error: the port is busy", is_log=True)
    refusal = stage.heard(
        **{"from": "recorder", "answer": {"call": "start_episode", "success": False, "message": "no"}}
    )
    record(log, printed, stray, reason, refusal, NodeEnded("recorder", 0), stage=stage)
    shown = capsys.readouterr().out
    assert "recorder the wrist camera froze" in shown
    assert "recorder no" in shown
    assert "encoder  Fatal Python error" in shown
    assert "encoder  a library says hello" in shown
    assert "busy" not in shown
