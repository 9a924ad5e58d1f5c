from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import String
from std_srvs.srv import Trigger

import lerobot_recorder.nodes as nodes
from lerobot_recorder.errors import StreamError
from lerobot_recorder.nodes import guard
from lerobot_recorder.nodes.events import Diagnostics
from lerobot_recorder.nodes.guard import GuardedExecutor, GuardedNode


@pytest.fixture
def guarded(graph):
    """Return a guarded node in the test's graph, and what lets it run until a condition holds."""
    node = GuardedNode("guarded", context=graph.context)
    executor = GuardedExecutor(node)

    def run_until(condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            executor.spin_once(0.05)

    yield node, run_until
    executor.shutdown()
    node.destroy_node()


def fail(*_):
    raise ZeroDivisionError("nobody thought of this")


async def fail_later(*_):
    raise ZeroDivisionError("nobody thought of this")


def faults(node) -> int:
    reports = node.faults.diagnostics()
    return reports[0][3]["faults"] if reports else 0


@pytest.mark.parametrize("callback", [fail, fail_later])
def test_a_node_survives_errors_of_its_subscriptions(guarded, callback):
    node, run_until = guarded
    heard = []
    publisher = node.create_publisher(String, "chatter", 10)
    node.create_subscription(String, "chatter", callback, 10)
    node.create_subscription(String, "chatter", heard.append, 10)
    node.create_timer(0.02, lambda: publisher.publish(String(data="hello")))
    run_until(lambda: faults(node) > 2 and len(heard) > 2)
    ((name, level, message, _),) = node.faults.diagnostics()
    assert (name, level) == ("callbacks", 1)
    assert message == "/chatter: ZeroDivisionError: nobody thought of this"


def test_a_node_survives_errors_of_its_timers_guard_conditions_and_futures(guarded):
    node, run_until = guarded
    node.create_timer(0.02, fail)
    condition = node.create_guard_condition(fail)
    node.create_timer(0.02, condition.trigger)
    node.executor.create_task(fail)
    run_until(lambda: faults(node) > 5)


def test_a_node_survives_errors_of_its_services(guarded):
    node, run_until = guarded
    node.create_service(Trigger, "bad", fail)
    node.create_service(Trigger, "good", lambda request, response: response)
    bad, good = (node.create_client(Trigger, name) for name in ("bad", "good"))
    run_until(lambda: bad.service_is_ready() and good.service_is_ready())
    bad.call_async(Trigger.Request())
    run_until(lambda: faults(node) == 1)
    answer = good.call_async(Trigger.Request())
    run_until(answer.done)


def test_a_node_receives_messages_after_one_that_failed(guarded):
    node, run_until = guarded
    heard = []
    publisher = node.create_publisher(String, "chatter", 10)
    subscription = node.create_subscription(String, "chatter", heard.append, 10)
    node.create_timer(0.02, lambda: publisher.publish(String(data="hello")))
    run_until(lambda: heard)
    subscription.msg_type = None  # so that no message can be made of what has come
    run_until(lambda: faults(node))
    subscription.msg_type = String
    heard.clear()
    run_until(lambda: heard)


def test_faults_are_all_counted_and_logged_at_intervals(guarded, monkeypatch):
    node, _ = guarded
    logged, now = [], [100.0]
    monkeypatch.setattr(
        node.faults, "_logger", type("Log", (), {"error": lambda self, text: logged.append(text)})()
    )
    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    for _ in range(50):
        node.faults.note("/topic", StreamError("x" * 100_000))
    assert len(logged) == 1
    assert len(logged[0]) < 500
    now[0] += 11
    assert node.faults.diagnostics()[0][1:2] == (0,)
    node.faults.note("/topic", StreamError("y"))
    assert "51 faults" in logged[1]


def test_diagnostics_count_faults(guarded):
    node, run_until = guarded
    heard: list[DiagnosticArray] = []
    diagnostics = Diagnostics(node)
    node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    node.create_timer(0.02, lambda: diagnostics.publish([("part", 0, "fine", {})]))
    run_until(lambda: heard)
    assert [status.name for status in heard[-1].status] == ["guarded: part"]
    assert heard[-1].status[0].hardware_id == socket.gethostname()
    node.faults.note("/topic", StreamError("wrong"))
    run_until(lambda: len(heard[-1].status) == 2)
    assert heard[-1].status[1].name == "guarded: callbacks"
    assert heard[-1].status[1].values[0].value == "1"


def test_every_node_runs_in_the_guarded_executor():
    for file in Path(nodes.__file__).parent.glob("*.py"):
        text = file.read_text()
        assert file.name == "guard.py" or "ThreadedExecutor" not in text, file
        assert "rclpy.spin" not in text, file
        assert file.name == "guard.py" or "(Node)" not in text, file
