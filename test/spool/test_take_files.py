"""The files of a take exist before it starts, and are no take until then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from takes import FORMATS, a_header, a_row, a_take

from lerobot_recorder.durable import partial_file
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool import EpisodeWriter, Spool, SpooledTake, TakeFiles
from lerobot_recorder.spool.manifest import MANIFEST_FILE


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def prepared_for(spool: Spool, *formats: str) -> TakeFiles:
    return TakeFiles(spool, a_header(*formats).cameras)


def left_in(spool: Spool, state: str) -> list[str]:
    return sorted(path.name for path in spool.directory(state).iterdir())


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_take_uses_files_that_exist_already(spool, image_format):
    files = prepared_for(spool, image_format)
    rows = (files.path / "rows.bin").stat().st_ino
    take = a_take(spool, image_format, prepared=files)
    assert (take.path / "rows.bin").stat().st_ino == rows
    assert SpooledTake(take.path).rows() == 5
    saved = take.save()
    saved.verify()
    assert saved.length == 5
    assert left_in(spool, "prepared") == []
    assert not list(saved.path.glob("*.partial"))
    assert not (saved.path / "ballast").exists()


def test_prepared_files_are_no_take(spool):
    files = prepared_for(spool, "raw")
    assert spool.recover() == spool.rejected() == spool.ready() == []
    assert left_in(spool, "recording") == []
    a_take(spool, "raw", prepared=files).save()
    assert [episode.length for episode in spool.ready()] == [5]


def test_files_that_a_dead_recorder_prepared_are_removed(spool):
    alive, dead = prepared_for(spool, "raw", "png"), prepared_for(spool, "raw", "png")
    dead.close()
    assert Spool(spool.root).recover(cut_short=False) == []
    assert left_in(spool, "prepared") == [alive.path.name]
    alive.remove()
    assert left_in(spool, "prepared") == []


def test_files_fit_the_cameras_they_were_made_for_while_they_exist(spool):
    files, cameras = prepared_for(spool, "raw"), a_header("raw").cameras
    assert files.fit(cameras)
    assert not files.fit(a_header("jpeg").cameras)
    assert not files.fit(a_header("raw", width=64).cameras)
    shutil.rmtree(spool.path)
    assert not files.fit(cameras)
    files.remove()


def test_a_start_under_a_known_identifier_leaves_nothing(spool):
    take = a_take(spool, "raw")
    with pytest.raises(SpoolError, match="File exists"):
        EpisodeWriter(spool, take.header, prepared_for(spool, "raw"))
    assert left_in(spool, "prepared") == []
    assert take.save().length == 5


@pytest.mark.parametrize("copied", [False, True])
def test_a_take_whose_move_a_power_cut_undid_is_recovered_once(spool, copied):
    take = a_take(spool, "raw")
    prepared = spool.directory("prepared") / "0123456789abcdef"
    (shutil.copytree if copied else shutil.move)(take.path, prepared)
    take.abandon()
    assert [episode.length for episode in spool.recover()] == [5]
    assert left_in(spool, "rejected") == [take.header.episode_id]
    assert left_in(spool, "prepared") == left_in(spool, "recording") == []


@pytest.mark.parametrize("state", ["ready", "rejected", "claimed"])
def test_a_manifest_that_a_power_cut_left_without_its_name_gets_it(spool, state):
    saved = a_take(spool, "raw").save()
    moved = spool.directory(state) / saved.episode_id
    saved.path.rename(moved)
    manifest = moved / MANIFEST_FILE
    manifest.rename(partial_file(manifest))
    spool.recover()
    [found] = spool.ready() + spool.rejected()
    found.verify()
    assert found.length == 5


def test_a_manifest_without_its_name_means_nothing_while_the_take_has_not_moved(spool):
    take = a_take(spool, "raw")
    take.append(a_row(take.header, 5))
    take.abandon()
    partial_file(take.path / MANIFEST_FILE).write_bytes(b"{")
    assert [episode.length for episode in spool.recover()] == [6]
