"""Encode the same images with LeRobot and with this package, in one process, so with one PyAV.

Usage: python encode.py FOLDER, run by LeRobot's own Python with this package on its path; prints a line per
check, exits 1 at the first video whose packets differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
from lerobot.configs.video import RGBEncoderConfig
from lerobot.datasets.video_utils import encode_video_frames
from PIL import Image

from lerobot_recorder.encoding import CameraJob, encode_camera
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings

KEY = "observation.images.top"
HEIGHT, WIDTH, FPS = 96, 128, 30
FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (1,), "names": ["a.pos"]},
    KEY: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
}
COLOUR = {**dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "smpte170m"), "color_range": "tv"}
H264_OPTIONS = {"bf": 0, **COLOUR}
CONFIGURED = (
    ({}, {}),
    ({"crf": 20, "g": 10, "preset": 8}, {"crf": 20, "g": 10, "preset": 8}),
    ({"vcodec": "h264", "extra_options": H264_OPTIONS}, {"vcodec": "h264"}),
)


def pictures() -> list[np.ndarray]:
    """Moving pictures with a sensor's noise."""
    rng, ramp = np.random.default_rng(0), np.linspace(0, 160, WIDTH)[None, :, None]
    shifted = (np.roll(ramp, 3 * number, 1) for number in range(45))
    return [
        np.clip(each + rng.normal(30, 4, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8) for each in shifted
    ]


def packets(path: Path) -> list[tuple[int, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(video=0) if packet.pts is not None]


def recorded(root: Path, images: list[np.ndarray], image_format: str) -> Path:
    recorder = EpisodeRecorder(root, FEATURES, FPS, image_format=image_format)
    with recorder, recorder.episode("compare") as episode:
        for image in images:
            episode.add({"observation.state": np.zeros(1, np.float32), KEY: image})
    return Spool(root).ready()[0].path


def main() -> None:
    folder = Path(sys.argv[1])
    images = pictures()
    (folder / "images").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / "images" / f"frame-{number:06d}.png")
    episodes = {name: recorded(folder / name, images, name) for name in ("raw", "png")}
    for theirs, ours in CONFIGURED:
        video = folder / "theirs.mp4"
        encode_video_frames(folder / "images", video, FPS, RGBEncoderConfig(**theirs), overwrite=True)
        expected = packets(video)
        for name, episode in episodes.items():
            done = encode_camera(CameraJob(episode, KEY, EncoderSettings(**ours)))
            equal = packets(done.path) == expected
            print(
                f"{'ok     ' if equal else 'FAILED '}{name} {theirs or 'defaults'}: {len(expected)} packets"
            )
            if not equal:
                sys.exit(1)


if __name__ == "__main__":
    main()
