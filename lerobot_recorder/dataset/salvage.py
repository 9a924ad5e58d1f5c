"""Reads rows from parquet files that are damaged or were never finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_rows(path: Path, schemas: Callable[[], Iterable[pa.Schema]]) -> pa.Table | None:
    """Read the row groups that are complete.

    Args:
        path: the file.
        schemas: returns the columns that it may have.

    Returns:
        Their rows in order; None if none can be read.
    """
    del schemas
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            groups = []
            for number in range(file.num_row_groups):
                try:
                    groups.append(file.read_row_group(number))
                except (OSError, pa.ArrowException):
                    continue
            return pa.concat_tables(groups) if groups else None
    except (OSError, pa.ArrowException):
        return None
