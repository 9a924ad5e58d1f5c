"""The task of an episode from a topic: a sentence in a ``std_msgs/msg/String``."""

from __future__ import annotations

from typing import Any

from lerobot_recorder.errors import StreamError

_LONGEST = 1000


def task_in(message: Any) -> str:
    """Return the task in a message, without space around it; empty if it has none.

    Raises:
        StreamError: it is too long for a sentence, or not valid UTF-8.
    """
    task: str = message.data.strip()
    if len(task) > _LONGEST:
        raise StreamError(f"expected a task of at most {_LONGEST} characters, found {len(task)}")
    try:
        task.encode()
    except UnicodeEncodeError as error:
        raise StreamError(f"the task cannot be written as UTF-8: {error.reason}") from error
    return task
