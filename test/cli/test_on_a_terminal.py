"""A whole recording as an operator sees it, on a pseudo-terminal."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from filmed import filmed_dataset
from terminal import Terminal

from lerobot_recorder.spool import Spool

pytestmark = pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")

SMALL = [f"-phardware.{name}.{side}" for name in ("top", "wrist") for side in ("width=64", "height=48")]


@pytest.fixture
def terminal():
    made = []

    def make(*arguments: str) -> Terminal:
        made.append(Terminal("record", "--hardware", "simulated", *SMALL, *arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_an_operator_records_with_keys_and_is_told_what_matters(terminal, tmp_path: Path):
    root = tmp_path / "data"
    screen = terminal("--root", str(root), "--task", "Pick up the cube")
    start = screen.wait_for("ready   next: episode 0   0 saved")
    assert f"new dataset {root}" in start
    assert not re.search("missing|wrong|problem|nothing", start), start
    screen.press(b" ")
    screen.wait_for("recording   episode 0")
    screen.press(b"\x1b", b"[", b"C")  # an arrow key, byte by byte
    screen.wait_for(r"episode 0 is saved: \d+ frames \(\d+\.\d s\)")
    screen.wait_for("next: episode 1   1 saved")
    screen.press(b"d")
    screen.wait_for("no episode is being recorded, so d does nothing")
    screen.press(b"u")
    screen.wait_for("u again deletes episode 0, which is saved")
    screen.press(b"y")
    screen.wait_for("episode 0 is marked as a success")
    screen.press(b"u", b"u")
    screen.wait_for("deleted episode 0")
    screen.press(b"b")
    screen.wait_for("restored episode 0")
    screen.press(b"q")
    screen.wait_for("state +ending")
    assert screen.end() == 0
    assert "1 of 0" not in screen.text
    ending = screen.text[screen.text.rindex("ending") :]
    assert "keys" not in ending
    assert f"lerobot-recorder show {root} 0" in ending


def test_a_dataset_of_another_robot_is_refused_before_the_arm_moves(terminal, tmp_path: Path):
    root = filmed_dataset(tmp_path / "data")
    before = Spool(root).next_index([])
    screen = terminal("--root", str(root), "--num-episodes", "1", "--episode-time-s", "1")
    assert screen.end() == 1
    assert f"continuing {root}: {before} episodes there" in screen.text
    last = screen.text.splitlines()[-1]
    assert last.startswith("error: dataset: ")
    assert "cannot be appended to" in last
    assert "The follower" not in screen.text
