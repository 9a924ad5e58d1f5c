"""Cuts what a dead recorder left in `recording/` to its last whole row."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy.typing as npt

from lerobot_recorder.durable import drop_cached, replace_file, sync_tree
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.episode import FrameReader
from lerobot_recorder.spool.images import image_arrays, image_file, png_file
from lerobot_recorder.spool.layout import BALLAST_FILE, is_png
from lerobot_recorder.spool.manifest import (
    MANIFEST_FILE,
    CameraSpool,
    EpisodeHeader,
    Manifest,
    end_header,
    read_header,
    read_manifest,
    to_json,
)
from lerobot_recorder.spool.records import ROWS_FILE, end_field, record_dtype, scan_records

INTERRUPTED = "interrupted"

_REASON = "interrupted: the recorder ended during the take, which is cut to its last whole row"

Records = npt.NDArray[Any]


def recover_take(directory: Path) -> Manifest | None:
    """Make an episode of an interrupted take: its rows and images up to the first that is not whole.

    A take whose manifest was written is complete, and left as it is.

    Returns:
        The manifest, or None where the take ended before its first row.

    Raises:
        SpoolError: it has rows, but its header or its images cannot be read; nothing was changed.
        OSError: the device failed; nothing was changed.
    """
    if (directory / MANIFEST_FILE).exists():
        return read_manifest(directory)
    if not _has_rows(directory):
        return None
    for path in directory.rglob("*"):
        if path.is_file():
            drop_cached(path)
    header = read_header(directory)
    records = scan_records(directory, header)
    if not len(records):
        _refuse_damaged(directory, header)
        return None
    whole = _with_images(directory, header, records)
    if not len(whole):
        raise SpoolError(f"{directory} has {len(records)} rows, but the images of the first are damaged")
    _cut(directory, header, whole)
    return _end(directory, header, len(whole))


def _refuse_damaged(directory: Path, header: EpisodeHeader) -> None:
    size = (directory / ROWS_FILE).stat().st_size
    if size >= record_dtype(header).itemsize:
        raise SpoolError(f"{directory} has {size} bytes of rows, but the first row is damaged")


def _has_rows(directory: Path) -> bool:
    path = directory / ROWS_FILE
    return path.exists() and path.stat().st_size > 0


def _with_images(directory: Path, header: EpisodeHeader, records: Records) -> Records:
    for key, camera in header.cameras.items():
        records = records[: _images_present(directory, key, camera, records)]
        reader = FrameReader(directory, key, camera, records, exact=False)
        records = records[: _images_whole(reader, len(records))]
    return records


def _images_present(directory: Path, key: str, camera: CameraSpool, records: Records) -> int:
    """Count the rows whose image is in the files in its full size."""
    if camera.format == "png":
        return sum(1 for _ in takewhile(lambda i: png_file(directory, key, i).exists(), range(len(records))))
    if camera.format == "jpeg":
        size = image_file(directory, key, "jpeg").stat().st_size
        return int((records[end_field(key)] <= size).sum())
    arrays = image_arrays(directory, key, camera)
    return min(len(records), *(array.path.stat().st_size // array.image_bytes for array in arrays))


def _images_whole(reader: FrameReader, length: int) -> int:
    """Count the images before the first that is damaged."""
    return sum(1 for _ in takewhile(lambda index: _is_whole(reader, index), range(length)))


def _is_whole(reader: FrameReader, index: int) -> bool:
    try:
        reader.check(index)
    except SpoolError as error:
        if is_passing(error):
            raise
        return False
    return True


def is_passing(error: BaseException) -> bool:
    """Tell whether an error is of the computer and not of the data: then nothing may be cut because of it."""
    causes = (error, error.__cause__)
    return any(isinstance(each, OSError) and not isinstance(each, FileNotFoundError) for each in causes)


def _cut(directory: Path, header: EpisodeHeader, records: Records) -> None:
    """Shorten all files to these rows."""
    os.truncate(directory / ROWS_FILE, len(records) * records.itemsize)
    for key, camera in header.cameras.items():
        _cut_images(directory, key, camera, records)


def _cut_images(directory: Path, key: str, camera: CameraSpool, records: Records) -> None:
    length = len(records)
    for array in image_arrays(directory, key, camera):
        os.truncate(array.path, length * array.image_bytes)
    if camera.format == "jpeg":
        end = int(records[end_field(key)][-1]) if length else 0
        os.truncate(image_file(directory, key, "jpeg"), end)
    if camera.format == "png":
        kept = {png_file(directory, key, index) for index in range(length)}
        for path in set(image_file(directory, key, "png").iterdir()) - kept:
            if is_png(path):
                path.unlink()


def _end(directory: Path, header: EpisodeHeader, length: int) -> Manifest:
    manifest = end_header(header, length, verdict="bad", reasons=(_REASON,), ended_by=INTERRUPTED)
    (directory / BALLAST_FILE).unlink(missing_ok=True)
    sync_tree(directory)
    replace_file(directory / MANIFEST_FILE, to_json(manifest))
    return manifest
