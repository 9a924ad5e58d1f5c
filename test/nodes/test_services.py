from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from std_srvs.srv import Trigger

from lerobot_recorder.errors import StreamError
from lerobot_recorder.nodes.services import Services, accepted


def ended(error: Exception | None = None) -> Future:
    work: Future = Future()
    if error is None:
        work.set_result("done")
    else:
        work.set_exception(error)
    return work


@pytest.fixture
def services(graph) -> Iterator[Services]:
    services = graph.do(lambda: Services(graph.node))
    yield services
    services.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StreamError("the camera is silent"), "the camera is silent"),
        (OSError("no room"), "no room"),
        (ZeroDivisionError("nobody thought of this"), "unexpected ZeroDivisionError: nobody thought of this"),
    ],
)
@pytest.mark.parametrize("raised_by", ["its start", "its result"])
def test_a_call_that_fails_is_answered_and_so_is_the_next(graph, services, error, reason, raised_by):
    works = [ended(error), ended()]

    def begin() -> Future:
        if len(works) == 2 and raised_by == "its start":
            works.pop(0)
            raise error
        return works.pop(0)

    graph.do(lambda: services.trigger("work", begin, accepted))
    services.serve()
    assert graph.call("test/work") == (False, reason)
    assert graph.call("test/work") == (True, "done")


def test_calls_wait_until_the_node_is_complete(graph, services):
    begun: list[str] = []

    def begin() -> Future:
        begun.append(threading.current_thread().name)
        return ended()

    graph.do(lambda: services.trigger("work", begin, accepted))
    answers: list[tuple[bool, str]] = []
    caller = threading.Thread(target=lambda: answers.append(graph.call("test/work")))
    caller.start()
    graph.wait(lambda: "test/work" in graph.clients)
    assert (begun, answers) == ([], [])
    services.serve()
    caller.join()
    assert (begun, answers) == (["services"], [(True, "done")])


def test_the_thread_that_did_the_work_answers_while_a_callback_keeps_the_executor(graph, services):
    work: Future = Future()
    begun = threading.Event()

    def begin() -> Future:
        begun.set()
        return work

    graph.do(lambda: services.trigger("work", begin, accepted))
    services.serve()
    answer = graph._client(Trigger, "test/work").call_async(Trigger.Request())
    graph.wait(begun.is_set)
    with graph.node.turn:
        threading.Thread(target=work.set_result, args=("done",)).start()
        graph.wait(answer.done)
    assert answer.result().message == "done"


def test_a_call_waits_for_a_callback_that_runs(graph, services):
    begun = threading.Event()

    def begin() -> Future:
        begun.set()
        return ended()

    graph.do(lambda: services.trigger("work", begin, accepted))
    services.serve()
    with graph.node.turn:
        answer = graph._client(Trigger, "test/work").call_async(Trigger.Request())
        assert not begun.wait(0.3)
    graph.wait(answer.done)
    assert begun.is_set()
