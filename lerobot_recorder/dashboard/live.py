"""What the page shows live: the node's threads put it here, and the server's loop sends it to watchers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class News:
    """What has changed since a watcher has looked.

    Attributes:
        version: of the newest change.
        states: new values by name, as for JSON.
        pictures: new pictures by camera, JPEG or PNG.
    """

    version: int
    states: dict[str, Any]
    pictures: dict[str, bytes]


class Live:
    """The newest state of everything, and who watches it.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = self._notified = 0
        self._states: dict[str, tuple[int, Any]] = {}
        self._pictures: dict[str, tuple[int, bytes]] = {}
        self._watchers: dict[Callable[[], None], frozenset[str]] = {}
        self._is_closed = False

    # For those who fill it

    def put(self, name: str, value: Any, *, always: bool = False) -> None:
        """Replace a state; nothing happens if it is the same, unless ``always``."""
        with self._changed:
            if always or name not in self._states or self._states[name][1] != value:
                self._version += 1
                self._states[name] = self._version, value

    def forget(self, names: Iterable[str]) -> None:
        """Forget states: nobody keeps them up to date."""
        with self._changed:
            for name in names:
                self._states.pop(name, None)

    def put_picture(self, camera: str, picture: bytes) -> None:
        """Replace the picture of a camera."""
        with self._changed:
            self._version += 1
            self._pictures[camera] = self._version, picture

    def keep_cameras(self, cameras: Iterable[str]) -> None:
        """Forget the pictures of all other cameras."""
        with self._changed:
            kept = set(cameras)
            self._pictures = {name: value for name, value in self._pictures.items() if name in kept}

    def notify(self) -> None:
        """Wake the watchers if anything has changed."""
        with self._changed:
            if self._version > self._notified:
                self._notified = self._version
                for wake in self._watchers:
                    wake()

    def wait_for_watchers(self, timeout_s: float | None = None) -> bool:
        """Wait until somebody watches or it is closed; return whether somebody watches."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._watchers) or self._is_closed, timeout_s)
            return bool(self._watchers)

    def close(self) -> None:
        """Let everybody stop waiting."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            for wake in self._watchers:
                wake()

    # For watchers

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        return self._is_closed

    @property
    def watchers(self) -> int:
        """Number of those who watch."""
        return len(self._watchers)

    @property
    def closeups(self) -> frozenset[str]:
        """Cameras whose pictures somebody wants in full size."""
        with self._changed:
            return frozenset(Counter(name for names in self._watchers.values() for name in names))

    @contextmanager
    def watching(self, wake: Callable[[], None], closeups: Iterable[str] = ()) -> Iterator[None]:
        """Watch while the context is open.

        Args:
            wake: called, from other threads, when there may be news.
            closeups: cameras whose pictures are wanted in full size.
        """
        with self._changed:
            self._watchers[wake] = frozenset(closeups)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                del self._watchers[wake]

    def state(self, name: str) -> Any:
        """Return a state; None if there is none."""
        with self._changed:
            return self._states.get(name, (0, None))[1]

    def news(self, since: int) -> News:
        """Return what has changed since a version."""
        with self._changed:
            return News(
                self._version,
                {name: value for name, (version, value) in self._states.items() if version > since},
                {name: value for name, (version, value) in self._pictures.items() if version > since},
            )
