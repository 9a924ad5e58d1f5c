"""Record from your own Python loop: frames in, a spooled episode out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lerobot_recorder.dataset import check_fits
from lerobot_recorder.dataset.features import is_depth, is_video, validate_features
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.spool import (
    CameraSpool,
    EpisodeHeader,
    EpisodeWriter,
    Spool,
    SpooledEpisode,
    new_episode_id,
)


class Episode:
    """An episode being recorded; add its frames in order.

    Attributes:
        episode_id: its identifier.
    """

    def __init__(self, writer: EpisodeWriter) -> None:
        self.episode_id = writer.header.episode_id
        self._writer = writer

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._writer.length

    def add(self, frame: Mapping[str, Any]) -> None:
        """Add a frame; blocks until it is handed to the disk.

        Args:
            frame: a value for every feature: vectors as arrays of the declared shape, images as RGB, uint8,
                (height, width, 3), as `EncodedImage`, or depth uint16 (mm) or float32 (m), (height, width).

        Raises:
            SpoolError: a value is missing, or of another shape or kind; nothing was added.
            DiskFullError: no room is left.
        """
        self._writer.append(frame)


class EpisodeRecorder:
    """Records episodes into the spool of a dataset, frame by frame.

    Attributes:
        root: the dataset's directory; its spool is beside it.
    """

    def __init__(
        self,
        root: Path | str,
        features: Mapping[str, Mapping[str, Any]],
        fps: int,
        *,
        robot_type: str | None = None,
        image_format: str = "raw",
    ) -> None:
        """Check that what will be recorded fits the dataset.

        Args:
            root: the dataset's directory; it need not exist yet.
            features: as LeRobot declares them, without the default ones; depth has `info`
                `{"is_depth_map": True}` and `depth_unit` `mm` (uint16) or `m` (float32).
            fps: frames per second.
            robot_type: kept in the dataset.
            image_format: how colour images are spooled: `raw`, `png` or `jpeg` (which takes `EncodedImage`).

        Raises:
            ConfigError: a feature cannot be recorded.
            DatasetError: the directory holds another dataset, or something else.
        """
        self.root = Path(root).expanduser().absolute()
        self._features: dict[str, Any] = {key: dict(feature) for key, feature in features.items()}
        validate_features(self._features)
        check_fits(self.root, self._features, fps, robot_type)
        self._fps = fps
        self._robot_type = robot_type
        self._cameras = {
            key: _camera(key, feature, image_format)
            for key, feature in self._features.items()
            if is_video(feature)
        }
        self._spool = Spool(self.root)

    def __enter__(self) -> EpisodeRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    @contextlib.contextmanager
    def episode(self, task: str) -> Iterator[Episode]:
        """Record an episode within a `with` block.

        It is saved when the block is left; on an exception it is set aside in `rejected/`, where
        nothing of it is lost.

        Raises:
            SpoolError: the spool cannot be written.
        """
        writer = EpisodeWriter(self._spool, self._header(task))
        try:
            yield Episode(writer)
        except BaseException as error:
            self._end_early(writer, error)
            raise
        if writer.length == 0:
            writer.discard()
        else:
            writer.save()

    @staticmethod
    def _end_early(writer: EpisodeWriter, error: BaseException) -> SpooledEpisode | None:
        if writer.length == 0:
            writer.discard()
            return None
        return writer.reject(f"interrupted by {type(error).__name__}: {error}", ended_by="interrupted")

    def _header(self, task: str) -> EpisodeHeader:
        return EpisodeHeader(
            episode_id=new_episode_id(),
            fps=self._fps,
            features=self._features,
            cameras=self._cameras,
            task=task,
            robot_type=self._robot_type,
        )


def _camera(key: str, feature: Any, image_format: str) -> CameraSpool:
    height, width = (int(size) for size in feature["shape"][:2])
    if not is_depth(feature):
        return CameraSpool(image_format, width, height)
    unit = (feature.get("info") or {}).get("depth_unit", "mm")
    if unit not in ("mm", "m"):
        raise ConfigError(f"feature {key!r}: depth_unit is 'mm' (uint16) or 'm' (float32), found {unit!r}")
    return CameraSpool("depth16" if unit == "mm" else "depth32", width, height)
