"""Provenance: a line per episode, and how old its samples were."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from encoded import FEATURES, LineFiles, commit, encoded_episode, faults

from lerobot_recorder.dataset import (
    DatasetWriter,
    EncodedEpisode,
    RecordedEpisode,
    StreamAges,
    check_appendable,
    setup_id,
)
from lerobot_recorder.dataset.recordings import EPISODES_PER_AGES_FILE, read_recordings
from lerobot_recorder.errors import DatasetError

AGES = Path("meta/recordings/ages/chunk-000/file-000.parquet")
LINES = Path("meta/recordings/chunk-000/file-000.jsonl")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def ages_of(number: int, length: int) -> StreamAges:
    age_s = np.linspace(0, 0.1 + number, length, dtype=np.float32)
    return StreamAges(age_s, np.arange(length) * 33_333_333 + 1_764_000_000_123_456_789)


def episode(directory: Path, number: int, *streams: str) -> EncodedEpisode:
    length = 4 + number % 3
    return dataclasses.replace(
        encoded_episode(directory, number, length),
        recording={"verdict": "good", "success": number % 2 == 0},
        ages={name: ages_of(number, length) for name in streams},
    )


def assert_equal(found: dict[str, StreamAges], expected: EncodedEpisode) -> None:
    assert list(found) == list(expected.ages)
    for name, ages in expected.ages.items():
        assert found[name].age_s.dtype == np.float32
        np.testing.assert_array_equal(found[name].age_s, ages.age_s)
        np.testing.assert_array_equal(found[name].source_ns, ages.source_ns)


def test_ages_come_back_of_each_episode_over_many_files(root: Path, tmp_path: Path) -> None:
    takes = [episode(tmp_path, number, "state", "front") for number in range(2 * EPISODES_PER_AGES_FILE + 2)]
    writer = DatasetWriter(root, LineFiles())
    commit(writer, takes[:3])
    commit(writer, takes[3:])
    files = sorted((root / AGES).parent.iterdir())
    assert [path.name for path in files] == ["file-000.parquet", "file-001.parquet", "file-002.parquet"]
    assert pq.ParquetFile(files[0]).num_row_groups == EPISODES_PER_AGES_FILE
    for index, take in enumerate(takes):
        assert_equal(RecordedEpisode(root, index).ages(), take)
    assert faults(root) == []


def test_the_size_of_a_batch_makes_no_difference(tmp_path: Path) -> None:
    streams = [("state",), ("state", "front"), (), ("front",)]
    takes = [episode(tmp_path, number, *names) for number, names in enumerate(streams)]
    one, many = tmp_path / "one", tmp_path / "many"
    for take in takes:
        commit(DatasetWriter(one, LineFiles()), [take])
    commit(DatasetWriter(many, LineFiles()), takes)
    for path in (AGES, LINES):
        assert (one / path).read_bytes() == (many / path).read_bytes()
    for index, take in enumerate(takes):
        assert_equal(RecordedEpisode(one, index).ages(), take)


def test_episodes_of_others_and_of_earlier_versions_have_none(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, 0)])
    (root / LINES).unlink()
    others = RecordedEpisode(root, 0)
    assert (others.ages(), others.recording) == ({}, {})
    assert not (root / AGES).exists()
    assert faults(root) == []


@pytest.mark.parametrize("suffix", ["", ".age_s"])
def test_ages_that_are_a_feature_are_read_as_well(root: Path, tmp_path: Path, suffix: str) -> None:
    names = [f"state{suffix}", f"front{suffix}"]
    features = {**FEATURES, "stream_ages": {"dtype": "float32", "shape": (2,), "names": names}}
    take = encoded_episode(tmp_path, 0, 4)
    ages = np.arange(8, dtype=np.float32).reshape(4, 2)
    take = dataclasses.replace(take, features=features, rows={**take.rows, "stream_ages": ages}, ages={})
    commit(DatasetWriter(root, LineFiles()), [take], features=features)
    found = RecordedEpisode(root, 0).ages()
    assert {name: each.age_s.tolist() for name, each in found.items()} == {
        "state": [0, 2, 4, 6],
        "front": [1, 3, 5, 7],
    }


def test_provenance_is_read_with_the_episode(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, number) for number in range(2)])
    recording = RecordedEpisode(root, 1).recording
    assert recording == {
        "episode_index": 1,
        "episode_id": "episode-1",
        "setup": setup_id(episode(tmp_path, 1).setup),
        "verdict": "good",
        "success": False,
    }


def test_a_damaged_line_spoils_no_other_and_is_found(root: Path, tmp_path: Path) -> None:
    writer = DatasetWriter(root, LineFiles())
    commit(writer, [episode(tmp_path, number) for number in range(2)])
    first, second = (root / LINES).read_bytes().splitlines()
    (root / LINES).write_bytes(first[:-9] + b"\xff\n" + second[:-3])
    commit(writer, [episode(tmp_path, 2)])
    lines = list(read_recordings(root / LINES))
    assert [line and line["episode_index"] for line in lines] == [None, None, 2]
    assert faults(root) == [f"{root / LINES}: lines 1, 2 cannot be read as JSON."]
    assert RecordedEpisode(root, 0).recording == {}


def test_lines_that_count_other_episodes_are_found(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, 0)])
    with (root / LINES).open("a") as file:
        file.write(json.dumps({"episode_index": 7}) + "\n")
    assert faults(root) == [f"{root / LINES}: describes episode 7, but the dataset ends with episode 0."]


def test_ages_that_belong_to_no_row_are_found(root: Path, tmp_path: Path) -> None:
    take = episode(tmp_path, 0, "front")
    commit(DatasetWriter(root, LineFiles()), [take])
    table = pq.read_table(root / AGES)
    pq.write_table(table.slice(1), root / AGES)
    assert faults(root) == [f"{root / AGES}: has 3 rows of episode 0, but the episode has 4."]


def test_a_flipped_bit_is_found(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, 0, "front")])
    content = bytearray((root / AGES).read_bytes())
    column = pq.ParquetFile(root / AGES).metadata.row_group(0).column(2)
    assert column.path_in_schema == "front.age_s"
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 1
    (root / AGES).write_bytes(content)
    with pytest.raises(DatasetError, match=r"ages.*cannot be read"):
        RecordedEpisode(root, 0).ages()
    fault, *_ = faults(root)
    assert fault.startswith(f"{root / AGES}: cannot be read")


def test_a_damaged_file_of_ages_is_named_with_what_to_do(root: Path, tmp_path: Path) -> None:
    writer = DatasetWriter(root, LineFiles())
    commit(writer, [episode(tmp_path, 0, "front")])
    (root / AGES).write_bytes(b"PAR1")
    for attempt in (lambda: check_appendable(root), lambda: commit(writer, [episode(tmp_path, 1, "front")])):
        with pytest.raises(DatasetError, match=r"ages.*move it out of the dataset"):
            attempt()
    (root / AGES).unlink()
    commit(writer, [episode(tmp_path, 1, "front")])
    assert RecordedEpisode(root, 0).ages() == {}
    assert list(RecordedEpisode(root, 1).ages()) == ["front"]


def test_ages_of_episodes_that_were_removed_since_are_dropped(root: Path, tmp_path: Path) -> None:
    commit(DatasetWriter(root, LineFiles()), [episode(tmp_path, number, "front") for number in range(2)])
    kept, again = (root / AGES).read_bytes(), tmp_path / "again"
    commit(DatasetWriter(again, LineFiles()), [episode(tmp_path, 0, "front")])
    (again / AGES).write_bytes(kept)
    take = episode(tmp_path, 2, "front")
    commit(DatasetWriter(again, LineFiles()), [take])
    assert_equal(RecordedEpisode(again, 1).ages(), take)
    assert faults(again) == []
