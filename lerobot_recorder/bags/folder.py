"""Which files a bag consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lerobot_recorder.bags.compression import ZSTD_SUFFIX
from lerobot_recorder.errors import BagError
from lerobot_recorder.excerpt import excerpt, listing

METADATA = "metadata.yaml"
SUFFIXES = (".mcap", ".db3")
_COMPRESSIONS = (None, "", "zstd")


@dataclass(frozen=True)
class Contents:
    """The files of a bag.

    Attributes:
        files: in the order in which they were recorded
        distro: the ROS that recorded the bag, for example ``humble``; empty if unknown
        qos: the QoS of the publishers of each topic, as YAML
    """

    files: tuple[Path, ...]
    distro: str = ""
    qos: Mapping[str, str] = field(default_factory=dict)


def contents_of(path: Path) -> Contents:
    """Return the files of a bag.

    Args:
        path: a folder, or a file.

    Raises:
        BagError: it is no bag, or files are missing.
    """
    if not path.exists():
        raise BagError(f"{path} does not exist")
    if not path.is_dir():
        if not _is_storage(path):
            raise BagError(_no_bag(path))
        return Contents((path,))
    metadata = _metadata(path / METADATA)
    if metadata is None:
        return Contents(_files_in(path))
    if metadata.get("compression_format") not in _COMPRESSIONS:
        found = excerpt(metadata["compression_format"], 40)
        raise BagError(
            f"{path} is compressed as {found!r}, expected zstd or none; convert it with 'ros2 bag convert'"
        )
    return Contents(_named_files(path, metadata), str(metadata.get("ros_distro") or ""), _qos(metadata))


def _no_bag(path: Path) -> str:
    hint = ""
    if path.suffix == ".bag":
        hint = "; convert a bag of ROS 1 with 'rosbags-convert --src FILE.bag --dst FOLDER'"
    return f"{path} is no bag: expected a rosbag2 folder, an .mcap or a .db3 file{hint}"


def is_bag_path(path: Path) -> bool:
    """Return whether a path is a folder, or has the name of a bag's file."""
    return path.is_dir() or _is_storage(path)


def _is_storage(path: Path) -> bool:
    return path.name.removesuffix(ZSTD_SUFFIX).endswith(SUFFIXES)


def _metadata(path: Path) -> dict[str, Any] | None:
    """Return the content of ``metadata.yaml``; None without one, or if a killed recorder left only a part."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        information: dict[str, Any] = document["rosbag2_bagfile_information"]
        _qos(information)
        return information if information["relative_file_paths"] else None
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
        return None


def _qos(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the QoS of each topic: a text in a text, or since version 9 a list."""
    found = {}
    for each in metadata.get("topics_with_message_count") or ():
        profiles = each["topic_metadata"].get("offered_qos_profiles") or ""
        text = profiles if isinstance(profiles, str) else yaml.safe_dump(profiles)
        found[str(each["topic_metadata"]["name"])] = text
    return found


def _named_files(folder: Path, metadata: dict[str, Any]) -> tuple[Path, ...]:
    names = [str(name) for name in metadata["relative_file_paths"]]
    files = [_found(folder, name) for name in names]
    missing = [name for name, file in zip(names, files, strict=True) if file is None]
    if missing:
        raise BagError(
            f"{folder / METADATA} names {listing(missing)}, missing in {folder}: copy it there, or remove "
            f"{METADATA} to read the files that are there"
        )
    found = [file for file in files if file is not None]
    if repeated := {file.name for file in found if found.count(file) > 1}:
        raise BagError(
            f"{folder / METADATA} names {listing(sorted(repeated))} more than once: give its files different "
            f"names, or remove {METADATA} to read each file once"
        )
    return tuple(found)


def _found(folder: Path, name: str) -> Path | None:
    """Return a file that metadata names. Old ones name it with a path; the user may have decompressed it."""
    inside = folder / name.removeprefix(f"{folder.name}/")
    named = (inside, folder / Path(name).name)
    tries = [each for path in named for each in (path, _with_zstd(path), _without_zstd(path))]
    return next((each for each in tries if each.is_file()), None)


def _with_zstd(path: Path) -> Path:
    return path.with_name(path.name + ZSTD_SUFFIX)


def _without_zstd(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(ZSTD_SUFFIX))


def _files_in(folder: Path) -> tuple[Path, ...]:
    """Return the files of a folder without metadata.

    A recorder that was killed while it compressed a file leaves both; the uncompressed one is whole.
    """
    found = [path for path in folder.iterdir() if path.is_file() and _is_storage(path)]
    files = [
        path for path in found if not path.name.endswith(ZSTD_SUFFIX) or _without_zstd(path) not in found
    ]
    if not files:
        raise BagError(_no_bag(folder))
    suffixes = {path.name.removesuffix(ZSTD_SUFFIX).rpartition(".")[2] for path in files}
    if len(suffixes) > 1:
        raise BagError(
            f"{folder} has no {METADATA}, and files of several kinds, {listing(sorted(suffixes))}: "
            "give the files one by one"
        )
    return tuple(sorted(files, key=_natural))


def _natural(path: Path) -> tuple[int, str]:
    """Sort ``bag_10.mcap`` after ``bag_9.mcap``."""
    number = path.name.partition(".")[0].rpartition("_")[2]
    return (int(number) if number.isdecimal() else 0, path.name)
