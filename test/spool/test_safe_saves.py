"""A save is acknowledged as soon as a power cut cannot undo it, and no sooner."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from synced import SyncedOnly
from takes import FORMATS, a_header, a_row, a_take, camera_key

from lerobot_recorder.durable import partial_file
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool import EpisodeWriter, Spool, TakeFiles, files, writer
from lerobot_recorder.spool.images import image_file
from lerobot_recorder.spool.manifest import MANIFEST_FILE


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def after_restart(device: SyncedOnly, directory: Path) -> Spool:
    """Start again after a power cut now; the rows of all episodes must be whole."""
    shutil.rmtree(directory, ignore_errors=True)
    spool = Spool(directory / "dataset")
    device.rebuild(spool.path)
    spool.recover()
    for episode in spool.ready() + spool.rejected():
        episode.verify()
    assert spool.failed() == []
    return spool


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("end", ["save", "reject"])
def test_a_power_cut_after_the_acknowledgement_loses_nothing(tmp_path, monkeypatch, image_format, end):
    spool = Spool(tmp_path / "dataset")
    spool.path.mkdir()
    device = SyncedOnly(spool.path)
    device.install(monkeypatch)
    take = a_take(spool, image_format)
    found: list[tuple[str, int]] = []

    def cut_power() -> None:
        for episode in (restarted := after_restart(device, tmp_path / "after")).ready():
            found.append(("ready", episode.length))
        found.extend(("rejected", episode.length) for episode in restarted.rejected())

    getattr(take, end)(on_safe=cut_power)
    cut_power()
    assert found == [("ready" if end == "save" else "rejected", 5)] * 2


def test_a_power_cut_at_any_sync_of_a_save_leaves_the_take_in_one_place(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FLUSH_INTERVAL_S", 1000)
    spool = Spool(tmp_path / "dataset")
    spool.path.mkdir()
    lengths: list[int] = []

    def cut_power() -> None:
        restarted = after_restart(device, tmp_path / "after")
        (found,) = restarted.ready() + restarted.rejected()
        lengths.append(found.length)

    device = SyncedOnly(spool.path)
    device.install(monkeypatch)
    take = a_take(spool, "raw", "png", length=2)
    take._flush_all()
    for index in (2, 3, 4):
        take.append(a_row(take.header, index))
    device.at_sync = cut_power
    take.save(on_safe=lambda: lengths.append(-1))
    assert set(lengths[: lengths.index(-1)]) <= {2, 5}
    assert set(lengths[lengths.index(-1) + 1 :]) == {5}


def fail(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def left_after_the_acknowledgement(spool: Spool, *formats: str) -> EpisodeWriter:
    """Return a take that was saved, but could not be moved any more, as if the recorder had been killed."""
    take = a_take(spool, *formats)
    with pytest.raises(SpoolError, match="Input/output error"):
        take.save(on_safe=fail)
    return take


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_next_start_finishes_a_save_that_was_acknowledged(spool, image_format):
    take = left_after_the_acknowledgement(spool, image_format)
    assert not (take.path / MANIFEST_FILE).exists()
    assert Spool(spool.root).recover(cut_short=False) == []
    assert spool.ready() == []
    assert spool.recover() == []
    (saved,) = spool.ready()
    saved.verify()
    assert (saved.episode_id, saved.length, saved.manifest.verdict) == (take.header.episode_id, 5, "good")
    assert sorted(path.name for path in saved.path.iterdir() if "partial" in path.name) == []
    assert not (saved.path / "ballast").exists()


@pytest.mark.parametrize("damaged", ["the manifest", "an image", "a row"])
def test_a_save_that_a_power_cut_cut_short_is_an_interrupted_take(spool, damaged):
    take = left_after_the_acknowledgement(spool, "raw")
    if damaged == "the manifest":
        os.truncate(partial_file(take.path / MANIFEST_FILE), 100)
    else:
        is_row = damaged == "a row"
        path = take.path / "rows.bin" if is_row else image_file(take.path, camera_key("raw"), "raw")
        os.truncate(path, path.stat().st_size - 1)
    (episode,) = spool.recover()
    episode.verify()
    assert episode.length == (5 if damaged == "the manifest" else 4)
    assert (episode.state, episode.manifest.ended_by) == ("rejected", "interrupted")


def test_the_space_that_is_kept_for_the_manifest_is_used_when_the_disk_is_full(spool, monkeypatch):
    write, take = writer.write_file, a_take(spool, "raw")

    def write_unless_full(path: Path, content: bytes) -> None:
        if (take.path / "ballast").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    monkeypatch.setattr(writer, "write_file", write_unless_full)
    saved = take.save()
    saved.verify()
    assert saved.length == 5


def test_neither_a_start_nor_a_save_waits_for_the_lock_of_the_spool(spool):
    prepared = TakeFiles(spool, a_header("raw").cameras)
    safe = threading.Event()
    with Spool(spool.root).locked():
        header = a_header("raw", episode_id=spool.quick_id())
        take = EpisodeWriter(spool, header, prepared)
        take.append(a_row(header, 0))
        saving = threading.Thread(target=take.save, args=(safe.set,))
        saving.start()
        assert safe.wait(5)
    saving.join()
    assert [episode.episode_id for episode in spool.ready()] == [header.episode_id]


def test_identifiers_that_did_not_wait_for_the_lock_are_in_order_and_noted(spool):
    spool.create()
    made = [spool.quick_id() for _ in range(20)]
    assert made == sorted(set(made))
    spool.note_id()
    assert Spool(spool.root).new_episode_id() > made[-1]
    assert (spool.path / "last_id").read_text() > made[-1]
