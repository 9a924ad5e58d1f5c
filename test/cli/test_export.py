"""The command that copies a dataset into another format."""

from __future__ import annotations

from filmed import filmed_dataset


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
