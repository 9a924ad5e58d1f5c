"""The rows of ``meta/episodes`` of a dataset that is being composed, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import statistics, tables
from lerobot_recorder.dataset.edits.source import Source
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.statistics import Stats


class EpisodeRows:
    """Rows of episodes, which begin as copies of older ones.

    Args:
        base: the dataset whose columns they have.
        origins: the dataset and the number there of each episode.
    """

    def __init__(self, base: Source, origins: Sequence[tuple[Source, int]]) -> None:
        self._base = base
        self._table = _taken(base, origins)
        self._stats = _stats_columns(self._table)
        self._known: dict[str, np.ndarray] = {}
        self._places: dict[str, np.ndarray] = {}
        self._renewed: dict[str, dict[int, Stats]] = {}

    def put(self, name: str, first: int, values: np.ndarray) -> None:
        """Set the numbers in a column from the episode ``first`` on."""
        column = self._places.setdefault(name, np.zeros(len(self._table), values.dtype))
        column[first : first + len(values)] = values

    def put_file(self, kind: str, first: int, count: int, index: FileIndex) -> None:
        """Put ``count`` episodes from ``first`` on into a file; ``kind``: as in ``CountedDataset.files``."""
        self.put(f"{kind}/chunk_index", first, np.full(count, index.chunk))
        self.put(f"{kind}/file_index", first, np.full(count, index.file))

    def put_tasks(self, tasks: Mapping[int, Sequence[str]]) -> None:
        """Replace the lists of tasks of some episodes."""
        if tasks and "tasks" in self._table.column_names:
            self._replace("tasks", list(tasks), [list(each) for each in tasks.values()])

    def has_stats(self, number: int, key: str) -> bool:
        """Return whether an episode has statistics of a feature."""
        count = self._stats.get(key, {}).get("count")
        if count is None:
            return False
        if key not in self._known:
            self._known[key] = self._table[count].is_valid().to_numpy()
        return bool(self._known[key][number])

    def stats(self, number: int, key: str) -> Stats:
        """Return the statistics of a feature in an episode."""
        values = {part: self._table[name][number].as_py() for part, name in self._stats[key].items()}
        return statistics.from_plain({part: value for part, value in values.items() if value is not None})

    def renew_stats(self, number: int, key: str, stats: Stats) -> None:
        """Replace the statistics of a feature in an episode."""
        self._renewed.setdefault(key, {})[number] = statistics.as_written(stats)

    def finish(self) -> None:
        """Apply all changes.

        Raises:
            DatasetError: a column has another type.
        """
        for name, numbers in self._places.items():
            if name in self._table.column_names:
                self._set(name, pa.array(numbers))
        for key, changed in self._renewed.items():
            for part, name in self._stats[key].items():
                values = [stats[part].tolist() if part in stats else None for stats in changed.values()]
                self._replace(name, list(changed), values)

    def slice(self, first: int, count: int) -> pa.Table:
        """Return the rows of ``count`` episodes from ``first`` on; after `finish`."""
        return self._table.slice(first, count)

    def is_unchanged(self, first: int, count: int) -> bool:
        """Return whether these rows are those with the same numbers in the base; after `finish`."""
        return bool(self.slice(first, count).equals(self._base.table.slice(first, count)))

    def total(self) -> dict[str, Stats]:
        """Return the statistics over all episodes; after `finish`."""
        found: dict[str, Stats] = {}
        for key, names in self._stats.items():
            stacked = _stacked({part: self._table[name] for part, name in names.items()})
            if stacked is None:
                return statistics.total_of(list(self._one_by_one()))
            if stacked:
                found[key] = stacked
        return statistics.total_of_stacked(found)

    def _one_by_one(self) -> Iterator[dict[str, Stats]]:
        """Yield the statistics of each episode, as far as they are known."""
        for row in self._table.select(
            [n for names in self._stats.values() for n in names.values()]
        ).to_pylist():
            known = {
                key: {part: row[name] for part, name in names.items() if row[name] is not None}
                for key, names in self._stats.items()
            }
            yield {
                key: statistics.as_written(statistics.from_plain(part))
                for key, part in known.items()
                if "count" in part
            }

    def _replace(self, name: str, numbers: Sequence[int], values: Sequence[Any]) -> None:
        """Replace the values of some rows in a column."""
        new = self._conformed(name, pa.array(values))
        order = np.arange(len(self._table))
        order[list(numbers)] = len(order) + np.arange(len(numbers))
        joined = pa.chunked_array([*self._table[name].chunks, *new.chunks], new.type)
        self._set(name, joined.take(pa.array(order)))

    def _set(self, name: str, values: pa.Array | pa.ChunkedArray) -> None:
        place = self._table.schema.get_field_index(name)
        field = self._table.schema.field(place)
        self._table = self._table.set_column(place, field, self._conformed(name, values))

    def _conformed(self, name: str, values: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        schema = pa.schema([self._table.schema.field(name)])
        return tables.conform(pa.table({name: values}), schema)[name]


def _taken(base: Source, origins: Sequence[tuple[Source, int]]) -> pa.Table:
    """Copy rows of some datasets; they get the columns of the base."""
    offsets: dict[Source, int] = {}
    found: list[pa.Table] = []
    for source in dict.fromkeys(source for source, _ in origins):
        names = [name for name in source.table.column_names if name in base.table.column_names]
        offsets[source] = sum(map(len, found))
        found.append(tables.conform(source.table.select(names), base.table.schema))
    order = pa.array([offsets[source] + number for source, number in origins], pa.int64())
    return pa.concat_tables(found).take(order)


def _stats_columns(table: pa.Table) -> dict[str, dict[str, str]]:
    """Return the names of the columns with statistics, by feature and statistic."""
    found: dict[str, dict[str, str]] = {}
    for name in table.column_names:
        if name.startswith(tables.STATS_PREFIX):
            key, _, part = name.removeprefix(tables.STATS_PREFIX).rpartition("/")
            found.setdefault(key, {})[part] = name
    return found


def _stacked(columns: Mapping[str, pa.ChunkedArray]) -> Stats | None:
    """Return the statistics of a feature in all episodes, whose number is the length of the first axis.

    Nothing if no episode has any; None if they have different ones.
    """
    count = columns.get("count")
    if count is None or count.null_count == len(count):
        return {}
    stacked: Stats = {}
    for part, column in columns.items():
        if column.null_count == len(column):
            continue
        values = None if column.null_count else _numbers(column.combine_chunks())
        if values is None:
            return None
        stacked[part] = np.where(np.isfinite(values), values, 0.0)
    return {**stacked, "count": stacked["count"].astype(np.int64)}


def _numbers(array: pa.Array) -> np.ndarray | None:
    """Return lists of equal shape, or numbers, as one array of float64; None if they are something else."""
    shape = [len(array)]
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        sizes = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(sizes) != 1 or not sizes[0]:
            return None
        shape.append(sizes[0])
        array = array.flatten()
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return None
    values = np.asarray(array.to_numpy(zero_copy_only=False), np.float64)
    return values.reshape(shape if len(shape) > 1 else (-1, 1))
