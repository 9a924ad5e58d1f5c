"""Where the messages of an MCAP file are: an index from its end, or from one pass over it.

An index has spans: chunks, or ranges of records where a file has no chunks. A file without an index at its
end, as a killed recorder leaves it, is indexed up to its last whole record.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from sys import intern
from typing import IO, TYPE_CHECKING, Any

from lerobot_recorder.bags.compression import COMPRESSIONS, chunk_content
from lerobot_recorder.errors import BagError
from lerobot_recorder.excerpt import counted

if TYPE_CHECKING:
    from mcap.records import Channel, ChunkIndex, Schema, Statistics

MAGIC = b"\x89MCAP0\r\n"
_FOOTER, _SCHEMA, _CHANNEL, MESSAGE, _CHUNK, _MESSAGE_INDEX, _DATA_END = 2, 3, 4, 5, 6, 7, 15
_RECORD = struct.Struct("<BQ")  # opcode, length
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
CHUNK_HEAD = struct.Struct("<QQQII")  # first and last log time, size, checksum, length of its compression
_INDEX_HEAD = struct.Struct("<HI")  # channel, length of its entries
_INDEX_ENTRY = 16  # bytes
_LAST_OPCODE = 15
_FOOTER_BYTES = 9 + 20
_SPAN = 4 << 20
"""Bytes of records without a chunk that are read at once."""


@dataclass(slots=True)
class Span:
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
    """Number of messages of each channel, or 1 where only the channels are known; empty if unknown."""

    def may_hold(self, channels: Set[int]) -> bool:
        """Return whether it may hold messages of some channels."""
        return not self.counts or not channels.isdisjoint(self.counts)


class Index:
    """Where messages are in a file, and of what."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self.counts: Counter[int] | None = None
        """Number of messages of each channel; None: the sum over all spans."""

    def note_definition(self, opcode: int, content: bytes) -> None:
        """Keep a schema or a channel.

        Raises:
            BagError: it is damaged.
        """
        from mcap.data_stream import ReadDataStream
        from mcap.exceptions import McapError
        from mcap.records import Channel, Schema

        kind = {_SCHEMA: Schema, _CHANNEL: Channel}.get(opcode)
        try:
            if kind is not None:
                self.note_record(kind.read(ReadDataStream(BytesIO(content))))
        except (McapError, ValueError, struct.error) as error:
            raise BagError(f"a definition cannot be read: {error or type(error).__name__}") from error

    def note_record(self, record: Any) -> None:
        """Keep a schema or a channel; ignore other records."""
        from mcap.records import Channel, Schema

        if isinstance(record, Schema):
            self.schemas[record.id] = record
        elif isinstance(record, Channel):
            self.channels[record.id] = record

    def is_whole(self, statistics: Statistics, used: Set[int]) -> bool:
        """Return whether it says all that is needed to find the messages; then keep their numbers.

        Args:
            statistics: of the file
            used: channels with messages in chunks
        """
        self.counts = Counter(statistics.channel_message_counts)
        if statistics.chunk_count != len(self.spans) or (statistics.message_count and not self.spans):
            return False
        schemas = {channel.schema_id for channel in self.channels.values()} - {0}
        return used | self.counts.keys() <= self.channels.keys() and schemas <= self.schemas.keys()

    def note_chunk(self, span: Span, content: bytes) -> None:
        """Keep what a chunk defines, and count its messages."""
        span.counts.clear()
        for opcode, begin, end in records(content):
            if opcode == MESSAGE:
                span.counts[message_head(content, begin, end)[0]] += 1
            else:
                self.note_definition(opcode, content[begin:end])


def scanned(file: IO[bytes]) -> tuple[Index, str]:
    """Index a file from the start, up to its last whole record.

    Returns:
        The index, and what is missing at the end; empty if nothing is.
    """
    scan = _Scan(file)
    scan.run()
    if scan.is_complete:
        return scan.index, ""
    left = scan.size - scan.position
    unread = f"; its last {counted(left, 'byte')} cannot be read" if left else ""
    reason = f": {scan.reason}" if unread and scan.reason else ""
    return scan.index, (
        "has no end, because its recorder was killed or is still recording, or because it was not copied "
        f"completely{unread}{reason}"
    )


class _Scan:
    """One pass over the headers of a file's records."""

    def __init__(self, file: IO[bytes]) -> None:
        self.index = Index()
        self.position = len(MAGIC)
        self.size = file.seek(0, 2)
        self.is_complete = False
        self.reason = ""
        self._file = file
        self._open_span: Span | None = None
        self._learned: Span | None = None

    def run(self) -> None:
        """Read up to the end of the data, or up to the last whole record."""
        while self.position + _RECORD.size <= self.size and not self.is_complete:
            opcode, length = _RECORD.unpack(self._part(self.position, _RECORD.size))
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
        if opcode == MESSAGE:
            self._note_message(begin, length)
        elif opcode == _CHUNK:
            self._open_span = None
            self._note_chunk(begin, length)
        elif opcode == _MESSAGE_INDEX:
            self._note_message_index(begin)
        elif opcode in (_SCHEMA, _CHANNEL):
            self.index.note_definition(opcode, self._part(begin, length))
        elif opcode in (_DATA_END, _FOOTER):
            self.is_complete = True
        if opcode not in (_CHUNK, _MESSAGE_INDEX):
            self._learn_last_chunk()

    def _note_message(self, begin: int, length: int) -> None:
        channel, _, log_ns, _ = MESSAGE_HEAD.unpack(self._part(begin, MESSAGE_HEAD.size))
        start = begin - _RECORD.size
        span = self._open_span
        if span is None or begin + length - span.offset > _SPAN:
            span = self._open_span = Span(start, 0, log_ns, log_ns, is_chunk=False)
            self.index.spans.append(span)
        span.length = span.size = begin + length - span.offset
        span.start_ns, span.end_ns = min(span.start_ns, log_ns), max(span.end_ns, log_ns)
        span.counts[channel] += 1

    def _note_chunk(self, begin: int, length: int) -> None:
        self._learn_last_chunk()
        head = self._part(begin, CHUNK_HEAD.size)
        start_ns, end_ns, size, crc, name_length = CHUNK_HEAD.unpack(head)
        at = begin + CHUNK_HEAD.size
        compression = self._part(at, name_length).decode()
        offset = at + name_length + 8
        self.index.spans.append(
            Span(offset, begin + length - offset, start_ns, end_ns, size, crc, compression)
        )

    def _note_message_index(self, begin: int) -> None:
        channel, length = _INDEX_HEAD.unpack(self._part(begin, _INDEX_HEAD.size))
        if self.index.spans and length:
            self.index.spans[-1].counts[channel] += length // _INDEX_ENTRY

    def _learn_last_chunk(self) -> None:
        """Read the last chunk itself, where its index does not give its channels or uses unknown ones."""
        span = self.index.spans[-1] if self.index.spans else None
        if span is None or span is self._learned or not span.is_chunk or span.compression not in COMPRESSIONS:
            return
        self._learned = span
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

    def _content(self, span: Span) -> bytes:
        data = self._part(span.offset, span.length)
        return chunk_content(span.compression, data, span.size, span.crc or 0)

    def _part(self, offset: int, length: int) -> bytes:
        return read(self._file, self.size, offset, length)


def read(file: IO[bytes], size: int, offset: int, length: int) -> bytes:
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


def index_at_end(file: IO[bytes]) -> Index | None:
    """Return the index from the end of a complete file; None if there is none, or if it lacks something."""
    from mcap.exceptions import McapError

    with suppress(McapError, struct.error, ValueError, OSError, KeyError, StopIteration):
        return _index_at_end(file)
    return None


def _index_at_end(file: IO[bytes]) -> Index | None:
    from mcap.records import ChunkIndex, Footer, Statistics
    from mcap.stream_reader import StreamReader

    size = file.seek(0, 2)
    file.seek(size - _FOOTER_BYTES - len(MAGIC))
    footer = next(StreamReader(file, skip_magic=True, record_size_limit=size).records)
    if not isinstance(footer, Footer) or not footer.summary_start:
        return None
    file.seek(footer.summary_start)
    index, shared, statistics = Index(), dict[frozenset[int], Counter[int]](), None
    for record in StreamReader(file, skip_magic=True, record_size_limit=size).records:
        if isinstance(record, ChunkIndex):
            channels = frozenset(record.message_index_offsets)
            counts = shared.setdefault(channels, Counter(dict.fromkeys(channels, 1)))
            index.spans.append(_span_of(record, counts))
        elif isinstance(record, Statistics):
            statistics = record
        else:
            index.note_record(record)
    return (
        index if statistics is not None and index.is_whole(statistics, frozenset().union(*shared)) else None
    )


def _span_of(chunk: ChunkIndex, counts: Counter[int]) -> Span:
    head = _RECORD.size + CHUNK_HEAD.size + len(chunk.compression.encode()) + 8
    return Span(
        chunk.chunk_start_offset + head,
        chunk.compressed_size,
        chunk.message_start_time,
        chunk.message_end_time,
        chunk.uncompressed_size,
        None,
        intern(chunk.compression),
        True,
        counts,
    )


def records(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, first and last byte of the records in a chunk."""
    at, size = 0, len(content)
    while at + _RECORD.size <= size:
        opcode, length = _RECORD.unpack_from(content, at)
        begin = at + _RECORD.size
        at = begin + length
        if at > size or not opcode:
            raise BagError(f"there is no record at byte {begin - _RECORD.size} of its content")
        yield opcode, begin, at
    if at != size:
        raise BagError("its last record is not complete")


def message_head(content: bytes, begin: int, end: int) -> tuple[int, int, int, int]:
    """Return channel, sequence, log time and publish time of a message."""
    if end - begin < MESSAGE_HEAD.size:
        raise BagError(f"a message has only {counted(end - begin, 'byte')}")
    channel, sequence, log_ns, publish_ns = MESSAGE_HEAD.unpack_from(content, begin)
    return channel, sequence, log_ns, publish_ns
