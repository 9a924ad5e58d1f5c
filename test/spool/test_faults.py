"""A failing device loses nothing that was acknowledged; a failing start leaves nothing behind."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from takes import FORMATS, a_header, a_row, a_take
from vectors import wait_for

from lerobot_recorder.errors import DiskFullError, SpoolError
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import EpisodeWriter, Spool, files, writer


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


class FailingDevice:
    """Reports an error of the device once, to the first sync of a file of that name, like Linux.

    Takes that other tests left open sync their files, too; these are on another device.
    """

    def __init__(self, mounted_at: Path) -> None:
        self.mounted_at = mounted_at
        self.file = ""
        self.code = errno.EIO
        self.may_fail = threading.Event()
        self.may_fail.set()
        self.reported = threading.Event()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, sync):
        def failing(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            is_failing = self.file and str(path).endswith(self.file) and path.is_relative_to(self.mounted_at)
            if is_failing and not self.reported.is_set():
                self.may_fail.wait()
                self.reported.set()
                raise OSError(self.code, os.strerror(self.code))
            sync(descriptor)

        return failing


@pytest.fixture
def device(monkeypatch, tmp_path) -> Iterator[FailingDevice]:
    device = FailingDevice(tmp_path)
    device.install(monkeypatch)
    yield device
    device.may_fail.set()


SUFFIXES = {"raw": ".i420", "jpeg": ".jpeg", "png": ".png", "depth16": ".depth16", "depth32": ".depth32"}


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("end", ["save", "reject"])
def test_an_error_that_the_flush_received_fails_the_save(spool, monkeypatch, device, image_format, end):
    monkeypatch.setattr(files, "FLUSH_INTERVAL_S", 0.001)
    device.file = SUFFIXES[image_format]
    device.may_fail.clear()
    take = a_take(spool, image_format)
    device.may_fail.set()
    take._flush._thread.join()  # the error ends it
    with pytest.raises(SpoolError, match="Input/output error; the take stays there"):
        getattr(take, end)()
    assert spool.ready() == spool.rejected() == []
    assert spool.recover()[0].length == 5


def test_a_take_ends_soon_after_the_device_has_failed(spool, monkeypatch, device):
    monkeypatch.setattr(files, "FLUSH_INTERVAL_S", 0.001)
    take = a_take(spool, "raw", length=1)
    device.file = ".i420"
    take._flush._thread.join()  # the error ends it
    with pytest.raises(SpoolError, match="Input/output error"):
        take.append(a_row(take.header, 1))
    take.abandon()


@pytest.mark.parametrize("file", ["rows.bin", "manifest.json.partial", ".png", ".thumbs", "recording", ""])
def test_an_error_at_the_end_fails_the_save_and_keeps_the_take(spool, monkeypatch, device, file):
    monkeypatch.setattr(files, "FLUSH_INTERVAL_S", 1000)
    take = a_take(spool, "raw", "png")
    device.file = file or take.path.name
    with pytest.raises(SpoolError, match="Input/output error"):
        take.save()
    assert device.reported.is_set()
    Spool(spool.root).recover()
    kept = spool.ready() + spool.rejected()
    assert [episode.length for episode in kept] == [5]
    kept[0].verify()


@pytest.mark.parametrize("entry", ["header.json", "prepared", "recording"])
def test_no_row_is_written_if_it_could_not_be_found_after_a_power_cut(spool, device, entry):
    device.file = entry
    spool.create()
    take = a_take(spool, "raw", length=0)
    with pytest.raises(SpoolError, match="Input/output error"):
        take.append(a_row(take.header, 0))
    assert (take.path / "rows.bin").stat().st_size == 0
    take.abandon()


def test_the_python_api_reports_it(tmp_path, monkeypatch, device):
    monkeypatch.setattr(files, "FLUSH_INTERVAL_S", 0.001)
    state = {"observation.state": {"dtype": "float32", "shape": [1], "names": ["a"]}}
    recorder = EpisodeRecorder(tmp_path / "d", state, 30)
    with pytest.raises(SpoolError, match="Input/output error"), recorder, recorder.episode("Go") as episode:
        for number in (0.0, 1.0):
            episode.add({"observation.state": [number]})
        wait_for(lambda: episode._writer.length == 2)  # rows that wait would be refused
        device.file = str(episode._writer.path / "rows.bin")  # not that of the take that is prepared
        assert device.reported.wait(10)
        episode._writer._flush._thread.join(10)
    assert Spool(tmp_path / "d").ready() == []
    assert [take.length for take in Spool(tmp_path / "d").recover()] == [2]


# A start that fails


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("failing", range(11))
def test_a_start_that_fails_leaves_nothing(spool, monkeypatch, failing):
    header = a_header(*FORMATS)
    spool.create()
    before, calls = open_files(), iter(range(100))

    def limited(function):
        def call(*arguments, **options):
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(files.AppendFile, "__init__", limited(files.AppendFile.__init__))
    monkeypatch.setattr(files.AppendFile, "write", limited(files.AppendFile.write))
    monkeypatch.setattr(writer, "BackgroundFlush", limited(writer.BackgroundFlush))
    monkeypatch.setattr(Path, "mkdir", limited(Path.mkdir))
    with pytest.raises(DiskFullError, match="free some space"):
        EpisodeWriter(spool, header)
    assert open_files() == before
    assert not list(spool.directory("recording").iterdir())
    EpisodeWriter(spool, header).discard()


def test_an_episode_with_the_same_identifier_is_left_alone(spool):
    take = a_take(spool)
    with pytest.raises(SpoolError, match="File exists"):
        EpisodeWriter(spool, take.header)
    assert take.save().length == 5
