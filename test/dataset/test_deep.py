"""Decoding finds faults that counting frames does not find."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from damages import VIDEO
from encoded import FPS
from filmed import HEIGHT, WIDTH, filmed_dataset, pictures

from lerobot_recorder.dataset import check
from lerobot_recorder.dataset.files import CHECKSUMS_PATH
from lerobot_recorder.video import VideoDecoder, available_encoders, probe

LENGTHS = (20, 30, 15)


def dataset(root: Path, **settings: object) -> Path:
    filmed_dataset(root, LENGTHS, **settings)
    (root / CHECKSUMS_PATH).unlink()
    return root


def deep(root: Path) -> list[str]:
    return list(check(root, probe, decoder=VideoDecoder()))


def all_pictures() -> Iterator[np.ndarray]:
    for number, length in enumerate(LENGTHS):
        yield from pictures(number, length)


def film(path: Path, images: Iterator[np.ndarray], codec: str, edit_list: str = "1", **options: str) -> None:
    with av.open(str(path), "w", format="mp4", options={"use_editlist": edit_list}) as container:
        stream = container.add_stream(codec, FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("vcodec", [name for name in ("libsvtav1", "h264") if name in available_encoders()])
@pytest.mark.parametrize("g", [2, 30])
def test_sound_videos_have_no_faults(tmp_path: Path, vcodec: str, g: int) -> None:
    assert deep(dataset(tmp_path / "dataset", vcodec=vcodec, g=g)) == []


def test_frames_that_cannot_be_reached_by_a_jump_are_found(tmp_path: Path) -> None:
    root = dataset(tmp_path / "dataset")
    film(root / VIDEO, all_pictures(), "hevc", **{"x265-params": "keyint=8:open-gop=1:log-level=none"})
    assert list(check(root, probe)) == []
    (fault,) = deep(root)
    assert "frames read in random order, as in training, are wrong" in fault


@pytest.mark.parametrize(("edit_list", "shifted"), [("1", False), ("0", True)])
def test_pictures_that_are_shifted_by_waiting_frames_are_found(
    tmp_path: Path, edit_list: str, shifted: bool
) -> None:
    root = dataset(tmp_path / "dataset")
    film(root / VIDEO, all_pictures(), "h264", edit_list, bf="2", g="12")
    assert any("frame 0 is displayed as frame 2" in fault for fault in deep(root)) == shifted
    assert bool(list(check(root, probe))) == shifted


def test_pictures_of_another_recording_are_found(tmp_path: Path) -> None:
    root = dataset(tmp_path / "dataset")
    film(root / VIDEO, (image // 2 for image in all_pictures()), "h264", bf="0")
    assert list(check(root, probe)) == []
    (fault,) = deep(root)
    assert "its pictures differ from the recorded ones: the mean of channel" in fault
    assert fault.endswith("and 2 more episodes differ.")


@pytest.mark.parametrize("vcodec", ["libsvtav1", "h264"])
def test_damaged_pictures_are_found(tmp_path: Path, vcodec: str) -> None:
    sound = dataset(tmp_path / "dataset", vcodec=vcodec)
    found = 0
    for seed in range(20):
        root = Path(shutil.copytree(sound, tmp_path / f"damaged-{seed}"))
        content = bytearray((root / VIDEO).read_bytes())
        place = np.random.default_rng(seed).integers(content.index(b"mdat") + 8, len(content))
        content[place] ^= 0x55
        (root / VIDEO).write_bytes(content)
        found += bool(deep(root))
    assert found  # many, not all: benchmarks/check_damage.py counts them


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    root = dataset(tmp_path / "dataset")
    reached: list[tuple[int, int]] = []
    for decoder in (None, VideoDecoder()):
        reached.clear()
        assert not list(
            check(root, probe, decoder=decoder, progress=lambda done, total: reached.append((done, total)))
        )
        assert reached == sorted(reached)
        assert reached[-1][0] == reached[-1][1] > 0
