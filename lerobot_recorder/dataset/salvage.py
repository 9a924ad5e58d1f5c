"""Reads rows from parquet files that are damaged or were never finished.

A parquet file is described at its end. If its writer was killed, as LeRobot's often is, this footer is
missing, but all row groups are there: the pages of each column, one after the other, each with a header
(parquet-format, "Data Pages"). The headers give the sizes of the pages and the numbers of their values, and
the dataset gives the columns; that is enough to write the footer anew, if the last column has one value per
row, as in the files of datasets.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_recorder.dataset.thrift import I16, I64, LIST, STRUCT, Struct, read_struct, write_struct

_MAGIC = b"PAR1"
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
"""Types of pages."""
_CODECS = ("snappy", "none", "zstd", "gzip")
_MOST_TRIES = 20_000


def read_rows(
    path: Path, schemas: Callable[[], Iterable[pa.Schema]], is_plausible: Callable[[pa.Table], bool]
) -> pa.Table | None:
    """Read the row groups that are complete.

    Args:
        path: the file.
        schemas: returns the columns that it may have.
        is_plausible: returns whether rows make sense; those that are read with wrong columns do not.

    Returns:
        Their rows in order; None if none can be read.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return _groups(file)
    except (OSError, pa.ArrowException):
        pass
    try:
        content = path.read_bytes()
    except OSError:
        return None
    pages = list(_pages(content))
    for schema in schemas() if pages else ():
        for table in _with_footer(content, pages, schema):
            if is_plausible(table):
                return table
    return None


def _groups(file: pq.ParquetFile) -> pa.Table | None:
    """Read the row groups that are not damaged."""
    found = []
    for number in range(file.num_row_groups):
        try:
            found.append(file.read_row_group(number))
        except (OSError, pa.ArrowException):
            continue
    return pa.concat_tables(found) if found else None


# Pages


@dataclass(frozen=True)
class _Page:
    """A page: its place in the file, the bytes of its header and contents, and the number of its values."""

    start: int
    stop: int
    unpacked: int
    kind: int
    values: int


def _pages(content: bytes) -> Iterator[_Page]:
    """Find the pages from the beginning of a file up to the first bytes that are something else."""
    view, position = memoryview(content), len(_MAGIC)
    if content[:position] != _MAGIC:
        return
    while position < len(content):
        try:
            header, after = read_struct(view, position)
            page = _page(header, position, after)
        except (ValueError, KeyError, TypeError):
            return
        if page.stop > len(content):
            return
        yield page
        position = page.stop


def _page(header: Struct, start: int, after: int) -> _Page:
    kind, unpacked, packed = (header[number][1] for number in (1, 2, 3))
    details = header[{_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}[kind]][1]
    if unpacked < 0 or packed < 0 or details[1][1] < 0:
        raise ValueError("a negative size")
    return _Page(start, after + packed, after - start + unpacked, kind, details[1][1])


# Row groups


@dataclass(frozen=True)
class _Column:
    """A column of the file.

    Attributes:
        width: values per row; None if rows differ.
        is_boolean: whether its values are booleans, which have no dictionary.
    """

    width: int | None
    is_boolean: bool


class _Layout:
    """Assigns pages to columns: a row group has all pages of the first column, then of the second, ..."""

    def __init__(self, pages: Sequence[_Page], columns: Sequence[_Column]) -> None:
        self._pages, self._columns = pages, columns
        self._tries = 0

    def groups(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the row groups: the first page of each column, and the page after its last one."""
        start = 0
        while start < len(self._pages):
            self._tries = 0
            found = self._from(start, 0, None)
            if found is None:
                return
            yield found
            start = found[-1][1]

    def _from(self, start: int, number: int, rows: int | None) -> list[tuple[int, int]] | None:
        if number == len(self._columns):
            return []
        column = self._columns[number]
        for stop, values in self._likely_ends(start, column, rows):
            self._tries += 1
            if self._tries > _MOST_TRIES:
                return None
            rest = self._from(stop, number + 1, values // column.width if column.width else rows)
            if rest is not None:
                return [(start, stop), *rest]
        return None

    def _likely_ends(self, start: int, column: _Column, rows: int | None) -> list[tuple[int, int]]:
        """Return where a column can end in a row group with so many rows, and the number of its values."""
        ends = []
        for stop, values in self._ends(start, column):
            most = None if rows is None or column.width is None else rows * column.width
            if most is not None and values > most:
                break
            if values >= (most or rows or 0) and values % (column.width or 1) == 0:
                ends.append((stop, values))
        if rows and column.width is None:  # lists of equal lengths are likely
            ends.sort(key=lambda end: end[1] % rows != 0)
        return ends

    def _ends(self, start: int, column: _Column) -> Iterator[tuple[int, int]]:
        """Yield where a column can end, and the number of its values up to there."""
        has_dictionary = start < len(self._pages) and self._pages[start].kind == _DICTIONARY
        if has_dictionary and column.is_boolean:
            return
        values = 0
        for place in range(start + has_dictionary, len(self._pages)):
            if self._pages[place].kind == _DICTIONARY:
                return
            values += self._pages[place].values
            yield place + 1, values


# The footer


def _with_footer(content: bytes, pages: Sequence[_Page], schema: pa.Schema) -> Iterator[pa.Table]:
    """Read the rows with each codec that may be theirs."""
    for codec in _CODECS:
        footer = _empty_footer(schema, codec)
        template = footer[4][1][1][0]
        groups = list(_Layout(pages, _columns(schema, template)).groups())
        if not groups:
            return
        footer[4] = LIST, (STRUCT, [_group(template, pages, group, n) for n, group in enumerate(groups)])
        footer[3] = I64, sum(group[3][1] for group in footer[4][1][1])
        if (table := _read(content[: pages[groups[-1][-1][1] - 1].stop], footer)) is not None:
            yield table


def _empty_footer(schema: pa.Schema, codec: str) -> Struct:
    """Return the footer of a file with these columns and one row group."""
    sink = io.BytesIO()
    row = pa.table([pa.nulls(1, field.type) for field in schema], schema=_nullable(schema))
    pq.write_table(row, sink, compression=codec)
    content = sink.getvalue()
    size = int.from_bytes(content[-8:-4], "little")
    return read_struct(content, len(content) - 8 - size)[0]


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema], metadata=schema.metadata)


def _columns(schema: pa.Schema, template: Struct) -> list[_Column]:
    found = []
    for chunk in template[1][1][1]:
        name, *inner = (part.decode() for part in chunk[3][1][3][1][1])
        kind = schema.field(name).type
        while pa.types.is_struct(kind):
            kind = kind.field(inner.pop(0)).type
        width: int | None = 1
        while pa.types.is_fixed_size_list(kind):
            width, kind = (width or 1) * kind.list_size, kind.value_type
        found.append(_Column(None if pa.types.is_nested(kind) else width, pa.types.is_boolean(kind)))
    return found


def _group(template: Struct, pages: Sequence[_Page], spans: Sequence[tuple[int, int]], number: int) -> Struct:
    """Describe a row group."""
    chunks, rows = [], 0
    for chunk, (start, stop) in zip(template[1][1][1], spans, strict=True):
        chunks.append(_chunk(chunk, pages[start:stop]))
        if len(chunk[3][1][3][1][1]) == 1:
            rows = chunks[-1][3][1][5][1]
    unpacked, packed = (sum(each[3][1][field][1] for each in chunks) for field in (6, 7))
    return {
        1: (LIST, (STRUCT, chunks)),
        2: (I64, unpacked),
        3: (I64, rows),
        5: (I64, pages[spans[0][0]].start),
        6: (I64, packed),
        7: (I16, number),
    }


def _chunk(template: Struct, pages: Sequence[_Page]) -> Struct:
    """Describe the pages of a column in a row group."""
    known = template[3][1]
    data = [page for page in pages if page.kind != _DICTIONARY]
    described: dict[int, tuple[int, Any]] = {
        **{field: known[field] for field in (1, 2, 3, 4)},
        5: (I64, sum(page.values for page in data)),
        6: (I64, sum(page.unpacked for page in pages)),
        7: (I64, pages[-1].stop - pages[0].start),
        9: (I64, data[0].start),
    }
    if pages[0].kind == _DICTIONARY:
        described[11] = I64, pages[0].start
    return {2: (I64, 0), 3: (STRUCT, described)}


def _read(content: bytes, footer: Struct) -> pa.Table | None:
    described = write_struct(footer)
    whole = b"".join([content, described, len(described).to_bytes(4, "little"), _MAGIC])
    try:
        with pq.ParquetFile(pa.BufferReader(whole), page_checksum_verification=True) as file:
            return _groups(file)
    except (OSError, pa.ArrowException):
        return None
