"""A bag: its topics, and its messages by log time."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from lerobot_recorder.bags.compression import ZSTD_SUFFIX, decompress_file, message_content
from lerobot_recorder.bags.definitions import Definitions
from lerobot_recorder.bags.folder import contents_of
from lerobot_recorder.bags.library import require_library
from lerobot_recorder.bags.mcap_file import McapFile
from lerobot_recorder.bags.sqlite_file import SqliteFile
from lerobot_recorder.bags.storage import Part, StorageFile, StoredTopic, full_type, merged
from lerobot_recorder.errors import BagError, ConfigError
from lerobot_recorder.excerpt import listing

_DISK = "/var/tmp"
_ENDS = 1 << 16  # bytes at the start and the end of each file that its digest covers


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag.

    Attributes:
        name: full name with namespace
        type: type of its messages, for example ``sensor_msgs/msg/JointState``
        count: number of its messages; None if unknown
        qos: the QoS of its publishers, as YAML; empty if unknown
    """

    name: str
    type: str
    count: int | None = None
    qos: str = ""


class BagMessage:
    """A message of a bag.

    Attributes:
        topic: name of its topic
        type: its type, for example ``sensor_msgs/msg/JointState``
        log_ns: when it was recorded, in ns
        data: the serialized message, possibly compressed
    """

    __slots__ = ("_decoder", "data", "log_ns", "topic", "type")

    def __init__(self, topic: StoredTopic, log_ns: int, data: bytes, decoder: _Decoder) -> None:
        self.topic = topic.name
        self.type = topic.type
        self.log_ns = log_ns
        self.data = data
        self._decoder = decoder

    def decode(self) -> Any:
        """Return the message as an object with the fields of its type; sequences of numbers are NumPy arrays.

        Raises:
            BagError: it is damaged, or its type is not defined.
        """
        return self._decoder(message_content(self.data))


class Bag:
    """A bag, as it was when it was opened. Close it, or use it in a ``with`` statement.

    Attributes:
        path: the folder or file
        topics: topics by name; of a topic with several types the first
        start_ns: log time of the first message, in ns; 0 without messages
        end_ns: log time of the last message, in ns
        damage: what is missing at the end, and why; empty if nothing is
        size_bytes: size of its files
    """

    def __init__(self, path: Path) -> None:
        contents = contents_of(path)
        self.path = path
        self.size_bytes = sum(file.stat().st_size for file in contents.files)
        self._digest = _digest(contents.files)
        self._definitions = Definitions(contents.distro)
        self._decoders: dict[StoredTopic, _Decoder] = {}
        scratch = Path(tempfile.mkdtemp(prefix="lerobot-recorder-bag-", dir=_scratch()))
        self._cleanup = weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        try:
            self._files, damages = _opened(contents.files, scratch)
        except BaseException:
            self.close()
            raise
        filled = [file for file in self._files if any(file.counts)]
        self.topics: Mapping[str, BagTopic] = _topics(self._files, contents.qos)
        self.start_ns = min((file.start_ns for file in filled), default=0)
        self.end_ns = max((file.end_ns for file in filled), default=0)
        self.damage = "; ".join(damages)

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete temporary copies of compressed files."""
        self._cleanup()

    def digest(self) -> str:
        """Return a SHA-256 of the size, the first and the last 64 KiB of each file.

        The end of an MCAP file holds its index, the start of an sqlite3 file a counter of its changes. The
        names of files do not count.
        """
        return self._digest

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name, for example ``geometry_msgs/Pose`` or ``double``.

        Args:
            message_type: a type of a topic, or one that is a part of such a type.

        Raises:
            ConfigError: the bag has no definition of the type.
        """
        name = full_type(message_type)
        topics = [topic for file in self._files for topic in file.topics]
        of_type = [topic for topic in topics if topic.type == name]
        using = [topic for topic in topics if name.rpartition("/")[2] in topic.definition]
        try:
            return self._definitions.fields(name, [*of_type, *using, StoredTopic("", name)])
        except BagError as error:
            raise ConfigError(str(error)) from error

    def messages(
        self, topics: Collection[str] = (), start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Yield messages by log time, those with equal stamps in the order of the files.

        Args:
            topics: names of topics; none: all.
            start_ns: log time from which to read, inclusive.
            end_ns: log time up to which to read, inclusive.

        Raises:
            ConfigError: the bag has no such topic.
            BagError: a file is damaged.
        """
        if unknown := [name for name in topics if name not in self.topics]:
            known = listing(sorted(self.topics)) or "none"
            raise ConfigError(f"{self.path} has no topic {listing(unknown)}; it has {known}")
        parts = []
        for number, file in enumerate(self._files):
            stored = {topic for topic in file.topics if not topics or topic.name in topics}
            if stored:
                parts.append(Part(file.start_ns, number, partial(file.messages, stored, start_ns, end_ns)))
        for message in merged(sorted(parts, key=lambda part: part.start_ns)):
            yield BagMessage(message.topic, message.log_ns, message.data, self._decoder(message.topic))

    def latest(self, topic: str, before_ns: int) -> BagMessage | None:
        """Return the last message of a topic before a log time; None if there is none.

        Raises:
            BagError: a file is damaged.
        """
        found = None
        for file in self._files:
            stored = {each for each in file.topics if each.name == topic}
            message = file.latest(stored, before_ns) if stored else None
            if message is not None and (found is None or message.log_ns >= found.log_ns):
                found = message
        if found is None:
            return None
        return BagMessage(found.topic, found.log_ns, found.data, self._decoder(found.topic))

    def _decoder(self, topic: StoredTopic) -> _Decoder:
        if topic not in self._decoders:
            self._decoders[topic] = _Decoder(topic, self._definitions)
        return self._decoders[topic]


class _Decoder:
    """Decodes the messages of a topic; its type is looked up for the first one."""

    def __init__(self, topic: StoredTopic, definitions: Definitions) -> None:
        self._topic = topic
        self._definitions = definitions
        self._decode: Callable[[bytes], Any] | None = None

    def __call__(self, data: bytes) -> Any:
        if self._decode is None:
            self._decode = self._definitions.decoder(self._topic)
        return self._decode(data)


def open_bag(path: Path) -> Bag:
    """Open a rosbag2 folder, an ``.mcap`` or a ``.db3`` file.

    Args:
        path: the folder or file; files may be compressed with zstd.

    Raises:
        ConfigError: the packages that this needs are not installed.
        BagError: it is no bag, files are missing, or nothing in it can be read.
    """
    require_library()
    try:
        return Bag(Path(path).expanduser())
    except OSError as error:
        raise BagError(f"{path} cannot be read: {error.strerror or error}") from error


def _scratch() -> str | None:
    """Return where copies are made: on a disk, as /tmp may be memory; None stands for the default."""
    return _DISK if "TMPDIR" not in os.environ and os.access(_DISK, os.W_OK | os.X_OK) else None


def _opened(paths: Collection[Path], scratch: Path) -> tuple[list[StorageFile], list[str]]:
    files: list[StorageFile] = []
    damages: list[str] = []
    for number, path in enumerate(paths):
        folder = scratch / str(number)
        folder.mkdir()
        readable, is_complete = path, True
        if path.name.endswith(ZSTD_SUFFIX):
            readable, is_complete = decompress_file(path, folder)
        file = McapFile(readable) if readable.suffix == ".mcap" else SqliteFile(readable, folder)
        files.append(file)
        if file.damage or not is_complete:
            damages.append(file.damage or f"{path.name} is not complete")
    return files, damages


def _topics(files: Collection[StorageFile], qos: Mapping[str, str]) -> dict[str, BagTopic]:
    counts: dict[str, int] = {}
    first: dict[str, StoredTopic] = {}
    for file in files:
        for topic, count in zip(file.topics, file.counts, strict=True):
            first.setdefault(topic.name, topic)
            counts[topic.name] = counts.get(topic.name, 0) + count
    return {
        name: BagTopic(name, topic.type, counts[name], topic.qos or qos.get(name, ""))
        for name, topic in sorted(first.items())
    }


def _digest(files: Collection[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            size = path.stat().st_size
            digest.update(size.to_bytes(8, "little"))
            digest.update(file.read(_ENDS))
            file.seek(max(0, size - _ENDS))
            digest.update(file.read(_ENDS))
    return digest.hexdigest()
