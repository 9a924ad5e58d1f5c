"""If the computer or the dataset is at fault, episodes wait until it is repaired."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from takes import a_take, camera_key
from vectors import numbers_in, record, wait_for, whereabouts

from lerobot_recorder.dataset import DatasetWriter, journal
from lerobot_recorder.dataset.journal import journal_path
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.encoding.pool import WorkerPool
from lerobot_recorder.errors import (
    DatasetError,
    DiskFullError,
    SpoolError,
    VideoError,
    explained,
    is_transient,
)
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a dataset of one episode."""
    root = tmp_path / "data"
    record(root, 0)
    with BatchEncoder(root):
        pass
    return root


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lerobot_recorder.encoding.encoder.RETRY_S", 0.05)


def paused(root: Path, *numbers: int) -> BatchEncoder:
    """Record episodes, and start an encoder that is paused."""
    encoder = BatchEncoder(root, batch_size=len(numbers) + 1)
    encoder.paused = True
    encoder.batch_size = 1
    record(root, *numbers)
    return encoder


def raised(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EACCES, "Permission denied"),
        MemoryError(),
        DiskFullError("no room"),
        raised(SpoolError("manifest.json cannot be read"), OSError(errno.EIO, "Input/output error")),
    ],
    ids=repr,
)
def test_the_computer_is_at_fault(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file"),
        OSError("Corrupt snappy compressed data"),
        OSError(1094995529, "Invalid data found when processing input"),
        TypeError("unhashable"),
        VideoError("5 frames for 6 rows"),
        raised(SpoolError("manifest.json cannot be read"), FileNotFoundError(errno.ENOENT, "No such file")),
    ],
    ids=repr,
)
def test_the_data_is_at_fault(error):
    assert not is_transient(error)


def test_only_an_unexpected_error_is_reported_with_its_type():
    assert explained(DatasetError("info.json: missing")) == "info.json: missing"
    assert explained(KeyError("fps")) == "unexpected KeyError: 'fps'"
    assert explained(MemoryError()) == "unexpected MemoryError"


def damage(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    else:
        path.write_text({"cut": "{", "empty": "", "of another kind": "[]"}[how])


@pytest.mark.parametrize("how", ["missing", "cut", "empty", "of another kind"])
def test_episodes_wait_for_a_dataset_that_cannot_be_read(root, how):
    path = root / "meta/info.json"
    sound = path.read_bytes()
    with paused(root, 1, 2) as encoder:
        damage(path, how)
        encoder.paused = False
        wait_for(lambda: str(root) in encoder.status().message)
        assert encoder.status().failed == 0
        path.write_bytes(sound)
        wait_for(lambda: encoder.status().committed == 2)
        assert encoder.status().message == ""
    assert encoder.failure is None
    assert numbers_in(root) == [0, 1, 2]
    assert whereabouts(root) == {}


def test_episodes_wait_for_a_dataset_that_is_damaged_and_seems_not_to_fit(root):
    info, episodes = root / "meta/info.json", root / "meta/episodes"
    sound = info.read_text()
    with paused(root, 1) as encoder:
        encoder.encode_on_exit = False
        shutil.move(episodes, root.parent / "episodes")
        info.write_text(sound.replace("a.pos", "c.pos"))
        encoder.paused = False
        wait_for(lambda: encoder.status().message)
        assert encoder.status().failed == 0
    assert list(whereabouts(root)) == ["ready"]


def test_an_episode_that_does_not_fit_fails_and_the_others_are_encoded(tmp_path):
    root = tmp_path / "new"
    record(root, 0)
    other = {"action": {"dtype": "float32", "shape": [2], "names": ["a.pos", "b.pos"]}}
    (misfit,) = record(root, 1, features=other)
    record(root, 2)
    with BatchEncoder(root, batch_size=3) as encoder:
        pass
    assert whereabouts(root) == {"failed": [misfit]}
    assert numbers_in(root) == [0, 2]
    assert "'action' is not in the dataset" in str(encoder.failure)


def test_an_episode_that_does_not_fit_fails_before_its_cameras_are_encoded(root, monkeypatch):
    submitted = []
    monkeypatch.setattr(WorkerPool, "submit", lambda _pool, job, *_: submitted.append(job))
    misfit = a_take(Spool(root), "raw").save()
    with BatchEncoder(root) as encoder:
        pass
    assert submitted == []
    assert whereabouts(root) == {"failed": [misfit.episode_id]}
    assert f"{camera_key('raw')!r} is not in the dataset" in str(encoder.failure)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_episode_of_a_size_that_the_codec_refuses_fails_before_it_is_encoded(tmp_path, monkeypatch, codec):
    submitted = []
    monkeypatch.setattr(WorkerPool, "submit", lambda _pool, job, *_: submitted.append(job))
    spool = Spool(tmp_path / "data")
    odd = a_take(spool, "png", width=33, height=26).save()
    with BatchEncoder(spool.root, settings=EncoderSettings(vcodec=codec)) as encoder:
        pass
    assert submitted == []
    assert whereabouts(spool.root) == {"failed": [odd.episode_id]}
    assert f"{codec} takes only images of even width and height, found 33x26" in str(encoder.failure)
    monkeypatch.undo()
    with BatchEncoder(spool.root) as encoder:
        encoder.retry_failed()
    assert encoder.status().committed == 1


def test_a_dataset_that_cannot_be_appended_to_is_refused_at_the_start(root):
    (root / "meta/info.json").write_text("{")
    with pytest.raises(DatasetError, match=r"info\.json"):
        BatchEncoder(root)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), TypeError("unhashable type: 'list'")])
def test_what_prevents_encoding_is_in_status_log_and_failure(root, monkeypatch, caplog, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    record(root, 1)
    monkeypatch.setattr(DatasetWriter, "commit", fail)
    with BatchEncoder(root) as encoder:
        pass
    for report in (encoder.status().message, str(encoder.failure), caplog.text):
        assert str(error) in report
    assert (encoder.status().state, encoder.status().waiting) == ("ended", 1)
    assert list(whereabouts(root)) == ["ready"]


def test_any_error_that_ends_the_thread_is_reported(root, monkeypatch):
    def fail(*_: object) -> None:
        raise SystemExit(3)

    record(root, 1)
    monkeypatch.setattr("lerobot_recorder.encoding.encoder.Mp4Files", fail)
    with BatchEncoder(root) as encoder:
        pass
    assert "unexpected SystemExit: 3" in (message := encoder.status().message)
    assert (encoder.status().state, str(encoder.failure)) == ("ended", message)


def test_attempts_become_rarer(root, monkeypatch):
    pauses: list[float] = []

    def pause(self: BatchEncoder, seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) < 6

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    record(root, 1)
    monkeypatch.setattr(BatchEncoder, "_pause", pause)
    monkeypatch.setattr(DatasetWriter, "commit", fail)
    monkeypatch.setattr("lerobot_recorder.encoding.encoder.RETRY_S", 100.0)
    encoder = BatchEncoder(root)
    assert encoder.join(60)
    assert pauses == [100, 200, 300, 300, 300, 300]
    assert encoder.failure is not None


@pytest.mark.parametrize("ask", [BatchEncoder.finish, BatchEncoder.encode_pending])
def test_a_request_starts_the_next_attempt_at_once(root, monkeypatch, ask):
    monkeypatch.setattr("lerobot_recorder.encoding.encoder.RETRY_S", 1e6)
    info = root / "meta/info.json"
    sound = info.read_bytes()
    with paused(root, 1) as encoder:
        info.write_text("{")
        encoder.paused = False
        wait_for(lambda: "info.json" in encoder.status().message)
        info.write_bytes(sound)
        ask(encoder)
        wait_for(lambda: encoder.status().committed == 1)
    assert encoder.failure is None


def test_leaving_episodes_on_request_is_no_failure(root):
    with paused(root, 1) as encoder:
        (root / "meta/info.json").write_text("{")
        encoder.paused = False
        wait_for(lambda: "info.json" in encoder.status().message)
        encoder.abort()
    assert encoder.failure is None
    assert list(whereabouts(root)) == ["ready"]


# A commit that is interrupted after it is certain


def failing_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put = journal._put_in_place

    def fail(root: Path, path: str, **kwargs: bool) -> None:
        if path.endswith(name):
            raise OSError(5, "Input/output error")
        put(root, path, **kwargs)

    monkeypatch.setattr(journal, "_put_in_place", fail)


@pytest.mark.parametrize("name", [".parquet", "stats.json", "info.json"])
def test_an_episode_cannot_be_deleted_once_its_commit_is_certain(root, monkeypatch, name):
    with monkeypatch.context() as patch:
        failing_at(name, patch)
        (episode_id,) = record(root, 1)
        with BatchEncoder(root) as encoder:
            pass
        assert "Input/output error" in str(encoder.failure)
    Spool(root).recover()
    assert whereabouts(root) == {"committing": [episode_id]}
    with pytest.raises(SpoolError):
        Spool(root).delete_last()
    with pytest.raises(SpoolError, match="is being added to the dataset"):
        Spool(root).delete_last(episode_id)
    with BatchEncoder(root) as encoder:
        pass
    assert numbers_in(root) == [0, 1]
    assert [each.episode_id for each in encoder.committed] == [episode_id]
    assert whereabouts(root) == {}
    assert not journal_path(root).exists()


def test_a_commit_that_stopped_is_finished_by_the_same_encoder(root, monkeypatch):
    with BatchEncoder(root) as encoder:
        with monkeypatch.context() as patch:
            failing_at("stats.json", patch)
            record(root, 1)
            wait_for(lambda: "Input/output error" in encoder.status().message)
            assert journal_path(root).exists()
        wait_for(lambda: encoder.status().committed == 1)
    assert encoder.failure is None
    assert numbers_in(root) == [0, 1]


# Faults of a real system

PROGRAM = """
import os, resource, sys
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.encoding.pool import WorkerPool
with BatchEncoder(sys.argv[1], batch_size=10) as encoder:
    if len(sys.argv) > 2:
        most = len(os.listdir("/proc/self/fd")) + int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
print(encoder.status().message)
sys.exit(encoder.failure is not None)
"""

FAULTY_DEVICE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int matches(int file, const char *variable) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    const char *faulty = getenv(variable);
    if (!faulty || !strstr(path, faulty)) return 0;
    errno = EIO;
    return 1;
}

static int fails(int file) { return matches(file, "FAULTY_PATH"); }

ssize_t read(int file, void *data, size_t size) {
    ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    return file > 2 && matches(file, "FAULTY_READ") ? -1 : real(file, data, size);
}

int fsync(int file) {
    return fails(file) ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

ssize_t write(int file, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return file > 2 && fails(file) ? -1 : real(file, data, size);
}
"""


@pytest.fixture
def faulty_device(tmp_path: Path) -> Path:
    """Compile a library whose calls fail: fsync and write for FAULTY_PATH, read for FAULTY_READ."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path / "faulty.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, "-x", "c", "-"],
        input=FAULTY_DEVICE,
        text=True,
        check=True,
    )
    return library


def encode_in_process(root: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Encode waiting episodes in another process; return its exit status and the last message."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(root), *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("place", ["staged/", "journal.json", "/commit", "/committing", "/data/meta"])
def test_an_episode_waits_while_the_device_fails(root, faulty_device, place):
    record(root, 1)
    status, message = encode_in_process(root, LD_PRELOAD=str(faulty_device), FAULTY_PATH=place)
    assert (status, "Input/output error" in message) == (1, True), message
    assert "failed" not in whereabouts(root)
    with BatchEncoder(root):
        pass
    assert numbers_in(root) == [0, 1]
    assert whereabouts(root) == {}


@pytest.mark.parametrize("file", [".i420", ".thumbs", "rows.bin"])
def test_an_episode_waits_while_it_cannot_be_read(tmp_path, faulty_device, file):
    root = tmp_path / "data"
    a_take(Spool(root), "raw").save()
    status, message = encode_in_process(root, LD_PRELOAD=str(faulty_device), FAULTY_READ=file)
    assert (status, "Input/output error" in message) == (1, True), message
    assert list(whereabouts(root)) == ["ready"]


def test_a_take_is_not_cut_while_its_images_cannot_be_read(tmp_path, faulty_device):
    spool = Spool(tmp_path / "data")
    a_take(spool, "raw").abandon()
    before = {path: path.stat().st_size for path in spool.path.rglob("*.*") if path.is_file()}
    recover = "import sys; from lerobot_recorder.spool import Spool; Spool(sys.argv[1]).recover()"
    done = subprocess.run(
        [sys.executable, "-c", recover, spool.root],
        env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(faulty_device), "FAULTY_READ": ".i420"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, "Input/output error" in done.stderr) == (0, True), done.stderr
    assert {path: path.stat().st_size for path in before} == before
    assert [episode.length for episode in spool.recover()] == [5]


def test_an_episode_waits_while_its_video_cannot_be_written(tmp_path, faulty_device):
    root = tmp_path / "data"
    a_take(Spool(root), "raw", width=64, height=48).save()
    status, message = encode_in_process(root, LD_PRELOAD=str(faulty_device), FAULTY_PATH="/segments/")
    assert (status, "1 episode waits: " in message) == (1, True), message
    assert list(whereabouts(root)) == ["ready"]
    with BatchEncoder(root) as encoder:
        pass
    assert encoder.status().committed == 1


@pytest.mark.parametrize("descriptors", [0, 2, 4, 5])
def test_an_encoder_without_descriptors_reports_it_and_ends(tmp_path, descriptors):
    root = tmp_path / "data"
    a_take(Spool(root), "raw", width=64, height=48).save()
    status, message = encode_in_process(root, str(descriptors))
    assert (status, "Too many open files" in message) == (1, True), message
    with BatchEncoder(root) as encoder:
        pass
    assert encoder.status().committed == 1
    assert whereabouts(root) == {}
