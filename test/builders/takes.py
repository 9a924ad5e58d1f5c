"""Makes small takes of every image format."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from lerobot_recorder.spool import (
    AGES,
    SOURCE_STAMPS,
    CameraSpool,
    EncodedImage,
    EpisodeHeader,
    EpisodeWriter,
    Spool,
    TakeFiles,
    new_episode_id,
)

WIDTH, HEIGHT = 32, 24
FORMATS = ("raw", "jpeg", "png", "depth16", "depth32")
STATE = "observation.state"


def camera_key(image_format: str) -> str:
    return f"observation.images.{image_format}"


def a_header(*formats: str, width: int = WIDTH, height: int = HEIGHT, **changes: Any) -> EpisodeHeader:
    features: dict[str, dict[str, Any]] = {
        STATE: {"dtype": "float32", "shape": [3], "names": ["a", "b", "c"]},
        "action": {"dtype": "float64", "shape": [2], "names": None},
        "count": {"dtype": "int64", "shape": [1], "names": None},
    }
    for image_format in formats:
        channels = 1 if image_format.startswith("depth") else 3
        features[camera_key(image_format)] = {
            "dtype": "video",
            "shape": [height, width, channels],
            "names": None,
        }
    cameras = {camera_key(each): CameraSpool(each, width, height) for each in formats}
    values = {
        "episode_id": new_episode_id(),
        "fps": 30,
        "features": features,
        "cameras": cameras,
        "task": "test",
    }
    return EpisodeHeader(**{**values, **changes})


def rgb(index: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)


def an_image(image_format: str, index: int, width: int = WIDTH, height: int = HEIGHT) -> Any:
    picture = rgb(index, width, height)
    if image_format == "jpeg":
        data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        return EncodedImage.parse(data)
    if image_format == "depth16":
        return picture[..., 0].astype(np.uint16) * 257
    if image_format == "depth32":
        return picture[..., 0].astype(np.float32) / 7
    return picture


def a_row(header: EpisodeHeader, index: int) -> dict[str, Any]:
    state, action = np.full(3, index, np.float32), np.array([index, -index], float)
    images = {
        key: an_image(camera.format, index, camera.width, camera.height)
        for key, camera in header.cameras.items()
    }
    sampled = len(header.sampled)
    samples = {
        AGES: np.arange(sampled, dtype=np.float32) + index / 10,
        SOURCE_STAMPS: np.arange(sampled) + index * 10**15,
    }
    return {STATE: state, "action": action, "count": [index], **(samples if sampled else {}), **images}


def a_take(
    spool: Spool, *formats: str, length: int = 5, prepared: TakeFiles | None = None, **changes: Any
) -> EpisodeWriter:
    header = a_header(*formats, **changes)
    writer = EpisodeWriter(spool, header, prepared)
    for index in range(length):
        writer.append(a_row(header, index))
    return writer
