"""An MCAP file. One without an index, as a killed recorder leaves it, is read up to its last whole record.

Messages are found through an index of spans: chunks, or ranges of records where a file has no chunks. It
comes from the end of the file, or from one pass over the headers of its records.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lerobot_recorder.bags.compression import COMPRESSIONS, chunk_content
from lerobot_recorder.bags.storage import Part, StoredMessage, StoredTopic, full_type, merged
from lerobot_recorder.errors import BagError
from lerobot_recorder.excerpt import counted, excerpt

if TYPE_CHECKING:
    from mcap.records import Channel, ChunkIndex, Schema
    from mcap.summary import Summary

MAGIC = b"\x89MCAP0\r\n"
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _MESSAGE_INDEX, _DATA_END = 2, 3, 4, 5, 6, 7, 15
_RECORD = struct.Struct("<BQ")  # opcode, length
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct(
    "<QQQII"
)  # first and last log time, size, checksum, length of the compression's name
_INDEX_HEAD = struct.Struct("<HI")  # channel, length of its entries
_INDEX_ENTRY = 16  # bytes
_LAST_OPCODE = 15
_SPAN = 4 << 20
"""Bytes of records without a chunk that are read at once."""

_CACHE = 128 << 20
"""Bytes of decompressed chunks that are kept: chunks of a file that is not in order overlap."""


@dataclass
class _Span:
    """A chunk, or a range of records of a file without chunks."""

    offset: int
    length: int
    start_ns: int = 0
    end_ns: int = 0
    size: int = 0
    crc: int | None = 0
    """Checksum, 0 if there is none; None: the header of the chunk has it."""

    compression: str = ""
    is_chunk: bool = True
    counts: Counter[int] = field(default_factory=Counter)
    """Number of messages of each channel; empty if unknown."""


class _Index:
    """Where messages are in a file, and of what."""

    def __init__(self) -> None:
        self.spans: list[_Span] = []
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.counts: Counter[int] | None = None
        """Number of messages of each channel; None: the sum over all spans."""

    def note_definition(self, opcode: int, content: bytes) -> None:
        """Keep a schema or a channel."""
        from mcap.data_stream import ReadDataStream
        from mcap.records import Channel, Schema

        stream = ReadDataStream(BytesIO(content))
        if opcode == _SCHEMA:
            schema = Schema.read(stream)
            self.schemas[schema.id] = schema
        elif opcode == _CHANNEL:
            channel = Channel.read(stream)
            self.channels[channel.id] = channel

    def note_chunk(self, span: _Span, content: bytes) -> None:
        """Keep what a chunk defines, and count its messages."""
        span.counts.clear()
        for opcode, begin, end in _records(content):
            if opcode == _MESSAGE:
                span.counts[_message_head(content, begin, end)[0]] += 1
            else:
                self.note_definition(opcode, content[begin:end])


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
            index = _index_at_end(file) or self._scan(file)
        if unknown := {span.compression for span in index.spans} - set(COMPRESSIONS):
            raise BagError(
                f"{path} is compressed as {excerpt(min(unknown), 40)!r}, expected zstd, lz4 or nothing; "
                "convert it with the program that wrote it"
            )
        self._spans = index.spans
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
            yield from merged(
                [
                    Part(span.start_ns, partial(self._messages_of, span, contents, wanted, first, last))
                    for span in self._spans
                    if span.end_ns >= first
                    and span.start_ns <= last
                    and (not span.counts or not wanted.keys().isdisjoint(span.counts))
                ]
            )

    def _messages_of(
        self, span: _Span, contents: _Contents, wanted: Mapping[int, StoredTopic], first: int, last: int
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

    def _counted(self, index: _Index) -> list[int]:
        by_channel = index.counts
        if by_channel is None:
            by_channel = sum((span.counts for span in index.spans), Counter())
        if undefined := by_channel.keys() - self._topics.keys():
            raise BagError(f"{self.path} is damaged: it lacks the definition of channel {min(undefined)}")
        counts: Counter[StoredTopic] = Counter()
        for channel, count in by_channel.items():
            counts[self._topics[channel]] += count
        return [counts[topic] for topic in self.topics]

    def _scan(self, file: IO[bytes]) -> _Index:
        """Index the file from the start, up to its last whole record."""
        scan = _Scan(self.path, file)
        scan.run()
        if not scan.is_complete:
            left = scan.size - scan.position
            unread = f"; its last {counted(left, 'byte')} cannot be read" if left else ""
            reason = f": {scan.reason}" if unread and scan.reason else ""
            self.damage = (
                f"{self.path.name} has no end, because its recorder was killed or is still recording, "
                f"or because it was not copied completely{unread}{reason}"
            )
        return scan.index


class _Scan:
    """One pass over the headers of a file's records."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.index = _Index()
        self.position = len(MAGIC)
        self.size = file.seek(0, 2)
        self.is_complete = False
        self.reason = ""
        self._path = path
        self._file = file
        self._open_span: _Span | None = None

    def run(self) -> None:
        """Read up to the end of the data, or up to the last whole record."""
        while self.position + _RECORD.size <= self.size and not self.is_complete:
            opcode, length = _RECORD.unpack(self._read(self.position, _RECORD.size))
            begin = self.position + _RECORD.size
            if not 0 < opcode <= _LAST_OPCODE and opcode < 0x80:
                self.reason = f"there is no record at byte {self.position}"
                break
            if begin + length > self.size:
                break
            try:
                self._note(opcode, begin, length)
            except (BagError, ValueError, struct.error) as error:
                self.reason = f"the record at byte {self.position} is damaged: {error}"
                break
            self.position = begin + length
        if not self.is_complete:
            self._drop_damaged_end()

    def _note(self, opcode: int, begin: int, length: int) -> None:
        if opcode == _MESSAGE:
            self._note_message(begin, length)
        elif opcode == _CHUNK:
            self._open_span = None
            self._note_chunk(begin, length)
        elif opcode == _MESSAGE_INDEX:
            self._note_message_index(begin)
        elif opcode in (_SCHEMA, _CHANNEL):
            self.index.note_definition(opcode, self._read(begin, length))
        elif opcode in (_DATA_END, _FOOTER):
            self.is_complete = True
        if opcode not in (_CHUNK, _MESSAGE_INDEX):
            self._learn_last_chunk()

    def _note_message(self, begin: int, length: int) -> None:
        channel, _, log_ns, _ = _MESSAGE_HEAD.unpack(self._read(begin, _MESSAGE_HEAD.size))
        start = begin - _RECORD.size
        span = self._open_span
        if span is None or begin + length - span.offset > _SPAN:
            span = self._open_span = _Span(start, 0, log_ns, log_ns, is_chunk=False)
            self.index.spans.append(span)
        span.length = span.size = begin + length - span.offset
        span.start_ns, span.end_ns = min(span.start_ns, log_ns), max(span.end_ns, log_ns)
        span.counts[channel] += 1

    def _note_chunk(self, begin: int, length: int) -> None:
        self._learn_last_chunk()
        head = self._read(begin, _CHUNK_HEAD.size)
        start_ns, end_ns, size, crc, name_length = _CHUNK_HEAD.unpack(head)
        at = begin + _CHUNK_HEAD.size
        compression = self._read(at, name_length).decode()
        offset = at + name_length + 8
        self.index.spans.append(
            _Span(offset, begin + length - offset, start_ns, end_ns, size, crc, compression)
        )

    def _note_message_index(self, begin: int) -> None:
        channel, length = _INDEX_HEAD.unpack(self._read(begin, _INDEX_HEAD.size))
        if self.index.spans and length:
            self.index.spans[-1].counts[channel] += length // _INDEX_ENTRY

    def _learn_last_chunk(self) -> None:
        """Read the last chunk itself, where its index does not give its channels or uses unknown ones."""
        span = self.index.spans[-1] if self.index.spans else None
        if span is None or not span.is_chunk or span.compression not in COMPRESSIONS:
            return
        if not span.counts or not span.counts.keys() <= self.index.channels.keys():
            self.index.note_chunk(span, self._content(span))

    def _drop_damaged_end(self) -> None:
        """Leave out chunks at the end that were allocated on the disk but never written."""
        while self.index.spans and self.index.spans[-1].is_chunk:
            span = self.index.spans[-1]
            if span.compression not in COMPRESSIONS:
                return
            try:
                self.index.note_chunk(span, self._content(span))
                return
            except (BagError, ValueError, struct.error) as error:
                self.reason = f"the chunk at byte {span.offset} is damaged: {error}"
                self.position = min(self.position, span.offset)
                self.index.spans.pop()

    def _content(self, span: _Span) -> bytes:
        data = self._read(span.offset, span.length)
        return chunk_content(span.compression, data, span.size, span.crc or 0)

    def _read(self, offset: int, length: int) -> bytes:
        return _read(self._file, self.size, offset, length)


def _read(file: IO[bytes], size: int, offset: int, length: int) -> bytes:
    """Return a part of a file.

    Args:
        file: the file.
        size: its size, so that no memory is taken for a length that is damaged.
        offset: first byte.
        length: number of bytes.

    Raises:
        BagError: the file ends before.
    """
    if offset + length > size:
        raise BagError(f"it needs {counted(length, 'byte')}, and the file ends after {max(0, size - offset)}")
    file.seek(offset)
    return file.read(length)


def _index_at_end(file: IO[bytes]) -> _Index | None:
    """Return the index from the end of a complete file; None if there is none, or if it lacks something."""
    from mcap.exceptions import McapError
    from mcap.reader import SeekingReader

    size = file.seek(0, 2)
    file.seek(0)
    summary = None
    with suppress(McapError, struct.error, ValueError, OSError, KeyError):
        summary = SeekingReader(file, record_size_limit=size).get_summary()
    if summary is None or not _is_whole(summary):
        return None
    statistics = summary.statistics
    if statistics is None:  # of no file that is whole
        return None
    index = _Index()
    index.schemas, index.channels = summary.schemas, summary.channels
    index.spans = [_span_of(chunk) for chunk in summary.chunk_indexes]
    index.counts = Counter(statistics.channel_message_counts)
    return index


def _is_whole(summary: Summary) -> bool:
    """Return whether a summary says all that is needed to find the messages."""
    statistics = summary.statistics
    if statistics is None or statistics.chunk_count != len(summary.chunk_indexes):
        return False
    if not summary.chunk_indexes and statistics.message_count:
        return False
    used = {number for chunk in summary.chunk_indexes for number in chunk.message_index_offsets}
    used |= statistics.channel_message_counts.keys()
    schemas = {channel.schema_id for channel in summary.channels.values()} - {0}
    return bool(used <= summary.channels.keys() and schemas <= summary.schemas.keys())


def _span_of(chunk: ChunkIndex) -> _Span:
    head = _RECORD.size + _CHUNK_HEAD.size + len(chunk.compression.encode()) + 8
    return _Span(
        chunk.chunk_start_offset + head,
        chunk.compressed_size,
        chunk.message_start_time,
        chunk.message_end_time,
        chunk.uncompressed_size,
        None,
        chunk.compression,
        True,
        Counter(dict.fromkeys(chunk.message_index_offsets, 1)),
    )


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

    def read(self, span: _Span) -> bytes:
        """Return the records of a span.

        Raises:
            BagError: it is damaged.
        """
        if (content := self._kept.get(span.offset)) is not None:
            self._kept.move_to_end(span.offset)
            return content
        data = _read(self._file, self._size, span.offset, span.length)
        content = chunk_content(span.compression, data, span.size, self._crc(span))
        self._kept[span.offset] = content
        self._bytes += len(content)
        while self._bytes > _CACHE and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return content

    def _crc(self, span: _Span) -> int:
        if span.crc is None:
            start = span.offset - 8 - len(span.compression.encode()) - _CHUNK_HEAD.size
            head = _CHUNK_HEAD.unpack(_read(self._file, self._size, start, _CHUNK_HEAD.size))
            span.crc = int(head[3])
        return span.crc

    def drop(self, span: _Span) -> None:
        """Forget a span that has been read to its end."""
        self._bytes -= len(self._kept.pop(span.offset, b""))


def _places(
    content: bytes, wanted: Mapping[int, StoredTopic], first: int, last: int
) -> list[tuple[int, int, int, int]]:
    """Return log time, first and last byte, and channel of the wanted messages, sorted."""
    places = []
    for opcode, begin, end in _records(content):
        if opcode == _MESSAGE:
            channel, _, log_ns, _ = _message_head(content, begin, end)
            if channel in wanted and first <= log_ns <= last:
                places.append((log_ns, begin + _MESSAGE_HEAD.size, end, channel))
    places.sort()
    return places


def _records(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, first and last byte of the records in a chunk."""
    at, size = 0, len(content)
    while at + _RECORD.size <= size:
        opcode, length = _RECORD.unpack_from(content, at)
        begin = at + _RECORD.size
        at = begin + length
        if at > size:
            break
        yield opcode, begin, at
    if at != size:
        raise BagError("its last record is not complete")


def _message_head(content: bytes, begin: int, end: int) -> tuple[int, int, int, int]:
    """Return channel, sequence, log time and publish time of a message."""
    if end - begin < _MESSAGE_HEAD.size:
        raise BagError(f"a message has only {counted(end - begin, 'byte')}")
    channel, sequence, log_ns, publish_ns = _MESSAGE_HEAD.unpack_from(content, begin)
    return channel, sequence, log_ns, publish_ns
