from __future__ import annotations

import threading

import pytest

from lerobot_recorder.errors import DiskFullError, SpoolError
from lerobot_recorder.recording.disk import RESERVE_BYTES, DiskForecast, DiskMonitor, typical_bytes
from lerobot_recorder.spool import CameraSpool, Spool

MB = 1_000_000


class SmallDisk(Spool):
    """A spool on a disk whose free space the test sets."""

    free = 100 * MB

    def free_bytes(self) -> int:
        if self.free < 0:
            raise SpoolError("the disk is gone")
        return self.free


@pytest.fixture
def watch(tmp_path):
    made = []

    def make(free: int, bytes_per_s: float = 10.0 * MB) -> DiskMonitor:
        spool, looked = SmallDisk(tmp_path / "data"), threading.Event()
        spool.free = free
        acted = []
        made.append(DiskMonitor(spool, lambda: looked.set() or bytes_per_s, lambda: acted.append(spool.free)))
        made[-1].acted = acted
        if free >= 0:
            assert looked.wait(10)
        made[-1]._look()
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_the_reserve_for_the_encoder_does_not_count_as_free(watch):
    disk = watch(RESERVE_BYTES + 100 * MB)
    assert disk.forecast.seconds_left == 10.0
    assert not disk.acted
    assert watch(RESERVE_BYTES - 1).acted


@pytest.mark.parametrize(
    ("free", "bytes_per_s", "seconds", "fits"),
    [
        (RESERVE_BYTES + 100 * MB, 10 * MB, 10, True),
        (RESERVE_BYTES + 100 * MB, 10 * MB, 11, False),
        (RESERVE_BYTES + 1, 0, 3600, True),
        (RESERVE_BYTES - 1, 0, 1, False),
        (None, 10 * MB, 3600, True),
    ],
)
def test_an_episode_fits_if_its_size_is_unknown_or_small_enough(free, bytes_per_s, seconds, fits):
    assert DiskForecast(free, bytes_per_s).fits(seconds) is fits


def test_an_episode_that_does_not_fit_is_refused_with_a_remedy(watch):
    disk = watch(RESERVE_BYTES + 100 * MB)
    disk.require(10)
    with pytest.raises(
        DiskFullError,
        match=r"167 MB free, enough for 10 s of recording, but 60 s must fit; free some",
    ):
        disk.require(60)
    with pytest.raises(DiskFullError, match="1 s of recording"):
        disk.require(10, 100 * MB)


def test_a_disk_that_cannot_be_read_is_reported(watch):
    assert watch(-1).problem == "the disk is gone"
    assert watch(100 * MB).problem == ""


def test_errors_do_not_stop_the_monitor(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("lerobot_recorder.recording.disk._INTERVAL_S", 0.001)
    spool, acted, asked = SmallDisk(tmp_path / "data"), threading.Event(), threading.Semaphore(0)

    def surprise() -> float:
        asked.release()
        raise TypeError("an image without a size")

    disk = DiskMonitor(spool, surprise, acted.set)
    assert all(asked.acquire(timeout=10) for _ in range(3))
    spool.free = RESERVE_BYTES - 1
    assert acted.wait(10)
    assert disk.forecast.free_bytes == RESERVE_BYTES - 1
    assert len(caplog.records) == 1
    disk.stop()


def test_before_the_first_episode_its_size_is_estimated():
    cameras = [CameraSpool("raw", 640, 480), CameraSpool("depth16", 640, 480)]
    assert typical_bytes(cameras) == pytest.approx(640 * 480 * (1.69 + 2))


def test_discarded_takes_are_erased_before_a_recording_is_ended(tmp_path):
    class FillingDisk(SmallDisk):
        discarded = 3

        def free_bytes(self) -> int:
            return RESERVE_BYTES - 50 * MB + 100 * MB * (3 - self.discarded)

        def make_room(self, free_bytes: int) -> bool:
            while self.free_bytes() < free_bytes and self.discarded:
                self.discarded -= 1
            return True

    spool, acted = FillingDisk(tmp_path / "data"), []
    disk = DiskMonitor(spool, lambda: 10.0 * MB, lambda: acted.append(True), lambda: 12.0)
    try:
        disk._look()
        disk._look()
        assert (spool.discarded, acted) == (1, [])
        assert disk.forecast.fits(12)
    finally:
        disk.stop()
