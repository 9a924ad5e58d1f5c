"""The parquet files of a dataset: frame rows, episode rows and tasks, as LeRobot 0.6.1 writes them.

A data file has a row group per episode. Appending copies the row groups that there are, one by one, so that memory
does not grow with the file, and what a file holds does not depend on how many episodes came at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lerobot_recorder.dataset.durable import make_directory
from lerobot_recorder.dataset.features import FeatureDict, Features, is_video, shape_of
from lerobot_recorder.errors import DatasetError

Row = dict[str, Any]

TASK_COLUMN = "task"
_TASKS_SCHEMA = pa.schema([("task_index", pa.int64()), (TASK_COLUMN, pa.string())])


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file.

    Raises:
        DatasetError: There is none, or it cannot be read.
    """
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{path}: cannot be read as parquet: {error}") from error


# Frame rows


def data_schema(features: Features) -> pa.Schema:
    """Return the columns of the data files: all features but the videos."""
    columns = {key: feature for key, feature in features.items() if not is_video(feature)}
    described = {"info": {"features": {key: _described(feature) for key, feature in columns.items()}}}
    fields = [_data_field(key, feature) for key, feature in columns.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps(described)})


def _data_field(key: str, feature: FeatureDict) -> pa.Field:
    kind = pa.string() if feature["dtype"] == "string" else pa.from_numpy_dtype(np.dtype(feature["dtype"]))
    shape = shape_of(feature)
    if shape == (1,):
        return pa.field(key, kind)
    if len(shape) == 1:
        return pa.field(key, pa.list_(pa.field("element", kind), shape[0]))
    for _ in shape:
        kind = pa.list_(pa.field("element", kind))
    return pa.field(key, kind, metadata=_extension(shape, feature["dtype"]))


def _extension(shape: Sequence[int], dtype: str) -> dict[str, str]:
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
    flat = pa.array(values.reshape(-1))
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat, type=kind)
    for size in values.shape[:0:-1]:
        offsets = np.arange(0, len(flat) + 1, size, dtype=np.int32)
        flat = pa.ListArray.from_arrays(pa.array(offsets), flat)
    return flat.cast(kind)


class GrowingFile:
    """A data file that is being written: the row groups of an older one, then new ones.

    Made by `grow_data_file`.
    """

    def __init__(self, writer: pq.ParquetWriter, sink: BinaryIO, schema: pa.Schema) -> None:
        self._writer = writer
        self._sink = sink
        self._schema = schema
        self.rows = 0

    @property
    def size(self) -> int:
        """Bytes of the row groups so far."""
        return self._sink.tell()

    def add(self, table: pa.Table) -> None:
        """Append a row group."""
        self._writer.write_table(conform(table, self._schema))
        self.rows += table.num_rows


@contextmanager
def grow_data_file(path: Path, schema: pa.Schema, tail: Path | None = None) -> Iterator[GrowingFile]:
    """Write a new data file, or a grown copy of one.

    Args:
        path: The file to write.
        schema: Its columns, if there is no older file.
        tail: The older file; its columns are kept as they are.

    Raises:
        DatasetError: The older file cannot be read.
    """
    source = open_parquet(tail) if tail else None
    schema = source.schema_arrow if source else schema
    make_directory(path.parent)
    with path.open("wb") as sink, pq.ParquetWriter(sink, schema, compression="snappy") as writer:
        file = GrowingFile(writer, sink, schema)
        for group in range(source.num_row_groups if source else 0):
            file.add(source.read_row_group(group))
        yield file


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table to the columns of a file that it is appended to.

    Columns that the file does not have are left out, those that the table does not have are null: a dataset keeps
    one set of columns, as LeRobot reads all files as one table.
    """
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else _nulls(table, field)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _nulls(table: pa.Table, field: pa.Field) -> pa.Array:
    return pa.nulls(table.num_rows, field.type)


# Episode rows


def episodes_table(rows: Sequence[Row]) -> pa.Table:
    """Make the rows of an episodes file of values as Python has them."""
    return pa.Table.from_pylist(list(rows))


def write_episodes(path: Path, tables: Sequence[pa.Table]) -> None:
    """Write an episodes file of the rows of an older one and new ones."""
    schema = tables[0].schema
    make_directory(path.parent)
    pq.write_table(pa.concat_tables([conform(table, schema) for table in tables]), path, compression="snappy")


def read_table(path: Path) -> pa.Table:
    """Read a parquet file.

    Raises:
        DatasetError: There is none, or it cannot be read.
    """
    file = open_parquet(path)
    try:
        return file.read()
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(f"{path}: cannot be read as parquet: {error}") from error


# Tasks


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the tasks in the order of their indices, so that pandas finds them as the index of the frame."""
    table = pa.table([np.arange(len(tasks)), list(tasks)], schema=_TASKS_SCHEMA)
    make_directory(path.parent)
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(_pandas_frame())}), path)


def _pandas_frame() -> dict[str, Any]:
    def column(name: str | None, pandas_type: str, numpy_type: str, metadata: Any = None) -> dict[str, Any]:
        return {
            "name": name,
            "field_name": name,
            "pandas_type": pandas_type,
            "numpy_type": numpy_type,
            "metadata": metadata,
        }

    return {
        "index_columns": [TASK_COLUMN],
        "column_indexes": [column(None, "unicode", "object", {"encoding": "UTF-8"})],
        "columns": [column("task_index", "int64", "int64"), column(TASK_COLUMN, "unicode", "object")],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }


def read_tasks(path: Path) -> list[str]:
    """Read the tasks in the order of their indices.

    Raises:
        DatasetError: The file cannot be read, or its indices are not 0, 1, 2, ...
    """
    table = read_table(path)
    names = [name for name in table.column_names if name != "task_index"]
    if len(names) != 1 or "task_index" not in table.column_names:
        raise DatasetError(
            f"{path}: expected task_index and the task, found {', '.join(table.column_names)}."
        )
    indices = table["task_index"].to_pylist()
    if indices != list(range(len(indices))):
        raise DatasetError(
            f"{path}: expected the task indices 0 to {len(indices) - 1} in order, found {indices}."
        )
    return [str(task) for task in table[names[0]].to_pylist()]
