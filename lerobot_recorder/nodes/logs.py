"""What the core logs goes where the nodes log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger

CORE = "lerobot_recorder"


class NodeLog(logging.Handler):
    """Passes records on to a logger of ROS."""

    def __init__(self, log: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        text = self.format(record)
        # A line for each level: ROS's logger refuses another level from the same line of code.
        if record.levelno >= logging.ERROR:
            self._log.error(text)
        elif record.levelno >= logging.WARNING:
            self._log.warning(text)
        else:
            self._log.info(text)


@contextmanager
def forwarded_logs() -> Iterator[None]:
    """Let the core log to ROS meanwhile."""
    core, handler = logging.getLogger(CORE), NodeLog(get_logger(CORE))
    core.addHandler(handler)
    core.setLevel(logging.INFO)
    try:
        yield
    finally:
        core.removeHandler(handler)
