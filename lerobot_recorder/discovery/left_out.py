"""Why topics are not recorded, and streams for those that could be."""

from __future__ import annotations

from collections.abc import Sequence

from lerobot_recorder.discovery.cameras import is_image
from lerobot_recorder.discovery.seen import ARRAY, ARRAYS, JOY, NUMBERS, TF, SeenTopic
from lerobot_recorder.discovery.stream import PlannedStream, identifier, unique
from lerobot_recorder.discovery.transforms import transform_streams

_DEPTHS = ("16UC1", "32FC1")
_MOST_NUMBERS = 50
_TRANSPORTS = ("compressed", "compressedDepth", "theora", "ffmpeg", "zstd")


def offered_streams(topics: Sequence[SeenTopic], streams: Sequence[PlannedStream]) -> list[PlannedStream]:
    """Return streams for all other numbers that arrive: the user decides whether they matter."""
    chosen, names = {stream.topic.name for stream in streams}, [stream.name for stream in streams]
    offered: list[PlannedStream] = []
    for topic in topics:
        has_numbers = topic.type in NUMBERS or 0 < len(topic.numbers) <= _MOST_NUMBERS
        if has_numbers and topic.received and topic.name not in chosen:
            name = unique(identifier(*topic.parts), [*names, *(each.name for each in offered)])
            offered.append(PlannedStream(name, topic, f"observation.{name}", topic.numbers))
    return [*offered, *transform_streams(topics, [*names, *(each.name for each in offered)])]


def reason(topic: SeenTopic, streams: Sequence[PlannedStream]) -> str:
    """Return why a topic that could be recorded is not."""
    if not topic.received:
        return "no message arrived"
    if is_image(topic):
        return _image_reason(topic, streams)
    if topic.type == TF:
        return "a stream of the type tf records the transform between two frames"
    if topic.type in (JOY, *ARRAYS):
        return "it has no values, or very many: name those to record"
    others = [other for other in streams if set(other.topic.joints) & set(topic.joints)]
    if others:
        return f"its joints are recorded from {others[0].topic.name}"
    return "its values have no names" if topic.type == ARRAY or not topic.joints else "it commands no joint"


def _image_reason(topic: SeenTopic, streams: Sequence[PlannedStream]) -> str:
    base = _camera(topic)
    same = [stream.topic.name for stream in streams if _camera(stream.topic) == base]
    if same:
        return f"{same[0]} has the same images"
    if topic.encoding in _DEPTHS:
        return "its depth is not aligned with the color images that are recorded"
    return f"images with the encoding {topic.encoding or 'of a video'} cannot be recorded"


def _camera(topic: SeenTopic) -> tuple[str, ...]:
    parts = topic.parts[:-1] if topic.parts[-1] in _TRANSPORTS else topic.parts
    return tuple(parts[:-1]) if is_image(topic) else ()
