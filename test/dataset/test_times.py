"""Times are compared as LeRobot 0.6.1 compares them; test/lerobot compares the result with LeRobot's."""

from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.dataset.placement import is_readable, readable


def test_long_episodes_far_into_a_file_are_not_readable() -> None:
    assert [is_readable(number * 3000, 3000, 15) for number in range(6)] == [True] * 5 + [False]
    numbers = np.arange(3000)
    refused = ~readable(1000.0, numbers / 15, (15_000 + numbers) / 15)
    assert refused.sum() == 144


def test_short_episodes_are_readable_anywhere_in_a_file() -> None:
    assert all(is_readable(number * 1500, 1500, 30) for number in range(40))


def test_frame_that_is_off_by_the_tolerance_is_refused() -> None:
    found = readable(0.0, np.array([0.0, 0.1]), np.array([0.00009, 0.1002]))
    assert found.tolist() == [True, False]


@pytest.mark.parametrize("fps", [10, 15, 24, 25, 30, 50, 60])
def test_episode_that_is_alone_in_its_file_is_readable(fps: int) -> None:
    assert is_readable(0, 5000 * fps, fps)
