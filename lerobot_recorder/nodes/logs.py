"""What the core logs goes where the nodes log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger

CORE = "lerobot_recorder"


class NodeLog(logging.Handler):
    """Passes records on to a logger of ROS.

    Attributes:
        log: the logger; only what a node's own logger is told is also on ``/rosout``.
    """

    def __init__(self, log: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        text = self.format(record)
        # A line for each level: ROS's logger refuses another level from the same line of code.
        if record.levelno >= logging.ERROR:
            self.log.error(text)
        elif record.levelno >= logging.WARNING:
            self.log.warning(text)
        else:
            self.log.info(text)


@contextmanager
def forwarded_logs() -> Iterator[NodeLog]:
    """Let the core log to ROS meanwhile."""
    core, handler = logging.getLogger(CORE), NodeLog(get_logger(CORE))
    core.addHandler(handler)
    core.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        core.removeHandler(handler)
