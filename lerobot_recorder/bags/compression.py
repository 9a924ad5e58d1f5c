"""Decompresses chunks, messages and files of bags."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

from lerobot_recorder.errors import BagError

COMPRESSIONS = ("", "zstd", "lz4")
"""Of chunks, as they name them."""

ZSTD_SUFFIX = ".zstd"
"""Ends the names of files that are compressed as a whole."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # no serialized message starts like this: they start with a zero byte


def chunk_content(compression: str, data: bytes, size: int, crc: int) -> bytes:
    """Return the records of an MCAP chunk.

    Args:
        compression: one of ``COMPRESSIONS``.
        data: the chunk's data.
        size: number of bytes of the records.
        crc: checksum of the records, 0 if there is none.

    Raises:
        BagError: the data is damaged.
    """
    content = _decompressed(compression, data, size)
    if len(content) != size:
        raise BagError(f"it has {len(content)} bytes instead of {size}")
    if crc and zlib.crc32(content) != crc:
        raise BagError("its checksum is wrong")
    return content


def _decompressed(compression: str, data: bytes, size: int) -> bytes:
    import lz4.frame
    import zstandard

    try:
        if compression == "zstd":
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
        if compression == "lz4":
            return bytes(lz4.frame.decompress(data))
    except (zstandard.ZstdError, RuntimeError, MemoryError) as error:
        raise BagError(f"it cannot be decompressed: {error}") from error
    return data


def message_content(data: bytes) -> bytes:
    """Return a serialized message, decompressed if it is compressed.

    Raises:
        BagError: the message cannot be decompressed.
    """
    if not data.startswith(_ZSTD_MAGIC):
        return data
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError as error:
        raise BagError(f"a message cannot be decompressed: {error}") from error


def decompress_file(path: Path, folder: Path) -> tuple[Path, bool]:
    """Decompress a file into a folder.

    Args:
        path: the compressed file.
        folder: an existing folder.

    Returns:
        The new file, and whether it is complete.

    Raises:
        BagError: the disk is full, or nothing could be decompressed.
    """
    import zstandard

    target = folder / path.name.removesuffix(ZSTD_SUFFIX)
    try:
        with path.open("rb") as source, target.open("wb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
            shutil.copyfileobj(reader, file, 1 << 20)
    except zstandard.ZstdError as error:
        if not target.stat().st_size:
            raise BagError(f"{path} cannot be decompressed: {error}") from error
        return target, False
    except OSError as error:
        raise BagError(
            f"{path} cannot be decompressed into {folder}: {error.strerror}; "
            "set TMPDIR to a folder with more space, or decompress the file with 'zstd -d'"
        ) from error
    return target, True
