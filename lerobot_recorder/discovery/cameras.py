"""Finds the topics of cameras: one transport for each, depth separate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lerobot_recorder.discovery.seen import COMPRESSED, IMAGE, IMAGES, VIDEO, SeenTopic
from lerobot_recorder.discovery.stream import PlannedStream, identifier, unique

_TRANSPORTS = ("compressed", "compressedDepth", "video")
_GENERIC = frozenset({"camera", "cameras", "cam", "sensors", "color", "colour", "rgb", "depth", "image"})
_ALIGNED = "aligned_depth_to_"
_COLOURS = (
    "rgb8",
    "bgr8",
    "rgba8",
    "bgra8",
    "mono8",
    "8UC1",
    "8UC3",
    "8UC4",
    "16UC3",
    "16UC4",
    "yuv422_yuy2",
    "yuyv",
    "yuv422",
    "uyvy",
    "nv12",
    "nv21",
    "nv24",
    *(f"{kind}16" for kind in ("rgb", "bgr", "rgba", "bgra", "mono")),
    *(f"bayer_{pattern}{bits}" for pattern in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)),
)
_PREFERRED = ("raw", "color", "colour", "rect", "mono")


@dataclass(frozen=True)
class _View:
    """The topics that carry the same image of one camera."""

    place: tuple[str, ...]
    topics: tuple[SeenTopic, ...]

    @property
    def depth(self) -> SeenTopic | None:
        return min(filter(_is_depth, self.topics), key=lambda topic: topic.type != IMAGE, default=None)

    @property
    def best(self) -> SeenTopic | None:
        """The topic to record: compressed if possible, otherwise raw."""
        if self.depth is not None:
            return self.depth
        usable = [topic for topic in self.topics if _is_usable(topic)]
        return min(usable, key=_preference, default=None)


def camera_streams(topics: Sequence[SeenTopic]) -> list[PlannedStream]:
    """Plan the streams of all cameras that send images."""
    views = [view for view in _views(topics) if view.best is not None]
    streams: list[PlannedStream] = []
    for view in _without_unaligned(views):
        topic = view.best
        assert topic is not None
        name = unique(_name(view, views), [each.name for each in streams])
        streams.append(PlannedStream(name, topic, f"observation.images.{name}", depth=view.depth is not None))
    return streams


def is_image(topic: SeenTopic) -> bool:
    """Return whether a topic carries images."""
    return topic.type in (*IMAGES, VIDEO)


def _views(topics: Sequence[SeenTopic]) -> list[_View]:
    by_place: dict[tuple[str, ...], list[SeenTopic]] = {}
    for topic in sorted(filter(is_image, topics), key=lambda topic: topic.name):
        by_place.setdefault(_place(topic), []).append(topic)
    return [_View(place, tuple(found)) for place, found in by_place.items()]


def _place(topic: SeenTopic) -> tuple[str, ...]:
    """Return the common part of the names of a camera's topics."""
    parts = topic.parts[:-1] if topic.parts[-1] in _TRANSPORTS else topic.parts
    return tuple(parts[:-1] if parts[-1].startswith("image") else parts)


def _is_depth(topic: SeenTopic) -> bool:
    return topic.encoding in ("16UC1", "32FC1") or (topic.encoding == "mono16" and "depth" in topic.words)


def _is_usable(topic: SeenTopic) -> bool:
    known = {COMPRESSED: ("jpeg", "png"), VIDEO: ("h264", "h265", "vp9", "av1")}.get(topic.type, _COLOURS)
    return bool(topic.received) and topic.encoding in known


def _preference(topic: SeenTopic) -> tuple[int, bool, int, str]:
    ranks = [rank for rank, word in enumerate(_PREFERRED) if word in topic.words]
    is_mosaic = topic.encoding.startswith("bayer")  # its driver makes better colors of it
    return (
        (COMPRESSED, IMAGE, VIDEO).index(topic.type),
        is_mosaic,
        min(ranks, default=len(_PREFERRED)),
        topic.name,
    )


def _without_unaligned(views: Sequence[_View]) -> list[_View]:
    """Skip depth images that the camera also sends aligned to its color images."""
    aligned = {view.place[:-1] for view in views if view.place and view.place[-1].startswith(_ALIGNED)}
    return [view for view in views if view.place[-1:] != ("depth",) or view.place[:-1] not in aligned]


def _name(view: _View, views: Sequence[_View]) -> str:
    """Name a camera by the part that distinguishes it from the others."""
    telling = [
        part
        for part in view.place[_shared(views) :]
        if not _is_generic(part) and not part.startswith(_ALIGNED)
    ]
    words = [part.removesuffix("_camera").removeprefix("camera_") for part in dict.fromkeys(telling)]
    return identifier(*(words or ["camera"]), *(["depth"] if view.depth is not None else []))


def _is_generic(part: str) -> bool:
    return part.lower() in _GENERIC


def _shared(views: Sequence[_View]) -> int:
    """Count the leading parts that all names share; for a single camera, all but the last."""
    places = [view.place for view in views]
    shortest = min(map(len, places))
    same = next((n for n in range(shortest) if len({place[n] for place in places}) > 1), shortest)
    return min(same, max(shortest - 1, 0))
