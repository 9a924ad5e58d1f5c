"""Cuts the take that a dead recorder left in ``recording/`` to its last whole row."""

from __future__ import annotations

import os
import re
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy.typing as npt

from lerobot_recorder.durable import drop_cached, partial_file, replace_file, sync, sync_tree
from lerobot_recorder.errors import SpoolError
from lerobot_recorder.spool.episode import FrameReader
from lerobot_recorder.spool.identifiers import is_episode_id
from lerobot_recorder.spool.images import image_arrays, image_file, png_file
from lerobot_recorder.spool.manifest import (
    BALLAST_FILE,
    DISCARDED_FILE,
    HEADER_FILE,
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

_WRITER_FILES = re.compile(
    "|".join(map(re.escape, (HEADER_FILE, ROWS_FILE, BALLAST_FILE, MANIFEST_FILE, DISCARDED_FILE)))
    + r"|.*\.json\.partial|.*\.(i420|thumbs|jpeg|depth16|depth32)"
)
_PREPARED = re.compile(r"[0-9a-f]{16}")
_PNG = re.compile(r"frame-\d{6,}\.png")


def is_take(path: Path) -> bool:
    """Return whether a directory in ``recording/`` was created by a writer."""
    return (path / HEADER_FILE).is_file() or has_only_writer_files(path)


def has_only_writer_files(path: Path) -> bool:
    """Return whether a directory is named as an episode and holds only files that a writer creates."""
    return is_episode_id(path.name) and _holds_only_writer_files(path)


def is_prepared(path: Path) -> bool:
    """Return whether a directory in ``prepared/`` was created by a recorder."""
    return bool(_PREPARED.fullmatch(path.name)) and _holds_only_writer_files(path)


def _holds_only_writer_files(path: Path) -> bool:
    return all(map(_is_of_writer, path.iterdir()))


def _is_of_writer(entry: Path) -> bool:
    if entry.is_dir():
        return all(_PNG.fullmatch(image.name) for image in entry.iterdir())
    return bool(_WRITER_FILES.fullmatch(entry.name))


def is_unfinished_import(directory: Path) -> bool:
    """Return whether an interrupted take was being imported from a bag, which still has all of it."""
    if (directory / MANIFEST_FILE).exists():
        return False
    try:
        return bool(read_header(directory).source)
    except SpoolError:
        return False


def recover_take(directory: Path) -> Manifest | None:
    """Make an episode of an interrupted take: keep its rows and images up to the first damaged one.

    A take that has a manifest is complete and does not change. Neither does one whose manifest has no name
    yet, if all of its rows and images are there: its save may have been acknowledged.

    Returns:
        The manifest, or None if the take ended before its first row.

    Raises:
        SpoolError: it has rows, but its header or its images cannot be read; nothing has changed.
        OSError: the device failed; nothing has changed.
    """
    if (directory / MANIFEST_FILE).exists():
        return read_manifest(directory)
    rows = directory / ROWS_FILE
    if not (size := rows.stat().st_size if rows.exists() else 0):
        return None
    for path in directory.rglob("*"):
        if path.is_file():
            drop_cached(path)
    header = read_header(directory)
    records = scan_records(directory, header)
    if not len(records):
        if size >= record_dtype(header).itemsize:
            raise SpoolError(f"{directory} has {size} bytes of rows, but the first row is damaged")
        return None
    whole = _with_images(directory, header, records)
    if not len(whole):
        raise SpoolError(f"{directory} has {len(records)} rows, but the images of the first are damaged")
    if (saved := _saved(directory)) is not None and saved.length == len(whole):
        return _name_manifest(directory, saved)
    _cut(directory, header, whole)
    return _end(directory, header, len(whole))


def _saved(directory: Path) -> Manifest | None:
    """Return the manifest that has no name yet; None if the take was not being saved."""
    try:
        return read_manifest(directory, partial_file(directory / MANIFEST_FILE).name)
    except SpoolError as error:
        if is_passing(error):
            raise
        return None


def _name_manifest(directory: Path, manifest: Manifest) -> Manifest:
    (directory / BALLAST_FILE).unlink(missing_ok=True)
    partial_file(directory / MANIFEST_FILE).replace(directory / MANIFEST_FILE)
    sync(directory)
    return manifest


def _with_images(directory: Path, header: EpisodeHeader, records: Records) -> Records:
    for key, camera in header.cameras.items():
        records = records[: _images_present(directory, key, camera, records)]
        reader = FrameReader(directory, key, camera, records, exact=False)
        records = records[: _images_whole(reader, len(records))]
    return records


def _images_present(directory: Path, key: str, camera: CameraSpool, records: Records) -> int:
    """Count the rows whose image is in the files at full size."""
    if camera.format == "png":
        return sum(1 for _ in takewhile(lambda i: png_file(directory, key, i).exists(), range(len(records))))
    if camera.format == "jpeg":
        size = image_file(directory, key, "jpeg").stat().st_size
        return int((records[end_field(key)] <= size).sum())
    arrays = image_arrays(directory, key, camera)
    return min(len(records), *(array.path.stat().st_size // array.image_bytes for array in arrays))


def _images_whole(reader: FrameReader, length: int) -> int:
    """Count the images before the first damaged one."""
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
    """Return whether an error comes from the computer, not the data; then no data may be cut."""
    causes = (error, error.__cause__)
    return any(isinstance(each, OSError) and not isinstance(each, FileNotFoundError) for each in causes)


def _cut(directory: Path, header: EpisodeHeader, records: Records) -> None:
    """Cut all files to these rows."""
    length = len(records)
    os.truncate(directory / ROWS_FILE, length * records.itemsize)
    for key, camera in header.cameras.items():
        for array in image_arrays(directory, key, camera):
            os.truncate(array.path, length * array.image_bytes)
        if camera.format == "jpeg":
            os.truncate(image_file(directory, key, "jpeg"), int(records[end_field(key)][-1]))
        if camera.format == "png":
            kept = {png_file(directory, key, index) for index in range(length)}
            for path in set(image_file(directory, key, "png").iterdir()) - kept:
                if _PNG.fullmatch(path.name):
                    path.unlink()


def _end(directory: Path, header: EpisodeHeader, length: int) -> Manifest:
    manifest = end_header(header, length, verdict="bad", reasons=(_REASON,), ended_by=INTERRUPTED)
    (directory / BALLAST_FILE).unlink(missing_ok=True)
    sync_tree(directory)
    replace_file(directory / MANIFEST_FILE, to_json(manifest))
    return manifest
