"""Whether the files of a dataset are complete and hold the bytes that were written.

``meta/recordings/checksums.json`` keeps the sizes and checksums of the files as they were written: a bit that
flips on a disk or in a copy rarely stops a video from being decoded, so nothing else finds it. LeRobot
ignores this file. If another program rewrites a file, its size changes, so it does not count as damaged. JSON
files, which people edit, have no checksum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from lerobot_recorder.errors import DatasetError

CHECKSUMS_PATH = "meta/recordings/checksums.json"

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""Beginning of a file that stands for one that Git LFS has not fetched."""

_BLOCK = 2**20


# Complete files


@dataclass(frozen=True)
class Box:
    """One of the parts of an mp4 file.

    Attributes:
        kind: its type, such as ``b"mdat"``.
        size: bytes in it, without its header.
        end: its end in the file; beyond the end of the file if that was cut short.
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
    """Refuse a file that is missing, empty, a Git LFS pointer, or an mp4 file that was cut short.

    Raises:
        DatasetError: the file is not complete.
    """
    try:
        fault = _fault(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    if fault:
        raise DatasetError(f"{path}: {fault}")


def _fault(path: Path) -> str | None:
    if not path.is_file():
        return "missing, though episodes are in it; copy or download the dataset again"
    if not (size := path.stat().st_size):
        return "empty, though episodes are in it; copy or download it again"
    if is_lfs_pointer(path):
        return "a Git LFS pointer, not the file itself; run `git lfs pull`, or download it again"
    boxes = read_boxes(path)
    if not boxes or boxes[0].kind != b"ftyp":
        return None
    if boxes[-1].end != size or not any(box.kind == b"moov" for box in boxes):
        return f"cut short or damaged after {size} bytes; copy or download it again"
    return None


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file stands for one that Git LFS has not fetched."""
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


# Checksums


@dataclass(frozen=True)
class Checksum:
    """A file as it was written.

    Attributes:
        bytes: its size.
        crc32: checksum of all its bytes.
    """

    bytes: int
    crc32: int


def checksum(path: Path) -> Checksum:
    """Read a file and compute its checksum.

    Raises:
        OSError: it cannot be read.
    """
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return Checksum(size, crc)


def read_checksums(root: Path) -> dict[str, Checksum]:
    """Read the checksums of a dataset by path; empty if there are none.

    Raises:
        DatasetError: the file with the checksums is damaged.
    """
    path = root / CHECKSUMS_PATH
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: Checksum(int(each["bytes"]), int(each["crc32"])) for name, each in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{path}: not the checksums of a dataset: {error!r}; delete it") from error


def grown_checksums(older: Mapping[str, Checksum], directory: Path, files: Iterable[Path]) -> str:
    """Return the contents of the file with the checksums after new files were added.

    Args:
        older: the checksums so far.
        directory: where the new files are, laid out as in the dataset.
        files: the new files.
    """
    new = {path.relative_to(directory).as_posix(): checksum(path) for path in files}
    return json.dumps({name: asdict(each) for name, each in sorted({**older, **new}.items())}, indent=1)


def damaged(root: Path) -> Iterator[Path]:
    """Find files whose bytes changed although their size did not.

    Raises:
        DatasetError: the file with the checksums is damaged.
        OSError: a file cannot be read.
    """
    for name, expected in read_checksums(root).items():
        if _differs(root / name, expected):
            yield root / name


def is_damaged(path: Path, root: Path, checksums: Mapping[str, Checksum]) -> bool:
    """Return whether the bytes of a file changed although its size did not.

    Raises:
        OSError: it cannot be read.
    """
    expected = checksums.get(path.relative_to(root).as_posix())
    return expected is not None and _differs(path, expected)


def _differs(path: Path, expected: Checksum) -> bool:
    return path.is_file() and path.stat().st_size == expected.bytes and checksum(path) != expected
