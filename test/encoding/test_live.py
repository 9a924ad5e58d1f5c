"""Takes are encoded while they are recorded, with the same result, and nothing remains of takes in vain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from takes import FORMATS, a_header, a_row, a_take, camera_key
from vectors import wait_for

from lerobot_recorder.dataset import check
from lerobot_recorder.encoding import BatchEncoder, CameraJob, encode_camera
from lerobot_recorder.encoding import segment as module
from lerobot_recorder.spool import EpisodeWriter, Spool
from lerobot_recorder.video import EncoderSettings, probe

SEGMENT = 128
CAMERA = camera_key("raw")


def begin(root: Path, *formats: str) -> EpisodeWriter:
    header = a_header(*formats or ["raw"], width=64, height=48)
    for key in header.cameras:
        if header.cameras[key].is_depth:
            header.features[key]["info"] = {"is_depth_map": True}
    return EpisodeWriter(Spool(root), header)


def append(writer: EpisodeWriter, rows: int) -> None:
    for number in range(writer.length, writer.length + rows):
        writer.append(a_row(writer.header, number))


def segments(root: Path) -> list[Path]:
    return sorted(Spool(root).directory("segments").glob("*/*/*.json"))


def folders(root: Path) -> list[Path]:
    return sorted(Spool(root).directory("segments").glob("*"))


@contextmanager
def encoding(root: Path, **settings: object) -> Iterator[BatchEncoder]:
    encoder = BatchEncoder(root, nice=0, encode_on_exit=False, **settings)
    try:
        yield encoder
    finally:
        encoder.close()


def encoded_live(root: Path, *formats: str, rows: int) -> None:
    """Record a take of which at least one segment per camera is encoded before it is saved."""
    with encoding(root) as encoder:
        writer = begin(root, *formats)
        append(writer, rows // 2)
        wait_for(lambda: encoder.status().take)
        append(writer, rows - rows // 2)
        wait_for(lambda: len(segments(root)) >= len(formats))
        assert encoder.status().committed == 0
        writer.save()
        encoder.notify()
        wait_for(lambda: encoder.status().committed == 1)


def files(root: Path) -> dict[str, bytes]:
    kept = [*root.glob("videos/**/*.mp4"), root / "meta/stats.json"]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(kept)}


@pytest.mark.parametrize("formats", [FORMATS[:2], FORMATS[2:]])
def test_a_take_that_is_encoded_while_it_is_recorded_becomes_the_same_dataset(tmp_path, formats):
    rows, live, later = 2 * SEGMENT + 40, tmp_path / "live", tmp_path / "later"
    encoded_live(live, *formats, rows=rows)
    writer = begin(later, *formats)
    append(writer, rows)
    writer.save()
    with encoding(later, batch_size=50, parallel_encodings=1) as encoder:
        encoder.encode_pending()
        wait_for(lambda: encoder.status().committed == 1)
    assert files(live) == files(later)
    assert list(check(live, probe)) == []
    assert folders(live) == []


def test_a_take_that_ends_with_a_segment_is_encoded(tmp_path):
    encoded_live(tmp_path / "data", "raw", rows=2 * SEGMENT)
    assert list(check(tmp_path / "data", probe)) == []


@pytest.mark.parametrize("ending", ["discard", "reject", "abandon"])
def test_segments_of_a_take_that_is_not_saved_are_removed(tmp_path, ending):
    root = tmp_path / "data"
    with encoding(root, parallel_encodings=1) as encoder:
        writer = begin(root)
        append(writer, SEGMENT + 20)
        wait_for(lambda: segments(root))
        getattr(writer, ending)()
        if ending == "abandon":
            Spool(root).recover()
        encoder.notify()
        wait_for(lambda: not folders(root))
        following = begin(root)
        append(following, 5)
        following.save()
        encoder.notify()
        wait_for(lambda: encoder.status().committed == 1)
        assert encoder.status().take is None
        assert encoder.status().failed == 0
        if ending != "discard":
            Spool(root).accept()
            encoder.notify()
            wait_for(lambda: encoder.status().committed == 2)
    assert list(check(root, probe)) == []


def test_rows_of_a_running_take_are_encoded_together(tmp_path, monkeypatch):
    few = module.BURST - 1
    writer, encoded, before = begin(tmp_path / "data"), [], []
    append(writer, few)
    meanwhile = iter([lambda: append(writer, 2), lambda: append(writer, few), writer.save])

    def wait(_seconds: float) -> None:
        before.append(len(encoded))
        next(meanwhile)()

    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=wait, monotonic=time.monotonic))
    settings = EncoderSettings().resolved()
    job = module.SegmentJob(writer.path, CAMERA, 0, SEGMENT, settings, follow=True)
    job.folder.mkdir(0o700, parents=True)
    segment = module.encode_segment(job, encoded.append)
    assert before == [0, few + 2, few + 2]
    assert segment
    assert segment.frames == 2 * few + 2


def test_a_take_whose_recorder_died_does_not_keep_the_workers(tmp_path, monkeypatch):
    root = tmp_path / "data"
    writer = begin(root)
    append(writer, 20)
    writer.abandon()
    with encoding(root, parallel_encodings=1) as encoder:
        wait_for(lambda: encoder.status().take)
        other = begin(root)
        append(other, 5)
        other.save()
        encoder.notify()
        wait_for(lambda: encoder.status().committed == 1)


@pytest.mark.parametrize("settings", [{"batch_size": 2}, {"encode_while_recording": False}])
def test_nothing_is_encoded_during_a_take_unless_that_is_wanted(tmp_path, settings):
    root = tmp_path / "data"
    with encoding(root, **settings) as encoder:
        writer = begin(root)
        append(writer, SEGMENT + 20)
        other = a_take(Spool(root), "raw", width=64, height=48)
        other.save()
        encoder.encode_pending()
        wait_for(lambda: encoder.status().committed == 1)
        assert encoder.status().take is None
        assert folders(root) == []
        encoder.configure(encode_while_recording=True, video_encoding_batch_size=1)
        wait_for(lambda: segments(root))


PROGRAM = """
import sys
from lerobot_recorder.encoding import BatchEncoder
BatchEncoder(sys.argv[1], nice=0)
"""


def test_an_encoder_that_is_killed_during_a_take_leaves_finished_segments(tmp_path, monkeypatch):
    root = tmp_path / "data"
    writer = begin(root)
    append(writer, SEGMENT + 20)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(root)])
    wait_for(lambda: segments(root))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    episode, again = writer.save(), []
    encode = module.encode
    monkeypatch.setattr(
        module, "encode", lambda *args, **kwargs: again.append(args[1].name) or encode(*args, **kwargs)
    )
    assert encode_camera(CameraJob(episode.path, CAMERA, EncoderSettings().resolved())).frames == SEGMENT + 20
    assert [name.partition("-")[0] for name in again] == [f"{SEGMENT:06d}"]


@pytest.mark.parametrize("damage", ["the video", "its properties", "the take"])
def test_a_segment_that_a_power_cut_damaged_is_encoded_again(tmp_path, damage):
    root = tmp_path / "data"
    take = a_take(Spool(root), "raw", length=20, width=64, height=48)
    episode = take.save()
    job = CameraJob(episode.path, CAMERA, EncoderSettings().resolved())
    before = encode_camera(job).path.read_bytes()
    properties = segments(root)[0]
    if damage == "the video":
        properties.with_suffix(".mp4").write_bytes(bytes(properties.with_suffix(".mp4").stat().st_size))
    if damage == "its properties":
        properties.write_bytes(b"")
    if damage == "the take":
        properties.write_text(properties.read_text().replace('"images": ', '"images": 1'))
    assert encode_camera(job).path.read_bytes() == before


def test_a_running_take_is_in_the_status(tmp_path):
    root = tmp_path / "data"
    with encoding(root) as encoder:
        writer = begin(root)
        append(writer, SEGMENT + 20)
        wait_for(lambda: (take := encoder.status().take) and take.frames_done >= SEGMENT)
        take = encoder.status().take
        assert (take.episode_id, take.frames) == (writer.header.episode_id, SEGMENT + 20)
        wait_for(lambda: encoder.status().eta_s is not None)
        writer.discard()


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc", "depth"])
def test_every_frame_of_every_segment_is_where_it_belongs(tmp_path, vcodec):
    root = tmp_path / "data"
    image_format = "depth16" if vcodec == "depth" else "raw"
    writer = begin(root, image_format)
    append(writer, 2 * SEGMENT + 3)
    settings = EncoderSettings("libsvtav1" if vcodec == "depth" else vcodec, picture_check="all").resolved()
    done = encode_camera(CameraJob(writer.save().path, camera_key(image_format), settings))
    assert probe(done.path).frames == 2 * SEGMENT + 3
    assert probe(done.path).on_grid
    assert done.repair == {}
    assert np.isfinite(done.stats["mean"]).all()
