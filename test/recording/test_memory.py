"""The memory of a recorder does not grow with the length or the number of episodes."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise

import cv2
import pytest

from lerobot_recorder.spool import EncodedImage, Spool

SECOND = 1_000_000_000
SLACK_BYTES = 20_000
"""An image of the bench has 4.6 kB; a number for each row would be more."""

EPISODE_BYTES = 1_500
"""An episode leaves its identifier and its state, so that it can be deleted and restored: less than 1 kB."""


@pytest.fixture
def held():
    """Measure the memory that Python and NumPy use."""
    tracemalloc.start()

    def measure() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    yield measure
    tracemalloc.stop()


def least_growth(sizes: list[int]) -> int:
    """Return the least growth: what is made once, or by another thread, is not in every interval."""
    return min(after - before for before, after in pairwise(sizes))


def run_fast(robot, rows: int) -> None:
    """Take rows as fast as they can be written."""
    take = robot.recorder._take
    for number in range(1, rows + 1):
        robot.clock.advance(0.1)
        robot.push()
        if number % 20 == 0:
            due = (robot.clock.now_ns() - take.header.started_at_ns) // (SECOND // 10)
            robot.wait(lambda due=due: take._writer.length >= due)


@pytest.mark.parametrize("encoded", [False, True])
def test_memory_does_not_grow_with_the_length_of_an_episode(bench, held, encoded):
    robot = bench()
    if encoded:
        pixels = robot.image
        robot.image = lambda number: EncodedImage.parse(cv2.imencode(".jpg", pixels(number))[1].tobytes())
    robot.start()
    sizes = []
    for _ in range(4):
        run_fast(robot, 1000)
        sizes.append(held())
    assert least_growth(sizes) < SLACK_BYTES
    assert robot.recorder.save().result(10).length > 3000


def test_memory_does_not_grow_with_the_number_of_episodes(bench, held):
    robot = bench()
    sizes = []
    for number in range(30):
        robot.start()
        robot.run(2)
        saved = robot.recorder.save().result(10).episode_id
        Spool(robot.root).forget([saved])  # as an encoder does
        robot.outcomes.clear()
        if number % 10 == 9:
            sizes.append(held())
    assert least_growth(sizes) < 10 * EPISODE_BYTES
