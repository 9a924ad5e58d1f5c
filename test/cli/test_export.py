"""The command that copies a dataset into another format."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from filmed import filmed_dataset

from lerobot_recorder.cli import export


def test_a_dataset_is_exported(invoke, tmp_path):
    root = filmed_dataset(tmp_path / "dataset", (3, 4), vcodec="h264")
    result = invoke("export", root, tmp_path / "v21", "--format", "v2.1", "--gr00t")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'v21'}: 2 episodes, 7 frames" in result.output
    assert (tmp_path / "v21/meta/modality.json").is_file()


def test_an_output_that_exists_is_an_error(invoke, tmp_path):
    root = filmed_dataset(tmp_path / "dataset", (3,), vcodec="h264")
    result = invoke("export", root, root.parent)
    assert result.exit_code == 1
    assert "expected a new or empty directory" in result.output


@pytest.mark.parametrize(("function", "name"), [("export_v21", "copy"), ("export_bag", "copy.mcap")])
def test_ctrl_c_leaves_nothing_and_a_sentence(invoke, tmp_path, monkeypatch, function, name):
    if name.endswith(".mcap"):
        pytest.importorskip("rosbags")
    root = filmed_dataset(tmp_path / "dataset", (3,), vcodec="h264")
    whole = getattr(export, function)

    def interrupted(*arguments, **options):
        def interrupt(*_):
            raise KeyboardInterrupt

        return whole(*arguments, **{**options, "progress": interrupt})

    monkeypatch.setattr(export, function, interrupted)
    before = set(tmp_path.iterdir())
    result = invoke("export", root, tmp_path / name)
    assert (result.exit_code, result.output.strip()) == (130, "interrupted: nothing was exported")
    assert set(tmp_path.iterdir()) == before


def test_ctrl_c_after_the_copy_is_complete_is_answered_so(invoke, tmp_path, monkeypatch):
    root = filmed_dataset(tmp_path / "dataset", (3,), vcodec="h264")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "_print", interrupt)
    result = invoke("export", root, tmp_path / "copy")
    assert result.exit_code == 130
    assert result.output.strip() == f"interrupted: {tmp_path / 'copy'} is complete"
    assert (tmp_path / "copy/meta/info.json").is_file()


@pytest.mark.parametrize("name", ["copy", "copy.mcap"])
def test_a_place_that_cannot_be_written_is_an_error_with_a_way_out(invoke, tmp_path, monkeypatch, name):
    if name.endswith(".mcap"):
        pytest.importorskip("rosbags")
    root, mkdir = filmed_dataset(tmp_path / "dataset", (3,), vcodec="h264"), Path.mkdir

    def read_only(path, *arguments, **options):
        if path.name.endswith(".partial"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        mkdir(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", read_only)
    result = invoke("export", root, tmp_path / name)
    assert result.exit_code == 1
    assert f"error: {tmp_path / name}: the " in result.output
    assert result.output.endswith("cannot be written: the disk is read-only: choose another path\n")


def test_a_file_that_ends_in_mcap_becomes_a_bag(invoke, tmp_path):
    pytest.importorskip("rosbags")
    root = filmed_dataset(tmp_path / "dataset", (3, 4, 5), vcodec="h264")
    result = invoke("export", root, tmp_path / "bag.mcap", "--episodes", "0,2", "--images", "video")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'bag.mcap'}: 2 episodes, 8 frames" in result.output
    assert (tmp_path / "bag.mcap").is_file()


@pytest.mark.parametrize(
    ("options", "file"),
    [
        (("--format", "mcap"), "bag.mcap"),
        (("--format", "rosbag2"), "bag.mcap"),
        (("--format", "rosbag2", "--storage", "sqlite3"), "bag.db3"),
    ],
)
def test_a_directory_becomes_a_rosbag2_bag(invoke, tmp_path, options, file):
    pytest.importorskip("rosbags")
    root = filmed_dataset(tmp_path / "dataset", (3, 4), vcodec="h264")
    result = invoke("export", root, tmp_path / "bag", *options, "--task", "task 1")
    assert result.exit_code == 0, result.output
    assert "1 episode, 4 frames" in result.output
    assert {path.name for path in (tmp_path / "bag").iterdir()} == {file, "metadata.yaml"}


@pytest.mark.parametrize(
    "options",
    [
        ["out.mcap", "--gr00t"],
        ["out", "--episodes", "0"],
        ["out", "--images", "none"],
        ["out", "--storage", "sqlite3"],
        ["out.mcap", "--format", "rosbag2"],
    ],
    ids=" ".join,
)
def test_an_option_of_another_format_is_an_error(invoke, tmp_path, options):
    root = filmed_dataset(tmp_path / "dataset", (3,), vcodec="h264")
    result = invoke("export", root, tmp_path / options[0], *options[1:])
    assert result.exit_code == 1
    assert "--format" in result.output
