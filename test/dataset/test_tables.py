"""Parquet files: columns, types and metadata as LeRobot 0.6.1 writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.features import with_defaults
from lerobot_recorder.errors import DatasetError

FEATURES: dict[str, Any] = with_defaults(
    {
        "state": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "z"]},
        "video": {"dtype": "video", "shape": (4, 6, 3), "names": ["height", "width", "channels"]},
        "success": {"dtype": "bool", "shape": (1,), "names": None},
        "note": {"dtype": "string", "shape": (1,), "names": None},
        "grid": {"dtype": "float64", "shape": (2, 3), "names": None},
        "cube": {"dtype": "int64", "shape": (2, 3, 2), "names": None},
    }
)


def columns(n: int) -> dict[str, np.ndarray]:
    numbers = {key: np.arange(n) for key in ("frame_index", "episode_index", "index", "task_index")}
    return {
        "state": np.arange(3 * n, dtype=np.float32).reshape(n, 3),
        "success": np.arange(n) > 1,
        "note": np.array([f"note {k}" for k in range(n)]),
        "grid": np.arange(6.0 * n).reshape(n, 2, 3),
        "cube": np.arange(12 * n).reshape(n, 2, 3, 2),
        "timestamp": np.arange(n) / 30,
        **numbers,
    }


def test_data_columns_have_the_types_of_lerobot(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    with tables.grow_data_file(path, FEATURES, None) as file:
        file.add(tables.data_table(FEATURES, columns(4)))
    schema = pq.read_schema(path)
    assert {field.name: str(field.type) for field in schema} == {
        "state": "fixed_size_list<element: float>[3]",
        "success": "bool",
        "note": "string",
        "grid": "list<element: list<element: double>>",
        "cube": "list<element: list<element: list<element: int64>>>",
        "timestamp": "float",
        "frame_index": "int64",
        "episode_index": "int64",
        "index": "int64",
        "task_index": "int64",
    }
    assert schema.field("grid").metadata == {
        b"ARROW:extension:name": b"datasets.features.features.Array2DExtensionType",
        b"ARROW:extension:metadata": b'[[2, 3], "float64"]',
    }
    described = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(described) == schema.names
    assert described["state"] == {
        "feature": {"dtype": "float32", "_type": "Value"},
        "length": 3,
        "_type": "List",
    }
    assert described["success"] == {"dtype": "bool", "_type": "Value"}
    assert described["cube"] == {"shape": [2, 3, 2], "dtype": "int64", "_type": "Array3D"}
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "SNAPPY"


def test_values_come_back(tmp_path: Path) -> None:
    table = tables.data_table(FEATURES, columns(3))
    for key, values in columns(3).items():
        found = np.array(table[key].to_pylist())
        np.testing.assert_array_equal(found, values.astype(np.float32) if key == "timestamp" else values)


def episodes(*lengths: int) -> list[pa.Table]:
    made = []
    for number, n in enumerate(lengths):
        made.append(tables.data_table(FEATURES, {**columns(n), "episode_index": np.full(n, number)}))
    return made


def group_rows(path: Path) -> list[int]:
    metadata = pq.ParquetFile(path).metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def test_grown_file_does_not_depend_on_its_steps(tmp_path: Path) -> None:
    parts = episodes(3, 1, 5, 2)
    tail = None
    for number, part in enumerate(parts):
        path = tmp_path / f"step-{number}.parquet"
        with tables.grow_data_file(path, FEATURES, tail) as file:
            file.add(part)
            size, rows = file.size, file.rows
        found = tables.summarize_data_file(path)
        assert (found.size, found.rows) == (size, rows)
        tail = path
    with tables.grow_data_file(tmp_path / "once.parquet", FEATURES, None) as file:
        for part in parts:
            file.add(part)
    assert tail is not None
    assert tail.read_bytes() == (tmp_path / "once.parquet").read_bytes()


def test_every_episode_is_a_row_group_as_in_lerobot(tmp_path: Path) -> None:
    with tables.grow_data_file(tmp_path / "new.parquet", FEATURES, None) as file:
        for part in episodes(3, 1, 5):
            file.add(part)
    assert group_rows(tmp_path / "new.parquet") == [3, 1, 5]


@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_growing_cuts_row_groups_of_other_programs_at_episodes(tmp_path: Path, size: int) -> None:
    parts = episodes(3, 1, 5, 2)
    older = pa.concat_tables(parts[:3])
    pq.write_table(older, tmp_path / "tail.parquet", row_group_size=size)
    with tables.grow_data_file(tmp_path / "grown.parquet", FEATURES, tmp_path / "tail.parquet") as file:
        file.add(parts[3])
    assert group_rows(tmp_path / "grown.parquet") == [3, 1, 5, 2]
    assert tables.read_table(tmp_path / "grown.parquet").equals(pa.concat_tables(parts))


def test_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    with tables.grow_data_file(path, FEATURES, None) as file:
        for part in episodes(100, 100):
            file.add(part)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 20] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"data\.parquet: cannot be read as parquet.*CRC"):
        tables.read_table(path)
    with (
        pytest.raises(DatasetError, match=r"data\.parquet: cannot be read"),
        tables.grow_data_file(tmp_path / "grown.parquet", FEATURES, path),
    ):
        pass


def test_columns_of_other_programs_are_kept(tmp_path: Path) -> None:
    features = with_defaults({"state": FEATURES["state"]})
    old = tables.data_table(features, columns(2))
    place = old.schema.names.index("state")
    loose = old.set_column(place, "state", old["state"].cast(pa.list_(pa.float32())))
    tables.write_table(tmp_path / "tail.parquet", [loose])
    with tables.grow_data_file(tmp_path / "grown.parquet", features, tmp_path / "tail.parquet") as file:
        file.add(old)
    grown = tables.read_table(tmp_path / "grown.parquet")
    assert str(grown.schema.field("state").type) == "list<element: float>"
    assert grown["state"].to_pylist() == old["state"].to_pylist() * 2


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), unique=True))
def test_tasks_come_back_in_order(tmp_path_factory: pytest.TempPathFactory, tasks: list[str]) -> None:
    path = tmp_path_factory.mktemp("tasks") / "tasks.parquet"
    tables.write_tasks(path, tasks)
    assert tables.read_tasks(path) == tasks


def test_pandas_reads_tasks_as_its_index(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    tables.write_tasks(tmp_path / "tasks.parquet", ["pick", "place"])
    frame = pandas.read_parquet(tmp_path / "tasks.parquet")
    assert (frame.index.name, list(frame.index)) == ("task", ["pick", "place"])
    assert list(frame["task_index"]) == [0, 1]


def test_tasks_of_other_programs_are_read(tmp_path: Path) -> None:
    table = pa.table({"task_index": [0, 1], "__index_level_0__": ["pick", "place"]})
    pq.write_table(table, tmp_path / "tasks.parquet")
    assert tables.read_tasks(tmp_path / "tasks.parquet") == ["pick", "place"]


def test_tasks_out_of_order_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"task_index": [1, 0], "task": ["pick", "place"]}), tmp_path / "tasks.parquet")
    with pytest.raises(DatasetError, match=r"expected task_index 0 to 1 in order, found \[1, 0\]"):
        tables.read_tasks(tmp_path / "tasks.parquet")


def test_tasks_kept_as_text_by_other_programs_stay_text() -> None:
    table = pa.table({"tasks": [["pick"], ["place", "push"]]})
    schema = pa.schema([("tasks", pa.string())])
    assert tables.conform(table, schema)["tasks"].to_pylist() == ["pick", "place, push"]


def test_conforming_drops_only_statistics() -> None:
    table = pa.table({"length": [1], "stats/a/q01": [[0.5]]})
    schema = pa.schema([("length", pa.int64()), ("stats/a/min", pa.list_(pa.float64()))])
    assert tables.conform(table, schema).to_pylist() == [{"length": 1, "stats/a/min": None}]
    with pytest.raises(DatasetError, match="no column length"):
        tables.conform(table, pa.schema([("stats/a/q01", pa.list_(pa.float64()))]))


def test_conforming_does_not_convert_numbers_to_text() -> None:
    for kind in (pa.string(), pa.list_(pa.string())):
        values = [[1.5]] if pa.types.is_list(kind) else [1.5]
        with pytest.raises(DatasetError, match=r"length is .*string.*, expected"):
            tables.conform(pa.table({"length": values}), pa.schema([("length", kind)]))


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    for name in ("broken.parquet", "none.parquet"):
        with pytest.raises(DatasetError, match=name):
            tables.read_table(tmp_path / name)
