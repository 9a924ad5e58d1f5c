"""Commits of real videos: tiny mp4 files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest
from encoded import CAMERA, FEATURES, FPS, encoded_episode

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, EncodedVideo, check, check_appendable
from lerobot_recorder.dataset.layout import DatasetLayout
from lerobot_recorder.dataset.placement import INDEX_BYTES, INDEX_BYTES_PER_FRAME, media_size
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.video import EncoderSettings, Mp4Files, encode, probe, read_frames

HEIGHT, WIDTH = 48, 64
VIDEO = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}


def take(directory: Path, number: int, length: int) -> EncodedEpisode:
    """Make an episode of gray pictures; the level encodes its number."""
    lines, path = encoded_episode(directory, number, length), directory / f"real-{number}.mp4"
    images = [np.full((HEIGHT, WIDTH, 3), 20 + 40 * number + 2 * k, np.uint8) for k in range(length)]
    encode(images, path, fps=FPS, width=WIDTH, height=HEIGHT, settings=EncoderSettings())
    return dataclasses.replace(lines, videos={CAMERA: EncodedVideo(path, length, probe(path).info())})


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> list[EncodedEpisode]:
    return [take(tmp_path_factory.mktemp("videos"), number, 3 + number) for number in range(4)]


def record(root: Path, takes: list[EncodedEpisode], batch: int) -> None:
    for start in range(0, len(takes), batch):
        DatasetWriter(root, Mp4Files()).commit(
            takes[start : start + batch],
            features={**FEATURES, CAMERA: VIDEO},
            fps=FPS,
            robot_type="so100",
        )


def test_joined_videos_are_sound_and_show_each_episode(tmp_path: Path, takes: list[EncodedEpisode]) -> None:
    root = tmp_path / "dataset"
    record(root, takes, batch=2)
    assert list(check(root, probe)) == []
    (path,) = root.rglob("*.mp4")
    firsts = np.cumsum([0, *(each.length for each in takes[:-1])])
    greys = [int(image.mean()) for image in read_frames(path, [int(first) for first in firsts])]
    assert greys == pytest.approx([20, 60, 100, 140], abs=3)


def test_videos_do_not_depend_on_the_batch_size(tmp_path: Path, takes: list[EncodedEpisode]) -> None:
    for batch in (1, 4):
        record(tmp_path / str(batch), takes, batch)
    singly, at_once = (
        [path.read_bytes() for path in sorted((tmp_path / batch).rglob("*.mp4"))] for batch in ("1", "4")
    )
    assert singly == at_once


def test_sizes_of_media_add_up_and_bound_the_file(tmp_path: Path, takes: list[EncodedEpisode]) -> None:
    record(tmp_path / "dataset", takes, batch=4)
    (path,) = (tmp_path / "dataset").rglob("*.mp4")
    parts = [each.videos[CAMERA] for each in takes]
    assert media_size(path) == sum(media_size(part.path) for part in parts)
    frames = sum(part.length for part in parts)
    assert path.stat().st_size <= media_size(path) + INDEX_BYTES + frames * INDEX_BYTES_PER_FRAME


def test_info_describes_how_the_videos_are_encoded(tmp_path: Path, takes: list[EncodedEpisode]) -> None:
    record(tmp_path / "dataset", takes[:1], batch=1)
    text = DatasetLayout(tmp_path / "dataset").info.read_text()
    assert '"video.codec": "av1"' in text
    assert f'"video.width": {WIDTH}' in text


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("index_first", [True, False])
def test_cut_video_is_refused_and_no_episode_is_lost(
    tmp_path: Path, takes: list[EncodedEpisode], keep: float, index_first: bool
) -> None:
    root = tmp_path / "dataset"
    record(root, takes[:2], batch=2)
    (path,) = root.rglob("*.mp4")
    if not index_first:  # as other programs write it
        with av.open(str(path)) as source, av.open(str(tmp_path / "late.mp4"), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        (tmp_path / "late.mp4").replace(path)
        check_appendable(root)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    for refuse in (check_appendable, lambda root: record(root, takes[2:], batch=2)):
        with pytest.raises(
            DatasetError, match=r"file-000\.mp4: cut short or damaged.*lerobot-recorder check"
        ):
            refuse(root)
    path.write_bytes(content)
    record(root, takes[2:], batch=2)
    assert list(check(root, probe)) == []


def test_video_that_lost_frames_is_left_alone(tmp_path: Path, takes: list[EncodedEpisode]) -> None:
    root = tmp_path / "dataset"
    record(root, takes[:2], batch=2)
    (path,) = root.rglob("*.mp4")
    path.write_bytes(takes[0].videos[CAMERA].path.read_bytes())
    record(root, takes[2:], batch=2)
    new = path.with_name("file-001.mp4")
    assert probe(new).frames == takes[2].length + takes[3].length
    greys = [int(image.mean()) for image in read_frames(new, [0, takes[2].length])]
    assert greys == pytest.approx([100, 140], abs=3)
