"""Decides who may use the page: token, session, host names, origins, and the rate of wrong tokens."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

_WRONG_TOKENS = 5
_WINDOW_S = 60.0
_ADDRESSES = 1000
"""Addresses whose wrong tokens are remembered."""


class WrongTokens:
    """Counts wrong tokens per address.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return how long an address has to wait before its next token is looked at; 0: not at all."""
        times = self._times.get(address, deque[float]())
        if len(times) < _WRONG_TOKENS:
            return 0.0
        return max(0.0, times[0] + _WINDOW_S - self._clock())

    def note(self, address: str) -> None:
        """Count a wrong token."""
        times = self._times.pop(address, deque[float](maxlen=_WRONG_TOKENS))
        times.append(self._clock())
        self._times[address] = times
        while len(self._times) > _ADDRESSES:
            self._times.popitem(last=False)


class Access:
    """The rules for one page.

    Attributes:
        token: what the page asks for; empty: nothing.
        cookie: name of the cookie that holds the session.
        wrong: wrong tokens so far.
    """

    def __init__(self, token: str, port: int, hosts: Iterable[str] = ()) -> None:
        """Define the rules.

        Args:
            token: what the page asks for; empty: nothing.
            port: of the page. Cookies do not differ between ports, so it is part of their name.
            hosts: names under which browsers may reach the page, besides this computer's own.
        """
        self.token = token
        self.cookie = f"lerobot_recorder_{port}"
        self.wrong = WrongTokens()
        self._session = secrets.token_urlsafe(32)
        self._hosts = {"localhost", *_own_names(), *(each.lower() for each in hosts)}

    @property
    def session(self) -> str:
        """What the cookie of a browser holds that has shown the token; another one after each start."""
        return self._session

    def is_token(self, found: str) -> bool:
        """Compare a token in a time that does not depend on how much of it is right."""
        return bool(self.token) and hmac.compare_digest(found.encode(), self.token.encode())

    def is_session(self, found: str) -> bool:
        """Return whether a cookie's value lets a browser in; everything does if there is no token."""
        return not self.token or hmac.compare_digest(found.encode(), self._session.encode())

    def is_host(self, host: str) -> bool:
        """Return whether a request's ``Host`` names this page.

        A page of another site could have its name point at this computer; its requests carry that name.

        Args:
            host: name or IP address, with or without a port.
        """
        name = _name(host)
        return name in self._hosts or _is_ip(name)


def is_own_origin(origin: str, host: str) -> bool:
    """Return whether a request comes from a page that this server has sent.

    Args:
        origin: the request's ``Origin``.
        host: its ``Host``.
    """
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def new_token() -> str:
    """Make a token."""
    return secrets.token_urlsafe(16)


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _own_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name}.local"} if name else set()
