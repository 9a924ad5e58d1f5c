"""The fixed-size record of one row in ``rows.bin``.

A record is little-endian and holds, in this order: the row's vectors; the age and source stamp of each
stream's sample; for each camera the checksum of its stored image (for ``raw`` also of its thinned image, for
``jpeg`` also the offset where it ends in the file); a checksum over all this, seeded with the row's number.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lerobot_recorder.dataset import SUCCESS_FEATURE
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.manifest import CameraSpool, EpisodeHeader, Feature

ROWS_FILE = "rows.bin"
CHECKSUM = "checksum"
END_PREFIX = "end:"
AGES = "sample:age_s"
SOURCE_STAMPS = "sample:source_ns"
"""The fields with one value for each stream in ``EpisodeHeader.sampled``."""

_WIDTH = {"b": 0, "u": 1, "i": 1, "f": 2}
"""Kinds of values by the range they can hold; a wider kind is never converted to a narrower one."""

TEXT_BYTES = 256
"""Room for a text in a record, in UTF-8."""

Array = npt.NDArray[np.generic]


def vector_features(header: EpisodeHeader) -> dict[str, Feature]:
    """Return the features that each record holds: all but cameras and ``next.success``."""
    absent = {*header.cameras, *([SUCCESS_FEATURE] if header.record_success else [])}
    return {key: feature for key, feature in header.features.items() if key not in absent}


def image_field(key: str) -> str:
    """Return the name of the field with the checksum of a camera's stored image."""
    return f"image:{key}"


def thumb_field(key: str) -> str:
    """Return the name of the field with the checksum of a raw camera's thinned image."""
    return f"thumb:{key}"


def end_field(key: str) -> str:
    """Return the name of the field with the byte offset where a JPEG ends in its file."""
    return f"{END_PREFIX}{key}"


def record_dtype(header: EpisodeHeader) -> np.dtype[np.void]:
    """Derive the packed little-endian record from the features and cameras.

    Raises:
        SpoolError: a feature has a dtype or shape that no column can have.
    """
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = []
    for key, feature in vector_features(header).items():
        fields.append(_vector_field(key, feature))
    if header.sampled:
        shape = (len(header.sampled),)
        fields += [(AGES, "<f4", shape), (SOURCE_STAMPS, "<i8", shape)]
    for key, camera in header.cameras.items():
        fields.extend(_camera_fields(key, camera))
    fields.append((CHECKSUM, "<u4"))
    return np.dtype(fields)


def _vector_field(key: str, feature: Feature) -> tuple[str, str, tuple[int, ...]]:
    try:
        is_text = feature["dtype"] == "string"
        dtype = np.dtype(f"S{TEXT_BYTES}" if is_text else feature["dtype"]).newbyteorder("<")
        shape = tuple(int(size) for size in feature["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise SpoolError(f"feature {key} cannot be spooled as a vector: {error}") from error
    if dtype.kind not in ("S" if is_text else "fiub") or any(size < 1 for size in shape):
        raise SpoolError(
            f"feature {key} cannot be spooled as a vector: dtype {feature['dtype']}, shape {feature['shape']}"
        )
    return key, dtype.str, shape


def _camera_fields(key: str, camera: CameraSpool) -> Iterator[tuple[str, str]]:
    yield image_field(key), "<u4"
    if camera.format == "raw":
        yield thumb_field(key), "<u4"
    if camera.format == "jpeg":
        yield end_field(key), "<u8"


def fill(dtype: np.dtype[np.void], values: Mapping[str, object]) -> npt.NDArray[Any]:
    """Make the record of a row; the writer fills in where its JPEGs end, and ``seal`` adds the checksum.

    Args:
        dtype: from ``record_dtype``
        values: one value for every other field, of the field's shape

    Raises:
        SpoolError: a value is missing, unknown, not finite, or has the wrong shape or kind.
    """
    expected = [name for name in dtype.names or () if name != CHECKSUM and not name.startswith(END_PREFIX)]
    if unknown := [name for name in values if name not in expected]:
        raise SpoolError(f"the row has a value for {', '.join(unknown)}, which is not a feature")
    record = np.zeros((), dtype)
    for name in expected:
        record[name] = _fitting(name, values, dtype[name])
    return record


def seal(record: npt.NDArray[Any], index: int) -> bytes:
    """Return the bytes of the complete record of row ``index``, with its checksum."""
    content = record.tobytes()[:-4]
    return content + zlib.crc32(content, index).to_bytes(4, "little")


def _fitting(name: str, values: Mapping[str, object], dtype: np.dtype[np.generic]) -> Array:
    if name not in values:
        raise SpoolError(f"the row has no value for {name}")
    value = np.asarray(values[name])
    if value.shape != dtype.shape and not (dtype.shape == (1,) and value.shape == ()):
        raise SpoolError(f"{name}: expected shape {dtype.shape}, found {value.shape}")
    kind = dtype.base
    if kind.kind == "S":
        return _encoded(name, value).reshape(dtype.shape)
    if _WIDTH.get(value.dtype.kind, len(_WIDTH)) > _WIDTH[kind.kind]:
        raise SpoolError(f"{name}: expected {kind.name} values, found {value.dtype}")
    with np.errstate(over="ignore"):
        cast = value.astype(kind)
    if kind.kind in "iu" and (cast != value).any():
        raise SpoolError(f"{name}: the values do not fit {kind.name}: {value}")
    if kind.kind == "f" and not np.isfinite(cast).all():
        raise SpoolError(f"{name}: expected finite {kind.name} values, found {value}")
    return cast.reshape(dtype.shape)


def text_fault(text: str) -> str:
    """Return why a text cannot be in a record; empty if it can."""
    if "\0" in text:
        return "it has a NUL character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        return f"it cannot be written as UTF-8: {error.reason}"
    return f"expected at most {TEXT_BYTES} bytes in UTF-8, found {size}" if size > TEXT_BYTES else ""


def texts(records: npt.NDArray[Any]) -> Array:
    """Return the texts of a field."""
    return np.char.decode(records, "utf-8")


def _encoded(name: str, value: npt.NDArray[Any]) -> Array:
    if value.dtype.kind != "U":
        raise SpoolError(f"{name}: expected text, found {value.dtype}")
    for text in value.flat:
        if fault := text_fault(str(text)):
            raise SpoolError(f"{name}: a text cannot be recorded: {fault}")
    return np.char.encode(value, "utf-8")


def is_whole(record: bytes | memoryview, index: int) -> bool:
    """Return whether the bytes of record ``index`` match their checksum."""
    return zlib.crc32(record[:-4], index) == int.from_bytes(record[-4:], "little")


def read_records(directory: Path, header: EpisodeHeader, length: int) -> npt.NDArray[Any]:
    """Read all records of an episode that has ended.

    Raises:
        SpoolError: rows are missing, too many, or damaged.
    """
    path, row_bytes = directory / ROWS_FILE, record_dtype(header).itemsize
    found = path.stat().st_size if path.exists() else 0
    if found != length * row_bytes:
        raise SpoolError(f"{path} has {found} bytes, expected {length} rows of {row_bytes} bytes")
    records = scan_records(directory, header)
    if len(records) < length:
        raise SpoolError(f"{path} is damaged at row {len(records)}")
    return records


def read_range(directory: Path, header: EpisodeHeader, first: int, stop: int) -> npt.NDArray[Any]:
    """Read the records of some rows of a take, which may still grow.

    Raises:
        SpoolError: one of them is missing or damaged.
    """
    dtype, path = record_dtype(header), directory / ROWS_FILE
    try:
        with path.open("rb") as file:
            file.seek(first * dtype.itemsize)
            content = file.read((stop - first) * dtype.itemsize)
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
    whole = _whole_records(content, dtype, first)
    if whole < stop - first:
        raise SpoolError(f"{path} is damaged at row {first + whole}")
    return np.frombuffer(content, dtype)


def count_rows(directory: Path, header: EpisodeHeader) -> int:
    """Count the rows that a take has so far; the images of each are in their files.

    Raises:
        SpoolError: the file cannot be read.
    """
    path = directory / ROWS_FILE
    try:
        return path.stat().st_size // record_dtype(header).itemsize
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {error.strerror}") from error


def scan_records(directory: Path, header: EpisodeHeader) -> npt.NDArray[Any]:
    """Read the records up to the first one that is cut short or damaged.

    Raises:
        SpoolError: the file cannot be read.
    """
    dtype = record_dtype(header)
    content = read_content(directory / ROWS_FILE)
    return np.frombuffer(content, dtype, _whole_records(content, dtype, 0))


def _whole_records(content: bytes, dtype: np.dtype[np.void], first: int) -> int:
    """Count the records before the first one that is cut short or damaged; ``first``: number of their row."""
    view, size = memoryview(content), dtype.itemsize

    def whole(index: int) -> bool:
        return is_whole(view[index * size : (index + 1) * size], first + index)

    return sum(1 for _ in takewhile(whole, range(len(content) // size)))


def read_content(path: Path) -> bytes:
    """Read a file of the spool.

    Raises:
        SpoolError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {error.strerror}") from error
