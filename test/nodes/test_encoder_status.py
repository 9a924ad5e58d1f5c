from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from lerobot_recorder.encoding import CommittedEpisode, EncoderStatus, EncodingProgress
from lerobot_recorder.nodes.encoder import diagnostic
from lerobot_recorder.status import to_json

BEHIND = EncoderStatus(
    state="encoding",
    batch_size=1,
    waiting=4,
    waiting_s=60.0,
    waiting_bytes=1_900_000_000,
    eta_s=75.4,
    encoding=EncodingProgress(episodes=1, frames_done=300, frames=900),
)


def test_an_encoder_that_falls_behind_warns_with_what_waits():
    _, level, message, values = diagnostic(BEHIND)
    assert (level, message) == (1, "falls behind: 4 episodes wait")
    assert values["waiting seconds"] == "60.0"
    assert values["waiting bytes"] == 1_900_000_000
    assert values["seconds to clear"] == "75"


def test_the_status_has_it_in_numbers():
    content = to_json(BEHIND)
    assert content["encoding"] == {"episodes": 1, "frames_done": 300, "frames": 900}
    found = {name: content[name] for name in ("waiting", "waiting_s", "waiting_bytes", "eta_s")}
    assert found == {"waiting": 4, "waiting_s": 60.0, "waiting_bytes": 1_900_000_000, "eta_s": 75.4}


def test_committed_episodes_are_listed_and_counted():
    done = CommittedEpisode("20260101T000000", 7, 450, 6.5, 4_300_000)
    content = to_json(EncoderStatus(episodes=(done,), committed=12))
    assert content["committed"] == 12
    assert content["encoding"] is None
    assert content["episodes"][0]["episode_index"] == 7


def test_a_warning_is_shown_while_there_is_no_error():
    assert diagnostic(EncoderStatus(warning="another codec"))[1:3] == (1, "another codec")
    assert diagnostic(EncoderStatus(warning="another codec", message="no room"))[1:3] == (2, "no room")


def test_a_failure_is_an_error_with_any_number_waiting():
    assert diagnostic(EncoderStatus(message="no space left"))[1:3] == (2, "no space left")
