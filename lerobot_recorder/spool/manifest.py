"""What is known of a spooled episode besides its rows and images: `header.json` and `manifest.json`.

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
_TUPLES = {"sampled", "reasons", "notes"}
IMAGE_FORMATS = ("raw", "jpeg", "png", "depth16", "depth32")

Feature = dict[str, Any]
_Record = TypeVar("_Record", bound="EpisodeHeader")


@dataclass(frozen=True)
class CameraSpool:
    """How the images of one camera are kept.

    Attributes:
        format: `raw` (planar I420 and thinned RGB), `jpeg` or `png` (as they came), `depth16`, `depth32`.
        width: pixels.
        height: pixels.
    """

    format: str
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.format not in IMAGE_FORMATS:
            raise SpoolError(f"image format {self.format!r} is not one of {', '.join(IMAGE_FORMATS)}")
        if self.width < 1 or self.height < 1:
            raise SpoolError(f"an image of {self.width}x{self.height} pixels cannot be spooled")
        if self.format == "raw" and (self.width % 2 or self.height % 2):
            raise SpoolError(
                f"raw spooling needs an even width and height, not {self.width}x{self.height}: "
                "crop or resize the images, or use the png image format"
            )

    @property
    def is_depth(self) -> bool:
        """Tell whether the images are depth maps."""
        return self.format.startswith("depth")


@dataclass(frozen=True, kw_only=True)
class EpisodeHeader:
    """What is fixed when an episode starts.

    Attributes:
        episode_id: unique, greater than those of all earlier episodes.
        fps: rows per second, all of them on the grid of `1 / fps`.
        features: the user's features as LeRobot declares them, vectors and cameras.
        cameras: how each camera feature's images are kept.
        task: the sentence that describes what is shown.
        robot_type: as in `meta/info.json`.
        started_at_ns: time of the first row on `clock`, nanoseconds.
        clock: `system` (since 1970, UTC) or `sim`.
        record_success: whether `next.success` is filled from `success` when rows are read.
        sampled: the streams of which each row keeps how old their samples were.
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
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise SpoolError(
                f"episode {self.episode_id} has spool schema {self.schema}, this version reads {SCHEMA}"
            )
        if not isinstance(self.task, str):
            raise SpoolError(f"episode {self.episode_id}: expected a text as its task, found {self.task!r}")
        missing = [key for key in self.cameras if key not in self.features]
        if missing:
            raise SpoolError(f"episode {self.episode_id} has cameras without a feature: {', '.join(missing)}")


@dataclass(frozen=True, kw_only=True)
class Manifest(EpisodeHeader):
    """What is known of an episode that has ended.

    Attributes:
        length: rows, and images of each camera.
        success: the operator's mark, None where none was given.
        verdict: `good` or `bad`.
        reasons: why it is bad, one sentence each.
        notes: what is unusual about it without making it bad, one sentence each.
        accepted: the operator took it in spite of its verdict.
        ended_order: sorts episodes by when they ended; an identifier from the same sequence, or empty.
        ended_by: `save`, `time`, `reject`, `overrun`, `disk_full`, `interrupted`, ...
        streams: per stream, figures on its rate, age and faults during the episode.
        ticks: figures on how late the rows were taken.
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
        """Sorts episodes by when they ended; those of earlier versions by when they started."""
        return self.ended_order or self.episode_id

    @property
    def duration_s(self) -> float:
        """Length in seconds on the grid."""
        return self.length / self.fps


def end_header(header: EpisodeHeader, length: int, **outcome: Any) -> Manifest:
    """Complete a header to the manifest of an episode of `length` rows."""
    fixed = {item.name: getattr(header, item.name) for item in dataclasses.fields(EpisodeHeader)}
    return Manifest(**fixed, length=length, **outcome)


def to_json(record: EpisodeHeader) -> bytes:
    """Serialise a header or manifest, with its checksum."""
    content = dataclasses.asdict(record)
    text = json.dumps({**content, "checksum": _checksum(content)}, indent=1, ensure_ascii=False)
    return text.encode()


def read_header(directory: Path) -> EpisodeHeader:
    """Read the header of the episode in `directory`.

    Raises:
        SpoolError: it is missing, damaged, or of another schema.
    """
    return _read(EpisodeHeader, directory / HEADER_FILE)


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of the episode in `directory`.

    Raises:
        SpoolError: it is missing, damaged, or of another schema.
    """
    return _read(Manifest, directory / MANIFEST_FILE)


def _read(kind: type[_Record], path: Path) -> _Record:
    try:
        content = json.loads(path.read_bytes())
        found = content.pop("checksum")
        if found != _checksum(content):
            raise SpoolError(f"{path} is damaged: its checksum does not fit its content")
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
