from __future__ import annotations

import time

import pytest
from sensor_msgs.msg import Joy

from lerobot_recorder.spool import Spool


@pytest.fixture
def press(graph):
    publisher = graph.node.create_publisher(Joy, "joy", 10)

    def press(number: int) -> None:
        """Press and release a button, as a pedal does whose contact bounces."""
        graph.wait(publisher.get_subscription_count)
        for held in (0, 1, 0, 1, 0):
            publisher.publish(Joy(buttons=[int(number == each) * held for each in range(4)]))
        time.sleep(0.1)  # longer than joy_debounce_s

    return press


def test_a_pedal_starts_saves_and_discards(graph, make_robot, tmp_path, press):
    root = tmp_path / "data"
    parameters = {
        "joy_topic": "joy",
        "joy_buttons": ["0:start_or_save", "2:discard_episode", "3:mark_failure"],
    }
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(root), **parameters})
    graph.wait(lambda: graph.status["recorder"]["streams"] and not graph.status["recorder"]["missing"])
    press(0)
    graph.wait(lambda: graph.frames() > 3)
    press(0)
    graph.wait(lambda: len(Spool(root).ready()) == 1)
    press(3)
    graph.wait(lambda: Spool(root).ready()[0].manifest.success is False)
    press(0)
    graph.wait(lambda: graph.status["recorder"]["state"] == "recording")
    press(2)
    graph.wait(lambda: graph.status["recorder"]["state"] == "idle")
    assert len(Spool(root).ready()) == 1
    press(2)
    graph.wait(lambda: any("button for discard_episode: no episode" in line for line in recorder.last_lines))
    assert [line for line in recorder.last_lines if "button for start_or_save" in line] == []
    assert sum("episode 0 is saved: " in line for line in recorder.last_lines) == 1
