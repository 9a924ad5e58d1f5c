"""Repairs of damaged datasets: `check` finds no fault afterwards, pictures fit their rows, and undo works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damages import (
    DAMAGES,
    DATA,
    EPISODES,
    INFO,
    STATS,
    TASKS,
    VIDEO,
    garbage,
    gone,
    rewriting,
    values,
)
from encoded import CAMERA
from filmed import filmed_dataset
from reaper import REAPER, Killed, make_audible

from lerobot_recorder.dataset import DatasetWriter, RecordedEpisode, check, load_info, open_dataset
from lerobot_recorder.dataset.files import CHECKSUMS_PATH
from lerobot_recorder.editing import DatasetEditor, repair
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.video import Mp4Files, probe

HOPELESS = {"data: missing", "data: garbage", "data: no rows", "video: git LFS pointer"}
"""Nothing is left of the rows, or files were not fetched."""

CUT = {
    "data: last row missing": (3, 14),
    "data: last episode missing": (2, 9),
    "data: one action too long": (3, 14),
    "data: one action null": (3, 14),
    "data: one number of an action null": (3, 14),
    "video: fewer frames": (3, 12),
}
"""Episodes and rows that are left of 3 and 15, where some cannot be saved."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = filmed_dataset(tmp_path_factory.mktemp("sound") / "dataset")
    (root / CHECKSUMS_PATH).unlink()  # as of another program
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "dataset"))


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", sorted(set(DAMAGES) - HOPELESS))
def test_no_fault_is_left(root: Path, kind: str) -> None:
    if kind == "data: one action null" and int(pa.__version__.partition(".")[0]) < 26:
        pytest.skip("earlier versions of pyarrow cannot read a file with a null in a column of lists")
    DAMAGES[kind](root)
    report = repair(root, apply=True)
    assert report.is_applied
    assert report.findings
    assert list(check(root, probe)) == []
    if kind == "video: cut":  # how many frames are left depends on the version of the video encoder
        assert 0 < report.frames < 15
    else:
        assert (report.episodes, report.frames) == CUT.get(kind, (3, 15))
    if kind in CUT or kind == "video: cut":
        assert report.lost


@pytest.mark.parametrize("kind", sorted(HOPELESS))
def test_what_cannot_be_saved_stays_as_it_is(root: Path, kind: str) -> None:
    DAMAGES[kind](root)
    before = contents(root)
    for apply in (False, True):
        with pytest.raises(DatasetError):
            repair(root, apply)
    assert contents(root) == before
    assert not list(root.parent.glob("dataset.spool/edits/*"))


def test_sound_dataset_is_not_touched(root: Path) -> None:
    before = contents(root)
    report = repair(root, apply=True)
    assert (list(report.findings), report.is_applied) == ([], False)
    assert contents(root) == before


def test_dry_run_names_the_same_and_changes_nothing(root: Path) -> None:
    DAMAGES["video: fewer frames"](root)
    before = contents(root)
    expected = repair(root)
    assert contents(root) == before
    assert not root.with_name("dataset.spool").exists()
    done = repair(root, apply=True)
    assert done.findings == expected.findings
    assert done.lost == ["3 of 6 rows of episode 2"]


def test_undo_brings_the_damaged_dataset_back(root: Path) -> None:
    DAMAGES["data: last episode missing"](root)
    before = contents(root)
    repair(root, apply=True)
    assert load_info(root).total_episodes == 2
    DatasetEditor(root).undo()
    assert contents(root) == before


def test_stray_files_are_kept_beside_the_dataset(root: Path) -> None:
    (root / "data/chunk-000/copy.parquet").write_bytes((root / DATA).read_bytes())
    report = repair(root, apply=True)
    assert (report.aside / "data/chunk-000/copy.parquet").is_file()
    DatasetEditor(root).forget()
    assert (report.aside / "data/chunk-000/copy.parquet").is_file()
    assert not report.lost


def test_other_files_stay(root: Path) -> None:
    (root / "README.md").write_text("card")
    (root / "meta/modality.json").write_text("{}")
    DAMAGES["info: missing"](root)
    repair(root, apply=True)
    assert (root / "README.md").read_text() == "card"
    assert (root / "meta/modality.json").read_text() == "{}"


# Rows and pictures stay together


def first_values(root: Path) -> list[list[float]]:
    return [
        RecordedEpisode(root, number).vectors("action").rows[:, 0].tolist()
        for number in range(load_info(root).total_episodes)
    ]


def row(root: Path, episode: int) -> dict:
    return pq.read_table(root / EPISODES).to_pylist()[episode]


@pytest.mark.parametrize("number", range(3))
def test_lost_episode_row_is_made_again(root: Path, number: int) -> None:
    before = row(root, number)
    rewriting(EPISODES, lambda table: table.take([n for n in range(3) if n != number]))(root)
    report = repair(root, apply=True)
    after = row(root, number)
    assert not report.lost
    for name, value in before.items():
        if name.startswith("stats/") and CAMERA in name:
            assert not name.endswith("mean") or np.allclose(after[name], value, atol=0.03), name
        elif name.startswith("stats/"):
            assert after[name] == value
        else:
            assert after[name] == value, name


def test_all_descriptions_are_made_again(root: Path) -> None:
    before, stats = first_values(root), json.loads((root / STATS).read_text())
    for name in (EPISODES, STATS, INFO, TASKS):
        gone(name)(root)
    report = repair(root, apply=True)
    assert first_values(root) == before
    assert "names of joints, robot_type" in report.lost
    assert "the sentence of task 0" in report.lost
    info = load_info(root)
    assert (info.fps, info.total_episodes, info.total_frames, info.total_tasks) == (30, 3, 15, 2)
    assert info.features["action"] == {"dtype": "float32", "shape": [2], "names": None}
    assert info.features[CAMERA]["shape"] == [48, 64, 3]
    assert json.loads((root / STATS).read_text())["action"] == stats["action"]
    assert open_dataset(root).episodes[f"videos/{CAMERA}/from_timestamp"].tolist() == [0.0, 4 / 30, 9 / 30]


def shifted(by: int) -> Callable[[list], list]:
    return lambda old: [value + by for value in old]


def gapped(old: list) -> list:
    return [value if value < 1 else value + 5 for value in old]


@pytest.mark.parametrize(
    "changes",
    {
        "one-based": [(DATA, "episode_index", shifted(1)), (EPISODES, "episode_index", shifted(1))],
        "one-based rows": [(DATA, "episode_index", shifted(1))],
        "one-based episodes": [(EPISODES, "episode_index", shifted(1))],
        "gapped": [(DATA, "episode_index", gapped), (EPISODES, "episode_index", gapped)],
        "one-based index": [(DATA, "index", shifted(1)), (EPISODES, "dataset_from_index", shifted(1))],
        "one-based frame_index": [(DATA, "frame_index", shifted(1))],
        "one-based task_index": [(DATA, "task_index", shifted(1)), (TASKS, "task_index", shifted(1))],
        "gapped task_index": [(DATA, "task_index", gapped), (TASKS, "task_index", gapped)],
        "wrong lengths": [(EPISODES, "length", shifted(1))],
        "drifted": [(EPISODES, f"videos/{CAMERA}/from_timestamp", lambda old: [t * 1.01 for t in old])],
    }.items(),
    ids=lambda change: change[0],
)
def test_wrong_numbers_are_computed_again(root: Path, changes: tuple[str, list]) -> None:
    before, expected = first_values(root), open_dataset(root)
    for name, key, change in changes[1]:
        values(name, key, change)(root)
        if name == TASKS:
            kept = pq.read_schema(root / name).metadata
            assert kept
    report = repair(root, apply=True)
    found = open_dataset(root)
    assert list(check(root, probe)) == []
    assert not report.lost
    assert first_values(root) == before
    assert list(found.tasks) == list(expected.tasks)
    for name, column_before in expected.episodes.items():
        assert list(found.episodes[name]) == list(column_before), name


def unfinish(path: Path, tables: list[pa.Table]) -> None:
    """Write a parquet file as a process does that is killed before it closes it."""
    with pq.ParquetWriter(path, tables[0].schema, compression="snappy", use_dictionary=True) as writer:
        for table in tables:
            writer.write_table(table)
        content = path.read_bytes()
    path.write_bytes(content)


def test_nothing_is_lost_of_a_session_of_lerobot_that_was_killed(root: Path) -> None:
    before, stats = first_values(root), (root / STATS).read_text()
    table = pq.read_table(root / DATA)
    unfinish(root / DATA, [table.slice(0, 4), table.slice(4, 5), table.slice(9)])
    (root / EPISODES).write_bytes(b"PAR1")  # it writes ten episode rows at a time
    report = repair(root, apply=True)
    assert list(check(root, probe)) == []
    assert [RecordedEpisode(root, number).task for number in range(3)] == ["task 0", "task 1", "task 0"]
    assert first_values(root) == before
    assert (root / STATS).read_text() == stats
    assert report.lost == []


def test_an_interrupted_last_episode_is_lost_alone(root: Path) -> None:
    before, table = first_values(root), pq.read_table(root / DATA)
    unfinish(root / DATA, [table.slice(0, 4), table.slice(4, 5), table.slice(9)])
    content = (root / DATA).read_bytes()
    (root / DATA).write_bytes(content[:-20])
    report = repair(root, apply=True)
    assert list(check(root, probe)) == []
    assert first_values(root) == before[:2]
    assert "episode 2 (6 rows)" in report.lost


def test_a_column_that_is_there_twice_stays_once(root: Path) -> None:
    table = pq.read_table(root / DATA)
    doubled = pa.Table.from_arrays([*table.columns, table["action"]], names=[*table.column_names, "action"])
    pq.write_table(doubled, root / DATA)
    before = table["action"].to_pylist()
    repair(root, apply=True)
    assert list(check(root, probe)) == []
    assert pq.read_table(root / DATA)["action"].to_pylist() == before


def test_episode_whose_video_is_damaged_gets_no_other_pictures(root: Path) -> None:
    second = VIDEO.replace("file-000", "file-001")
    values(EPISODES, f"videos/{CAMERA}/file_index", lambda old: [0, 0, 1])(root)
    garbage(second)(root)
    report = repair(root, apply=True)
    assert list(check(root, probe)) == []
    assert load_info(root).total_episodes == 2
    assert "episode 2 (6 rows)" in report.lost
    assert (report.aside / second).is_file()


def test_videos_that_do_not_change_are_the_same_file(root: Path) -> None:
    before = (root / VIDEO).stat().st_ino
    DAMAGES["info: missing"](root)
    repair(root, apply=True)
    assert (root / VIDEO).stat().st_ino == before


def test_damaged_rows_cost_their_episode_alone(tmp_path: Path) -> None:
    root = filmed_dataset(tmp_path / "dataset")
    before = first_values(root)
    content = bytearray((root / DATA).read_bytes())
    place = pq.read_metadata(root / DATA).row_group(1).column(0)
    content[place.data_page_offset + place.total_compressed_size - 1] ^= 1
    (root / DATA).write_bytes(bytes(content))
    report = repair(root, apply=True)
    assert list(check(root, probe)) == []
    assert first_values(root) == [before[0], before[2]]
    assert [RecordedEpisode(root, number).recording["episode_id"] for number in (0, 1)] == [
        "episode-0",
        "episode-2",
    ]
    assert "episode 1 (5 rows)" in report.lost


def test_flipped_bit_in_a_video_is_reported_and_kept(tmp_path: Path) -> None:
    root = filmed_dataset(tmp_path / "dataset")
    content = bytearray((root / VIDEO).read_bytes())
    content[-20] ^= 1
    (root / VIDEO).write_bytes(bytes(content))
    report = repair(root, apply=True)
    assert list(check(root, probe)) == []
    assert (root / VIDEO).read_bytes() == bytes(content)
    assert report.lost == [f"perhaps pictures or rows in {VIDEO}"]


# Interruptions, other programs, space


def test_a_repair_stopped_anywhere_leaves_the_old_or_the_new_dataset(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_audible(monkeypatch)
    DAMAGES["video: fewer frames"](root)
    old = contents(root)
    whole = Path(shutil.copytree(root, tmp_path / "whole" / "dataset"))
    with REAPER.after(None):
        repair(whole, apply=True)
    operations, new = REAPER.count, without_token(contents(whole))
    assert operations > 20
    for stop in range(1, operations, 4):
        copy = Path(shutil.copytree(root, tmp_path / str(stop) / "dataset"))
        with suppress(Killed), REAPER.after(stop):
            repair(copy, apply=True)
        found = without_token(contents(copy))
        assert found in (old, new)
        DatasetWriter(copy, Mp4Files()).recover()
        assert without_token(contents(copy)) == found
        if stop == 1:
            repair(copy, apply=True)
            assert without_token(contents(copy)) == new


def without_token(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the name of the edit, which is random."""
    return {name: content for name, content in found.items() if name != "meta/recordings/edit.json"}


def test_repair_without_room_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DAMAGES["info: missing"](root)
    before = contents(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(DatasetError, match=r"needs \d+ MB, 1 MB are free"):
        repair(root, apply=True)
    assert contents(root) == before


def test_dataset_that_a_program_is_writing_is_refused(root: Path) -> None:
    DAMAGES["info: missing"](root)
    script = f"file = open({str(root / DATA)!r}, 'ab'); print(1, flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with pytest.raises(DatasetError, match=f"process {other.pid}"):
            repair(root, apply=True)
        other.communicate("\n")
    assert repair(root, apply=True).is_applied
