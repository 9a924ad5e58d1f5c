"""The parquet files of a dataset: frame rows, episode rows and tasks, as LeRobot 0.6.1 writes them.

A data file has one row group per episode, so that a reader can load a single episode, and appending copies
the episodes one by one: memory does not grow with the file. Pages have checksums,
which are verified on reading.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lerobot_recorder.dataset.features import FeatureDict, Features, is_video, shape_of
from lerobot_recorder.dataset.files import check_whole
from lerobot_recorder.errors import DatasetError

Row = dict[str, Any]

STATS_PREFIX = "stats/"
OPTIONAL_PREFIXES = (STATS_PREFIX, "meta/episodes/")
"""Columns of episodes files that LeRobot does not need."""

TASK_COLUMN = "task"
DICTIONARY_COLUMNS = ["episode_index", "task_index"]
"""Columns of data files with few different values; dictionaries only make others larger and slower."""

_BATCH, _BATCH_BYTES = 64, 2**24
"""Row groups, and bytes of them, that are read at once."""

PARQUET_FOOTER_END = 8
"""Bytes after the metadata: its length and the magic bytes."""


# Frame rows


def data_schema(features: Features) -> pa.Schema:
    """Return the columns of the data files: all features except videos."""
    columns = {key: feature for key, feature in features.items() if not is_video(feature)}
    described = {"info": {"features": {key: _described(feature) for key, feature in columns.items()}}}
    fields = [_data_field(key, feature) for key, feature in columns.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps(described)})


def _data_field(key: str, feature: FeatureDict) -> pa.Field:
    dtype, shape = feature["dtype"], shape_of(feature)
    kind = pa.string() if dtype == "string" else pa.from_numpy_dtype(np.dtype(dtype))
    if shape == (1,):
        return pa.field(key, kind)
    if len(shape) == 1:
        return pa.field(key, pa.list_(pa.field("element", kind), shape[0]))
    for _ in shape:
        kind = pa.list_(pa.field("element", kind))
    extension = {  # the Arrow extension type that Hugging Face ``datasets`` uses for arrays
        "ARROW:extension:metadata": json.dumps([list(shape), dtype]),
        "ARROW:extension:name": f"datasets.features.features.Array{len(shape)}DExtensionType",
    }
    return pa.field(key, kind, metadata=extension)


def _described(feature: FeatureDict) -> dict[str, Any]:
    """Describe a column for Hugging Face ``datasets``."""
    shape, value = shape_of(feature), {"dtype": feature["dtype"], "_type": "Value"}
    if shape == (1,):
        return value
    if len(shape) == 1:
        return {"feature": value, "length": shape[0], "_type": "List"}
    return {"shape": list(shape), "dtype": feature["dtype"], "_type": f"Array{len(shape)}D"}


def data_table(features: Features, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Make the frame rows of an episode.

    Args:
        features: the dataset's features.
        columns: values of all features except videos, as `as_column` returns them.
    """
    schema = data_schema(features)
    return pa.table([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values, kind)
    array = pa.array(values.reshape(-1))
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(array, type=kind)
    for size in values.shape[:0:-1]:
        offsets = np.arange(0, len(array) + 1, size, dtype=np.int32)
        array = pa.ListArray.from_arrays(offsets, array)
    return array.cast(kind)


class DataFile:
    """A data file that is being written; made by `grow_data_file`.

    Attributes:
        rows: number of rows in it.
    """

    def __init__(self, writer: pq.ParquetWriter, sink: BinaryIO, schema: pa.Schema) -> None:
        self.rows = 0
        self._writer = writer
        self._sink = sink
        self._schema = schema

    @property
    def size(self) -> int:
        """Bytes of its rows on disk."""
        return self._sink.tell()

    def add(self, episode: pa.Table) -> None:
        """Append the rows of an episode, as one row group."""
        rows = conform(episode, self._schema).combine_chunks()
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        self.rows += rows.num_rows


@contextmanager
def grow_data_file(path: Path, features: Features, tail: Path | None) -> Iterator[DataFile]:
    """Write a new data file, or a copy of an existing one to which episodes are added.

    Args:
        path: the file to write.
        features: the dataset's features.
        tail: the existing file, whose columns are kept; None for a new one.

    Raises:
        DatasetError: the existing file cannot be read, or has other columns.
    """
    schema = data_file_schema(tail) if tail else data_schema(features)
    with new_data_file(path, schema) as file:
        for episode in read_episodes(tail) if tail else ():
            file.add(episode)
        yield file


@contextmanager
def new_data_file(path: Path, schema: pa.Schema) -> Iterator[DataFile]:
    """Write a new data file with these columns."""
    options = {"compression": "snappy", "use_dictionary": DICTIONARY_COLUMNS, "write_page_checksum": True}
    with path.open("wb") as sink, pq.ParquetWriter(sink, schema, **options) as writer:
        yield DataFile(writer, sink, schema)


def data_file_schema(path: Path) -> pa.Schema:
    """Read the columns of a data file.

    Raises:
        DatasetError: the file cannot be read.
    """
    with open_parquet(path) as file:
        return file.schema_arrow


def read_episodes(path: Path) -> Iterator[pa.Table]:
    """Read the rows of each episode in a data file, in any layout of row groups.

    Raises:
        DatasetError: the file cannot be read.
    """
    with open_parquet(path) as source:
        waiting = source.schema_arrow.empty_table()
        for groups in _batches(source.metadata):
            with readable(path):
                rows = source.read_row_groups(groups, use_threads=False)
                *complete, waiting = split_episodes(pa.concat_tables([waiting, rows])) or [waiting]
            yield from complete
        if waiting:
            yield waiting


def read_episode(path: Path, episode: int, columns: Sequence[str]) -> pa.Table:
    """Read some columns of one episode's rows; row groups without them are skipped.

    Raises:
        DatasetError: the file cannot be read.
    """
    check_whole(path)
    with readable(path):
        only = [("episode_index", "=", episode)]
        return pq.read_table(
            path, columns=list(columns), filters=only, partitioning=None, page_checksum_verification=True
        )


def _batches(metadata: pq.FileMetaData) -> Iterator[list[int]]:
    """Group the row groups of a file: reading small ones one by one takes several times as long."""
    groups: list[int] = []
    size = 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        groups.append(group)
        if size >= _BATCH_BYTES or len(groups) == _BATCH:
            yield groups
            groups, size = [], 0
    if groups:
        yield groups


def split_episodes(table: pa.Table) -> list[pa.Table]:
    """Return the rows of each episode in a table; none if it has no rows."""
    starts = np.flatnonzero(np.diff(table["episode_index"].to_numpy())) + 1
    ends = itertools.pairwise([0, *starts.tolist(), table.num_rows])
    return [table.slice(start, stop - start) for start, stop in ends if stop > start]


@dataclass(frozen=True)
class DataSummary:
    """Summary of a data file.

    Attributes:
        rows: number of rows.
        first: ``index`` of the first row.
        last: ``index`` of the last row.
        size: bytes of its rows on disk.
        columns: names of its columns.
    """

    rows: int
    first: int
    last: int
    size: int
    columns: Sequence[str]


def summarize_data_file(path: Path) -> DataSummary:
    """Summarize a data file, without reading all of it.

    Raises:
        DatasetError: the file cannot be read, or has no rows with an ``index``.
    """
    with open_parquet(path) as file, readable(path):
        metadata, columns = file.metadata, file.schema_arrow.names
        if not metadata.num_rows or "index" not in columns:
            raise DatasetError(f"{path}: expected rows with an index, found none; copy or download it again")
        groups = [group for group in range(file.num_row_groups) if metadata.row_group(group).num_rows]
        ends = [file.read_row_group(group, ["index"])["index"] for group in (groups[0], groups[-1])]
        size = path.stat().st_size - metadata.serialized_size - PARQUET_FOOTER_END
        return DataSummary(metadata.num_rows, ends[0][0].as_py(), ends[1][-1].as_py(), size, columns)


# Episode rows


def write_table(path: Path, tables: Sequence[pa.Table]) -> None:
    """Write tables one after the other into a parquet file with the columns of the first."""
    schema = tables[0].schema
    table = pa.concat_tables(conform(table, schema) for table in tables)
    pq.write_table(table, path, compression="snappy", write_page_checksum=True)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Convert a table to the columns of the tables before it: LeRobot reads all files as one table.

    New columns of statistics and places are dropped, missing columns are filled with null.

    Raises:
        DatasetError: another column is new, or a value does not fit its type.
    """
    if table.schema.equals(schema):
        return table
    unknown = [name for name in table.column_names if name not in schema.names]
    lost = [name for name in unknown if not name.startswith(OPTIONAL_PREFIXES)]
    if lost:
        raise DatasetError(f"no column {', '.join(lost)} in the dataset's files; check the dataset")
    try:
        return pa.table([_column(table, field) for field in schema], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise DatasetError(f"the columns of the dataset's files have another type: {error}") from error


def _column(table: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    values = table[field.name]
    if is_text(field.type) and pa.types.is_list(values.type):
        values = pc.binary_join(values, ", ")  # some converters store the tasks of an episode as one string
    # Arrow would convert numbers to strings.
    if is_text(_element(field.type)) and not is_text(_element(values.type)):
        raise pa.ArrowTypeError(f"{field.name} is {field.type}, expected {values.type}")
    return values.cast(field.type)


def _element(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values in a column, possibly of nested lists."""
    while isinstance(kind, (pa.ListType, pa.LargeListType, pa.FixedSizeListType)):
        kind = kind.value_type
    return kind


def numpy_dtype(kind: pa.DataType) -> np.dtype[Any]:
    """Return the dtype of a column's values, without pandas, which ``to_pandas_dtype`` of pyarrow 25 needs.

    Raises:
        NotImplementedError: NumPy has no such type.
    """
    values: np.ndarray = pa.array([], kind).to_numpy(zero_copy_only=False)
    return values.dtype


def column_values(column: pa.ChunkedArray) -> np.ndarray:
    """Return the values of a column, one per row."""
    return np.array(column.to_pylist(), dtype=numpy_dtype(_element(column.type)))


def is_text(kind: pa.DataType) -> bool:
    """Return whether the values of a column are strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def read_episode_stats(path: Path, key: str, episodes: int) -> Iterator[dict[str, Any]]:
    """Read the length and the statistics of one feature from each row of an episodes file.

    Args:
        path: the file.
        key: the feature.
        episodes: maximum number of rows.

    Raises:
        DatasetError: the file cannot be read.
    """
    prefix = f"{STATS_PREFIX}{key}/"
    with open_parquet(path) as file:
        names = [name for name in file.schema_arrow.names if name.startswith(prefix)]
    for row in read_table(path, ["length", *names]).slice(0, episodes).to_pylist():
        yield {name.removeprefix(prefix): value for name, value in row.items()}


# Tasks


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the tasks in the order of their indices, as the index of a pandas table."""
    indices = pa.array(range(len(tasks)), pa.int64())
    table = pa.table({"task_index": indices, TASK_COLUMN: pa.array(tasks, pa.string())})
    described = table.replace_schema_metadata({"pandas": json.dumps(_pandas_frame())})
    pq.write_table(described, path, write_page_checksum=True)


def _pandas_frame() -> dict[str, Any]:
    """Describe the columns for pandas (its developer guide, "Storing pandas DataFrame objects")."""
    columns = [
        {"name": name, "field_name": name, "pandas_type": pandas, "numpy_type": numpy, "metadata": metadata}
        for name, pandas, numpy, metadata in (
            ("task_index", "int64", "int64", None),
            (TASK_COLUMN, "unicode", "object", None),
            (None, "unicode", "object", {"encoding": "UTF-8"}),
        )
    ]
    return {
        "index_columns": [TASK_COLUMN],
        "column_indexes": columns[2:],
        "columns": columns[:2],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }


def read_tasks(path: Path) -> list[str]:
    """Read the tasks in the order of their indices.

    Raises:
        DatasetError: the file cannot be read, or its indices are not 0, 1, 2, ... in this order.
    """
    table = read_table(path)
    names = [name for name in table.column_names if name != "task_index"]
    if len(names) != 1 or len(table.column_names) != 2:
        raise DatasetError(f"{path}: expected task_index and the task, found {table.column_names}")
    indices = table["task_index"].to_pylist()
    if indices != list(range(len(indices))):
        raise DatasetError(f"{path}: expected task_index 0 to {len(indices) - 1} in order, found {indices}")
    return [str(task) for task in table[names[0]].to_pylist()]


# Any parquet file


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file.

    Raises:
        DatasetError: there is no file, or it is not a parquet file.
    """
    check_whole(path)
    with readable(path):
        return pq.ParquetFile(path, page_checksum_verification=True)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a parquet file, or some columns of it.

    Raises:
        DatasetError: it cannot be read.
    """
    with open_parquet(path) as file, readable(path):
        return file.read(columns=columns)


@contextmanager
def readable(path: Path, advice: str = "copy or download it again") -> Iterator[None]:
    """Raise errors of Arrow and of the disk as ones that name the file, and what to do.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        yield
    except (OSError, pa.ArrowException, LookupError, TypeError) as error:
        raise DatasetError(f"{path}: cannot be read as parquet: {error}; {advice}") from error
