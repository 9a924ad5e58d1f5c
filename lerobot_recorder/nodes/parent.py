"""News for the process that started a node: JSON lines on standard output, where that process asks for them.

A topic would not do: on a busy computer nodes may take seconds to discover each other, and what a node has
published goes with it.

::

    {"from": "recorder", "status": {...}}
    {"from": "recorder", "episode_completed": {...}}
    {"from": "encoder", "committed": {"episodes": [...]}}
"""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

_ASKED_FOR = "LEROBOT_RECORDER_NEWS"
_STDOUT = 1
_LAST_NEWS_S = 2.0


class ParentNews:
    """Writes lines in a thread of its own: nobody waits for a parent that does not read, as one suspended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="news", daemon=True)
        self._thread.start()

    def tell(self, node: str, kind: str, content: Mapping[str, Any]) -> None:
        """Write what a node published."""
        self._lines.put(json.dumps({"from": node, kind: content}) + "\n")

    def close(self) -> None:
        """Wait for a moment until all is written."""
        self._lines.put(None)
        self._thread.join(_LAST_NEWS_S)

    def _write(self) -> None:
        with suppress(OSError):  # the parent is gone
            while (line := self._lines.get()) is not None:
                os.write(self._descriptor, line.encode())


@cache
def parent_news() -> ParentNews | None:
    """Return where to tell news; None where the process that started this one has not asked for them."""
    if not os.environ.get(_ASKED_FOR):
        return None
    news = ParentNews(_STDOUT)
    atexit.register(news.close)
    return news
