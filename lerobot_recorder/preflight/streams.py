"""Checks that the topics of a robot's own nodes deliver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lerobot_recorder.discovery import IMAGES, SeenTopic, Survey
from lerobot_recorder.preflight.finding import FAULT, WARNING, Finding, combined

_SLOW, _UNUSABLE = 0.8, 0.4


def check_topics(topics: Mapping[str, str], survey: Survey, fps: int) -> Iterator[Finding]:
    """Yield whether each stream's topic is published, and often enough.

    Args:
        topics: full name of the topic of each stream
        survey: what is published
        fps: rows per second
    """
    seen: dict[str, SeenTopic] = {}
    for each in survey.topics:
        if each.name not in seen or each.rate_hz > seen[each.name].rate_hz:
            seen[each.name] = each
    others = dict(survey.others)
    for stream, topic in topics.items():
        if topic in seen:
            yield _found(stream, seen[topic], fps)
        elif topic in others:
            yield Finding(stream, "ok", f"{topic}: {others[topic]}, its rate is unknown")
        else:
            yield Finding(stream, FAULT, f"nothing is published on {topic}: is the robot running?")


def _found(stream: str, topic: SeenTopic, fps: int) -> Finding:
    size = f" {topic.width}x{topic.height}" if topic.width else ""
    fine = f"{topic.name}: {topic.type}{size} at {topic.rate_hz:.1f} Hz"
    if not topic.received:
        return Finding(stream, FAULT, f"{topic.name}: {topic.type}, but no message arrives")
    if topic.has_losses:
        return combined(stream, [(WARNING, topic.losses)], fine)
    if topic.rate_hz >= _SLOW * fps:
        return Finding(stream, "ok", fine)
    is_unusable = topic.type in IMAGES and topic.rate_hz < _UNUSABLE * fps
    return combined(stream, [(FAULT if is_unusable else WARNING, f"slower than {fps} rows per second")], fine)
