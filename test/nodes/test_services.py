from __future__ import annotations

from concurrent.futures import Future

import pytest

from lerobot_recorder.errors import StreamError
from lerobot_recorder.nodes.services import Services, accepted


def ended(error: Exception | None = None) -> Future:
    work: Future = Future()
    if error is None:
        work.set_result("done")
    else:
        work.set_exception(error)
    return work


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StreamError("the camera is silent"), "the camera is silent"),
        (OSError("no room"), "no room"),
        (ZeroDivisionError("nobody thought of this"), "unexpected ZeroDivisionError: nobody thought of this"),
    ],
)
def test_a_call_that_fails_is_answered_and_so_is_the_next(graph, error, reason):
    works = [ended(error), ended()]
    services = graph.do(lambda: Services(graph.node))
    graph.do(lambda: services.trigger("work", lambda: works.pop(0), accepted))
    assert graph.call("test/work") == (False, reason)
    assert graph.call("test/work") == (True, "done")
