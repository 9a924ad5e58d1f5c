"""Rows of parquet files that were never finished are found without a footer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lerobot_recorder.dataset.salvage import read_rows
from lerobot_recorder.dataset.thrift import read_struct, write_struct

LENGTHS = (4, 5, 700, 3)
OPTIONS: dict[str, dict[str, Any]] = {
    "as LeRobot": {"compression": "snappy", "use_dictionary": True},
    "several pages": {
        "data_page_size": 4000,
        "use_dictionary": ["episode_index"],
        "write_page_checksum": True,
    },
    "zstd": {"compression": "zstd"},
    "not compressed, version 2": {"compression": "none", "data_page_version": "2.0"},
}


def episode(number: int, length: int) -> pa.Table:
    rng = np.random.default_rng(number)
    return pa.table(
        {
            "image": pa.array([rng.bytes(100) for _ in range(length)]),
            "action": pa.array(rng.normal(size=(length, 2)).tolist(), pa.list_(pa.float32(), 2)),
            "map": pa.array(rng.normal(size=(length, 2, 3)).tolist(), pa.list_(pa.list_(pa.float64()))),
            "tasks": pa.array([["pick", "place"][: row % 3] for row in range(length)]),
            "success": pa.array(np.arange(length) > 2),
            "frame_index": np.arange(length),
            "episode_index": np.full(length, number),
        }
    )


EPISODES = [episode(number, length) for number, length in enumerate(LENGTHS)]
WHOLE = pa.concat_tables(EPISODES)


def write(path: Path, options: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the bytes before and after the file is finished."""
    with pq.ParquetWriter(path, WHOLE.schema, **options) as writer:
        for each in EPISODES:
            writer.write_table(each)
        unfinished = path.read_bytes()
    return unfinished, path.read_bytes()


def rows(path: Path, content: bytes) -> list[dict[str, Any]]:
    path.write_bytes(content)
    schemas = [pa.schema([("frame_index", pa.int64())]), WHOLE.schema]
    table = read_rows(path, lambda: schemas, lambda table: table["frame_index"][0].as_py() == 0)
    return [] if table is None else table.to_pylist()


@pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 25, reason="it was made for pyarrow 25 and 26")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_all_rows_of_an_unfinished_file_are_found(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "file.parquet"
    unfinished, finished = write(path, options)
    assert rows(path, unfinished) == WHOLE.to_pylist()
    assert rows(path, finished[:-8]) == WHOLE.to_pylist()
    assert rows(path, unfinished + bytes(5000)) == WHOLE.to_pylist()
    assert rows(path, unfinished[:-10]) == WHOLE.slice(0, sum(LENGTHS[:-1])).to_pylist()


def test_damaged_row_group_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    content = bytearray(write(path, OPTIONS["several pages"])[1])
    content[pq.read_metadata(path).row_group(1).column(0).data_page_offset + 400] ^= 1
    assert rows(path, bytes(content)) == pa.concat_tables([EPISODES[0], *EPISODES[2:]]).to_pylist()


def test_other_bytes_have_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    for seed in range(50):
        noise = np.random.default_rng(seed).bytes(3000)
        assert rows(path, b"PAR1" + noise) == []
        assert rows(path, noise) == []
    assert rows(path, b"PAR1") == []
    assert rows(path, b"") == []


def test_changed_bytes_never_raise(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    content = write(path, OPTIONS["as LeRobot"])[0][:6000]
    rng = np.random.default_rng(0)
    for _ in range(100):
        changed = bytearray(content)
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        rows(path, bytes(changed))


def test_footer_is_written_as_it_was_read(tmp_path: Path) -> None:
    content = write(tmp_path / "file.parquet", OPTIONS["as LeRobot"])[1]
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    footer, end = read_struct(content, start)
    assert end == len(content) - 8
    assert write_struct(footer) == content[start:end]
