"""``meta/recordings/checksums.json``: the sizes and checksums of the files as they were written.

A bit that flips on a disk or in a copy rarely stops a video from being decoded, so nothing else finds it.
LeRobot does not look at this file. A file that another program has rewritten has another size, so it is not
taken for damaged. JSON files, which people edit, have no checksum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lerobot_recorder.errors import DatasetError

CHECKSUMS_PATH = "meta/recordings/checksums.json"

_BLOCK = 2**20


@dataclass(frozen=True)
class Checksum:
    """What a file was when it was written.

    Attributes:
        bytes: its size.
        crc32: of all its bytes.
    """

    bytes: int
    crc32: int


def checksum(path: Path) -> Checksum:
    """Read a file and sum it up.

    Raises:
        OSError: it cannot be read.
    """
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return Checksum(size, crc)


def read_checksums(root: Path) -> dict[str, Checksum]:
    """Read the checksums of a dataset by path; none where there is no such file.

    Raises:
        DatasetError: it cannot be understood.
    """
    path = root / CHECKSUMS_PATH
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: Checksum(int(each["bytes"]), int(each["crc32"])) for name, each in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{path}: not the checksums of a dataset: {error!r}. Delete it.") from error


def grown(older: Mapping[str, Checksum], directory: Path, files: Iterable[Path]) -> str:
    """Return the contents of the file once new files are in the dataset.

    Args:
        older: the checksums so far.
        directory: where the new files are, in the layout of the dataset.
        files: the new files.
    """
    new = {path.relative_to(directory).as_posix(): checksum(path) for path in files}
    return json.dumps({name: asdict(each) for name, each in sorted({**older, **new}.items())}, indent=1)


def damaged(root: Path) -> Iterator[Path]:
    """Find the files that have the size that they were written with, and other bytes.

    Raises:
        DatasetError: the checksums cannot be understood.
        OSError: a file cannot be read.
    """
    for name, expected in read_checksums(root).items():
        if _differs(root / name, expected):
            yield root / name


def is_damaged(path: Path, root: Path, checksums: Mapping[str, Checksum]) -> bool:
    """Tell whether a file has the size that it was written with, and other bytes.

    Raises:
        OSError: it cannot be read.
    """
    expected = checksums.get(path.relative_to(root).as_posix())
    return expected is not None and _differs(path, expected)


def _differs(path: Path, expected: Checksum) -> bool:
    return path.is_file() and path.stat().st_size == expected.bytes and checksum(path) != expected
