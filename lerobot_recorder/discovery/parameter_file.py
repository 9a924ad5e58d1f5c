"""Writes a plan as a parameter file, with the observed rates and types in comments."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

from lerobot_recorder.discovery.cameras import is_image
from lerobot_recorder.discovery.plan import Plan
from lerobot_recorder.discovery.seen import TEXT, TRAJECTORY, TWISTS, SeenTopic, Survey
from lerobot_recorder.discovery.stream import PlannedStream, identifier

_SHORTEST_AGE_S = 0.5
_PERIODS = 4  # without a sample make an episode bad
_LONGEST_AGE_S = 3600.0
_SLOW = 0.8  # of the rows, or of the rate that was seen
_TASKS = frozenset({"task", "instruction", "instructions", "language", "prompt", "goal"})
_STREAMED = 10  # messages while one looked: too many for commands of a motion each

_HEAD = """\
# The topics that `lerobot-recorder discover` found. Check the names and their order, then:
#
#   {command}
#
# `ros2 param describe /recorder fps` describes a parameter, and whether it can change while the node runs.
# Units are as published; `unit: degrees` turns an arm's rad into degrees.
# Subscriptions use the QoS of their publishers. To choose another one, set
# qos_overrides.TOPIC.subscription.reliability: best_effort, and likewise history, depth and durability.
"""


def use_command(survey: Survey, file: str) -> str:
    """Return the command that uses a parameter file for what was surveyed, quoted for a shell."""
    file = shlex.quote(file)
    if survey.bag:
        announced = any(name.endswith("/episode_completed") for name, kind in survey.others if kind == TEXT)
        cut = " --from-recorder" if announced else ""
        return f"lerobot-recorder import {shlex.quote(survey.bag)} --config {file}{cut} --root DATASET"
    return f"lerobot-recorder record --hardware none --config {file}"


def parameter_text(plan: Plan) -> str:
    """Return the text of a file for the recorder and the encoder."""
    repo_id = f"local/{identifier(plan.survey.robot) or 'robot'}"
    task = "" if plan.survey.bag else ' --task "Pick up the cube"'
    head = _HEAD.format(command=use_command(plan.survey, "THIS_FILE") + task)
    return "\n".join([head, *_recorder(plan, repo_id), "", *_encoder(repo_id), *_left_out(plan), ""])


def _recorder(plan: Plan, repo_id: str) -> Iterator[str]:
    yield "/**/recorder:"
    yield "  ros__parameters:"
    yield _line("repo_id", repo_id)
    yield _line("robot_type", plan.survey.robot)
    if any(stream.topic.has_losses and is_image(stream.topic) for stream in plan.streams):
        yield "    # Images were lost in transport, so check this rate: the cameras' own is not known."
    yield _line("fps", plan.fps)
    yield _line("task", "")
    for name in _texts(plan.survey):
        yield f"    # If {name} has the task:"
        yield f"    #{_line('task_topic', name).removeprefix('    ')}"
    yield "    # 0: each episode is started by hand, with a key or a service."
    yield _line("num_episodes", 0)
    yield "    # 0: until it is saved by hand."
    yield _line("episode_time_s", 60.0)
    yield _line("reset_time_s", 60.0)
    yield _line("streams", [stream.name for stream in plan.streams])
    if not any(stream.feature == "action" for stream in plan.streams):
        yield from _without_action(plan.survey)
    for stream in plan.streams:
        yield from _stream(stream, plan.survey)
        yield from _min_rate(stream.name, stream.topic, plan.fps)
    yield from _offered(plan)


def _without_action(survey: Survey) -> Iterator[str]:
    if survey.bag:
        yield "    # The bag has no commands, so there is no action."
    else:
        yield "    # No commands were seen. For an action, start the program that commands the robot and run"
        yield "    # discover again."


def _texts(survey: Survey) -> Iterator[str]:
    """Yield the topics of text whose names promise a task."""
    for name, kind in survey.others:
        if kind == TEXT and _TASKS.intersection(re.split(r"[/_]+", name.lower())):
            yield name


def _stream(stream: PlannedStream, survey: Survey) -> Iterator[str]:
    topic, name = stream.topic, stream.name
    losses = [f"{topic.losses}; {survey.remedy}"] if topic.has_losses else []
    yield ""
    yield f"    # {_seen(topic)}"
    for remark in (*_unit(stream, survey.sliding), *stream.remarks, *losses):
        yield f"    # {remark[0].upper()}{remark[1:]}."
    yield _line(f"{name}.topic", topic.name)
    yield _line(f"{name}.type", topic.type)
    yield _line(f"{name}.feature", stream.feature)
    if stream.names:
        yield _line(f"{name}.names", list(stream.names))
    if stream.aliases:
        yield _line(f"{name}.aliases", list(stream.aliases))
    if topic.field != "position":
        yield _line(f"{name}.field", topic.field)
    if stream.depth:
        yield _line(f"{name}.depth", True)
    yield from _max_age(name, topic)


def _max_age(name: str, topic: SeenTopic) -> Iterator[str]:
    if _is_held(topic):
        yield "    # A command that is sent once per motion is valid until the next one, not only for 0.5 s."
        yield _line(f"{name}.max_age_s", _LONGEST_AGE_S)
    elif topic.rate_hz and not topic.has_losses and _PERIODS / topic.rate_hz > _SHORTEST_AGE_S:
        yield _line(f"{name}.max_age_s", round(_PERIODS / topic.rate_hz, 1))


def _min_rate(name: str, topic: SeenTopic, fps: int) -> Iterator[str]:
    """Set the minimum rate of a stream that is slower than fps, unless its values hold until the next."""
    if not _is_held(topic) and not topic.has_losses and 0 < topic.rate_hz < _SLOW * fps:
        yield "    # Slower than fps: rows repeat its samples. An episode with a lower rate than this is bad."
        yield _line(f"{name}.min_rate_hz", round(_SLOW * topic.rate_hz, 1))


def _is_held(topic: SeenTopic) -> bool:
    """Return whether a topic carries commands that are sent once per motion."""
    return topic.type == TRAJECTORY and topic.received < _STREAMED


def _seen(topic: SeenTopic) -> str:
    rate = f"{topic.rate_hz:.1f} Hz" if topic.rate_hz else "once" if topic.received else "not seen"
    size = f", {topic.width}x{topic.height} {topic.encoding}" if topic.width else ""
    losses = f", {topic.lost} of {topic.lost + topic.received} lost in transport" if topic.has_losses else ""
    return f"{rate}, {'reliable' if topic.reliable else 'best effort'}{size}{losses}"


def _unit(stream: PlannedStream, sliding: tuple[str, ...]) -> Iterator[str]:
    if stream.depth:
        yield f"depth in {'m' if stream.topic.encoding == '32FC1' else 'mm'}"
    elif stream.topic.type in TWISTS:
        yield "m/s and rad/s"
    elif not is_image(stream.topic):
        yield _joint_unit(stream, sliding)


def _joint_unit(stream: PlannedStream, sliding: tuple[str, ...]) -> str:
    rad, metre = {"position": ("rad", "m"), "velocity": ("rad/s", "m/s")}.get(stream.topic.field, ("Nm", "N"))
    in_metres = [name for name in stream.topic.joints or stream.names if name in sliding]
    if in_metres:
        return f"{stream.topic.field} as published: {rad}, and {metre} for {', '.join(in_metres)}"
    return f"{stream.topic.field} as published: {rad}, and {metre} for joints that slide"


def _encoder(repo_id: str) -> Iterator[str]:
    yield "/**/encoder:"
    yield "  ros__parameters:"
    yield _line("repo_id", repo_id)
    yield "    # Encoding starts when this number of episodes waits."
    yield _line("video_encoding_batch_size", 1)


def _offered(plan: Plan) -> Iterator[str]:
    if plan.offered:
        yield ""
        yield "    # Could be recorded, too: remove the # of a stream's lines, and add its name to streams."
    for stream in plan.offered:
        yield f"    # {_seen(stream.topic)}{''.join(f'; {remark}' for remark in stream.remarks)}"
        for name, value in _offered_values(stream):
            yield f"    #{_line(f'{stream.name}.{name}', value).removeprefix('    ')}"


def _offered_values(stream: PlannedStream) -> Iterator[tuple[str, Any]]:
    yield "topic", stream.topic.name
    yield "type", "tf" if stream.child else stream.topic.type
    if stream.child:
        yield from (("parent", stream.parent), ("child", stream.child))
    if stream.names:
        yield "names", list(stream.names)
    yield "feature", stream.feature


def _left_out(plan: Plan) -> Iterator[str]:
    if plan.left_out or plan.survey.others:
        yield ""
        yield "# Not recorded:"
    for topic, reason in plan.left_out:
        yield f"#   {topic.name} ({_short(topic.type)}, {_seen(topic)}): {reason}"
    for name, kind in plan.survey.others:
        how = (
            "task_topic can take the task from it, and a stream of this type records a text per row"
            if kind == TEXT
            else "a stream of this type with a field can record its numbers"
        )
        yield f"#   {name} ({_short(kind)}): {how}"


def _short(message_type: str) -> str:
    return message_type.replace("/msg/", "/")


def _line(name: str, value: Any) -> str:
    """Return the line of a parameter, in JSON: its quotes keep strings from being parsed as other types."""
    return f"    {name}: {json.dumps(value, ensure_ascii=False)}"
