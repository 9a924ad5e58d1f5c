"""Reads an episode that has ended: its manifest, rows and images, each checked before it is handed out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import StreamAges
from lerobot_recorder.dataset.features import SUCCESS_FEATURE
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.frames import FrameReader
from lerobot_recorder.spool.manifest import CameraSpool, Manifest, read_manifest
from lerobot_recorder.spool.records import AGES, SOURCE_STAMPS, read_records, vector_features

Array = npt.NDArray[np.generic]


class SpooledEpisode:
    """An episode in the spool.

    Attributes:
        path: its directory.
    """

    def __init__(self, path: Path, manifest: Manifest | None = None) -> None:
        """Name an episode.

        Args:
            path: its directory.
            manifest: where it is known; what is in `ready/` may have been claimed before anyone looks.
        """
        self.path = Path(path)
        self._manifest = manifest

    def __repr__(self) -> str:
        return f"SpooledEpisode({str(self.path)!r})"

    @property
    def episode_id(self) -> str:
        """Unique, greater than those of all earlier episodes."""
        return self.path.name

    @property
    def state(self) -> str:
        """The directory that it is in: `ready`, `claimed`, `rejected`, ..."""
        return self.path.parent.name

    @cached_property
    def manifest(self) -> Manifest:
        """What is known of it besides rows and images.

        Raises:
            SpoolError: the manifest is missing or damaged.
        """
        return self._manifest or read_manifest(self.path)

    @property
    def length(self) -> int:
        """Rows, and images of each camera."""
        return self.manifest.length

    def rows(self) -> dict[str, Array]:
        """Read the vector features, each of shape ``(length, *feature_shape)``.

        With `record_success`, `next.success` is true on the last row of a success.

        Raises:
            SpoolError: rows are missing or damaged.
        """
        columns = {
            key: np.ascontiguousarray(self._records[key].astype(self._records[key].dtype.newbyteorder("=")))
            for key in vector_features(self.manifest)
        }
        if self.manifest.record_success:
            success = np.zeros((self.length, 1), bool)
            success[-1:] = self.manifest.success is True
            columns[SUCCESS_FEATURE] = success
        return columns

    def ages(self) -> dict[str, StreamAges]:
        """Read how old each stream's samples were; empty where that was not recorded.

        Raises:
            SpoolError: rows are missing or damaged.
        """
        return {
            name: StreamAges(
                self._records[AGES][:, number].astype(np.float32),
                self._records[SOURCE_STAMPS][:, number].astype(np.int64),
            )
            for number, name in enumerate(self.manifest.sampled)
        }

    def frames(self, key: str) -> Iterator[Array]:
        """Read a camera's images in order, each checked against its row.

        Yields:
            `raw`: I420, uint8, (height * 3 / 2, width), a read-only view of the file. `jpeg`, `png`: RGB,
            uint8, (height, width, 3). Depth: uint16 or float32, (height, width).

        Raises:
            SpoolError: an image is missing or damaged.
        """
        reader = FrameReader(self.path, key, self._camera(key), self._records)
        return (reader.frame(index) for index in range(self.length))

    def sample(self, key: str, indices: Sequence[int]) -> Array:
        """Read the thinned pixels of some images, those that LeRobot's statistics look at.

        Args:
            key: the camera feature.
            indices: rows, ascending or not.

        Returns:
            RGB, uint8, (n, height / k, width / k, 3); depth in its dtype, (n, height / k, width / k).

        Raises:
            SpoolError: an image is missing or damaged.
        """
        reader = FrameReader(self.path, key, self._camera(key), self._records)
        return np.stack([reader.thumb(index) for index in indices])

    def verify(self) -> None:
        """Read everything once.

        Raises:
            SpoolError: something is missing or damaged.
        """
        self.rows()
        for key in self.manifest.cameras:
            for _ in self.frames(key):
                pass

    def size_bytes(self) -> int:
        """Add up the sizes of its files."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    def _camera(self, key: str) -> CameraSpool:
        try:
            return self.manifest.cameras[key]
        except KeyError:
            cameras = ", ".join(self.manifest.cameras) or "none"
            raise SpoolError(f"{self.path} has no camera {key!r}; it has {cameras}") from None

    @cached_property
    def _records(self) -> npt.NDArray[Any]:
        return read_records(self.path, self.manifest, self.manifest.length)
