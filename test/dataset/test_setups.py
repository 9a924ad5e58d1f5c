"""Set-ups that are kept beside the episodes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from encoded import LineFiles, commit, encoded_episode, faults

from lerobot_recorder.dataset import DatasetWriter, Source, setup_id
from lerobot_recorder.errors import ConfigError

FIRST = {"robot.urdf": "<robot/>\r\n", "calibrations/follower.json": '{"ä": 1}'}
SECOND = {"robot.urdf": "<robot name='b'/>"}


def an_episode(directory: Path, number: int, setup: dict[str, str]):
    return dataclasses.replace(encoded_episode(directory, number), setup=setup)


@pytest.fixture
def root(tmp_path):
    writer = DatasetWriter(tmp_path / "dataset", LineFiles())
    episodes = [an_episode(tmp_path / "clips", number, FIRST) for number in (0, 1)]
    commit(writer, episodes)
    commit(writer, [an_episode(tmp_path / "clips", 2, FIRST), an_episode(tmp_path / "clips", 3, SECOND)])
    commit(writer, [an_episode(tmp_path / "clips", 4, {})])
    return tmp_path / "dataset"


def test_each_episode_names_its_set_up_and_equal_ones_are_kept_once(root):
    source = Source(root)
    assert [source.setup(number) for number in range(5)] == [FIRST, FIRST, FIRST, SECOND, {}]
    kept = {path.name for path in (root / "meta/recordings/setup").iterdir()}
    assert kept == {setup_id(FIRST), setup_id(SECOND)}
    assert "setup" not in source.recordings[4]
    assert faults(root) == []


def test_a_set_up_that_changed_or_is_missing_is_a_fault(root):
    first, second = (root / "meta/recordings/setup" / setup_id(files) for files in (FIRST, SECOND))
    (first / "robot.urdf").write_text("<robot></robot>")
    (second / "robot.urdf").unlink()
    assert faults(root) == [
        f"{first}: its files have changed since they were written.",
        f"{second}: missing, but episode 3 was recorded with it.",
    ]


def test_set_ups_can_be_removed_before_a_dataset_is_published(root):
    shutil.rmtree(root / "meta/recordings/setup")
    assert faults(root) == []
    assert Source(root).setup(0) == {}


def test_a_damaged_set_up_is_written_anew_by_the_next_episode(root, tmp_path):
    path = root / "meta/recordings/setup" / setup_id(FIRST) / "robot.urdf"
    path.write_text("damaged")
    commit(DatasetWriter(root, LineFiles()), [an_episode(tmp_path / "clips", 5, FIRST)])
    assert path.read_bytes().decode() == FIRST["robot.urdf"]
    assert faults(root) == []


@pytest.mark.parametrize("name", ["../robot.urdf", "/etc/passwd", "a//b", ".hidden", "", "a\nb"])
def test_a_name_that_leads_out_of_the_set_up_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be the name of a file"):
        setup_id({name: "text"})


@pytest.mark.parametrize("text", [b"bytes", None, "\udcff"], ids=repr)
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ConfigError, match="set-up: robot"):
        setup_id({"robot.urdf": text})


def test_an_identifier_that_leads_out_of_the_dataset_is_ignored(root):
    path = root / "meta/recordings/chunk-000/file-000.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["setup"] = "../../.."
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert Source(root).setup(0) == {}
    assert len(faults(root)) == 1
