from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402

from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment  # noqa: E402


class Robot:
    """A recorder as the caller sees it, and the caller's process beside it."""

    def __init__(
        self, node: rclpy.node.Node, executor: SingleThreadedExecutor, caller: NodeProcess, events
    ) -> None:
        self.node, self.caller, self._executor, self._events = node, caller, executor, events

    def next_event(self) -> object:
        for _ in range(400):
            self._executor.spin_once(timeout_sec=0.05)
            if not self._events.empty():
                return self._events.get()
        raise AssertionError("nothing came from the caller")

    def next_news(self) -> dict:
        while not isinstance(event := self.next_event(), NodeOutput) or event.is_log:
            pass
        return json.loads(event.line)

    def next_end(self) -> int:
        while not isinstance(event := self.next_event(), NodeEnded):
            pass
        return event.status


@contextmanager
def running_robot() -> Iterator[Robot]:
    environment = node_environment(isolated=True)
    context = rclpy.Context()
    context.init(domain_id=int(environment["ROS_DOMAIN_ID"]))
    node = rclpy.create_node("recorder", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    caller = NodeProcess("caller", [], environment, events)
    try:
        yield Robot(node, executor, caller, events)
    finally:
        caller.end(grace_s=5)
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


@pytest.fixture
def robot() -> Iterator[Robot]:
    with running_robot() as robot:
        yield robot


def test_calls_are_made_and_answered(robot):
    def refuse(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = "The camera is missing."
        return response

    robot.node.create_service(Trigger, "recorder/start_episode", refuse)
    robot.caller.send('{"node": "recorder", "call": "start_episode"}')
    assert robot.next_news() == {
        "from": "recorder",
        "call": "start_episode",
        "success": False,
        "message": "The camera is missing.",
    }


def test_a_call_may_carry_a_flag(robot):
    def agree(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = request.data
        return response

    robot.node.create_service(SetBool, "recorder/mark_success", agree)
    robot.caller.send('{"node": "recorder", "call": "mark_success", "data": true}')
    assert robot.next_news()["success"] is True


def test_a_service_that_is_not_there_is_said(robot):
    robot.caller.send('{"node": "encoder", "call": "encode_pending"}')
    assert robot.next_news()["message"] == "The encoder node does not offer encode_pending."


def test_it_ends_with_its_input(robot):
    robot.caller.close_input()
    assert robot.next_end() == 0


def test_it_ends_when_interrupted(robot):
    robot.caller.send('{"node": "recorder", "call": "no_such_service"}')
    robot.next_news()
    robot.caller.interrupt()
    assert robot.next_end() == 0


def test_sessions_side_by_side_choose_different_domains(robot):
    robot.caller.send('{"node": "recorder", "call": "no_such_service"}')
    robot.next_news()
    taken = robot.node.context.get_domain_id()
    from lerobot_recorder.cli import processes

    assert not processes._is_unused(taken)
