"""An sqlite3 file of a bag. It is never written: an unfinished transaction is completed in a copy.

A recorder may still write it. So each query is short, because it keeps the recorder from writing, and only
rows that were there at the start are read.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_recorder.bags.storage import StoredMessage, StoredTopic, full_type
from lerobot_recorder.errors import BagError
from lerobot_recorder.excerpt import counted

MAGIC = b"SQLite format 3\0"
_PAGE_SIZE = slice(16, 18)
"""Where the header has the size of a page; 1 stands for 64 KiB."""

_ROWS = 4096  # of a query
_WAIT_S = 10.0
"""How long to wait for a recorder that is writing."""

_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_ROW = np.dtype([("log_ns", np.int64), ("id", np.int64), ("topic", np.int64)])
_QUERY = "SELECT timestamp, id, topic_id FROM messages WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_LAST_ROW = 1 << 62
_WAY_OUT = "'sqlite3 FILE .recover' may save more"


class SqliteFile:
    """An sqlite3 file of a bag, as it was when it was opened.

    Args:
        path: the file.
        scratch: a folder for a copy, where one is needed; it is deleted by the caller.

    Raises:
        BagError: it is no such file, or holds nothing that can be read.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path = path
        self.damage = ""
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BagError(f"{path} is no sqlite3 file, or it is encrypted: it does not start as one")
        self._readable = _readable(path, scratch)
        try:
            with closing(_connection(self._readable)) as connection:
                self._topics = _topics_in(connection)
                rows = self._rows_in(connection)
        except sqlite3.Error as error:
            raise BagError(f"{path} is no bag, or damaged: {error}; {_WAY_OUT}") from error
        self._rows = rows[np.argsort(rows["log_ns"], kind="stable")]
        self.topics: Sequence[StoredTopic] = tuple(dict.fromkeys(self._topics.values()))
        numbers = {topic: [n for n, each in self._topics.items() if each == topic] for topic in self.topics}
        self.counts: Sequence[int] = [
            int(np.isin(rows["topic"], numbers[topic]).sum()) for topic in self.topics
        ]
        self.start_ns = int(self._rows["log_ns"][0]) if len(rows) else 0
        self.end_ns = int(self._rows["log_ns"][-1]) if len(rows) else 0

    def messages(
        self, topics: Collection[StoredTopic], start_ns: int | None, end_ns: int | None
    ) -> Iterator[StoredMessage]:
        """Yield messages by log time, those with equal stamps in the order of the file."""
        wanted = {number: topic for number, topic in self._topics.items() if topic in topics}
        times = self._rows["log_ns"]
        first = 0 if start_ns is None else int(np.searchsorted(times, start_ns, "left"))
        last = len(times) if end_ns is None else int(np.searchsorted(times, end_ns, "right"))
        rows = self._rows[first:last]
        rows = rows[np.isin(rows["topic"], list(wanted))]
        with closing(_connection(self._readable)) as connection:
            for start in range(0, len(rows), _ROWS):
                for log_ns, row, number in rows[start : start + _ROWS].tolist():
                    yield StoredMessage(log_ns, wanted[number], self._data(connection, row))

    def latest(self, topics: Collection[StoredTopic], before_ns: int) -> StoredMessage | None:
        """Return the last message before a log time; None if there is none."""
        wanted = {number: topic for number, topic in self._topics.items() if topic in topics}
        rows = self._rows[: int(np.searchsorted(self._rows["log_ns"], before_ns, "left"))]
        (places,) = np.nonzero(np.isin(rows["topic"], list(wanted)))
        if not len(places):
            return None
        log_ns, row, number = rows[places[-1]].tolist()
        with closing(_connection(self._readable)) as connection:
            return StoredMessage(log_ns, wanted[number], self._data(connection, row))

    def _data(self, connection: sqlite3.Connection, row: int) -> bytes:
        try:
            found = connection.execute("SELECT data FROM messages WHERE id = ?", (row,)).fetchone()
        except sqlite3.Error as error:
            raise BagError(f"{self.path}: message {row} cannot be read: {error}; {_WAY_OUT}") from error
        if found is None:
            raise BagError(f"{self.path}: message {row} was deleted while the bag was read")
        return bytes(found[0])

    def _rows_in(self, connection: sqlite3.Connection) -> Any:
        """Return log time, number and topic of each message, in the file's order, up to the first damage."""
        pages = [np.empty(0, _ROW)]
        try:
            for page in _pages(connection):
                pages.append(np.array(page, _ROW))
        except _DamagedPageError as damaged:
            rows = _whole_rows(connection, np.concatenate([*pages, np.array(damaged.rows, _ROW)]))
            self.damage = (
                f"{self.path.name} is damaged at the end, because its recorder was killed or because it was "
                f"not copied completely; its first {counted(len(rows), 'message')} can be read; {_WAY_OUT}"
            )
            return rows
        return np.concatenate(pages)


class _DamagedPageError(Exception):
    """Rows could not be read, except some at the start.

    Args:
        rows: the rows that could be read.
    """

    def __init__(self, rows: list[tuple[int, int, int]]) -> None:
        super().__init__()
        self.rows = rows


def _pages(connection: sqlite3.Connection) -> Iterator[list[tuple[int, int, int]]]:
    """Yield the rows that are there now, as many at a time as one query may take."""
    try:
        (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
    except sqlite3.DatabaseError:
        last = _LAST_ROW
    reached = -_LAST_ROW
    while reached < last:
        rows: list[tuple[int, int, int]] = []
        try:
            rows.extend(connection.execute(_QUERY, (reached, last, _ROWS)))
            reached = rows[-1][1] if rows else last
        except sqlite3.DatabaseError as error:
            raise _DamagedPageError(rows) from error
        yield rows


def _whole_rows(connection: sqlite3.Connection, rows: Any) -> Any:
    """Return the rows before the first one whose message cannot be read; the damage is near the end."""
    first = max(0, len(rows) - _ROWS)
    for place in range(first, len(rows)):
        try:
            connection.execute("SELECT data FROM messages WHERE id = ?", (int(rows["id"][place]),)).fetchone()
        except sqlite3.DatabaseError:
            return rows[:place]
    return rows


def _topics_in(connection: sqlite3.Connection) -> dict[int, StoredTopic]:
    """Return the topics by their numbers. Older files have neither QoS nor definitions."""
    columns = {column for _, column, *_ in connection.execute("PRAGMA table_info(topics)")}
    qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
    definitions: dict[str, tuple[str, str]] = {}
    if connection.execute("PRAGMA table_info(message_definitions)").fetchall():
        query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        definitions = {kind: (encoding, text) for kind, encoding, text in connection.execute(query)}
    topics = connection.execute(f"SELECT id, name, type, serialization_format, {qos} FROM topics")
    return {
        number: StoredTopic(
            name, full_type(kind), serialization, *_definition(kind, definitions), str(offered or "")
        )
        for number, name, kind, serialization, offered in topics
    }


def _definition(kind: str, definitions: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Return format and text of a definition; the event of a service has that of the service."""
    return definitions.get(kind) or definitions.get(kind.removesuffix("_Event")) or ("", "")


def _connection(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=_WAIT_S)
    connection.execute("PRAGMA writable_schema = ON")  # so that SQLite reads a file that was cut short
    return connection


def _address(path: Path, query: str = "mode=ro") -> str:
    return f"{path.absolute().as_uri()}?{query}"


def _readable(path: Path, scratch: Path) -> str:
    """Return the address under which a file can be read as a whole, if need be of a copy.

    Raises:
        BagError: the disk is full.
    """
    journal, log = (path.with_name(path.name + suffix) for suffix in ("-journal", "-wal"))
    if _starts(journal, _JOURNAL_MAGIC):
        return _address(_copy(scratch, path, journal))
    if log.exists() and log.stat().st_size and not _is_openable(_address(path)):
        return _address(_copy(scratch, path, log))
    if path.stat().st_size % _page_size(path):
        return _address(_copy(scratch, path))
    return _address(path) if _is_openable(_address(path)) else _address(path, "immutable=1")


def _page_size(path: Path) -> int:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(_PAGE_SIZE.stop)[_PAGE_SIZE], "big")
    return 1 << 16 if size == 1 else size or 1


def _starts(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except FileNotFoundError:
        return False


def _is_openable(address: str) -> bool:
    try:
        with closing(_connection(address)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True  # damaged, which is found later
    return True


def _copy(scratch: Path, path: Path, *journals: Path) -> Path:
    """Copy a file, and let SQLite complete or undo an unfinished transaction there.

    The copy has no part of a page at its end, which SQLite would take for zeros.
    """
    copy = scratch / path.name
    try:
        for each in (path, *journals):
            shutil.copyfile(each, scratch / each.name)
        os.truncate(copy, copy.stat().st_size // _page_size(copy) * _page_size(copy))
    except OSError as error:
        raise BagError(
            f"{path} is unfinished, and cannot be copied to {scratch} to read it: {error.strerror}; "
            "set TMPDIR to a folder with more space"
        ) from error
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(copy)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return copy
