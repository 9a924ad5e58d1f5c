"""Paths of a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from lerobot_recorder.dataset.layout import DatasetLayout, FileIndex, commit_path, default_root, spool_path


def test_paths_are_those_of_the_format() -> None:
    layout = DatasetLayout(Path("/data/set"))
    assert str(layout.data_file(FileIndex(1, 2))) == "/data/set/data/chunk-001/file-002.parquet"
    assert str(layout.episodes_file(FileIndex())) == "/data/set/meta/episodes/chunk-000/file-000.parquet"
    assert str(layout.video_file("a.b", FileIndex(0, 7))) == "/data/set/videos/a.b/chunk-000/file-007.mp4"


def test_files_roll_into_chunks() -> None:
    assert FileIndex(0, 998).next(1000) == FileIndex(0, 999)
    assert FileIndex(0, 999).next(1000) == FileIndex(1, 0)


def test_index_is_parsed_from_a_path() -> None:
    assert FileIndex.of(Path("x/chunk-012/file-1345.mp4")) == FileIndex(12, 1345)
    assert FileIndex.of(Path("x/chunk-012/other.mp4")) is None


def test_spool_is_beside_the_dataset() -> None:
    assert spool_path(Path("/data/set.v1")) == Path("/data/set.v1.spool")
    assert commit_path(Path("/data/set")) == Path("/data/set.spool/commit")


def test_default_root_is_where_lerobot_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_LEROBOT_HOME", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert default_root("me/set") == Path("/home/me/.cache/huggingface/lerobot/me/set")
    monkeypatch.setenv("HF_HOME", "/hf")
    assert default_root("me/set") == Path("/hf/lerobot/me/set")
    monkeypatch.setenv("HF_LEROBOT_HOME", "/robots")
    assert default_root("me/set") == Path("/robots/me/set")
