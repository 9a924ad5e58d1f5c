"""Every flipped bit is found; a file that another program has rewritten does not count as damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from encoded import LineFiles, commit, encoded_episode, faults

from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.dataset.files import CHECKSUMS_PATH, checksum, read_checksums


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    for number in range(3):
        commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, number)])
    return root


def test_every_file_that_is_not_json_has_its_checksum(root: Path) -> None:
    files = {path for path in root.rglob("*") if path.suffix in (".parquet", ".mp4")}
    assert read_checksums(root) == {path.relative_to(root).as_posix(): checksum(path) for path in files}


def test_flipped_bit_is_found_in_every_file(root: Path) -> None:
    for path in sorted(root / name for name in read_checksums(root)):
        sound = path.read_bytes()
        for place in range(0, len(sound), len(sound) // 7):
            path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
            assert faults(root)
        path.write_bytes(sound)
        assert faults(root) == []


def test_file_of_another_size_was_changed_on_purpose(root: Path) -> None:
    video = next(root.glob("videos/*/*/*.mp4"))
    video.write_text(video.read_text().replace("av1", "hevc"))
    assert faults(root) == []


def test_unreadable_checksums_are_a_fault_and_are_replaced(root: Path, tmp_path: Path) -> None:
    (root / CHECKSUMS_PATH).write_text("[1]")
    (found,) = faults(root)
    assert found.startswith(f"{root / CHECKSUMS_PATH}: not the checksums of a dataset")
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 3)])
    assert faults(root) == []


def test_damaged_video_does_not_grow(root: Path, tmp_path: Path) -> None:
    video = next(root.glob("videos/*/*/*.mp4"))
    video.write_text(video.read_text().replace("0002 0003", "0002 0007"))
    (before,) = faults(root)
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, 3)])
    assert len(list(root.glob("videos/*/*/*.mp4"))) == 2
    assert faults(root) == [before]
