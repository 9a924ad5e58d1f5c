"""Small datasets with real videos, whose pictures depend on episode and frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from encoded import CAMERA, FPS, JOINTS, commit

from lerobot_recorder.dataset import DatasetWriter, EncodedEpisode, EncodedVideo
from lerobot_recorder.dataset.statistics import image_stats, sample_indices
from lerobot_recorder.video import EncoderSettings, Mp4Files, encode, probe

HEIGHT, WIDTH = 48, 64
FILMED_FEATURES: dict[str, Any] = {
    "action": {"dtype": "float32", "shape": (2,), "names": JOINTS},
    "observation.state": {"dtype": "float32", "shape": (2,), "names": JOINTS},
    CAMERA: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
    "next.success": {"dtype": "bool", "shape": (1,), "names": None},
}


def pictures(number: int, length: int) -> np.ndarray:
    """Draw smooth moving pictures, (length, HEIGHT, WIDTH, 3) of uint8."""
    y, x, t = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(length), indexing="ij")
    waves = [np.sin((x * (c + 1) + y) / 12 + t / 3 + number) for c in range(3)]
    return (127 + 90 * np.stack(waves, -1)).astype(np.uint8).transpose(2, 0, 1, 3)


def filmed_episode(
    directory: Path, number: int, length: int, settings: EncoderSettings, task: str, fps: int = FPS
) -> EncodedEpisode:
    directory.mkdir(parents=True, exist_ok=True)
    images, path = pictures(number, length), directory / f"{number}.mp4"
    encode(images, path, fps=fps, width=WIDTH, height=HEIGHT, settings=settings)
    rng = np.random.default_rng(number)
    return EncodedEpisode(
        episode_id=f"episode-{number}",
        task=task,
        length=length,
        features=FILMED_FEATURES,
        rows={
            "action": rng.normal(size=(length, 2)),
            "observation.state": rng.normal(size=(length, 2)),
            "next.success": np.arange(length) > 2,
        },
        videos={
            CAMERA: EncodedVideo(
                path, length, {**probe(path).info(), **settings.info(), "is_depth_map": False}
            )
        },
        image_stats={CAMERA: image_stats(images[sample_indices(length)])},
    )


def filmed_dataset(root: Path, lengths: Sequence[int] = (4, 5, 6), fps: int = FPS, **settings: Any) -> Path:
    """Make a dataset of two tasks; ``settings``: those of the encoder."""
    chosen = EncoderSettings(**settings).resolved()
    clips = root.with_name(f"{root.name}-clips")
    episodes = [
        filmed_episode(clips, number, length, chosen, f"task {number % 2}", fps)
        for number, length in enumerate(lengths)
    ]
    commit(DatasetWriter(root, Mp4Files()), episodes, features=FILMED_FEATURES, fps=fps)
    return root
