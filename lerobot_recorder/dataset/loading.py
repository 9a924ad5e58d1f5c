"""What LeRobot 0.6.1 cannot load: it reads all files of a kind as one table with fixed columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.features import MAX_DIMENSIONS, VECTOR_DTYPES, is_video, shape_of
from lerobot_recorder.dataset.info import DatasetInfo
from lerobot_recorder.dataset.layout import DatasetLayout

DTYPES = VECTOR_DTYPES | {"string", "video", "image", "language"}


# info.json


def declarations(info: DatasetInfo, path: Path) -> Iterator[str]:
    """Check the dtypes and shapes of the features in ``info.json``, which `load_info` has read."""
    for key, feature in info.features.items():
        dtype, shape = feature["dtype"], feature["shape"]
        if dtype not in DTYPES:
            expected = ", ".join(sorted(DTYPES))
            yield f"{path}: feature {key!r} has the dtype {dtype!r}, expected one of {expected}."
        if len(shape) > MAX_DIMENSIONS:
            most = f"a list of 1 to {MAX_DIMENSIONS} whole numbers from 1 up"
            yield f"{path}: feature {key!r} has the shape {shape!r}, expected {most}."
        elif dtype in ("video", "image") and len(shape) != 3:
            yield f"{path}: feature {key!r} has the shape {shape!r}, expected height, width and channels."


# Tasks


def tasks(path: Path) -> Iterator[str]:
    """Check that LeRobot finds the tasks by their names: it uses the index that pandas declared."""
    table = tables.read_table(path)
    index = _pandas_index(table.schema.metadata or {})
    names = [name for name in table.column_names if name != "task_index"]
    if index != names:
        yield (
            f"{path}: the tasks are not the index of the pandas table, so LeRobot returns numbers instead of "
            "sentences. Write it with pandas, with the tasks as the index."
        )
    repeated = table.num_rows - len(pc.unique(table[names[0]])) if len(names) == 1 else 0
    if repeated:
        yield f"{path}: {repeated} tasks are duplicates."


def _pandas_index(metadata: Mapping[bytes, bytes]) -> Any:
    """Return the columns that pandas uses as the index, None if they cannot be read."""
    try:
        noted = json.loads(metadata.get(b"pandas", b"{}"))
    except ValueError:
        return None
    return noted.get("index_columns") if isinstance(noted, dict) else None


# Columns


def episode_columns(root: Path) -> Iterator[str]:
    """Check that all files of episode rows have the columns of the first, so that they make one table."""
    first: pa.Schema | None = None
    for path in DatasetLayout(root).episodes_files():
        table = tables.read_table(path)
        yield from _repeated(path, table.column_names)
        if first is None:
            first = table.schema
        unknown = [name for name in table.column_names if name not in first.names]
        if unknown:
            yield (
                f"{path}: has {_some(unknown)}, which the first file in meta/episodes does not have. "
                "LeRobot cannot load both: give all files the same columns."
            )
        for field in first:
            if table.column_names.count(field.name) == 1 and not _can_cast(table[field.name], field.type):
                found = table.schema.field(field.name).type
                yield f"{path}: {field.name} is {found}, but {field.type} in the first file."


def data_columns(info: DatasetInfo, path: Path, table: pa.Table) -> Iterator[str]:
    """Check that a data file has exactly one column for each feature, with its dtype and shape."""
    columns = {key: feature for key, feature in info.features.items() if not is_video(feature)}
    yield from _repeated(path, table.column_names)
    unknown = [name for name in table.column_names if name not in columns]
    if unknown:
        yield f"{path}: has {_some(unknown)}, which meta/info.json does not declare. LeRobot cannot load it."
    for key, feature in columns.items():
        if key not in table.column_names:
            yield f"{path}: no column {key}."
        elif table.column_names.count(key) == 1:
            yield from (f"{path}: {fault}" for fault in column_faults(key, feature, table[key]))


def _repeated(path: Path, names: Sequence[str]) -> Iterator[str]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        yield f"{path}: has {_some(repeated)} more than once."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(names[:3])}{more}"


def column_faults(key: str, feature: Mapping[str, Any], column: pa.ChunkedArray) -> Iterator[str]:
    """Check the values of a feature, which is no video."""
    if feature["dtype"] == "language":
        return
    if column.null_count:
        yield f"{column.null_count} rows have no {key}."
    if feature["dtype"] == "image":
        if not (pa.types.is_struct(column.type) or _can_cast(column, pa.binary())):
            yield f"{key} is {column.type}, expected images."
        return
    values = column.drop_null()
    for size in shape_of(feature) if shape_of(feature) != (1,) else ():  # type: ignore[arg-type]
        if not is_list(values.type):
            yield f"{key} is {column.type}, expected lists of {size} values."
            return
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if wrong := [length for length in lengths if length != size]:
            yield f"{key} has {wrong[0]} values, expected {size}."
            return
        values = pc.list_flatten(values)
        if values.null_count:
            yield f"{values.null_count} values of {key} are null."
            return
    dtype = feature["dtype"]
    kind = pa.string() if dtype == "string" else pa.from_numpy_dtype(np.dtype(dtype))
    if not _can_cast(values, kind):
        yield f"{key} is {column.type}, expected {dtype} values."


def is_list(kind: pa.DataType) -> bool:
    """Return whether values of a type are lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _can_cast(values: pa.ChunkedArray, kind: pa.DataType) -> bool:
    if values.type == kind:
        return True
    try:
        values.cast(kind)
    except (pa.ArrowException, ValueError):
        return False
    return True
