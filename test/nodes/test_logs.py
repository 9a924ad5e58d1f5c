from __future__ import annotations

import logging

import pytest

pytest.importorskip("rclpy")

from lerobot_recorder.nodes.lifetime import NodeLog
from lerobot_recorder.simulation import SimulatedArm


class Log:
    """A node's logger that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str):
        return lambda text: self.lines.append((level, text))


def test_each_record_keeps_its_level():
    log = Log()
    logger = logging.Logger("any")  # noqa: LOG001 - without the levels of the others
    logger.addHandler(NodeLog(log))
    logger.debug("not shown")
    logger.info("%s is %d", "this", 1)
    logger.warning("two")
    logger.error("three")
    assert log.lines == [("info", "this is 1"), ("warning", "two"), ("error", "three")]


def test_messages_of_the_arms_are_in_the_nodes_log(graph):
    with SimulatedArm() as arm:
        parameters = {"follower.port": arm.port, "follower.calibration": "sim", "cameras": [""]}
        process = graph.start("hardware", parameters)

        def said(text: str) -> bool:
            return any(text in line for line in process.last_lines)

        graph.wait(lambda: said("follower on"))
        arm.unplug()
        graph.wait(lambda: said("[ERROR]") and said("[hardware]: Lost the follower"))
        arm.replug()
        graph.wait(lambda: said("[WARN]") and said("Connected the follower again on"))
        assert sum("Lost the follower" in line for line in process.last_lines) == 1
