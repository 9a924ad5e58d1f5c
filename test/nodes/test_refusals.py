"""What cannot be recorded ends the recorder when it starts, with one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.cli.status import end_reason

TOO_SMALL = "expected images of 16 to 8192 pixels a side"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"fps": 300}, "fps: expected at most 240 with cameras"),
        ({"task": True}, "task: expected a text, found True; YAML reads yes, no, on, off"),
        ({"repo_id": "../x"}, "repo_id: expected user/name, such as me/pick_cube, found '../x'"),
    ],
)
def test_streams_that_cannot_be_recorded_end_it_at_its_start(graph, make_robot, tmp_path, wrong, reason):
    recorder = graph.start("recorder", {**make_robot().recorder_parameters(tmp_path / "data"), **wrong})
    assert graph.end_of(recorder) == 1
    assert reason in end_reason([*recorder.last_lines])


def test_a_dataset_that_nothing_can_be_added_to_ends_it_at_its_start(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    recorder = graph.start("recorder", make_robot().recorder_parameters(root))
    assert graph.end_of(recorder) == 1
    assert end_reason([*recorder.last_lines]).startswith(str(root))
    assert not any("Traceback" in line for line in recorder.last_lines)


def test_images_that_are_too_small_for_a_video_are_refused_at_the_start(graph, make_robot, tmp_path):
    robot = make_robot()
    robot.pixels = np.zeros((2, 2, 3), np.uint8)
    graph.start("recorder", robot.recorder_parameters(tmp_path / "data"))
    graph.wait(lambda: TOO_SMALL in graph.call("recorder/start_episode")[1])
