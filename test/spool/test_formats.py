"""Rows and images come back as they were written, in every image format."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from takes import FORMATS, STATE, a_header, a_row, a_take, an_image, camera_key, rgb

from lerobot_recorder.dataset.features import SUCCESS_FEATURE
from lerobot_recorder.dataset.statistics import thinning
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool import CameraSpool, EncodedImage, EpisodeWriter, Spool, SpooledEpisode
from lerobot_recorder.spool.manifest import end_header, read_manifest, to_json
from lerobot_recorder.video import rgb_to_i420


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def test_rows_come_back_in_their_dtype_and_shape(spool):
    rows = a_take(spool, length=4).save().rows()
    np.testing.assert_array_equal(rows[STATE], np.repeat(np.arange(4, dtype=np.float32)[:, None], 3, axis=1))
    assert {key: (column.dtype.name, column.shape) for key, column in rows.items()} == {
        STATE: ("float32", (4, 3)),
        "action": ("float64", (4, 2)),
        "count": ("int64", (4, 1)),
    }


def read_back(spool: Spool, image_format: str, length: int = 3) -> list[np.ndarray]:
    return list(a_take(spool, image_format, length=length).save().frames(camera_key(image_format)))


def test_raw_images_come_back_as_i420(spool):
    for index, frame in enumerate(read_back(spool, "raw")):
        np.testing.assert_array_equal(frame, rgb_to_i420(rgb(index)))


def test_png_images_come_back_unchanged(spool):
    for index, frame in enumerate(read_back(spool, "png")):
        np.testing.assert_array_equal(frame, rgb(index))


def test_jpeg_images_come_back_as_they_decode(spool):
    for index, frame in enumerate(read_back(spool, "jpeg")):
        data = np.frombuffer(an_image("jpeg", index).data, np.uint8)
        np.testing.assert_array_equal(frame, cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("image_format", ["depth16", "depth32"])
def test_depth_comes_back_unchanged(spool, image_format):
    for index, frame in enumerate(read_back(spool, image_format)):
        np.testing.assert_array_equal(frame, an_image(image_format, index))
        assert frame.dtype == an_image(image_format, index).dtype


def test_a_png_camera_keeps_png_messages_unchanged(spool):
    header = a_header("png")
    data = cv2.imencode(".png", rgb(0)[..., ::-1])[1].tobytes()
    with_message = {**a_row(header, 0), camera_key("png"): EncodedImage.parse(data)}
    writer = EpisodeWriter(spool, header)
    writer.append(with_message)
    episode = writer.save()
    assert next((episode.path / camera_key("png")).iterdir()).read_bytes() == data
    np.testing.assert_array_equal(next(episode.frames(camera_key("png"))), rgb(0))


@pytest.mark.parametrize("image_format", ["raw", "png", "depth16"])
def test_the_pixels_for_statistics_are_those_of_the_image(spool, image_format):
    width, height = 640, 480
    episode = a_take(spool, image_format, length=2, width=width, height=height).save()
    step = thinning(height, width)
    expected = [an_image(image_format, index, width, height)[::step, ::step] for index in (1, 0)]
    np.testing.assert_array_equal(episode.sample(camera_key(image_format), [1, 0]), expected)


def test_one_episode_can_have_all_formats(spool):
    episode = a_take(spool, *FORMATS, length=7).save()
    assert {key: sum(1 for _ in episode.frames(key)) for key in episode.manifest.cameras} == {
        camera_key(each): 7 for each in FORMATS
    }
    assert episode.size_bytes() >= sum(
        path.stat().st_size for path in episode.path.iterdir() if path.is_file()
    )


def test_the_ages_of_samples_come_back_by_the_names_of_their_streams(spool):
    episode = a_take(spool, "raw", sampled=("state", "front"), length=3).save()
    ages = SpooledEpisode(episode.path).ages()
    assert list(ages) == ["state", "front"]
    assert ages["front"].age_s.tolist() == np.float32([1.0, 1.1, 1.2]).tolist()
    assert ages["front"].source_ns.tolist() == [1, 10**15 + 1, 2 * 10**15 + 1]
    assert set(episode.rows()) == {STATE, "action", "count"}


def test_an_episode_of_an_earlier_version_has_no_ages(spool):
    episode = a_take(spool, length=2).save()
    content = json.loads((episode.path / "manifest.json").read_text())
    for name in ("sampled", "notes", "checksum"):
        del content[name]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = f"{zlib.crc32(canonical.encode()):08x}"
    (episode.path / "manifest.json").write_text(json.dumps(content))
    earlier = SpooledEpisode(episode.path)
    assert earlier.ages() == {}
    assert len(earlier.rows()[STATE]) == 2


@pytest.mark.parametrize(("success", "last"), [(True, True), (False, False), (None, False)])
def test_success_is_true_on_the_last_row_of_a_success(spool, success, last):
    features = {**a_header().features, SUCCESS_FEATURE: {"dtype": "bool", "shape": [1], "names": None}}
    writer = a_take(spool, record_success=True, features=features, length=3)
    column = writer.save(success=success).rows()[SUCCESS_FEATURE]
    assert column.dtype == bool
    assert column.tolist() == [[False], [False], [last]]


@pytest.mark.parametrize(
    "image",
    [np.zeros((24, 30, 3), np.uint8), np.zeros((24, 32), np.uint8), np.zeros((24, 32, 3), np.float32)],
)
@pytest.mark.parametrize("image_format", ["raw", "png", "jpeg", "depth16", "depth32"])
def test_an_image_of_another_size_or_kind_is_refused_and_leaves_no_trace(spool, image_format, image):
    writer = a_take(spool, image_format, length=2)
    with pytest.raises(SpoolError, match=f"{camera_key(image_format)}: .*expected"):
        writer.append({**a_row(writer.header, 2), camera_key(image_format): image})
    writer.append(a_row(writer.header, 2))
    episode = writer.save()
    assert episode.length == 3
    episode.verify()


@pytest.mark.parametrize("missing", [STATE, camera_key("raw")])
def test_a_row_without_a_value_is_refused(spool, missing):
    writer = a_take(spool, "raw", length=0)
    row = a_row(writer.header, 0)
    del row[missing]
    with pytest.raises(SpoolError, match=missing):
        writer.append(row)


def test_only_png_takes_odd_sizes():
    CameraSpool("png", 31, 23)
    with pytest.raises(SpoolError, match="even width"):
        CameraSpool("raw", 31, 24)


@given(task=st.text(), reasons=st.lists(st.text(), max_size=3), success=st.sampled_from([None, True, False]))
@settings(max_examples=50)
def test_a_manifest_survives_a_round_trip_through_its_file(tmp_path_factory, task, reasons, success):
    directory = tmp_path_factory.mktemp("episode")
    manifest = end_header(a_header("raw", task=task), 3, reasons=tuple(reasons), success=success)
    (directory / "manifest.json").write_bytes(to_json(manifest))
    assert read_manifest(directory) == manifest
