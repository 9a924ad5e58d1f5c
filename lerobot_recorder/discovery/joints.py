"""Finds the topics of the robot's state and of its action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lerobot_recorder.discovery.seen import (
    ARRAY,
    CONTROLLER_STATE,
    JOINT_STATE,
    TRAJECTORY,
    TWISTS,
    SeenTopic,
)
from lerobot_recorder.discovery.stream import PlannedStream, identifier, unique

_LEADS = frozenset({"leader", "master", "teleop", "gello", "operator"})
_FOLLOWS = frozenset({"follower", "puppet", "slave"})
_COMMANDS = frozenset({"action", "actions", "command", "commands", "cmd"}) | frozenset(
    {"goal", "target", "desired", "reference"}
)
_NEVER = 9  # the rank of topics that are not candidates
_NOBODY = "no publisher yet: an episode can start as soon as there is one"
_SHARED = "other messages on this topic hold other joints, which another stream records"
_NO_NAMES = "the message does not name its values: check their order"

Joint = tuple[str, str]
"""An arm and one of its joints."""


@dataclass(frozen=True)
class _Arm:
    """A topic of joint states, and the namespace of the arm that it belongs to."""

    topic: SeenTopic
    place: tuple[str, ...]

    @property
    def label(self) -> str:
        return identifier(*self.place)


def state_streams(topics: Sequence[SeenTopic]) -> list[PlannedStream]:
    """Plan the state: the joint states of every arm, each joint once, in the order of the action."""
    arms, actions = _arms(topics), _actions(topics)
    streams: list[PlannedStream] = []
    for arm in arms:
        name = "state" if len(arms) == 1 else identifier(arm.label, "state")
        commanded = [joint for topic, its in actions if its == arm for joint in _joints(topic, arm)]
        names = _ordered(arm.topic.joints, commanded)
        aliases = _aliases(names, arm.label if _is_ambiguous(names, arms) else "")
        shared = sum(other.topic.name == arm.topic.name for other in arms) > 1
        streams.append(
            PlannedStream(
                unique(name, [each.name for each in streams]),
                arm.topic,
                "observation.state",
                names,
                aliases,
                remarks=(_SHARED,) if shared else (),
            )
        )
    return streams


def action_streams(topics: Sequence[SeenTopic]) -> list[PlannedStream]:
    """Plan the action: topics that lead or command the joints of the state, each joint once.

    Commands to a follower come first, then a leader's joint states, other commands, the reference of
    controllers, and last the command topics of controllers that have no publisher.
    """
    arms, chosen = _arms(topics), _actions(topics)
    streams: list[PlannedStream] = []
    for topic, arm in chosen:
        name = "action" if len(chosen) == 1 else _action_name(topic)
        stream = _action(unique(name, [each.name for each in streams]), topic, arm, arms)
        streams.append(stream)
    return streams


def _actions(topics: Sequence[SeenTopic]) -> list[tuple[SeenTopic, _Arm | None]]:
    """Choose the topics of the action and the arm that each commands, by the topics' names."""
    arms = _arms(topics)
    covered: set[Joint] = set()
    chosen: list[tuple[SeenTopic, _Arm | None]] = []
    for topic in sorted(_candidates(topics, arms), key=_rank):
        arm = _arm_of(topic, arms)
        joints = {(arm.label if arm else "", _plain(joint)) for joint in _joints(topic, arm)}
        if joints and not joints & covered:
            covered |= joints
            chosen.append((topic, arm))
    chosen.extend((topic, None) for topic in topics if _is_drive(topic))
    return sorted(chosen, key=lambda pair: pair[0].name)


def _arms(topics: Sequence[SeenTopic]) -> list[_Arm]:
    found = [topic for topic in topics if topic.type == JOINT_STATE and topic.received and topic.joints]
    measured = [topic for topic in found if not _leads(topic) and not topic.words & _COMMANDS]
    arms: list[_Arm] = []
    for topic in sorted(
        measured or found, key=lambda topic: (-len(topic.joints), len(topic.name), topic.name)
    ):
        arm = _Arm(topic, _place(topic))
        known = {joint for other in arms if _is_within(arm, other) for joint in other.topic.joints}
        if not set(topic.joints) <= known:
            arms.append(arm)
    return sorted(arms, key=lambda arm: arm.topic.name)


def _place(topic: SeenTopic) -> tuple[str, ...]:
    """Return the namespace without words such as leader and follower."""
    kept = (
        "_".join(word for word in part.split("_") if word.lower() not in _LEADS | _FOLLOWS)
        for part in topic.parts[:-1]
    )
    return tuple(part for part in kept if part)


def _is_within(inner: _Arm, outer: _Arm) -> bool:
    return inner.place[: len(outer.place)] == outer.place


def _candidates(topics: Sequence[SeenTopic], arms: Sequence[_Arm]) -> list[SeenTopic]:
    states = {arm.topic.name for arm in arms}
    return [topic for topic in topics if topic.name not in states and _rank(topic)[0] < _NEVER]


def _rank(topic: SeenTopic) -> tuple[int, str]:
    """Order candidates for the action; the lowest is the best."""
    commands = bool(topic.words & _COMMANDS)
    if topic.type == JOINT_STATE and topic.received:
        to_follower = commands and bool(topic.words & _FOLLOWS)
        return (0 if to_follower else 1 if _leads(topic) else 2 if commands else _NEVER), topic.name
    if topic.type == CONTROLLER_STATE and topic.received:
        return 3, topic.name
    if topic.type == TRAJECTORY or (topic.type == ARRAY and commands):
        return (2 if topic.received else 4), topic.name
    return _NEVER, topic.name


def _leads(topic: SeenTopic) -> bool:
    return bool(topic.words & _LEADS) and not topic.words & _FOLLOWS


def _arm_of(topic: SeenTopic, arms: Sequence[_Arm]) -> _Arm | None:
    """Find the arm in whose namespace a topic is; where arms share it, the one with most of the joints."""
    place, joints = _place(topic), {_plain(joint) for joint in topic.joints}
    near = [arm for arm in arms if place[: len(arm.place)] == arm.place]
    return max(
        near,
        key=lambda arm: (len(arm.place), len(joints & {_plain(joint) for joint in arm.topic.joints})),
        default=arms[0] if len(arms) == 1 else None,
    )


def _joints(topic: SeenTopic, arm: _Arm | None) -> tuple[str, ...]:
    """Return names for the values of a topic, even if its messages have none."""
    if topic.joints or topic.type != ARRAY:
        return topic.joints
    if arm is not None and len(arm.topic.joints) == topic.values:
        return arm.topic.joints
    label = identifier(*topic.parts[:-1])
    return tuple(f"{label}_{number}" for number in range(topic.values))


def _ordered(joints: Sequence[str], commanded: Sequence[str]) -> tuple[str, ...]:
    """Return the commanded joints in the order of the command, then the others."""
    places = {_plain(joint): place for place, joint in reversed(list(enumerate(commanded)))}
    return tuple(sorted(joints, key=lambda joint: places.get(_plain(joint), len(places))))


def _is_drive(topic: SeenTopic) -> bool:
    return topic.type in TWISTS and bool(topic.received) and bool(topic.words & {"cmd", "cmds"})


def _action_name(topic: SeenTopic) -> str:
    place = [part.removesuffix("_controller") for part in topic.parts[:-1]] or topic.parts
    return identifier(*place, "action")


def _action(name: str, topic: SeenTopic, arm: _Arm | None, arms: Sequence[_Arm]) -> PlannedStream:
    names, remarks = _joints(topic, arm), []
    if not topic.received:
        remarks.append(_NOBODY)
    if topic.type == ARRAY and not topic.joints:
        remarks.append(_NO_NAMES)
    prefix = arm.label if arm is not None and _is_ambiguous(arm.topic.joints, arms) else ""
    aliases = _aliases(names, prefix)
    if topic.type == ARRAY:  # its messages do not name the values
        names, aliases = aliases or names, ()
    return PlannedStream(name, topic, "action", names, aliases, remarks=tuple(remarks))


def _is_ambiguous(joints: Sequence[str], arms: Sequence[_Arm]) -> bool:
    """Return whether another arm has joints with the same names."""
    plain = set(map(_plain, joints))
    return sum(bool(plain & set(map(_plain, arm.topic.joints))) for arm in arms) > 1


def _aliases(joints: Sequence[str], prefix: str) -> tuple[str, ...]:
    """Return the joints' names in the dataset, without ``_joint``; empty if they are the same."""
    plain = [_plain(joint) for joint in joints]
    short = plain if len(set(plain)) == len(plain) else list(joints)
    aliases = tuple(f"{prefix}_{joint}" if prefix else joint for joint in short)
    return () if aliases == tuple(joints) else aliases


def _plain(joint: str) -> str:
    return joint.removesuffix("_joint") or joint
