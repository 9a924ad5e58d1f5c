"""An MCAP file: its topics, and its messages by log time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lerobot_recorder.bags.compression import COMPRESSIONS, chunk_content
from lerobot_recorder.bags.mcap_index import (
    CHUNK_HEAD,
    MAGIC,
    MESSAGE,
    MESSAGE_HEAD,
    Index,
    Span,
    index_at_end,
    message_head,
    read,
    records,
    scanned,
)
from lerobot_recorder.bags.storage import Part, StoredMessage, StoredTopic, full_type, merged
from lerobot_recorder.errors import BagError
from lerobot_recorder.excerpt import excerpt

if TYPE_CHECKING:
    from mcap.records import Channel, Schema

_CACHE = 128 << 20
"""Bytes of decompressed chunks that are kept: chunks of a file that is not in order overlap."""


class McapFile:
    """An MCAP file, as it was when it was opened.

    Args:
        path: the file.

    Raises:
        BagError: it is no MCAP file, or holds nothing that can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise BagError(f"{path} is no MCAP file: it does not start as one")
            index = index_at_end(file)
            if index is None:
                index, damage = scanned(file)
                self.damage = damage and f"{path.name} {damage}"
        if unknown := {span.compression for span in index.spans} - set(COMPRESSIONS):
            raise BagError(
                f"{path} is compressed as {excerpt(min(unknown), 40)!r}, expected zstd, lz4 or nothing; "
                "convert it with the program that wrote it"
            )
        self._spans = index.spans
        self._by_start = sorted(range(len(self._spans)), key=lambda number: self._spans[number].start_ns)
        self._topics = {number: _topic(channel, index.schemas) for number, channel in index.channels.items()}
        self.topics: Sequence[StoredTopic] = tuple(dict.fromkeys(self._topics.values()))
        filled = [span for span in self._spans if span.counts or span.end_ns]
        self.start_ns = min((span.start_ns for span in filled), default=0)
        self.end_ns = max((span.end_ns for span in filled), default=0)
        self.counts: Sequence[int] = self._counted(index)

    def messages(
        self, topics: Collection[StoredTopic], start_ns: int | None, end_ns: int | None
    ) -> Iterator[StoredMessage]:
        """Yield messages by log time, those with equal stamps in the order of the file."""
        wanted = {number: topic for number, topic in self._topics.items() if topic in topics}
        first = 0 if start_ns is None else start_ns
        last = 1 << 64 if end_ns is None else end_ns
        with self.path.open("rb") as file:
            contents = _Contents(file)
            read = partial(self._messages_of, contents=contents, wanted=wanted, first=first, last=last)
            parts = ((number, self._spans[number]) for number in self._by_start)
            yield from merged(
                Part(span.start_ns, number, partial(read, span))
                for number, span in parts
                if span.end_ns >= first and span.start_ns <= last and span.may_hold(wanted.keys())
            )

    def latest(self, topics: Collection[StoredTopic], before_ns: int) -> StoredMessage | None:
        """Return the last message before a log time; None if there is none. Reads few chunks."""
        wanted = {number: topic for number, topic in self._topics.items() if topic in topics}
        spans = [span for span in self._spans if span.start_ns < before_ns and span.may_hold(wanted.keys())]
        found: StoredMessage | None = None
        with self.path.open("rb") as file:
            contents = _Contents(file)
            for span in sorted(spans, key=lambda each: (each.end_ns, each.offset), reverse=True):
                if found is not None and span.end_ns <= found.log_ns:
                    break
                for message in self._messages_of(span, contents, wanted, 0, before_ns - 1):
                    if found is None or message.log_ns >= found.log_ns:
                        found = message
        return found

    def _messages_of(
        self, span: Span, contents: _Contents, wanted: Mapping[int, StoredTopic], first: int, last: int
    ) -> Iterator[StoredMessage]:
        """Yield the wanted messages of a span by log time."""
        try:
            for log_ns, begin, end, channel in _places(contents.read(span), wanted, first, last):
                yield StoredMessage(log_ns, wanted[channel], contents.read(span)[begin:end])
        except BagError as error:
            raise BagError(
                f"{self.path} is damaged at byte {span.offset}: {error}; "
                "'mcap recover' of the MCAP command line saves the rest"
            ) from error
        contents.drop(span)

    def _counted(self, index: Index) -> list[int]:
        by_channel = index.counts
        if by_channel is None:
            by_channel = sum((span.counts for span in index.spans), Counter())
        if undefined := by_channel.keys() - self._topics.keys():
            raise BagError(f"{self.path} is damaged: it lacks the definition of channel {min(undefined)}")
        counts: Counter[StoredTopic] = Counter()
        for channel, count in by_channel.items():
            counts[self._topics[channel]] += count
        return [counts[topic] for topic in self.topics]


def _topic(channel: Channel, schemas: Mapping[int, Schema]) -> StoredTopic:
    qos = channel.metadata.get("offered_qos_profiles", "")
    schema = schemas.get(channel.schema_id)
    if schema is None:
        return StoredTopic(channel.topic, "", channel.message_encoding, qos=qos)
    return StoredTopic(
        channel.topic,
        full_type(schema.name),
        channel.message_encoding,
        schema.encoding,
        schema.data.decode(errors="replace"),
        qos,
    )


class _Contents:
    """Reads spans of a file, and keeps the latest, up to a number of bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0

    def read(self, span: Span) -> bytes:
        """Return the records of a span.

        Raises:
            BagError: it is damaged.
        """
        if (content := self._kept.get(span.offset)) is not None:
            self._kept.move_to_end(span.offset)
            return content
        data = read(self._file, self._size, span.offset, span.length)
        content = chunk_content(span.compression, data, span.size, self._crc(span))
        self._kept[span.offset] = content
        self._bytes += len(content)
        while self._bytes > _CACHE and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return content

    def _crc(self, span: Span) -> int:
        if span.crc is None:
            start = span.offset - 8 - len(span.compression.encode()) - CHUNK_HEAD.size
            head = CHUNK_HEAD.unpack(read(self._file, self._size, start, CHUNK_HEAD.size))
            span.crc = int(head[3])
        return span.crc

    def drop(self, span: Span) -> None:
        """Forget a span that has been read to its end."""
        self._bytes -= len(self._kept.pop(span.offset, b""))


def _places(
    content: bytes, wanted: Mapping[int, StoredTopic], first: int, last: int
) -> list[tuple[int, int, int, int]]:
    """Return log time, first and last byte, and channel of the wanted messages, sorted."""
    places = []
    for opcode, begin, end in records(content):
        if opcode == MESSAGE:
            channel, _, log_ns, _ = message_head(content, begin, end)
            if channel in wanted and first <= log_ns <= last:
                places.append((log_ns, begin + MESSAGE_HEAD.size, end, channel))
    places.sort()
    return places
