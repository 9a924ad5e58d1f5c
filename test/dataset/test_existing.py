"""Appending to all forms of datasets that LeRobot loads, and to damaged ones."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encoded import CAMERA, LineFiles, commit, encoded_episode, faults

from lerobot_recorder.dataset import DatasetWriter, check_appendable, tables
from lerobot_recorder.dataset.layout import DatasetLayout
from lerobot_recorder.dataset.reader import RecordedEpisode
from lerobot_recorder.errors import DatasetError

INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
EPISODES, DATA = "meta/episodes/chunk-000/file-000.parquet", "data/chunk-000/file-000.parquet"
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    append(root, tmp_path, 0, 1)
    return root


def append(root: Path, folder: Path, *numbers: int) -> None:
    commit(DatasetWriter(root, LineFiles()), [encoded_episode(folder, number) for number in numbers])


def change(path: Path, *keys: str, value: Any) -> None:
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is KeyError:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path.write_text(json.dumps(content))


def stats_of(root: Path) -> Any:
    return json.loads((root / STATS).read_text())


# What LeRobot loads is taken


def change_info(*keys: str, value: Any) -> Callable[[Path], None]:
    return lambda root: change(root / INFO, *keys, value=value)


def tasks_as_text(root: Path) -> None:
    table = tables.read_table(root / EPISODES)
    place = table.schema.names.index("tasks")
    text = pa.array([", ".join(names) for names in table["tasks"].to_pylist()])
    pq.write_table(table.set_column(place, "tasks", text), root / EPISODES)


def narrow_integers(root: Path) -> None:
    table = tables.read_table(root / EPISODES)
    fields = [
        pa.field(field.name, pa.int32() if field.type == pa.int64() else field.type) for field in table.schema
    ]
    pq.write_table(table.cast(pa.schema(fields)), root / EPISODES)


def no_own_places(root: Path) -> None:
    table = tables.read_table(root / EPISODES)
    pq.write_table(
        table.drop_columns(["meta/episodes/chunk_index", "meta/episodes/file_index"]), root / EPISODES
    )


@pytest.mark.parametrize(
    "form",
    [
        change_info("fps", value=30.0),
        change_info("total_frames", value=10.0),
        change_info("splits", value=None),
        change_info("splits", value=KeyError),
        change_info("codebase_version", value="3.0"),
        change_info("tools", value=[{"name": "say"}]),
        change_info(
            "features", "observation.state", "names", value={"motors": ["shoulder_pan.pos", "gripper.pos"]}
        ),
        change_info("features", CAMERA, "info", value=None),
        change_info("features", CAMERA, "info", value=KeyError),
        change_info("chunks_size", value=KeyError),
        narrow_integers,
    ],
)
def test_forms_that_lerobot_loads_are_appended_to(
    root: Path, tmp_path: Path, form: Callable[[Path], None]
) -> None:
    form(root)
    check_appendable(root)
    append(root, tmp_path, 2)
    assert faults(root) == []
    assert json.loads((root / INFO).read_text())["total_episodes"] == 3


@pytest.mark.parametrize("form", [tasks_as_text, no_own_places])
def test_episodes_files_of_converters_are_appended_to(
    root: Path, tmp_path: Path, form: Callable[[Path], None]
) -> None:
    form(root)
    assert faults(root) == []
    check_appendable(root)
    append(root, tmp_path, 1)  # is in the dataset already
    append(root, tmp_path, 2)
    assert tables.read_table(root / EPISODES).num_rows == 3
    assert [RecordedEpisode(root, index).task for index in range(3)] == ["pick"] * 3
    assert faults(root) == []


# Statistics that are missing


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: (root / STATS).unlink(),
        lambda root: change(root / STATS, "action", value=KeyError),
        lambda root: change(root / STATS, "action", "count", value=KeyError),
        lambda root: change(root / STATS, "action", "count", value=[0]),
        lambda root: change(root / STATS, "action", "mean", value=[None, 0.5]),
        lambda root: change(root / STATS, "action", "std", value=[float("nan"), 0.5]),
        lambda root: change(root / STATS, "action", "min", value="low"),
        lambda root: change(root / STATS, "action", value=3),
    ],
)
def test_missing_statistics_are_computed_from_the_episodes(
    root: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(root, whole)
    spoil(root)
    check_appendable(root)
    for each in (root, whole):
        append(each, tmp_path, 2)
    assert stats_of(root) == stats_of(whole)


def test_statistics_without_a_count_are_weighted_by_length(root: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(root, whole)
    table = tables.read_table(root / EPISODES)
    counts = [name for name in table.column_names if name.endswith("/count")]
    pq.write_table(table.drop_columns(counts), root / EPISODES)
    (root / STATS).unlink()
    for each in (root, whole):
        append(each, tmp_path, 2)
    assert stats_of(root) == stats_of(whole)


def drop_episode_stats(root: Path, *keys: str) -> None:
    table = tables.read_table(root / EPISODES)
    wanted = tuple(f"stats/{key}" for key in keys or ("",))
    pq.write_table(
        table.drop_columns([name for name in table.column_names if name.startswith(wanted)]), root / EPISODES
    )


def test_statistics_never_describe_the_new_rows_only(root: Path, tmp_path: Path) -> None:
    change(root / STATS, "action", value=KeyError)
    drop_episode_stats(root, "action")
    append(root, tmp_path, 2)
    assert "action" not in stats_of(root)
    assert stats_of(root)["observation.state"]["count"] == [15]

    (root / STATS).unlink()
    drop_episode_stats(root)
    for refuse in (check_appendable, lambda root: append(root, tmp_path, 3)):
        with pytest.raises(DatasetError, match=r"stats\.json: missing.*recompute_stats"):
            refuse(root)


# Last files that are not what meta says


def rewrite_data(root: Path, table: pa.Table) -> None:
    pq.write_table(table, root / DATA)


def cut_file(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: rewrite_data(root, tables.read_table(root / DATA).slice(0, 7)),
        lambda root: rewrite_data(root, tables.read_table(root / DATA).slice(0, 0)),
        lambda root: rewrite_data(root, pa.concat_tables([tables.read_table(root / DATA)] * 2)),
        lambda root: rewrite_data(root, tables.read_table(root / DATA).drop_columns(["index"])),
        lambda root: rewrite_data(root, tables.read_table(root / DATA).drop_columns(["action"])),
        lambda root: cut_file(root / DATA, 0.5),
        lambda root: cut_file(root / DATA, 0),
        lambda root: cut_file(root / EPISODES, 0.5),
        lambda root: shutil.copy(root / DATA, root / "data/chunk-000/file-007.parquet"),
        lambda root: pq.write_table(tables.read_table(root / EPISODES).slice(0, 1), root / EPISODES),
    ],
)
def test_rows_that_meta_does_not_count_are_refused(
    root: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(root)
    for refuse in (check_appendable, lambda root: append(root, tmp_path, 2)):
        with pytest.raises(DatasetError, match=r"(check|[Cc]opy|[Mm]ove)"):
            refuse(root)


@pytest.mark.parametrize("frames", [3, 9, 11, 30])
def test_video_with_other_frames_is_not_continued(
    root: Path, tmp_path: Path, frames: int, caplog: pytest.LogCaptureFixture
) -> None:
    (root / VIDEO).write_text("".join(f"av1 0000 {frame:04d}\n" for frame in range(frames)))
    append(root, tmp_path, 2, 3)
    assert f"has {frames} frames, but the episodes in it have 10 rows" in caplog.text
    new = DatasetLayout(root).root / VIDEO.replace("file-000", "file-001")
    assert new.read_text().splitlines() == [f"av1 {n:04d} {k:04d}" for n in (2, 3) for k in range(5)]
    rows = tables.read_table(root / EPISODES).to_pylist()
    assert [row[f"videos/{CAMERA}/from_timestamp"] for row in rows] == [0, 5 / 30, 0, 5 / 30]


class LosesFrames(LineFiles):
    def join(self, parts: Any, output: Path, fps: int) -> None:
        super().join(parts, output, fps)
        output.write_text(output.read_text()[: -len("av1 0000 0000\n")])


def test_join_that_loses_a_frame_commits_nothing(root: Path, tmp_path: Path) -> None:
    forgotten: list[str] = []
    with pytest.raises(DatasetError, match=r"expected 15 frames after joining 2 videos, found 14"):
        commit(DatasetWriter(root, LosesFrames(), forget=forgotten.extend), [encoded_episode(tmp_path, 2)])
    assert forgotten == []
    assert faults(root) == []
    append(root, tmp_path, 2)
    assert faults(root) == []


# Paths of other programs


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("data_path", "../stolen/{chunk_index}-{file_index}.parquet"),
        ("data_path", "/tmp/stolen/{chunk_index}-{file_index}.parquet"),
        ("data_path", "data/../../{chunk_index}-{file_index}.parquet"),
        ("data_path", "data/all.parquet"),
        ("data_path", "data/{file_index}.parquet"),
        ("data_path", "data/{episode_index}.parquet"),
        ("data_path", "data/{0}.parquet"),
        ("data_path", "data/{chunk_index"),
        ("data_path", "data/{chunk_index.real.nothing}/{file_index}"),
        ("video_path", "../{video_key}/{chunk_index}-{file_index}.mp4"),
        ("video_path", "videos/{chunk_index}/../../../{video_key}{file_index}.mp4"),
        ("data_path", 3),
        ("data_path", None),
        ("video_path", 3),
        ("video_path", None),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(root: Path, tmp_path: Path, name: str, template: Any) -> None:
    change(root / INFO, name, value=template)
    before = sorted(tmp_path.rglob("*"))
    for refuse in (check_appendable, lambda root: append(root, tmp_path, 1)):
        with pytest.raises(DatasetError, match=rf"info\.json.*{name}"):
            refuse(root)
    assert sorted(tmp_path.rglob("*")) == before


# Episodes that a power cut brings back


def test_episode_that_is_in_the_dataset_is_not_added_again(root: Path, tmp_path: Path) -> None:
    forgotten: list[str] = []
    takes = [encoded_episode(tmp_path, number) for number in (1, 2)]
    placed = commit(DatasetWriter(root, LineFiles(), forget=forgotten.extend), takes)
    assert [(each.episode_id, each.episode_index, each.from_index) for each in placed] == [
        ("episode-1", 1, 5),
        ("episode-2", 2, 10),
    ]
    assert forgotten == ["episode-1", "episode-2"]
    assert faults(root) == []
    assert json.loads((root / INFO).read_text())["total_episodes"] == 3


def test_line_about_a_missing_episode_is_ignored(root: Path, tmp_path: Path) -> None:
    lines = root / "meta/recordings/chunk-000/file-000.jsonl"
    for line in ({"episode_index": 7, "episode_id": "episode-2"}, {"episode_id": "episode-2"}):
        with lines.open("a") as file:
            file.write(json.dumps(line) + "\n")
    with lines.open("ab") as file:
        file.write(b'{"episode_id": "episode-2" \xff')
    append(root, tmp_path, 2)
    assert json.loads((root / INFO).read_text())["total_episodes"] == 3


# Whatever is in the files, the answer is a sentence


def places(content: Any, *above: str) -> Iterator[tuple[str, ...]]:
    for key, value in content.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, *above, key)


VALUES = (
    None,
    "x",
    -1,
    0,
    2.5,
    10**40,
    float("nan"),
    float("inf"),
    [],
    {},
    [None],
    ["a"],
    {"a": 1},
    True,
    KeyError,
)


def append_or_refuse(root: Path, tmp_path: Path) -> None:
    for step in (check_appendable, lambda root: append(root, tmp_path, 2)):
        with suppress(DatasetError):
            step(root)


@pytest.mark.parametrize("name", [INFO, STATS])
def test_no_entry_of_a_json_file_ends_in_another_error(root: Path, tmp_path: Path, name: str) -> None:
    content = json.loads((root / name).read_text())
    kept = {key: content[key] for key in content if name == INFO or key in ("action", CAMERA)}
    for number, keys in enumerate(places(kept)):
        copied = tmp_path / "copy"
        for value in VALUES[number % 3 :: 3]:
            shutil.copytree(root, copied)
            change(copied / name, *keys, value=copy.deepcopy(value))
            append_or_refuse(copied, tmp_path)
            for path in (copied, copied.with_name(f"{copied.name}.spool")):
                shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"null", b"{", b"[" * 100_000, b"3"])
@pytest.mark.parametrize(
    "name", [INFO, STATS, TASKS, EPISODES, DATA, "meta/recordings/chunk-000/file-000.jsonl"]
)
def test_no_content_of_a_file_ends_in_another_error(
    root: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    (root / name).write_bytes(content)
    append_or_refuse(root, tmp_path)


@pytest.mark.parametrize("name", [EPISODES, TASKS, DATA])
def test_no_column_of_a_parquet_file_ends_in_another_error(root: Path, tmp_path: Path, name: str) -> None:
    table = tables.read_table(root / name)
    for place, column in enumerate(table.column_names):
        if column.startswith("stats/") and place % 7:
            continue
        rows = table.num_rows
        replaced = [
            pa.nulls(rows, table.schema.field(column).type),
            pa.array(["x"] * rows),
            pa.array([[1.5]] * rows),
        ]
        for changed in [
            table.drop_columns([column]),
            *(table.set_column(place, column, a) for a in replaced),
        ]:
            copied = tmp_path / "copy"
            shutil.copytree(root, copied)
            pq.write_table(changed, copied / name)
            append_or_refuse(copied, tmp_path)
            for path in (copied, copied.with_name("copy.spool")):
                shutil.rmtree(path, ignore_errors=True)
