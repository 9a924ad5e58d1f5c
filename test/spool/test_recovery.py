"""Whole rows are recovered after a crash, from damaged files and from a full disk."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import takes
from takes import FORMATS, STATE, a_header, a_row, a_take, camera_key

from lerobot_recorder.dataset import EpisodePlace, journal
from lerobot_recorder.dataset.features import with_defaults
from lerobot_recorder.dataset.info import DatasetInfo, to_json
from lerobot_recorder.dataset.journal import Journal
from lerobot_recorder.errors import DiskFullError, SpoolError
from lerobot_recorder.spool import EpisodeWriter, Spool, SpooledEpisode, new_episode_id
from lerobot_recorder.spool.images import image_file, png_file
from lerobot_recorder.spool.manifest import HEADER_FILE
from lerobot_recorder.spool.records import ROWS_FILE

RECORDER = Path(takes.__file__).with_name("record_until_killed.py")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def interrupted(spool: Spool, *formats: str, length: int = 5) -> Path:
    """Leave a take behind as a crash would, and return its directory."""
    writer = a_take(spool, *formats, length=length)
    writer.abandon()
    return writer.path


def images_of(path: Path, image_format: str, index: int) -> Path:
    """Return the file that holds image ``index``."""
    key = camera_key(image_format)
    return png_file(path, key, index) if image_format == "png" else image_file(path, key, image_format)


def flip_byte(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)


def assert_whole(episode: SpooledEpisode, length: int) -> None:
    episode.verify()
    assert episode.length == length
    np.testing.assert_array_equal(episode.rows()[STATE][:, 0], np.arange(length))


def test_an_interrupted_take_is_offered_as_rejected(spool):
    interrupted(spool, *FORMATS)
    (episode,) = spool.recover()
    assert_whole(episode, 5)
    manifest = episode.manifest
    assert (episode.state, manifest.verdict, manifest.ended_by) == ("rejected", "bad", "interrupted")
    assert manifest.reasons[0].startswith("interrupted")
    assert spool.accept().state == "ready"
    assert spool.recover() == []


def test_an_interrupted_import_is_removed_because_its_bag_still_has_it(spool):
    writer = a_take(spool, "jpeg", length=5, source={"bag": "/bags/one", "digest": "abc"})
    writer.abandon()
    assert spool.recover() == []
    assert spool.find(writer.header.episode_id) is None


def test_episodes_may_end_in_another_order_than_they_are_encoded_in(spool):
    first = spool.new_episode_id()
    for number in (2, 1):
        header = a_header("jpeg", source={"bag": f"/bags/{number}", "digest": str(number)})
        writer = EpisodeWriter(spool, header, order=f"{first}.{number:06d}")
        writer.append(a_row(header, 0))
        writer.save()
    assert [each.manifest.source["digest"] for each in Spool(spool.root).ready()] == ["1", "2"]


def test_rows_that_survive_a_power_cut_have_a_header(spool, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    writer = a_take(spool, "raw", length=1)
    assert (writer.path / HEADER_FILE).stat().st_ino in synced
    writer.abandon()


def test_interrupted_takes_can_be_left_to_the_next_recorder(spool, monkeypatch):
    path, writer = interrupted(spool, "raw"), a_take(spool, "raw")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _fail)
        with pytest.raises(SpoolError, match="cannot be written"):
            writer.save()
    assert spool.recover(cut_short=False) == []
    assert [episode.episode_id for episode in spool.ready()] == [writer.header.episode_id]
    assert [episode.episode_id for episode in spool.recover()] == [path.name]


def journal_of(spool: Spool, episode_id: str) -> Path:
    """Write the journal of a commit that was interrupted."""
    place = EpisodePlace(episode_id, episode_index=0, length=5, from_index=0, task_index=0)
    journal.start_staging(spool.root)
    journal.write_journal(spool.root, Journal((place,), (journal.WHOLE_DATASET,)))
    return journal.journal_path(spool.root)


@pytest.mark.parametrize("ended_by", ["an error", "a crash"])
def test_an_episode_of_an_unfinished_commit_can_neither_be_deleted_nor_encoded_again(spool, ended_by):
    encoder = Spool(spool.root)
    claimed = encoder.claim(a_take(spool).save())
    certain, other = encoder.seal(claimed), encoder.seal(encoder.claim(a_take(spool).save()))
    path = journal_of(spool, certain.episode_id)
    if ended_by == "an error":
        encoder.release(certain)
        encoder.release(other)
    else:
        encoder.close()
    spool.recover()
    assert [each.episode_id for each in spool.ready()] == [other.episode_id]
    with pytest.raises(SpoolError, match="is being added to the dataset"):
        spool.delete_last(certain.episode_id)
    path.unlink()
    spool.recover()
    assert [each.episode_id for each in spool.ready()] == [certain.episode_id, other.episode_id]


def test_a_take_being_recorded_is_left_alone(spool):
    writer = a_take(spool, "raw")
    assert Spool(spool.root).recover() == []
    assert writer.save().length == 5


def test_a_take_without_a_row_is_removed(spool):
    path = interrupted(spool, "raw", length=0)
    assert spool.recover() == []
    assert not path.exists()
    assert not list(spool.directory("discarded").iterdir())


@pytest.mark.parametrize("verdict", ["good", "bad"])
def test_a_take_with_a_manifest_goes_where_it_was_going(spool, monkeypatch, verdict):
    writer = a_take(spool, "raw")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _fail)
        with pytest.raises(SpoolError, match="cannot be written"):
            writer.save(verdict=verdict)
    assert [episode.state for episode in spool.recover()] == ([] if verdict == "good" else ["rejected"])
    found = spool.ready() + spool.rejected()
    assert [episode.manifest.ended_by for episode in found] == ["save"]
    assert_whole(found[0], 5)


def _fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("missing", [1, 100, 1000])
def test_a_cut_image_file_cuts_the_take(spool, image_format, missing):
    path = interrupted(spool, image_format)
    file = images_of(path, image_format, 4)
    content = file.read_bytes()
    file.write_bytes(content[: max(0, len(content) - missing)])
    (episode,) = spool.recover()
    assert_whole(episode, 4)


@pytest.mark.parametrize("extra", [1, 7, 10_000])
@pytest.mark.parametrize("image_format", FORMATS)
def test_an_image_without_its_row_is_cut(spool, image_format, extra):
    path = interrupted(spool, image_format)
    with images_of(path, image_format, 5).open("ab") as file:
        file.write(bytes(extra))
    (episode,) = spool.recover()
    assert_whole(episode, 5)


@pytest.mark.parametrize("cut", [1, 20, 40])
def test_a_cut_row_is_cut(spool, cut):
    path = interrupted(spool, "raw", "jpeg") / ROWS_FILE
    path.write_bytes(path.read_bytes()[:-cut])
    (episode,) = spool.recover()
    assert_whole(episode, 4)


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_damaged_image_ends_the_take_before_it(spool, image_format):
    path = interrupted(spool, image_format)
    file = images_of(path, image_format, 3)
    size = file.stat().st_size
    flip_byte(file, size // 2 if image_format == "png" else size * 7 // 10)
    (episode,) = spool.recover()
    assert_whole(episode, 3)


def test_a_damaged_row_ends_the_take_before_it(spool):
    path = interrupted(spool, "raw") / ROWS_FILE
    flip_byte(path, path.stat().st_size // 2)
    (episode,) = spool.recover()
    assert_whole(episode, 2)


@pytest.mark.parametrize("damage", ["header", "first image"])
def test_a_take_that_cannot_be_read_is_kept_with_the_error(spool, damage):
    path = interrupted(spool, "raw")
    flip_byte(path / "header.json" if damage == "header" else images_of(path, "raw", 0), 40)
    assert spool.recover() == []
    (episode,) = spool.failed()
    assert str(path) in spool.error(episode)
    assert (episode.path / ROWS_FILE).stat().st_size > 0


@pytest.mark.parametrize("image_format", FORMATS)
def test_damage_of_a_saved_episode_is_detected(spool, image_format):
    episode = a_take(spool, image_format).save()
    file = images_of(episode.path, image_format, 4)
    flip_byte(file, file.stat().st_size - 3)
    with pytest.raises(SpoolError, match=r"image 4 .* is damaged"):
        episode.verify()


def _verify_and_sample(episode: SpooledEpisode) -> None:
    episode.verify()
    episode.sample(camera_key("raw"), [0])


@pytest.mark.parametrize("name", [ROWS_FILE, "manifest.json", f"{camera_key('raw')}.thumbs"])
def test_a_file_that_was_cut_after_saving_is_detected(spool, name):
    episode = SpooledEpisode(a_take(spool, "raw").save().path)
    file = episode.path / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SpoolError, match=name):
        _verify_and_sample(episode)


def test_half_done_removals_are_finished(spool, monkeypatch):
    saved = a_take(spool, "png").save()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "finish_erasing", lambda *_: None)
        spool.forget([saved.episode_id])
    assert list(spool.directory("erasing").iterdir())
    spool.recover()
    assert list(spool.directory("erasing").iterdir()) == []


def test_only_directories_that_certainly_are_takes_without_rows_are_removed(spool):
    empty = interrupted(spool, "raw", "png", length=0)
    noted = interrupted(spool, "raw", length=0)
    (noted / "notes.txt").write_text("mine")
    backup = spool.directory("recording") / "backup"
    backup.mkdir()
    (backup / "thesis.tex").write_text("mine")
    pictures = spool.directory("recording") / new_episode_id()
    (pictures / "holiday").mkdir(parents=True)
    (pictures / "holiday" / "beach.png").write_text("mine")
    for state in ("erasing", "discarded", "prepared"):
        (spool.directory(state) / "mine").mkdir()
    noted_too = spool.directory("prepared") / "0123456789abcdef"
    noted_too.mkdir()
    (noted_too / "notes.txt").write_text("mine")
    assert spool.recover() == []
    assert spool.make_room(1 << 62) is False
    assert not empty.exists()
    assert (noted / "notes.txt").exists()
    assert [path.name for path in noted_too.iterdir()] == ["notes.txt"]
    assert (pictures / "holiday" / "beach.png").exists()
    assert [path.name for path in backup.iterdir()] == ["thesis.tex"]
    assert all((spool.directory(state) / "mine").exists() for state in ("erasing", "discarded", "prepared"))


def test_a_take_whose_first_row_is_damaged_is_kept_with_the_error(spool):
    path = interrupted(spool, "raw") / ROWS_FILE
    flip_byte(path, 3)
    assert spool.recover() == []
    assert "the first row is damaged" in spool.error(spool.failed()[0])


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("hindered", ["rows", "images"])
def test_a_take_waits_while_its_device_cannot_be_read(spool, monkeypatch, image_format, hindered):
    path = interrupted(spool, image_format)

    def fail(*_: object) -> None:
        raise SpoolError("cannot be read") from OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        if hindered == "rows":
            patch.setattr("lerobot_recorder.spool.records.read_content", fail)
        else:
            patch.setattr("lerobot_recorder.spool.episode.FrameReader.stored", fail)
        assert spool.recover() == []
    assert path.exists()
    assert spool.failed() == []
    assert_whole(spool.recover()[0], 5)


def test_an_error_with_one_take_does_not_stop_the_recovery_of_others(spool, monkeypatch):
    first, second = interrupted(spool, "raw"), interrupted(spool, "raw")
    move = Spool.move

    def hindered(spool, path, state):
        if path == first:
            raise OSError(13, "Permission denied")
        return move(spool, path, state)

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "move", hindered)
        assert [episode.episode_id for episode in spool.recover()] == [second.name]
    assert [episode.episode_id for episode in spool.recover()] == [first.name]


def test_foreign_images_in_the_directory_of_a_take_stay(spool):
    path = interrupted(spool, "png")
    own, foreign = path / camera_key("png") / "frame-000009.png", path / camera_key("png") / "logo.png"
    own.touch()
    foreign.touch()
    (episode,) = spool.recover()
    left = [each.name for each in (episode.path / camera_key("png")).iterdir()]
    assert "logo.png" in left
    assert own.name not in left


@pytest.mark.parametrize("state", ["ready", "claimed", "committing"])
def test_an_episode_that_is_in_the_dataset_is_not_added_again(spool, state):
    listed, counted, other = (a_take(spool).save() for _ in range(3))
    for episode in (counted, other):
        episode.path.rename(spool.directory(state) / episode.episode_id)
    (spool.root / "meta/recordings/chunk-000").mkdir(parents=True)
    features = {"observation.state": {"dtype": "float32", "shape": (1,), "names": ["a"]}}
    info = DatasetInfo(30, with_defaults(features), total_episodes=1)
    (spool.root / "meta/info.json").write_text(to_json(info))
    lines = [{"episode_index": k, "episode_id": each.episode_id} for k, each in enumerate((counted, listed))]
    recordings = spool.root / "meta/recordings/chunk-000/file-000.jsonl"
    recordings.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert spool.recover() == []
    assert {episode.episode_id for episode in spool.waiting()} == {listed.episode_id, other.episode_id}
    (kept,) = spool.directory("discarded").iterdir()
    assert kept.name.startswith(counted.episode_id)


@pytest.mark.parametrize("states", [("ready", "claimed"), ("recording", "ready"), ("rejected", "ready")])
@pytest.mark.parametrize("damaged", [None, 0, 1])
def test_of_two_copies_a_readable_one_stays(spool, states, damaged):
    saved = a_take(spool).save()
    copies = [spool.directory(state) / saved.episode_id for state in states]
    for copy in copies:
        if copy != saved.path:
            shutil.copytree(saved.path, copy)
    if saved.path not in copies:
        shutil.rmtree(saved.path)
    if damaged is not None:
        (copies[damaged] / "manifest.json").write_text("{")
    spool.recover()
    (episode,) = [*spool.waiting(), *spool.rejected()]
    assert_whole(episode, 5)


def test_the_copy_that_an_encoder_has_is_left_alone(spool):
    saved = a_take(spool).save()
    with Spool(spool.root) as encoder:
        claimed = encoder.claim(saved)
        shutil.copytree(claimed.path, saved.path)
        spool.recover()
        assert claimed.path.is_dir()
        assert saved.path.is_dir()


# Full disk


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("image_format", ["raw", "jpeg", "depth32"])
@pytest.mark.parametrize("end", ["save", "reject", "recover"])
def test_on_a_full_disk_the_rows_before_are_kept(spool, image_format, end):
    writer = a_take(spool, image_format, length=3)
    largest = max(path.stat().st_size for path in writer.path.glob("observation*"))
    with files_no_larger_than(largest + 100), pytest.raises(DiskFullError, match="free some space"):
        writer.append(a_row(writer.header, 3))
    assert_whole(_ended(spool, writer, end), 3)


def _ended(spool: Spool, writer: takes.EpisodeWriter, end: str) -> SpooledEpisode:
    if end == "recover":
        writer.abandon()
        return spool.recover()[0]
    return writer.save() if end == "save" else writer.reject("the disk is full")


def test_rows_after_a_full_disk_are_at_the_right_offset(spool):
    writer = a_take(spool, "raw", "depth32", "jpeg", length=3)
    largest = max(path.stat().st_size for path in writer.path.glob("observation*"))
    with files_no_larger_than(largest + 100), pytest.raises(DiskFullError):
        writer.append(a_row(writer.header, 3))
    for index in (3, 4):
        writer.append(a_row(writer.header, index))
    assert_whole(writer.save(), 5)


# A killed process


def killed_after(delay_s: float, command: list[str]) -> list[str]:
    """Kill the recorder some time after its start, and return the episodes that it acknowledged."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "recording\n"
    time.sleep(delay_s)
    process.kill()
    return process.communicate()[0].split()


@pytest.mark.parametrize("formats", [("raw", "jpeg"), ("png", "depth16", "depth32")])
def test_nothing_acknowledged_is_lost_when_the_recorder_is_killed(spool, formats):
    choose = random.Random(1)
    acknowledged: list[str] = []
    for _ in range(12):
        command = [sys.executable, str(RECORDER), str(spool.root), *formats]
        acknowledged += killed_after(choose.uniform(0, 0.08), command)
        for episode in spool.recover():
            assert_whole(episode, episode.length)
    ready = {episode.episode_id: episode for episode in spool.ready()}
    assert set(acknowledged) <= set(ready)
    for episode in ready.values():
        assert_whole(episode, 12)
    assert list(spool.directory("recording").iterdir()) == []
    assert list(spool.directory("prepared").iterdir()) == []
    assert spool.failed() == []
