"""Metadata of a spooled episode: ``header.json`` and ``manifest.json``.

The header is written when an episode starts, the manifest when it ends. Both carry a checksum, so
that a damaged file is an error and never a different episode.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lerobot_recorder.errors import SpoolError

SCHEMA = 1
HEADER_FILE = "header.json"
MANIFEST_FILE = "manifest.json"
BALLAST_FILE = "ballast"
DISCARDED_FILE = "discarded.json"
_TUPLES = {"sampled", "reasons", "notes"}
IMAGE_FORMATS = ("raw", "jpeg", "png", "depth16", "depth32")

Feature = dict[str, Any]
_Record = TypeVar("_Record", bound="EpisodeHeader")


@dataclass(frozen=True)
class CameraSpool:
    """How the images of one camera are stored.

    Attributes:
        format: ``raw`` (I420 and thinned RGB), ``jpeg`` or ``png`` (unchanged), ``depth16``, ``depth32``
        width: in pixels
        height: in pixels
    """

    format: str
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.format not in IMAGE_FORMATS:
            raise SpoolError(f"image format {self.format!r} is not one of {', '.join(IMAGE_FORMATS)}")
        if self.width < 1 or self.height < 1:
            raise SpoolError(f"invalid image size {self.width}x{self.height}")
        if self.format == "raw" and (self.width % 2 or self.height % 2):
            raise SpoolError(
                f"raw spooling needs an even width and height, not {self.width}x{self.height}: "
                "crop or pad the images (with odd_size of their stream), or use the png image format"
            )

    @property
    def is_depth(self) -> bool:
        """Whether the images are depth maps."""
        return self.format.startswith("depth")


@dataclass(frozen=True, kw_only=True)
class EpisodeHeader:
    """What is fixed when an episode starts.

    Attributes:
        episode_id: unique; sorts after the identifiers of all earlier episodes
        fps: rows per second; row k is at k / fps
        features: the user's features as LeRobot declares them, vectors and cameras
        cameras: how the images of each camera feature are stored
        task: the sentence that describes what the episode shows
        robot_type: as in ``meta/info.json``
        started_at_ns: time of the first row on ``clock``, nanoseconds
        clock: ``system`` (since 1970, UTC) or ``sim``
        record_success: whether rows have ``next.success``, which is derived from ``success``
        sampled: the streams whose sample ages are kept in each row
        setup: identifier of the set-up that is known at the start, from ``keep_setup``; empty if unknown. A
            manifest may have another one: that at the end
        source: the bag that it is imported from, and which part of it; empty for a recording
    """

    episode_id: str
    fps: int
    features: dict[str, Feature]
    cameras: dict[str, CameraSpool]
    task: str = ""
    robot_type: str | None = None
    started_at_ns: int = 0
    clock: str = "system"
    record_success: bool = False
    sampled: tuple[str, ...] = ()
    setup: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise SpoolError(
                f"episode {self.episode_id} has spool schema {self.schema}, this version reads {SCHEMA}"
            )
        if not isinstance(self.task, str):
            raise SpoolError(
                f"episode {self.episode_id}: expected its task to be a text, found {self.task!r}"
            )
        missing = [key for key in self.cameras if key not in self.features]
        if missing:
            raise SpoolError(f"episode {self.episode_id} has cameras without a feature: {', '.join(missing)}")


@dataclass(frozen=True, kw_only=True)
class Manifest(EpisodeHeader):
    """Metadata of an episode that has ended.

    Attributes:
        length: number of rows, and of images per camera
        success: the operator's mark; None if there is none
        verdict: ``good`` or ``bad``
        reasons: why it is bad, one sentence each
        notes: what is unusual but does not make it bad, one sentence each
        accepted: whether the operator accepted it despite its verdict
        ended_order: sorts episodes by when they ended; an identifier from the same sequence, or empty
        ended_by: ``save``, ``time``, ``reject``, ``overrun``, ``disk_full``, ``interrupted``, ...
        streams: figures on the rate, age and faults of each stream during the episode
        ticks: figures on how late the rows were taken
    """

    length: int
    success: bool | None = None
    verdict: str = "good"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    accepted: bool = False
    ended_order: str = ""
    ended_by: str = "save"
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    ticks: dict[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> str:
        """Sort key: the end of the episode; for an episode of an earlier version its start."""
        return self.ended_order or self.episode_id

    @property
    def duration_s(self) -> float:
        """Length in seconds on the grid."""
        return self.length / self.fps


def end_header(header: EpisodeHeader, length: int, **outcome: Any) -> Manifest:
    """Extend a header to the manifest of an episode of ``length`` rows."""
    fixed = {item.name: getattr(header, item.name) for item in dataclasses.fields(EpisodeHeader)}
    return Manifest(**{**fixed, "length": length, **outcome})


def to_json(record: EpisodeHeader) -> bytes:
    """Serialize a header or manifest, with its checksum."""
    content = dataclasses.asdict(record)
    text = json.dumps({**content, "checksum": _checksum(content)}, indent=1, ensure_ascii=False)
    return text.encode()


def read_header(directory: Path) -> EpisodeHeader:
    """Read the header of the episode in ``directory``.

    Raises:
        SpoolError: it is missing, damaged, or has another schema.
    """
    return _read(EpisodeHeader, directory / HEADER_FILE)


def read_manifest(directory: Path, name: str = MANIFEST_FILE) -> Manifest:
    """Read the manifest of the episode in ``directory``.

    Args:
        directory: the episode's directory
        name: the manifest's name, which is another one during a save

    Raises:
        SpoolError: it is missing, damaged, or has another schema.
    """
    return _read(Manifest, directory / name)


def _read(kind: type[_Record], path: Path) -> _Record:
    try:
        content = json.loads(path.read_bytes())
        found = content.pop("checksum")
        if found != _checksum(content):
            raise SpoolError(f"{path} is damaged: its checksum does not match its content")
        return _from_content(kind, content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SpoolError(f"{path} cannot be read as an episode's {path.stem}: {error}") from error


def _from_content(kind: type[_Record], content: Mapping[str, Any]) -> _Record:
    values = dict(content)
    values["cameras"] = {key: CameraSpool(**camera) for key, camera in values["cameras"].items()}
    for name in _TUPLES & set(values):
        values[name] = tuple(values[name])
    return kind(**values)


def _checksum(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(canonical.encode()):08x}"
