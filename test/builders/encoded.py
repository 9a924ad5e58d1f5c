"""Encoded episodes for tests of the dataset; their videos are text files with a line per frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_recorder.dataset import (
    DatasetWriter,
    EncodedEpisode,
    EncodedVideo,
    EpisodePlace,
    StreamAges,
    check,
)
from lerobot_recorder.dataset.statistics import image_stats

FPS = 30
CAMERA = "observation.images.top"
HEIGHT, WIDTH = 4, 6
JOINTS = ["shoulder_pan.pos", "gripper.pos"]
FEATURES: dict[str, Any] = {
    "action": {"dtype": "float32", "shape": (2,), "names": JOINTS},
    "observation.state": {"dtype": "float32", "shape": (2,), "names": JOINTS},
    CAMERA: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
    "next.success": {"dtype": "bool", "shape": (1,), "names": None},
}


@dataclass(frozen=True)
class LineProbe:
    """Properties of a video of lines."""

    frames: int
    width: int = WIDTH
    height: int = HEIGHT
    on_grid: bool = True
    fps: float = FPS


def probe(path: Path) -> LineProbe:
    return LineProbe(len(path.read_text().splitlines()))


class LineFiles:
    """Joins videos of lines if their lines start with the same word."""

    def frames(self, path: Path) -> int:
        return probe(path).frames

    def joinable(self, tail: Path, new: Path) -> bool:
        return tail.read_text().split()[0] == new.read_text().split()[0]

    def join(self, parts: Sequence[Path], output: Path, fps: int) -> None:
        output.write_text("".join(part.read_text() for part in parts))


def encoded_episode(
    directory: Path, number: int, length: int = 5, *, task: str = "pick", codec: str = "av1"
) -> EncodedEpisode:
    """Make an episode whose values contain its number and frame."""
    directory.mkdir(parents=True, exist_ok=True)
    video = directory / f"episode-{number}.mp4"
    video.write_text("".join(f"{codec} {number:04d} {frame:04d}\n" for frame in range(length)))
    rng = np.random.default_rng(number)
    values = np.stack([np.full(length, number), np.arange(length)], axis=1).astype(np.float32)
    return EncodedEpisode(
        episode_id=f"episode-{number}",
        task=task,
        length=length,
        features=FEATURES,
        rows={
            "action": rng.normal(size=(length, 2)),
            "observation.state": values,
            "next.success": np.arange(length) > 2,
        },
        videos={CAMERA: EncodedVideo(video, length, {"video.codec": codec, "video.fps": FPS})},
        image_stats={CAMERA: image_stats(rng.integers(0, 256, (length, HEIGHT, WIDTH, 3), dtype=np.uint8))},
        setup={"robot.urdf": f"<robot name='{number // 2}'/>"},
        ages={"top": StreamAges(np.full(length, 0.01, np.float32), 10**18 + np.arange(length))},
    )


def commit(writer: DatasetWriter, episodes: Sequence[EncodedEpisode], **changed: Any) -> list[EpisodePlace]:
    """Commit episodes of the features above."""
    settings: dict[str, Any] = {"features": FEATURES, "fps": FPS, "robot_type": "so100"}
    return writer.commit(episodes, **{**settings, **changed})


def faults(root: Path) -> list[str]:
    """Check a dataset whose videos are lines."""
    return list(check(root, probe))
