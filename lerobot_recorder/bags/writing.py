"""Writes bags for ``ros2 bag``, Foxglove and PlotJuggler; a bag appears when it is complete."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lerobot_recorder.durable import make_directory, move_directory, sync, sync_tree, why_not_written
from lerobot_recorder.errors import BagError

if TYPE_CHECKING:
    from rosbags.interfaces import Connection, Qos

MCAP_SUFFIX = ".mcap"

Storage = Literal["mcap", "sqlite3"]
"""How the messages of a rosbag2 bag are stored; before iron, ``ros2 bag`` reads MCAP only with a plugin."""

_VERSION = 8
"""Of ``metadata.yaml``: the newest one that every distribution from humble on reads."""

_DEPTH = 10
_UNLIMITED = (9223372036, 854775807)
"""Seconds and nanoseconds that ROS takes for no limit."""

_EMPTY: dict[str, Any] = {"string": "", "wstring": "", "bool": False}


class BagWriter:
    """A bag that is being written, as a context manager; an exception removes what was written.

    Args:
        path: an ``.mcap`` file, or the directory of a rosbag2 bag; it must not exist.
        definitions: definitions of message types that ROS 2 does not have itself, by name.
        notes: texts that are kept in the bag's metadata, by name.
        storage: ``sqlite3`` only for a directory.

    Raises:
        BagError: the path exists or cannot be written, or rosbags is not installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        definitions: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
        storage: Storage = "mcap",
    ) -> None:
        self.path = Path(path)
        _check_free(self.path)
        if self.path.suffix == MCAP_SUFFIX and storage != "mcap":
            raise BagError(f"{self.path}: a bag in {storage} is a directory; leave out {MCAP_SUFFIX}")
        self._types = _typestore(definitions or {})
        self._is_file = self.path.suffix == MCAP_SUFFIX
        self._partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        self._written = self._partial / (self.path.stem if self._is_file else self.path.name)
        self._connections: dict[str, Connection] = {}
        with self._errors():
            make_directory(self.path.parent)
            self._partial.mkdir()
            self._writer = _writer(self._written, notes or {}, storage)

    @property
    def scratch(self) -> Path:
        """A directory for temporary files, which is removed with the unfinished bag."""
        return self._partial

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()

    def add(
        self, topic: str, message_type: str, log_ns: int, message: Mapping[str, Any], *, latched: bool = False
    ) -> None:
        """Add a message.

        Args:
            topic: its topic; all messages of a topic have one type.
            message_type: as ``sensor_msgs/msg/JointState``.
            log_ns: its log time in nanoseconds.
            message: the values of its fields by name, nested; fields that are missing are empty or 0.
            latched: whether ``ros2 bag play`` publishes the topic for late subscribers, too.

        Raises:
            BagError: it cannot be written.
        """
        with self._errors():
            if (connection := self._connections.get(topic)) is None:
                connection = self._writer.add_connection(
                    topic, message_type, typestore=self._types, offered_qos_profiles=[_qos(latched)]
                )
                self._connections[topic] = connection
            made = self._message(message_type, message)
            self._writer.write(connection, log_ns, self._types.serialize_cdr(made, message_type))

    def close(self) -> None:
        """Complete the bag and give it its name.

        Raises:
            BagError: it cannot be written.
        """
        with self._errors():
            self._writer.close()
            _check_free(self.path)
            sync_tree(self._written)
            if self._is_file:
                (self._written / f"{self._written.name}{MCAP_SUFFIX}").rename(self.path)
                sync(self.path.parent)
            else:
                move_directory(self._written, self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what was written; nothing if the bag is complete."""
        with contextlib.suppress(Exception):
            self._writer.abort()
        shutil.rmtree(self._partial, ignore_errors=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BagError, KeyboardInterrupt):
            self.discard()
            raise
        except Exception as error:  # rosbags has an error of its own for each part
            self.discard()
            raise BagError(f"{self.path}: the bag cannot be written: {why_not_written(error)}") from error

    # Messages

    def _message(self, message_type: str, values: Mapping[str, Any]) -> Any:
        """Make a message of plain values."""
        fields: dict[str, tuple[int, Any]] = dict(self._types.fielddefs[message_type][1])
        if unknown := values.keys() - fields.keys():
            raise BagError(f"{message_type} has no field {', '.join(sorted(unknown))}")
        made = {name: self._value(kind, of, values.get(name)) for name, (kind, of) in fields.items()}
        return self._types.types[message_type](**made)

    def _value(self, kind: int, declared: Any, value: Any) -> Any:
        from rosbags.interfaces import Nodetype

        if kind == Nodetype.BASE:
            return _EMPTY.get(declared[0], 0) if value is None else value
        if kind == Nodetype.NAME:
            return self._message(declared, value or {})
        (inner, name), size = declared
        size = size if kind == Nodetype.ARRAY else 0
        if inner == Nodetype.BASE and name[0] not in ("string", "wstring"):
            return _numbers(name[0], value, size)
        values = [None] * size if value is None else value
        return [self._value(inner, name, each) for each in values]


def _numbers(kind: str, value: Any, size: int) -> np.ndarray:
    dtype = np.dtype({"octet": "uint8", "char": "uint8", "byte": "uint8"}.get(kind, kind))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return np.frombuffer(value, dtype)
    return np.zeros(size, dtype) if value is None else np.asarray(value, dtype)


def _check_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise BagError(f"{path}: exists already and is not overwritten; choose another name")


def _typestore(definitions: Mapping[str, str]) -> Any:
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise BagError("bags need the package rosbags: pip install 'lerobot_recorder[bags]'") from error
    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in definitions.items():
        store.register(get_types_from_msg(text, name))
    return store


def _writer(directory: Path, notes: Mapping[str, str], storage: Storage) -> Any:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(directory, version=_VERSION, storage_plugin=StoragePlugin[storage.upper()])
    if storage == "mcap":
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    for name, text in notes.items():
        writer.set_custom_data(name, text)
    writer.open()
    return writer


def _qos(latched: bool) -> Qos:
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    unlimited = QosTime(*_UNLIMITED)
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST,
        _DEPTH,
        QosReliability.RELIABLE,
        durability,
        *(unlimited, unlimited),
        QosLiveliness.AUTOMATIC,
        unlimited,
        False,
    )
