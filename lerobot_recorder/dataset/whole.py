"""Tells whether a file of a dataset is there and whole, by its beginning and the sizes noted in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lerobot_recorder.errors import DatasetError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that stands for one that Git LFS has not fetched."""


@dataclass(frozen=True)
class Box:
    """One of the parts that an mp4 file consists of.

    Attributes:
        kind: its type, as ``b"mdat"``.
        size: bytes in it, without its header.
        end: where it ends in the file; beyond the file's end if the file was cut short.
    """

    kind: bytes
    size: int
    end: int


def read_boxes(path: Path) -> list[Box]:
    """List the boxes of an mp4 file; none for other files."""
    total = path.stat().st_size
    with path.open("rb") as file:
        boxes = list(_boxes(file, total))
    return boxes if all(box.size >= 0 for box in boxes) else []


def _boxes(file: BinaryIO, total: int) -> Iterator[Box]:
    """Read the boxes one by one; see ISO/IEC 14496-12, 4.2: a box begins with its size and type."""
    position = 0
    while position + 8 <= total:
        file.seek(position)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        header = 16 if size == 1 else 8
        size = {0: total - position, 1: int.from_bytes(file.read(8), "big")}.get(size, size)
        yield Box(kind, size - header, position + size)
        position += max(size, header)


def check_whole(path: Path) -> None:
    """Refuse a file that is missing, empty, a Git LFS pointer, or an mp4 that was cut short.

    Raises:
        DatasetError: it is not whole.
    """
    try:
        fault = _fault(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}.") from error
    if fault:
        raise DatasetError(f"{path}: {fault}")


def _fault(path: Path) -> str | None:
    if not path.is_file():
        return "missing, though episodes are in it. Copy or download the dataset again."
    if not (size := path.stat().st_size):
        return "empty, though episodes are in it. Copy or download it again."
    if is_lfs_pointer(path):
        return (
            "a Git LFS pointer, not the file itself. Run `git lfs pull` in the dataset, or download it again."
        )
    boxes = read_boxes(path)
    if not boxes or boxes[0].kind != b"ftyp":
        return None
    if boxes[-1].end != size or not any(box.kind == b"moov" for box in boxes):
        return f"cut short or damaged, {size} bytes are not the whole of it. Copy or download it again."
    return None


def is_lfs_pointer(path: Path) -> bool:
    """Tell whether a file stands for one that Git LFS has not fetched."""
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER
