"""Pictures in a dataset look like the recorded ones with every SVT-AV1."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered import KEY, number_in, picture, record, spread
from takes import a_header, a_row, camera_key

from lerobot_recorder.dataset import RecordedEpisode, check
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.encoding import BatchEncoder, CameraJob, encode_camera
from lerobot_recorder.encoding import segment as module
from lerobot_recorder.errors import PictureError
from lerobot_recorder.spool import EpisodeWriter, Spool
from lerobot_recorder.video import EncoderSettings, probe, read_frames, svt

LOST = (1105615, 1105616)
"""SVT-AV1 4.1.0 loses a block of the second with preset 12."""


def shown(root: Path) -> list[np.ndarray]:
    videos = sorted(root.glob(f"videos/{KEY}/*/*.mp4"))
    return [image for video in videos for image in read_frames(video, range(probe(video).frames))]


def assert_shows(root: Path, numbers: list[int]) -> None:
    images = shown(root)
    assert [number_in(image) for image in images] == numbers
    for number, image in zip(numbers, images, strict=True):
        wrong = cv2.blur(image.astype(np.float32) - picture(number), (8, 8))
        assert np.abs(wrong).max() < 40


@pytest.mark.parametrize("crf", [30, 45])
def test_pictures_with_hard_edges_are_not_damaged(tmp_path, crf):
    numbers = [*LOST, *(spread(number) for number in range(1, 29))]
    record(tmp_path / "data", numbers)
    with BatchEncoder(tmp_path / "data", settings=EncoderSettings(crf=crf)):
        pass
    assert_shows(tmp_path / "data", numbers)
    assert "repairs" not in RecordedEpisode(tmp_path / "data", 0).recording


@pytest.mark.skipif(
    (3, 1, 0) <= (svt.loaded_version() or (0, 0, 0)) < (4, 0, 0), reason="it loses no block with preset 13"
)
def test_a_video_with_lost_blocks_is_encoded_again_and_the_episode_notes_it(tmp_path, monkeypatch, caplog):
    numbers = [*LOST, *(spread(number) for number in range(1, 29))]
    monkeypatch.setattr(svt, "fastest_right_preset", lambda *_: 13)
    roots = (tmp_path / "at once", tmp_path / "one by one")
    for root, size in zip(roots, (2, 1), strict=True):
        for each in (numbers, numbers[::-1]):
            record(root, each)
        with BatchEncoder(root, size, EncoderSettings(crf=45, preset=13, g=30)):
            pass
        assert_shows(root, numbers + numbers[::-1])
        assert list(check(root, probe)) == []
    repair = RecordedEpisode(roots[0], 0).recording["repairs"][KEY]
    assert repair["frames"]
    assert repair["difference"] > 100
    assert (repair["asked"]["preset"], repair["used"]["crf"]) == ("13", "45")
    used = int(repair["used"]["preset"])
    assert used in (8, 10)
    assert load_info(roots[0]).features[KEY]["info"]["video.preset"] == used
    video = next(roots[0].glob("videos/*/*/*.mp4"))
    assert json.loads(probe(video).tag)["preset"] == str(used)
    assert "encoded again because of" in caplog.text
    same = (sorted(path.read_bytes() for path in root.glob("videos/*/*/*.mp4")) for root in roots)
    assert next(same) == next(same)


def blank_a_block(monkeypatch: pytest.MonkeyPatch, damages: list[EncoderSettings], until: int) -> None:
    """Make the codec lose a block of frame 5 in all but the last attempts."""
    encode = module.encode

    def faulty(images, *args, settings, observe, **kwargs):
        damages.append(settings)
        if len(damages) > until:
            return encode(images, *args, settings=settings, observe=observe, **kwargs)
        images = [np.array(image) for image in images]
        encode(images, *args, settings=settings, observe=observe, **kwargs)
        images[5][:] = 20
        return encode(images, *args, settings=settings, **kwargs)

    monkeypatch.setattr(module, "encode", faulty)


@pytest.mark.parametrize("image_format", ["raw", "jpeg", "png", "depth16", "depth32"])
def test_images_of_every_format_are_compared_with_the_video(tmp_path, monkeypatch, image_format):
    header = a_header(image_format, width=64, height=48)
    writer = EpisodeWriter(Spool(tmp_path / "data"), header)
    for number in range(12):
        writer.append(a_row(header, number))
    job = CameraJob(writer.save().path, camera_key(image_format), EncoderSettings().resolved())
    attempts: list[EncoderSettings] = []
    blank_a_block(monkeypatch, attempts, until=1)
    done = encode_camera(job)
    assert done.repair["frames"] == [5]
    assert len(attempts) == 2
    assert done.repair["used"] == json.loads(probe(done.path).tag) == json.loads(attempts[1].tag())
    again = encode_camera(job)
    assert (len(attempts), again.repair, again.info) == (2, done.repair, done.info)


def test_an_episode_that_no_settings_encode_keeps_its_images(tmp_path, monkeypatch):
    record(tmp_path / "data", [spread(number) for number in range(9)])
    attempts: list[EncoderSettings] = []
    blank_a_block(monkeypatch, attempts, until=99)
    episode = Spool(tmp_path / "data").ready()[0]
    with pytest.raises(
        PictureError, match=r"1 frame differs .* \(at 5\).* choose a lower crf, or another vcodec"
    ):
        encode_camera(CameraJob(episode.path, KEY, EncoderSettings(preset=13)))
    assert [(each.preset, each.g) for each in attempts] == [(13, 2), (10, 2), (8, 2), (8, 1)]
    assert list(episode.frames(KEY))
