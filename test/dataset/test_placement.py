"""Which video goes into which file, and the sizes that decide it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lerobot_recorder.dataset.episode import EncodedVideo
from lerobot_recorder.dataset.layout import FileIndex
from lerobot_recorder.dataset.placement import VideoFile, media_size, place_videos


def video(directory: Path, number: int, size: int, length: int = 1) -> EncodedVideo:
    path = directory / f"{number}.mp4"
    path.write_bytes(bytes(size))
    return EncodedVideo(path, length)


def place(
    videos: list[EncodedVideo], tail: VideoFile | None = None, limit: int = 10_000, fps: int = 30
) -> list[VideoFile]:
    def next_index(last: FileIndex | None) -> FileIndex:
        return last.next(2) if last else FileIndex()

    return place_videos(
        videos, tail, fps=fps, limit=limit, joinable=lambda tail, new: True, next_index=next_index
    )


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def large_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 1) + kind + struct.pack(">Q", 16 + len(content)) + content


def last_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 0) + kind + content


@pytest.mark.parametrize("make", [box, large_box, last_box])
def test_media_size_is_that_of_the_media_box(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = tmp_path / "video.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + box(b"moov", bytes(100)) + make(b"mdat", bytes(1234)))
    assert media_size(path) == 1234


@pytest.mark.parametrize("content", [b"", b"\0\0\0\4free", b"frame 1\nframe 2\n"])
def test_other_files_count_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "video.mp4").write_bytes(content)
    assert media_size(tmp_path / "video.mp4") == len(content)


def test_files_roll_before_the_limit_and_chunks_when_they_are_full(tmp_path: Path) -> None:
    files = place([video(tmp_path, number, 3000) for number in range(8)])
    assert [(file.index, file.starts) for file in files] == [
        (FileIndex(0, 0), [0, 1]),
        (FileIndex(0, 1), [0, 1]),
        (FileIndex(1, 0), [0, 1]),
        (FileIndex(1, 1), [0, 1]),
    ]


def test_tail_grows_while_there_is_room(tmp_path: Path) -> None:
    tail = VideoFile(FileIndex(0, 5), frames=7, size=4000, parts=[tmp_path / "tail.mp4"])
    (file,) = place([video(tmp_path, 0, 3000)], tail)
    assert (file.index, file.starts, file.frames) == (FileIndex(0, 5), [7], 8)
    assert [part.name for part in file.parts] == ["tail.mp4", "0.mp4"]


def test_full_tail_is_left_alone(tmp_path: Path) -> None:
    tail = VideoFile(FileIndex(0, 0), frames=7, size=9000, parts=[tmp_path / "tail.mp4"])
    (file,) = place([video(tmp_path, 0, 3000)], tail)
    assert (file.index, file.starts) == (FileIndex(0, 1), [0])


def test_file_is_left_before_lerobot_refuses_a_frame(tmp_path: Path) -> None:
    """200 s at 15 fps: from 1,024 s on, LeRobot's float32 times no longer match late in an episode."""
    videos = [video(tmp_path, number, 10, length=3000) for number in range(8)]
    files = place(videos, limit=1_000_000, fps=15)
    assert [(file.index.file, file.starts) for file in files] == [
        (0, [0, 3000, 6000, 9000, 12000]),
        (1, [0, 3000, 6000]),
    ]
    one_by_one: list[VideoFile] = []
    for each in videos:
        one_by_one += place([each], one_by_one[-1] if one_by_one else None, 1_000_000, 15)
    assert {file.index: file.starts for file in one_by_one} == {file.index: file.starts for file in files}


def test_short_episodes_fill_a_file_of_any_duration(tmp_path: Path) -> None:
    (file,) = place([video(tmp_path, number, 10, length=1500) for number in range(40)], limit=1_000_000)
    assert len(file.starts) == 40
