"""Serves the page from a thread of its own."""

from __future__ import annotations

import socket
import threading
from typing import Any

import uvicorn

from lerobot_recorder.errors import ConfigError

_SEND_BYTES = 256 * 1024
"""What the kernel keeps for a slow browser: more would be pictures of some seconds ago."""

_MOST_CONNECTIONS = 64
_LONGEST_HEADERS = 16 * 1024
_GRACE_S = 1


class Server:
    """Listens from its creation on, answers from `start` on.

    Attributes:
        port: the port; with the port 0, the one that the system has chosen.
    """

    def __init__(self, address: str, port: int) -> None:
        """Listen.

        Raises:
            ConfigError: the address does not belong to this computer, or the port is used.
        """
        self._socket = _listening(address, port)
        self.port: int = self._socket.getsockname()[1]
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self, app: Any) -> None:
        """Answer requests with an ASGI application."""
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                http="h11",
                loop="asyncio",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                h11_max_incomplete_event_size=_LONGEST_HEADERS,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="dashboard-server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End all connections and stop; a second call does nothing."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()


def _listening(address: str, port: int) -> socket.socket:
    host = "127.0.0.1" if address == "localhost" else address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)  # for all its connections
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the dashboard cannot listen on {address}, port {port}: {why}; "
            "set its parameters address and port, or end what uses the port"
        ) from error
    return listening


def reachable_address(address: str) -> str:
    """Return an address for links: of all addresses, the one that other computers most likely reach."""
    if address == "localhost":
        return "127.0.0.1"
    if address not in ("0.0.0.0", "::"):
        return f"[{address}]" if ":" in address else address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: this sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
