"""The dashboard during a benchmark: what it takes while nobody and while one browser watches.

Run with the URL of a dashboard, it reads it as a page does, until it is interrupted.
"""

from __future__ import annotations

import http.client
import json
import queue
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from processes import cost

from lerobot_recorder.cli.processes import NodeOutput, NodeProcess

IDLE_S = 20.0
SAID = "the dashboard is at "
MOST_WATCHED, MOST_IDLE = 0.15, 0.01
"""Shares of a core that the dashboard may take."""


class WatchedDashboard:
    """A dashboard node, and later one browser that watches it."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.events: queue.SimpleQueue = queue.SimpleQueue()
        arguments = ["--ros-args", "-p", f"root:={json.dumps(str(root))}", "-p", "port:=0"]
        self.node = NodeProcess("dashboard", arguments, environment, self.events)
        self.pid = self.node._process.pid
        self.url = self._address()
        self.browser: subprocess.Popen[str] | None = None

    def _address(self) -> str:
        while True:
            event = self.events.get(timeout=60)
            if isinstance(event, NodeOutput) and SAID in event.line:
                return event.line.partition(SAID)[2].split()[0]

    def idle(self) -> float:
        """Return the share of a core that it takes while nobody watches."""
        time.sleep(5)  # it has just started
        before = cost(self.pid).cpu_s
        time.sleep(IDLE_S)
        return (cost(self.pid).cpu_s - before) / IDLE_S

    def watch(self) -> None:
        """Let a browser watch from now on."""
        self.browser = subprocess.Popen(
            [sys.executable, __file__, self.url], stdout=subprocess.PIPE, text=True
        )

    def close(self) -> dict[str, int]:
        """End it; return the pictures of each camera that the browser has got."""
        pictures = {}
        if self.browser is not None:
            self.browser.send_signal(signal.SIGINT)
            pictures = json.loads(self.browser.communicate(timeout=30)[0] or "{}")
        self.node.end(grace_s=30)
        return pictures


def read(url: str) -> Counter[str]:
    """Read a dashboard as its page does; return the number of pictures of each camera."""
    address, pictures = urlsplit(url), Counter[str]()
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    connection.request("GET", "/live")
    response = connection.getresponse()
    try:
        while line := response.readline():
            part = json.loads(line)
            response.read(part["size"])
            pictures[part["name"]] += part["kind"] == "picture"
    except KeyboardInterrupt:
        pass
    return +pictures


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
