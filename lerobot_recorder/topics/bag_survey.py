"""Observes the topics of a bag, as the discovery observes a running robot."""

from __future__ import annotations

import yaml

from lerobot_recorder.bags import Bag, BagTopic, WholePart
from lerobot_recorder.discovery import IMAGES, TEXT, TYPES, VIDEO, SeenTopic, Survey, described
from lerobot_recorder.errors import BagError
from lerobot_recorder.topics.observed import ObservedTopic, facts_of

_FEWEST = 10
"""Messages from which a rate is taken, also when they take longer."""

_BEST_EFFORT = (2, "best_effort")
"""How metadata names a publisher that is not reliable."""


def survey_of_bag(bag: Bag | WholePart, seconds: float) -> Survey:
    """Return what is in a bag.

    Args:
        bag: the bag.
        seconds: how long to look at each topic, from its first message on.

    Raises:
        BagError: the bag is damaged.
    """
    topics: list[SeenTopic] = []
    others: list[tuple[str, str]] = []
    descriptions: list[str] = []
    for topic in bag.topics.values():
        if topic.type in (*TYPES, VIDEO) and _is_defined(bag, topic):
            topics += _seen(bag, topic, seconds)
        elif topic.type == TEXT and topic.name.endswith("robot_description"):
            descriptions += [message.decode().data for message in bag.messages([topic.name])]
        elif not topic.type.startswith("rcl_interfaces/"):
            others.append((topic.name, topic.type))
    robot, sliding = described(descriptions)
    return Survey(tuple(topics), robot, sliding, others=tuple(others), bag=str(bag.path))


def _is_defined(bag: Bag | WholePart, topic: BagTopic) -> bool:
    """Return whether the messages of a topic can be decoded."""
    try:
        for message in bag.messages([topic.name]):
            message.decode()
            return True
    except BagError:
        return False
    return True


def _seen(bag: Bag | WholePart, topic: BagTopic, seconds: float) -> list[SeenTopic]:
    observed = ObservedTopic()
    within, kept, first_ns = 0, None, None
    for number, message in enumerate(bag.messages([topic.name])):
        first_ns = message.log_ns if first_ns is None else first_ns
        at_s = (message.log_ns - first_ns) / 1e9
        if at_s > seconds and number >= _FEWEST:
            break
        within += at_s <= seconds
        if kept is None or topic.type not in (*IMAGES, VIDEO):
            kept = message.decode()
        observed.note(kept, at_s)
    reliable = _is_reliable(topic.qos)
    return [
        SeenTopic(
            topic.name,
            topic.type,
            reliable,
            min(part.received, within),
            part.rate_hz,
            **facts_of(topic.name, topic.type, part.message),
        )
        for part in observed.parts()
    ]


def _is_reliable(qos: str) -> bool:
    """Return whether all publishers of a topic were reliable, as far as the bag knows."""
    try:
        profiles = yaml.safe_load(qos)
        return all(profile.get("reliability") not in _BEST_EFFORT for profile in profiles or ())
    except (yaml.YAMLError, AttributeError, TypeError):
        return True
