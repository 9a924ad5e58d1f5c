"""Reads an episode that has ended: manifest, rows and images, each checked against its checksum."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import SUCCESS_FEATURE, StreamAges, thinning
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.images import decode_rgb
from lerobot_recorder.spool.images import ImageArray, image_file, images_array, png_file, thin, thumbs_array
from lerobot_recorder.spool.manifest import (
    MANIFEST_FILE,
    CameraSpool,
    EpisodeHeader,
    Manifest,
    read_header,
    read_manifest,
)
from lerobot_recorder.spool.records import (
    AGES,
    SOURCE_STAMPS,
    count_rows,
    end_field,
    image_field,
    read_content,
    read_range,
    read_records,
    texts,
    thumb_field,
    vector_features,
)

SEGMENTS_FOLDER = "segments"
"""Folder of a spool with pieces of videos."""

Array = npt.NDArray[Any]


def segments_folder(episode: Path) -> Path:
    """Return where the segments of an episode or take are, whichever state directory it is in."""
    return episode.parents[1] / SEGMENTS_FOLDER / episode.name


class FrameReader:
    """Reads the images of one camera, in any order.

    Args:
        directory: the episode's directory
        key: the camera feature
        camera: how its images are stored
        records: the records of the rows to read; the files must hold an image for each row up to the last
        exact: whether the files must hold nothing more
        start: number of the first of these rows; a JPEG needs the record of the row before it as well
    """

    def __init__(
        self,
        directory: Path,
        key: str,
        camera: CameraSpool,
        records: npt.NDArray[Any],
        *,
        exact: bool = True,
        start: int = 0,
    ) -> None:
        self._exact = exact
        self._start = start
        self._directory = directory
        self._key = key
        self._camera = camera
        self._records = records

    def frame(self, index: int) -> Array:
        """Return one image; a JPEG or PNG is decoded.

        Raises:
            SpoolError: it is missing or damaged.
        """
        stored = self.stored(index)
        return self._decoded(stored, index) if self._camera.format in ("jpeg", "png") else stored

    def stored(self, index: int) -> Array:
        """Return one image as it is stored.

        Raises:
            SpoolError: it is missing or damaged.
        """
        return self._checked(self._read(index), image_field(self._key), index)

    def thumb(self, index: int) -> Array:
        """Return one thinned image.

        Raises:
            SpoolError: it is missing or damaged.
        """
        if self._camera.format == "raw":
            return self._checked(self._image(self._thumbs, index), thumb_field(self._key), index)
        return thin(self.frame(index), thinning(self._camera.height, self._camera.width))

    def check(self, index: int) -> None:
        """Compare one image, and its thinned image, with the checksums in its row.

        Raises:
            SpoolError: it is missing or damaged.
        """
        self.stored(index)
        if self._camera.format == "raw":
            self.thumb(index)

    def _checked(self, stored: Array, field: str, index: int) -> Array:
        if zlib.crc32(stored.data) != int(self._records[field][index - self._start]):
            raise SpoolError(f"image {index} of {self._key} in {self._directory} is damaged")
        return stored

    def checksums(self, first: int, stop: int) -> bytes:
        """Return the checksums of the stored images, one after the other."""
        return bytes(
            self._records[image_field(self._key)][first - self._start : stop - self._start].tobytes()
        )

    def check_sizes(self) -> None:
        """Check that the files hold an image for each row, and nothing more if ``exact``.

        Raises:
            SpoolError: a file is missing, too short or too long.
        """
        if self._camera.format == "jpeg":
            _ = self._jpegs
        elif self._camera.format != "png":
            _ = self._images
        if self._camera.format == "raw":
            _ = self._thumbs

    def _read(self, index: int) -> Array:
        if self._camera.format == "png":
            return np.frombuffer(read_content(png_file(self._directory, self._key, index)), np.uint8)
        if self._camera.format == "jpeg":
            start, end = self._end(index - 1), self._end(index)
            return _read_at(self._jpegs, np.dtype(np.uint8), start, (end - start,))
        return self._image(self._images, index)

    def _end(self, index: int) -> int:
        """Return the offset where a JPEG ends."""
        return int(self._records[end_field(self._key)][index - self._start]) if index >= 0 else 0

    @staticmethod
    def _image(array: ImageArray, index: int) -> Array:
        return _read_at(array.path, array.dtype, index * array.image_bytes, array.shape)

    @cached_property
    def _jpegs(self) -> Path:
        path = image_file(self._directory, self._key, "jpeg")
        return self._sized(path, self._end(self._rows - 1))

    @cached_property
    def _images(self) -> ImageArray:
        return self._whole(images_array(self._directory, self._key, self._camera))

    @cached_property
    def _thumbs(self) -> ImageArray:
        return self._whole(thumbs_array(self._directory, self._key, self._camera))

    def _whole(self, array: ImageArray) -> ImageArray:
        self._sized(array.path, self._rows * array.image_bytes)
        return array

    @property
    def _rows(self) -> int:
        """Number of rows up to the last one."""
        return self._start + len(self._records)

    def _sized(self, path: Path, size: int) -> Path:
        """Check that a file has the size that all rows need, and return its path."""
        try:
            found = path.stat().st_size
        except OSError as error:
            raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
        if found < size or (self._exact and found > size):
            raise SpoolError(f"{path} has {found} bytes, expected {size} for {self._rows} rows")
        return path

    def _decoded(self, stored: Array, index: int) -> Array:
        image = decode_rgb(stored.astype(np.uint8, copy=False))
        if image.shape[:2] != (self._camera.height, self._camera.width):
            raise SpoolError(
                f"image {index} of {self._key} in {self._directory} is {image.shape[1]}x{image.shape[0]}, "
                f"expected {self._camera.width}x{self._camera.height}"
            )
        return image


def _read_at(path: Path, dtype: np.dtype[np.generic], offset: int, shape: tuple[int, ...]) -> Array:
    """Read a part of a file, not map it: a failing disk would end the process by SIGBUS."""
    size = dtype.itemsize * math.prod(shape)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(max(0, size))
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
    if not 0 < size == len(content):
        raise SpoolError(f"{path} has {len(content)} bytes from byte {offset} on, expected {size}")
    return np.frombuffer(content, dtype).reshape(shape)


class SpooledTake:
    """A take of which some rows are read, whether it has ended or still grows.

    Attributes:
        header: what is fixed since its start
    """

    def __init__(self, directory: Path) -> None:
        """Read how the take is stored.

        Raises:
            SpoolError: its manifest or header is missing or damaged.
        """
        self._directory = directory
        self.header = read_manifest(directory) if _has_ended(directory) else read_header(directory)

    def camera(self, key: str) -> CameraSpool:
        """Return how the images of a camera are stored.

        Raises:
            SpoolError: there is no such camera.
        """
        return _camera(self.header, self._directory, key)

    def length(self) -> int | None:
        """Return the number of rows of an ended take; None if it still grows.

        Raises:
            SpoolError: its manifest is damaged.
        """
        return read_manifest(self._directory).length if _has_ended(self._directory) else None

    def rows(self) -> int:
        """Count the rows so far.

        Raises:
            SpoolError: they cannot be read.
        """
        return count_rows(self._directory, self.header)

    def images(self, key: str, first: int, stop: int) -> FrameReader:
        """Return a reader for some images of a camera.

        Raises:
            SpoolError: there is no such camera, or a row is missing or damaged.
        """
        start = max(0, first - 1)
        records = read_range(self._directory, self.header, start, stop)
        return FrameReader(self._directory, key, self.camera(key), records, exact=False, start=start)


def _has_ended(directory: Path) -> bool:
    return (directory / MANIFEST_FILE).exists()


def _camera(header: EpisodeHeader, directory: Path, key: str) -> CameraSpool:
    try:
        return header.cameras[key]
    except KeyError:
        cameras = ", ".join(header.cameras) or "none"
        raise SpoolError(f"{directory} has no camera {key!r}; it has {cameras}") from None


class SpooledEpisode:
    """An episode in the spool.

    Attributes:
        path: its directory
    """

    def __init__(self, path: Path, manifest: Manifest | None = None) -> None:
        """Refer to an episode on disk.

        Args:
            path: its directory
            manifest: its manifest, if it is known. By default it is read when it is needed, unless an encoder
                has moved the directory by then.
        """
        self.path = Path(path)
        self._manifest = manifest

    def __repr__(self) -> str:
        return f"SpooledEpisode({str(self.path)!r})"

    @property
    def episode_id(self) -> str:
        """Unique identifier; sorts after those of all earlier episodes."""
        return self.path.name

    @property
    def state(self) -> str:
        """Name of the state directory that it is in: ``ready``, ``claimed``, ``rejected``, ..."""
        return self.path.parent.name

    @cached_property
    def manifest(self) -> Manifest:
        """The episode's metadata.

        Raises:
            SpoolError: the manifest is missing or damaged.
        """
        return self._manifest or read_manifest(self.path)

    @property
    def length(self) -> int:
        """Number of rows, and of images per camera."""
        return self.manifest.length

    def rows(self) -> dict[str, Array]:
        """Read the vectors and texts, each of shape ``(length, *feature_shape)``.

        With ``record_success``, ``next.success`` is true on the last row of a successful episode.

        Raises:
            SpoolError: rows are missing or damaged.
        """
        columns = {key: _native(self._records[key]) for key in vector_features(self.manifest)}
        if self.manifest.record_success:
            success = np.zeros((self.length, 1), bool)
            success[-1:] = self.manifest.success is True
            columns[SUCCESS_FEATURE] = success
        return columns

    def ages(self) -> dict[str, StreamAges]:
        """Read the sample ages of each stream; empty if they were not recorded.

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
            ``raw``: I420, uint8, (height * 3 / 2, width), read-only. ``jpeg`` and ``png``:
            RGB, uint8, (height, width, 3). Depth: uint16 or float32, (height, width).

        Raises:
            SpoolError: an image is missing or damaged.
        """
        reader = self.images(key)
        return (reader.frame(index) for index in range(self.length))

    def sample(self, key: str, indices: Sequence[int]) -> Array:
        """Read the thinned pixels of some images, as LeRobot's statistics use them.

        Args:
            key: the camera feature
            indices: row numbers, in any order

        Returns:
            RGB, uint8, (n, height / k, width / k, 3); depth: uint16 or float32, (n, height / k, width / k).

        Raises:
            SpoolError: an image is missing or damaged.
        """
        reader = self.images(key)
        return np.stack([reader.thumb(index) for index in indices])

    def images(self, key: str) -> FrameReader:
        """Return a reader for the images of a camera.

        Raises:
            SpoolError: there is no such camera, or rows are missing or damaged.
        """
        return FrameReader(self.path, key, _camera(self.manifest, self.path, key), self._records)

    def verify(self) -> None:
        """Read everything once, which checks it.

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

    @cached_property
    def _records(self) -> npt.NDArray[Any]:
        return read_records(self.path, self.manifest, self.manifest.length)


def _native(column: Array) -> Array:
    """Return the values of a field in the byte order of this computer, and texts as such."""
    if column.dtype.kind == "S":
        return texts(column)
    return np.ascontiguousarray(column.astype(column.dtype.newbyteorder("=")))
