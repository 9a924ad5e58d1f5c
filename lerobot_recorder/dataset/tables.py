"""The parquet files of a dataset: frame rows, episode rows and tasks, as LeRobot 0.6.1 writes them.

Appending to a data file copies its row groups one by one, so that memory does not grow with the file. They
are cut at the same rows however many episodes come at once, so the files are the same to the byte.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_recorder.dataset.features import FeatureDict, Features, is_video, shape_of
from lerobot_recorder.dataset.whole import check_whole
from lerobot_recorder.errors import DatasetError

Row = dict[str, Any]

STATS_PREFIX = "stats/"
TASK_COLUMN = "task"
ROW_GROUP_BYTES = 1024**2
"""A row group takes no more episodes once its values are so large. (LeRobot has one per episode, which makes
copying a file of short episodes ten times as slow.)"""

PARQUET_MAGIC = 4
PARQUET_FOOTER_END = 8
"""The length of the metadata and the magic bytes, after the metadata."""


# Frame rows


def data_schema(features: Features) -> pa.Schema:
    """Return the columns of the data files: all features but the videos."""
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
    return pa.field(key, kind, metadata=_array_extension(shape, dtype))


def _array_extension(shape: Sequence[int], dtype: str) -> dict[str, str]:
    """Name the Arrow extension type by which Hugging Face ``datasets`` knows arrays."""
    return {
        "ARROW:extension:metadata": json.dumps([list(shape), dtype]),
        "ARROW:extension:name": f"datasets.features.features.Array{len(shape)}DExtensionType",
    }


def _described(feature: FeatureDict) -> dict[str, Any]:
    """Describe a column to Hugging Face ``datasets``."""
    shape, value = shape_of(feature), {"dtype": feature["dtype"], "_type": "Value"}
    if shape == (1,):
        return value
    if len(shape) == 1:
        return {"feature": value, "length": shape[0], "_type": "List"}
    return {"shape": list(shape), "dtype": feature["dtype"], "_type": f"Array{len(shape)}D"}


def data_table(features: Features, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Make the frame rows of an episode.

    Args:
        features: The dataset's features.
        columns: Values of every feature but the videos, as `as_column` returns them.
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


def rows_per_group(features: Features) -> int:
    """Return the rows from which on a row group is complete; strings count as nothing."""
    columns = [feature for feature in features.values() if feature["dtype"] not in ("video", "string")]
    row = sum(math.prod(shape_of(feature)) * np.dtype(feature["dtype"]).itemsize for feature in columns)
    return max(1, ROW_GROUP_BYTES // row)


class DataFile:
    """A data file that is being written; made by `grow_data_file`.

    Attributes:
        rows: Rows in it.
    """

    def __init__(self, writer: pq.ParquetWriter, sink: BinaryIO, schema: pa.Schema, group_rows: int) -> None:
        self.rows = 0
        self._writer = writer
        self._sink = sink
        self._schema = schema
        self._group_rows = group_rows
        self._group = schema.empty_table()

    @property
    def size(self) -> int:
        """Bytes that its rows take on disk, as the file is written now."""
        return self._sink.tell() + (_encoded_size(self._group) if self._group else 0)

    def add(self, table: pa.Table) -> None:
        """Append rows."""
        self._group = pa.concat_tables([self._group, conform(table, self._schema)]).combine_chunks()
        self.rows += table.num_rows
        if self._group.num_rows >= self._group_rows:
            self.end_group()

    def end_group(self) -> None:
        """Write the last row group."""
        if self._group:
            self._writer.write_table(self._group)
            self._group = self._schema.empty_table()


def _encoded_size(table: pa.Table) -> int:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="snappy") as writer:
        writer.write_table(table)
        return int(sink.tell()) - PARQUET_MAGIC


@contextmanager
def grow_data_file(path: Path, features: Features, tail: Path | None) -> Iterator[DataFile]:
    """Write a new data file, or a grown copy of one.

    Args:
        path: The file to write.
        features: The dataset's features.
        tail: The older file, whose columns are kept; None for a new one.

    Raises:
        DatasetError: The older file cannot be read, or has other columns.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_parquet(tail)) if tail else None
        schema = source.schema_arrow if source else data_schema(features)
        sink = stack.enter_context(path.open("wb"))
        writer = stack.enter_context(pq.ParquetWriter(sink, schema, compression="snappy"))
        file = DataFile(writer, sink, schema, rows_per_group(features))
        if source:
            for group in range(source.num_row_groups):
                file.add(source.read_row_group(group))
        yield file
        file.end_group()


def data_file_size(path: Path) -> tuple[int, int]:
    """Return the bytes of the row groups of a data file, and its rows.

    Raises:
        DatasetError: The file cannot be read.
    """
    with open_parquet(path) as file:
        described = file.metadata.serialized_size + PARQUET_FOOTER_END
        return path.stat().st_size - described, file.metadata.num_rows


# Episode rows


def episodes_table(rows: Sequence[Row]) -> pa.Table:
    """Make rows of an episodes file of plain values."""
    return pa.Table.from_pylist(list(rows))


def write_table(path: Path, tables: Sequence[pa.Table]) -> None:
    """Write tables one after the other into a parquet file; the first has the columns."""
    schema = tables[0].schema
    pq.write_table(pa.concat_tables(conform(table, schema) for table in tables), path, compression="snappy")


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table to the columns of the tables before it, as LeRobot reads all files as one table.

    Statistics that were not kept before are left out, columns that are no longer filled are null.

    Raises:
        DatasetError: A column that is no statistic has no place, or a value does not fit its type.
    """
    if table.schema.equals(schema):
        return table
    unknown = [name for name in table.column_names if name not in schema.names]
    lost = [name for name in unknown if not name.startswith(STATS_PREFIX)]
    if lost:
        raise DatasetError(f"no column {', '.join(lost)} in the dataset's files. Check the dataset.")
    try:
        return pa.table([_column(table, field) for field in schema], schema=schema)
    except pa.ArrowInvalid as error:
        raise DatasetError(f"the columns of the dataset's files are of another type: {error}") from error


def _column(table: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if field.name in table.column_names:
        return table[field.name].cast(field.type)
    return pa.nulls(table.num_rows, field.type)


# Tasks


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the tasks in the order of their indices, so that pandas finds them as the index of its frame."""
    indices = pa.array(range(len(tasks)), pa.int64())
    table = pa.table({"task_index": indices, TASK_COLUMN: pa.array(tasks, pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(_pandas_frame())}), path)


def _pandas_frame() -> dict[str, Any]:
    """Describe the columns to pandas, as its developer guide has it ("Storing pandas DataFrame objects")."""
    return {
        "index_columns": [TASK_COLUMN],
        "column_indexes": [_pandas_column(None, "unicode", "object", {"encoding": "UTF-8"})],
        "columns": [
            _pandas_column("task_index", "int64", "int64"),
            _pandas_column(TASK_COLUMN, "unicode", "object"),
        ],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }


def _pandas_column(
    name: str | None, pandas_type: str, numpy_type: str, metadata: dict[str, str] | None = None
) -> dict[str, Any]:
    types = {"pandas_type": pandas_type, "numpy_type": numpy_type}
    return {"name": name, "field_name": name, **types, "metadata": metadata}


def read_tasks(path: Path) -> list[str]:
    """Read the tasks in the order of their indices.

    Raises:
        DatasetError: The file cannot be read, or its indices are not 0, 1, 2, ... in this order.
    """
    table = read_table(path)
    names = [name for name in table.column_names if name != "task_index"]
    if len(names) != 1 or len(table.column_names) != 2:
        raise DatasetError(f"{path}: expected task_index and the task, found {table.column_names}.")
    indices = table["task_index"].to_pylist()
    if indices != list(range(len(indices))):
        raise DatasetError(f"{path}: expected task_index 0 to {len(indices) - 1} in order, found {indices}.")
    return [str(task) for task in table[names[0]].to_pylist()]


# Any of them


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file.

    Raises:
        DatasetError: There is none, or it is not one.
    """
    check_whole(path)
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{path}: cannot be read as parquet: {error}") from error


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a parquet file, or some columns of it.

    Raises:
        DatasetError: It cannot be read.
    """
    with open_parquet(path) as file:
        try:
            return file.read(columns=columns)
        except (OSError, pa.ArrowInvalid) as error:
            raise DatasetError(f"{path}: cannot be read as parquet: {error}") from error
