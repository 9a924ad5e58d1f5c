"""Edits of real datasets: which rows and pictures are left, and that the rest stays the same to the bit."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from numbered import FEATURES, KEY, number_in, picture, spread

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.dataset import RecordedEpisode, Source, check, load_info, open_dataset, recordings_of
from lerobot_recorder.editing import DatasetEditor, Selection
from lerobot_recorder.errors import ConfigError, DatasetError, DatasetMismatchError
from lerobot_recorder.video import EncoderSettings, probe, read_frames

LENGTHS = (11, 8, 13, 7)
FAST = EncoderSettings(vcodec="h264")


def numbers(episode: int, length: int) -> list[int]:
    """Return what the frames of an episode show."""
    return [spread(1000 * episode + frame + 1) for frame in range(length)]


def record(root: Path, episodes: list[list[int]], settings: EncoderSettings = FAST, **names: Any) -> Path:
    with EpisodeRecorder(root, FEATURES, 30, **names) as recorder:
        for count, shown in enumerate(episodes):
            with recorder.episode("Pick" if count % 2 == 0 else "Place") as episode:
                for number in shown:
                    episode.add({"observation.state": np.full(1, number, np.float32), KEY: picture(number)})
    with BatchEncoder(root, settings=settings):
        pass
    return root


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("original") / "data"
    return record(root, [numbers(episode, length) for episode, length in enumerate(LENGTHS)])


@pytest.fixture
def root(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def shown(root: Path) -> list[list[int]]:
    """Return what each episode's frames show; its rows must say the same, and `check` must find no fault."""
    assert list(check(root, probe)) == []
    found = []
    for number in range(load_info(root).total_episodes):
        episode = RecordedEpisode(root, number)
        path, frames = episode.video_frames(KEY, range(episode.length))
        pictures = [number_in(image) for image in read_frames(path, frames)]
        assert episode.vectors("observation.state").rows[:, 0].astype(np.float32).tolist() == [
            float(np.float32(each)) for each in pictures
        ]
        found.append(pictures)
    return found


def packets(root: Path) -> list[bytes]:
    found = []
    for path in sorted(root.glob("videos/*/*/*.mp4")):
        with av.open(str(path)) as container:
            found += [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return found


def test_deleted_episodes_are_gone_and_the_packets_of_others_stay(root):
    before = packets(root)
    changes = DatasetEditor(root).delete([1, 3])
    assert [(each.episode, each.becomes) for each in changes] == [(1, None), (3, None)]
    assert shown(root) == [numbers(0, 11), numbers(2, 13)]
    assert packets(root) == before[:11] + before[19:32]
    assert [RecordedEpisode(root, number).task for number in (0, 1)] == ["Pick", "Pick"]
    assert load_info(root).total_tasks == 1


def test_the_result_equals_a_recording_of_the_remaining_episodes(root, tmp_path):
    DatasetEditor(root).delete([1])
    again = record(tmp_path / "again", [numbers(0, 11), numbers(2, 13), numbers(3, 7)])
    DatasetEditor(again).set_task([1], "Pick")
    DatasetEditor(again).set_task([2], "Place")
    stats, expected = (json.loads((each / "meta/stats.json").read_text()) for each in (root, again))
    assert stats == expected
    assert packets(root) == packets(again)
    for name in ("length", "dataset_from_index", f"videos/{KEY}/from_timestamp"):
        assert open_dataset(root).episodes[name].tolist() == open_dataset(again).episodes[name].tolist()


def test_only_the_kept_episodes_are_left(root):
    DatasetEditor(root).keep([2])
    assert shown(root) == [numbers(2, 13)]


@pytest.mark.parametrize("start", [2, 3])
def test_a_trimmed_episode_loses_its_ends(root, start):
    before = packets(root)
    DatasetEditor(root).trim(2, start / 30, 9 / 30)
    assert shown(root) == [numbers(0, 11), numbers(1, 8), numbers(2, 13)[start:9], numbers(3, 7)]
    kept = packets(root)
    encoded = start % 2
    assert kept[:19] + kept[19 + encoded :] == before[:19] + before[19 + start + encoded : 28] + before[32:]


def test_a_cut_can_move_to_the_next_key_frame(root):
    before = packets(root)
    DatasetEditor(root, at_key_frames=True).trim(2, 3 / 30)
    assert shown(root)[2] == numbers(2, 13)[4:]
    assert packets(root) == before[:19] + before[23:]


def test_an_episode_becomes_two(root):
    changes = DatasetEditor(root).split(0, 4 / 30)
    assert [(each.episode, each.becomes) for each in changes] == [(0, 0), (0, 1)]
    assert shown(root)[:3] == [numbers(0, 11)[:4], numbers(0, 11)[4:], numbers(1, 8)]


def test_tasks_change_and_unused_ones_go(root):
    DatasetEditor(root).set_task([1, 3], "Stack")
    assert [RecordedEpisode(root, number).task for number in range(4)] == ["Pick", "Stack", "Pick", "Stack"]
    assert shown(root) == [numbers(number, length) for number, length in enumerate(LENGTHS)]
    assert load_info(root).total_tasks == 2


def test_marks_change_and_choose_episodes(root):
    DatasetEditor(root).set_success([0, 2], False)
    assert [RecordedEpisode(root, n).recording["success"] for n in range(4)] == [False, None, False, None]
    DatasetEditor(root).delete(Selection(failed=True))
    assert shown(root) == [numbers(1, 8), numbers(3, 7)]


def test_what_only_the_recorder_knows_goes_along(root):
    names = {n: RecordedEpisode(root, n).recording["episode_id"] for n in range(4)}
    DatasetEditor(root).delete([0])
    files = sorted((root / "meta/recordings").glob("chunk-*/*.jsonl"))
    assert {n: each["episode_id"] for n, each in recordings_of(files).items()} == {
        0: names[1],
        1: names[2],
        2: names[3],
    }


def test_datasets_are_merged_and_stay(root, tmp_path):
    other = record(tmp_path / "other", [numbers(8, 5), numbers(9, 6)])
    DatasetEditor(root).merge([other])
    assert shown(root)[4:] == [numbers(8, 5), numbers(9, 6)]
    assert shown(other) == [numbers(8, 5), numbers(9, 6)]


def test_merged_episodes_keep_their_set_ups(root, tmp_path):
    files = {"robot.urdf": "<robot/>"}
    other = record(tmp_path / "other", [numbers(8, 5), numbers(9, 6)], setup=files)
    DatasetEditor(root).merge([other])
    DatasetEditor(root).delete([0, 4])
    assert len(shown(root)) == 4
    assert [Source(root).setup(number) for number in range(4)] == [{}, {}, {}, files]


def test_a_part_of_an_episode_keeps_the_time_at_which_it_began(root):
    started_ns = Source(root).recordings[1]["started_at_ns"]
    DatasetEditor(root).split(1, 3 / 30)
    DatasetEditor(root).trim(2, 3 / 30)
    starts = [Source(root).recordings[number]["started_at_ns"] - started_ns for number in (1, 2)]
    assert starts == [0, 200_000_000]


def test_a_dataset_with_other_features_or_codec_is_not_merged(root, tmp_path):
    other = record(tmp_path / "other", [numbers(8, 5)], EncoderSettings(vcodec="hevc"), robot_type="arm")
    with pytest.raises(DatasetMismatchError, match=r"robot_type is .*; video.codec of .* there it is 'hevc'"):
        DatasetEditor(root).merge([other])
    assert len(shown(root)) == 4


def test_edits_are_undone_one_by_one(root):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    DatasetEditor(root).delete([1])
    DatasetEditor(root).trim(0, 2 / 30)
    assert DatasetEditor(root).undo().what.startswith("trim")
    assert shown(root) == [numbers(0, 11), numbers(2, 13), numbers(3, 7)]
    DatasetEditor(root).undo()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    with pytest.raises(DatasetError, match="no edit to undo"):
        DatasetEditor(root).undo()


def test_episodes_recorded_after_an_edit_survive_its_undo(root):
    DatasetEditor(root).delete([1])
    record(root, [numbers(7, 9)])
    DatasetEditor(root).delete([0])
    record(root, [numbers(8, 6)])
    DatasetEditor(root).undo()
    expected = [numbers(0, 11), numbers(2, 13), numbers(3, 7), numbers(7, 9), numbers(8, 6)]
    assert shown(root) == expected
    DatasetEditor(root).undo()
    assert shown(root) == [expected[0], numbers(1, 8), *expected[1:]]


def change_robot(root: Path) -> str:
    path = root / "meta/info.json"
    path.write_text(path.read_text().replace('"robot_type": null', '"robot_type": "arm"'))
    return "meta/info.json"


def change_actions(root: Path) -> str:
    path = next(root.glob("data/*/*.parquet"))
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, table.field(0), table[0].combine_chunks()), path)
    return "data/chunk-000/file-000.parquet"


def change_tasks(root: Path) -> str:
    change_actions(root)
    path = root / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path), path)
    return "data/chunk-000/file-000.parquet and 1 more file"


def add_notes(root: Path) -> str:
    (root / "notes.txt").write_text("mine")
    return "notes.txt"


@pytest.mark.parametrize("change", [change_robot, change_actions, change_tasks, add_notes])
def test_an_undo_does_not_take_back_what_another_program_has_changed_since(root, change):
    DatasetEditor(root).set_success([0], True)
    named = change(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(DatasetError, match=f"has changed {named} since .*data.spool/edits/1/old"):
        DatasetEditor(root).undo()
    with pytest.raises(DatasetError, match="another program has changed"):
        DatasetEditor(root, dry_run=True).undo()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_changes_of_another_program_are_found_after_commits_edits_and_undos(root):
    DatasetEditor(root).set_success([0], True)
    record(root, [numbers(7, 9)])
    change_robot(root)
    record(root, [numbers(8, 6)], robot_type="arm")
    DatasetEditor(root).delete([0])
    record(root, [numbers(9, 6)], robot_type="arm")
    assert DatasetEditor(root).undo().what == "delete 1 episode"
    with pytest.raises(DatasetError, match=r"has changed meta/info.json since"):
        DatasetEditor(root).undo()
    assert load_info(root).robot_type == "arm"
    assert len(shown(root)) == 7


def test_a_copy_of_a_dataset_can_be_undone(root, tmp_path):
    DatasetEditor(root).delete([1])
    for name in ("data", "data.spool"):
        shutil.copytree(tmp_path / name, tmp_path / "copy" / name)
    DatasetEditor(tmp_path / "copy/data").undo()
    assert len(shown(tmp_path / "copy/data")) == 4


def test_an_undo_does_not_give_a_recording_twice(root):
    deleted = Source(root).recordings[1]
    DatasetEditor(root).delete([1])
    record(root, [numbers(1, 8)])
    path = next(root.glob("meta/recordings/chunk-*/*.jsonl"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1] |= {name: deleted[name] for name in ("episode_id", "started_at_ns")}
    state = path.stat()
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    assert len(text.encode()) == state.st_size
    path.write_text(text)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(DatasetError, match="episode 3 is the same recording as episode 1 before the edit"):
        DatasetEditor(root).undo()


def test_what_changes_nothing_is_no_edit(root):
    DatasetEditor(root).set_success([0], True)
    assert DatasetEditor(root).set_success([0], True) == []
    assert DatasetEditor(root).set_task([0], "Pick") == []
    assert DatasetEditor(root).keep(range(4)) == []
    assert [each.episode for each in DatasetEditor(root).set_success([0, 1], True)] == [1]
    assert len(DatasetEditor(root).edits()) == 2


def test_permissions_stay(root):
    root.chmod(0o2750)
    (root / "meta").chmod(0o770)
    (root / "meta/info.json").chmod(0o640)

    def modes() -> list[int]:
        paths = (root, root / "meta", root / "meta/info.json")
        return [path.stat().st_mode & 0o7777 for path in paths]

    DatasetEditor(root).delete([1])
    assert modes() == [0o2750, 0o770, 0o640]
    record(root, [numbers(7, 9)])
    DatasetEditor(root).undo()
    assert modes()[:2] == [0o2750, 0o770]


def test_forgotten_edits_are_final(root):
    DatasetEditor(root).delete([1])
    assert DatasetEditor(root).forget() > 0
    assert DatasetEditor(root).edits() == []


def test_a_dry_run_changes_nothing(root):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    changes = DatasetEditor(root, dry_run=True).delete([1])
    assert [each.episode for each in changes] == [1]
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_foreign_dataset_without_provenance_is_edited(root):
    shutil.rmtree(root / "meta/recordings")
    DatasetEditor(root).delete([0])
    assert shown(root) == [numbers(1, 8), numbers(2, 13), numbers(3, 7)]


def test_a_dataset_whose_episodes_list_no_tasks_is_edited(root):
    """LeRobot's conversion from format 2.1 writes no such column."""
    for path in root.glob("meta/episodes/*/*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["tasks"]), path)
    DatasetEditor(root).delete([0])
    assert tasks_of_rows(root) == ["Place"] * 8 + ["Pick"] * 13 + ["Place"] * 7
    DatasetEditor(root).set_task([0], "Stack")
    assert tasks_of_rows(root) == ["Stack"] * 8 + ["Pick"] * 13 + ["Place"] * 7


def tasks_of_rows(root: Path) -> list[str]:
    names = open_dataset(root).tasks
    tables = [pq.read_table(path, columns=["task_index"]) for path in sorted(root.glob("data/*/*.parquet"))]
    return [names[number] for table in tables for number in table["task_index"].to_pylist()]


def test_totals_stay_where_episodes_have_no_statistics(root):
    """LeRobot's conversion from format 2.1 writes none."""
    for path in root.glob("meta/episodes/*/*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns([n for n in table.column_names if n.startswith("stats/")]), path)
    before = json.loads((root / "meta/stats.json").read_text())
    DatasetEditor(root).delete([0])
    after = json.loads((root / "meta/stats.json").read_text())
    assert after["observation.state"] == before["observation.state"]


def test_a_dataset_without_permission_to_write_is_refused(root, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != root.parent)
    with pytest.raises(DatasetError, match=f"{root.parent}: no permission to write there"):
        DatasetEditor(root).delete([0])


def test_a_dataset_that_another_program_changes_meanwhile_stays_as_it_is(root):
    def interfere(done: int, _total: int) -> None:
        if done == 1:
            (root / "meta/stats.json").touch()

    with pytest.raises(DatasetError, match="another program has changed the dataset"):
        DatasetEditor(root, progress=interfere).delete([0])
    assert len(shown(root)) == 4
    assert DatasetEditor(root).edits() == []


def test_an_edit_without_room_is_refused(root, monkeypatch):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=10**6))
    with pytest.raises(DatasetError, match=r"the edit needs \d+ MB, 1 MB are free; free some space, or make"):
        DatasetEditor(root).delete([1])
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda editor: editor.delete([9]), "no episode 9; it has 0 to 3"),
        (lambda editor: editor.delete(Selection()), "no episodes are chosen"),
        (lambda editor: editor.keep(Selection(shorter_than_s=0.1)), "none of 4 episodes"),
        (lambda editor: editor.delete(range(4)), "no episode would be left"),
        (lambda editor: editor.trim(1, 5.0), "is 0.266667 s long"),
        (lambda editor: editor.trim(1, 0.2, 0.1), "nothing of episode 1 would be left"),
        (lambda editor: editor.trim(1, 0.01), "would keep all 8 frames"),
        (lambda editor: editor.trim(1, float("nan")), "expected a time in it, found nan s"),
        (lambda editor: editor.trim(1, 0.0, float("inf")), "expected a time in it, found inf s"),
        (lambda editor: editor.split(1, 1e308), "expected a time in it, found 1e[+]308 s"),
        (lambda editor: editor.delete(Selection(shorter_than_s=float("nan"))), "positive number of seconds"),
        (
            lambda editor: editor.split(1, 0.0),
            "at 0 s, because one part would have no frame; expected a time",
        ),
        (lambda editor: editor.set_task([0], "a\nb"), "expected one line of printable text"),
        (lambda editor: editor.set_task([0], " "), "expected a sentence"),
        (lambda editor: editor.merge([editor.root]), "is the dataset itself"),
    ],
)
def test_an_impossible_edit_is_refused_and_changes_nothing(root, edit, reason):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises((DatasetError, ConfigError), match=reason):
        edit(DatasetEditor(root))
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert DatasetEditor(root).edits() == []
