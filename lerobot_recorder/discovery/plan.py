"""Plans all streams of a robot and the rate to record them at."""

from __future__ import annotations

from dataclasses import dataclass

from lerobot_recorder.discovery.cameras import camera_streams, is_image
from lerobot_recorder.discovery.joints import action_streams, state_streams
from lerobot_recorder.discovery.left_out import offered_streams, reason
from lerobot_recorder.discovery.seen import TF, SeenTopic, Survey
from lerobot_recorder.discovery.stream import PlannedStream
from lerobot_recorder.errors import StreamError
from lerobot_recorder.excerpt import listing

_MOST_NAMED = 10
_USUAL_FPS = (5, 6, 10, 12, 15, 20, 24, 25, 30)
_DEFAULT_FPS = 30
_SLACK = 1.15  # a camera of 30 Hz that was measured at 26.5 counts as one of 30


@dataclass(frozen=True)
class Plan:
    """Streams and rate of a recording.

    Attributes:
        streams: in the order of the parameter ``streams``
        fps: rows per second
        offered: streams that the user may add
        left_out: other topics that were published, and why they are not recorded
        survey: the survey that the plan is based on
    """

    streams: tuple[PlannedStream, ...]
    fps: int
    offered: tuple[PlannedStream, ...]
    left_out: tuple[tuple[SeenTopic, str], ...]
    survey: Survey


def make_plan(survey: Survey) -> Plan:
    """Choose the streams to record.

    Raises:
        StreamError: no published topic can be recorded.
    """
    topics = survey.topics
    streams = (*state_streams(topics), *action_streams(topics), *camera_streams(topics))
    if not any(stream.topic.received for stream in streams):
        if survey.losses:
            raise StreamError("; ".join(survey.losses))
        if survey.bag:
            held = [f"{name} ({kind})" for name, kind in survey.others]
            held += [f"{topic.name} ({topic.type})" for topic in topics]
            raise StreamError(
                f"{survey.bag} has no joint states, commands or images that can be recorded; it has "
                f"{listing(sorted(held), _MOST_NAMED) or 'no topic'}"
            )
        raise StreamError(
            "no joint states, commands or images are published: start the robot's drivers first, and check "
            "that ROS_DOMAIN_ID is the same here and on the robot"
        )
    chosen = {stream.topic.name for stream in streams}
    offered = tuple(offered_streams(topics, streams))
    named = chosen | {stream.topic.name for stream in offered}
    if any(stream.child for stream in offered):
        named |= {topic.name for topic in topics if topic.type == TF}
    left_out = tuple((topic, reason(topic, streams)) for topic in topics if topic.name not in named)
    return Plan(streams, _fps(streams), offered, left_out, survey)


def _fps(streams: tuple[PlannedStream, ...]) -> int:
    """Return the largest usual rate that the slowest camera reaches.

    The rate of a camera that loses images in transport is unknown.
    """
    cameras = [stream.topic for stream in streams if is_image(stream.topic)]
    rates = [topic.rate_hz for topic in cameras if topic.rate_hz and not topic.has_losses]
    if not rates:
        return _DEFAULT_FPS
    return max((fps for fps in _USUAL_FPS if fps <= min(rates) * _SLACK), default=_USUAL_FPS[0])
