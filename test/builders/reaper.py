"""Stops a process before any of its file operations, as ``kill -9`` and a power cut do.

The operations are found by listening: to audit events, and to ``os.fsync`` and pyarrow's writing, which have
none. Where the process "dies", all later operations fail too: no clean-up runs in a killed process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.parquet as pq
import pytest

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """Simulates the end of the process."""


class Reaper:
    """Counts file operations, and stops everything from one of them on."""

    def __init__(self) -> None:
        self._active = False
        self._count = 0
        self._last: int | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._active and (event in CHANGES or (event == "open" and arguments[2] & WRITING)):
            self.step()

    def step(self) -> None:
        if not self._active:
            return
        if self._last is not None and self._count >= self._last:
            raise Killed
        self._count += 1

    @contextmanager
    def after(self, operations: int | None) -> Iterator[None]:
        """Allow this number of operations, None for all."""
        self._active, self._count, self._last = True, 0, operations
        try:
            yield
        finally:
            self._active = False

    @property
    def count(self) -> int:
        """Number of operations so far."""
        return self._count


REAPER = Reaper()


def make_audible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise audit events for calls that have none. Nothing is synced: a stop loses nothing written."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: REAPER.step())
    for module in (pq, pq.ParquetWriter):
        monkeypatch.setattr(module, "write_table", _announced(module.write_table))


def _announced(function: Callable[..., Any]) -> Callable[..., Any]:
    def announce(*arguments: Any, **options: Any) -> Any:
        REAPER.step()
        return function(*arguments, **options)

    return announce
