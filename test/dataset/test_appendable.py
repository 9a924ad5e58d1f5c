"""The dry run of a commit: datasets that an encoder would refuse are refused before recording."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from encoded import CAMERA, LineFiles, commit, encoded_episode

from lerobot_recorder.dataset import DatasetWriter, check_appendable
from lerobot_recorder.dataset.journal import journal_path
from lerobot_recorder.dataset.layout import DatasetLayout, commit_path, spool_path
from lerobot_recorder.errors import DatasetError

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(tmp_path, number) for number in range(2)])
    return root


def tree(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_sound_dataset_can_be_appended_to_and_does_not_change(root: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    check_appendable(root)
    assert tree(tmp_path) == before


def test_missing_dataset_can_be_appended_to_and_is_not_created(tmp_path: Path) -> None:
    check_appendable(tmp_path / "some/where/dataset")
    (tmp_path / "empty").mkdir()
    check_appendable(tmp_path / "empty")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.parametrize(
    "name",
    [
        "meta/tasks.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
        f"videos/{CAMERA}/chunk-000/file-000.mp4",
    ],
)
def test_git_lfs_pointer_is_named_with_what_to_do(root: Path, name: str) -> None:
    (root / name).write_text(POINTER)
    with pytest.raises(DatasetError, match=rf"{name}: a Git LFS pointer.*git lfs pull"):
        check_appendable(root)


@pytest.mark.parametrize("name", ["data", "videos", "meta/episodes", "meta/tasks.parquet"])
def test_missing_parts_are_named(root: Path, name: str) -> None:
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DatasetError, match=name):
        check_appendable(root)


def test_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(DatasetError, match=r"found photo\.jpg"):
        check_appendable(tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second filesystem")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def test_link_shares_the_spool_of_the_dataset_that_it_names(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(root)
    assert spool_path(link) == spool_path(root.resolve())


def test_dataset_behind_a_link_to_another_filesystem_is_appended_to(tmp_path: Path, elsewhere: Path) -> None:
    dataset, link = elsewhere / "dataset", tmp_path / "linked"
    dataset.mkdir()
    link.symlink_to(dataset)
    commit(DatasetWriter(link, LineFiles(), forget=lambda names: None), [encoded_episode(tmp_path, 0)])
    check_appendable(link)
    assert (dataset / "meta" / "info.json").is_file()
    assert link.is_symlink()


def test_directory_that_cannot_be_written_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "data")
    with pytest.raises(DatasetError, match=r"data: no permission to write"):
        check_appendable(root)


def test_unfinished_or_running_commit_is_not_checked(root: Path, tmp_path: Path) -> None:
    def stop(names: list[str]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commit(DatasetWriter(root, LineFiles(), forget=stop), [encoded_episode(tmp_path, 2)])
    assert journal_path(root).exists()
    check_appendable(root)

    journal_path(root).unlink()
    DatasetLayout(root).tasks.unlink()
    with (commit_path(root) / "lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        check_appendable(root)
    with pytest.raises(DatasetError, match=r"tasks\.parquet"):
        check_appendable(root)


def test_journal_that_cannot_be_read_is_refused(root: Path) -> None:
    journal_path(root).write_text("{")
    with pytest.raises(DatasetError, match="not the journal of a commit"):
        check_appendable(root)
