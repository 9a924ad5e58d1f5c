from __future__ import annotations

import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
from takes import FORMATS, a_header, a_row, a_take, camera_key

from lerobot_recorder.encoding import CameraJob, encode_camera
from lerobot_recorder.encoding import segment as module
from lerobot_recorder.spool import EncodedImage, EpisodeWriter, Spool, SpooledEpisode
from lerobot_recorder.spool import episode as spooled
from lerobot_recorder.video import EncoderSettings, available_encoders, depth_encoder, probe, read_frames


@pytest.fixture
def spool(tmp_path) -> Spool:
    return Spool(tmp_path / "dataset")


def take(spool: Spool, image_format: str, length: int = 12) -> SpooledEpisode:
    return a_take(spool, image_format, length=length, width=64, height=48).save()


def job(episode: SpooledEpisode, image_format: str, settings: EncoderSettings | None = None) -> CameraJob:
    return CameraJob(episode.path, camera_key(image_format), settings or EncoderSettings())


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_image_format_becomes_a_video_with_a_frame_per_row(spool, image_format):
    done = encode_camera(job(take(spool, image_format), image_format))
    found = probe(done.path)
    assert (found.frames, found.on_grid, done.frames) == (12, True, 12)
    is_depth = image_format.startswith("depth")
    assert done.info["is_depth_map"] is is_depth
    assert found.tag == (depth_encoder() if is_depth else EncoderSettings()).tag()
    assert done.stats["count"].tolist() == [12]


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_a_compressed_image_is_decoded_once(spool, image_format, monkeypatch):
    episode, decoded = take(spool, image_format), []
    decode = spooled.decode_rgb
    monkeypatch.setattr(spooled, "decode_rgb", lambda data: decoded.append(None) or decode(data))
    encode_camera(job(episode, image_format))
    assert len(decoded) == 12


def test_raw_and_png_spools_give_the_same_video_and_statistics(spool):
    results = [encode_camera(job(take(spool, each), each)) for each in ("raw", "png")]
    assert results[0].path.read_bytes() == results[1].path.read_bytes()
    for name, value in results[0].stats.items():
        np.testing.assert_array_equal(value, results[1].stats[name])


def test_a_jpeg_looks_like_its_picture(spool):
    header = a_header("jpeg", width=64, height=64)
    writer = EpisodeWriter(spool, header)
    ramp = np.repeat(np.linspace(0, 200, 64, dtype=np.uint8)[None, :, None], 64, 0) * np.uint8([[[1, 0, 0]]])
    data = cv2.imencode(".jpg", ramp[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    for number in range(4):
        writer.append({**a_row(header, number), camera_key("jpeg"): EncodedImage.parse(data)})
    done = encode_camera(job(writer.save(), "jpeg"))
    assert abs(read_frames(done.path, [3])[0].astype(int) - ramp).mean() < 5


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264", "hevc", "libaom-av1"])
def test_every_software_codec_that_is_built_in_works(spool, vcodec):
    if vcodec not in available_encoders():
        pytest.skip(f"this PyAV has no {vcodec}")
    settings = EncoderSettings(vcodec=vcodec).resolved()
    done = encode_camera(job(take(spool, "raw"), "raw", settings))
    assert probe(done.path).frames == 12
    assert done.info["video.codec"] == {"libsvtav1": "av1", "libaom-av1": "av1"}.get(vcodec, vcodec)


def test_a_finished_video_is_used_unless_the_settings_changed(spool, monkeypatch):
    episode = take(spool, "raw")
    first = encode_camera(job(episode, "raw"))
    encoded = []
    encode = module.encode
    monkeypatch.setattr(
        module, "encode", lambda *args, **kwargs: encoded.append(1) or encode(*args, **kwargs)
    )
    again = encode_camera(job(episode, "raw"))
    assert (again.path, again.info, encoded) == (first.path, first.info, [])
    encode_camera(job(episode, "raw", EncoderSettings(crf=50)))
    assert encoded == [1]


def test_a_job_can_be_pickled(spool):
    """To distribute the work, the function and its argument are sent to other machines."""
    function, argument = pickle.loads(pickle.dumps((encode_camera, job(take(spool, "raw"), "raw"))))
    done = pickle.loads(pickle.dumps(function(argument)))
    assert done.frames == 12


MEMORY = """
import re, sys
from pathlib import Path
from lerobot_recorder.encoding import CameraJob, encode_camera
from lerobot_recorder.video import EncoderSettings
encode_camera(CameraJob(Path(sys.argv[1]), "observation.images.raw", EncoderSettings()))
peak_kb = re.findall("VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]
print(int(peak_kb) // 1024)
"""


def test_a_long_episode_takes_no_more_memory_than_a_short_one(spool):
    peaks_mb = []
    for length in (100, 350):
        header = a_header("raw", width=640, height=480)
        writer = EpisodeWriter(spool, header)
        row = a_row(header, 0)
        for _ in range(length):
            writer.append(row)
        command = [sys.executable, "-c", MEMORY, str(writer.save().path)]
        peaks_mb.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    spooled_mb = 250 * 640 * 480 * 1.5 / 2**20
    assert peaks_mb[1] - peaks_mb[0] < spooled_mb / 3
