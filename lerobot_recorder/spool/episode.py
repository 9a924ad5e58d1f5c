"""Reads an episode that has ended: its manifest, rows and images, each checked before it is handed out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.spool.standin import thinning
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.images import decode_rgb, depth_dtype, image_file, png_file, thin, thumbs_file
from lerobot_recorder.spool.manifest import SUCCESS_KEY, CameraSpool, EpisodeHeader, Manifest, read_manifest
from lerobot_recorder.spool.records import (
    ROWS_FILE,
    end_field,
    image_field,
    is_whole,
    record_dtype,
    thumb_field,
    vector_features,
)

Array = npt.NDArray[np.generic]


class SpooledEpisode:
    """An episode in the spool.

    Attributes:
        path: its directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"SpooledEpisode({str(self.path)!r})"

    @property
    def episode_id(self) -> str:
        """Unique, sorts by start."""
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
        return read_manifest(self.path)

    @property
    def length(self) -> int:
        """Rows, and images of each camera."""
        return self.manifest.length

    def rows(self) -> dict[str, Array]:
        """Read the vector features, each of shape (length, *feature shape).

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
            columns[SUCCESS_KEY] = success
        return columns

    def frames(self, key: str) -> Iterator[Array]:
        """Read a camera's images in order, each checked against its row.

        Yields:
            `raw`: I420, uint8, (height * 3 / 2, width), a read-only view of the file. `jpeg`, `png`: RGB, uint8,
            (height, width, 3). Depth: uint16 or float32, (height, width).

        Raises:
            SpoolError: an image is missing or damaged.
        """
        reader = _FrameReader(self.path, key, self._camera(key), self._records)
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
        reader = _FrameReader(self.path, key, self._camera(key), self._records)
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


def read_records(path: Path, header: EpisodeHeader, length: int) -> npt.NDArray[Any]:
    """Read and check the records of all rows.

    Raises:
        SpoolError: rows are missing, too many, or damaged.
    """
    dtype = record_dtype(header)
    content = _content(path / ROWS_FILE)
    if len(content) != length * dtype.itemsize:
        raise SpoolError(
            f"{path / ROWS_FILE} has {len(content)} bytes, {length} rows of {dtype.itemsize} bytes were expected"
        )
    view = memoryview(content)
    for index in range(length):
        if not is_whole(view[index * dtype.itemsize : (index + 1) * dtype.itemsize], index):
            raise SpoolError(f"{path / ROWS_FILE} is damaged at row {index}")
    return np.frombuffer(content, dtype)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {error.strerror}") from error


class _FrameReader:
    """Finds, checks and decodes the images of one camera."""

    def __init__(self, directory: Path, key: str, camera: CameraSpool, records: npt.NDArray[Any]) -> None:
        self._directory = directory
        self._key = key
        self._camera = camera
        self._records = records
        self._length = len(records)
        self._step = thinning(camera.height, camera.width)
        self._images: npt.NDArray[Any] | None = None
        self._thumbs: npt.NDArray[Any] | None = None

    def frame(self, index: int) -> Array:
        """Return one image as the format's table says."""
        stored = self.stored(index)
        if self._camera.format in ("jpeg", "png"):
            return self._decoded(stored, index)
        return stored

    def stored(self, index: int) -> Array:
        """Return one image as it is stored, checked."""
        stored = self._read(index)
        if zlib.crc32(stored) != int(self._records[image_field(self._key)][index]):
            raise SpoolError(f"image {index} of {self._key} in {self._directory} is damaged")
        return stored

    def thumb(self, index: int) -> Array:
        """Return one thinned image."""
        if self._camera.format != "raw":
            return thin(self.frame(index), self._step)
        if self._thumbs is None:
            rows, columns = -(-self._camera.height // self._step), -(-self._camera.width // self._step)
            self._thumbs = self._map(thumbs_file(self._directory, self._key), "u1", (rows, columns, 3))
        thumb: Array = self._thumbs[index]
        if zlib.crc32(thumb) != int(self._records[thumb_field(self._key)][index]):
            raise SpoolError(f"thinned image {index} of {self._key} in {self._directory} is damaged")
        return thumb

    def _read(self, index: int) -> Array:
        if self._camera.format == "png":
            return np.frombuffer(_content(png_file(self._directory, self._key, index)), np.uint8)
        if self._images is None:
            self._images = self._map_images()
        if self._camera.format == "jpeg":
            ends = self._records[end_field(self._key)]
            return self._images[int(ends[index - 1]) if index else 0 : int(ends[index])]
        image: Array = self._images[index]
        return image

    def _map_images(self) -> npt.NDArray[Any]:
        camera = self._camera
        path = image_file(self._directory, self._key, camera.format)
        if camera.format == "jpeg":
            size = int(self._records[end_field(self._key)][-1]) if self._length else 0
            return self._map_bytes(path, size)
        if camera.format == "raw":
            return self._map(path, "u1", (camera.height * 3 // 2, camera.width))
        return self._map(path, depth_dtype(camera.format), (camera.height, camera.width))

    def _map(self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._map_bytes(path, size * self._length).view(dtype).reshape(self._length, *shape)

    def _map_bytes(self, path: Path, size: int) -> npt.NDArray[Any]:
        try:
            found = path.stat().st_size
            if found != size:
                raise SpoolError(f"{path} has {found} bytes, {size} were expected for {self._length} rows")
            return np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
        except OSError as error:
            raise SpoolError(f"{path} cannot be read: {error.strerror}") from error

    def _decoded(self, stored: Array, index: int) -> Array:
        image = decode_rgb(stored.astype(np.uint8, copy=False))
        if image.shape[:2] != (self._camera.height, self._camera.width):
            raise SpoolError(
                f"image {index} of {self._key} in {self._directory} is {image.shape[1]}x{image.shape[0]}, "
                f"expected {self._camera.width}x{self._camera.height}"
            )
        return image
