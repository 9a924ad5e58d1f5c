from __future__ import annotations

from lerobot_recorder.discovery import SeenTopic, Survey
from lerobot_recorder.preflight import check_topics

IMAGE = "sensor_msgs/msg/Image"
TOPICS = {name: f"/{name}" for name in ("state", "top", "slow", "dead", "gone", "force")}
SURVEY = Survey(
    topics=(
        SeenTopic("/state", "sensor_msgs/msg/JointState", received=300, rate_hz=100.0),
        SeenTopic("/top", IMAGE, received=90, rate_hz=20.0, width=640, height=480),
        SeenTopic("/slow", IMAGE, received=9, rate_hz=3.0),
        SeenTopic("/dead", IMAGE),
    ),
    others=(("/force", "my_msgs/msg/Force"),),
)


def test_each_stream_needs_a_topic_that_is_fast_enough():
    found = {each.subject: each for each in check_topics(TOPICS, SURVEY, 30)}
    levels = {name: each.level for name, each in found.items()}
    assert levels == {
        "state": "ok",
        "top": "warning",
        "slow": "fault",
        "dead": "fault",
        "gone": "fault",
        "force": "ok",
    }
    assert (
        found["top"].text == "/top: sensor_msgs/msg/Image 640x480 at 20.0 Hz; slower than 30 rows per second"
    )
    assert found["gone"].text == "nothing is published on /gone: is the robot running?"
