from __future__ import annotations

import pytest
from arms import FakeClock

from lerobot_recorder.arms.arm import JointHealth
from lerobot_recorder.arms.follower import HOT_C, PATIENCE_S, ServoMonitor
from lerobot_recorder.arms.protocol import Alarm


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watch(clock: FakeClock) -> ServoMonitor:
    return ServoMonitor(clock)


@pytest.mark.parametrize(
    ("alarm", "reason"),
    [
        (Alarm.OVERLOAD, "it is overloaded"),
        (Alarm.OVERHEAT, "it is too hot: let it cool down"),
        (Alarm.VOLTAGE, "check the power supply"),
        (Alarm(0x40), "it reports error 0x40"),
    ],
)
def test_an_alarm_that_lasts_is_a_danger(
    alarm: Alarm, reason: str, watch: ServoMonitor, clock: FakeClock
) -> None:
    watch.see({"elbow_flex": alarm})
    assert not watch.danger()
    clock.pass_s(PATIENCE_S * 1.01)
    watch.see({"elbow_flex": alarm})
    assert watch.danger().startswith("elbow_flex: ")
    assert reason in watch.danger()


def test_a_moment_is_no_danger(watch: ServoMonitor, clock: FakeClock) -> None:
    for alarm in (Alarm.VOLTAGE, Alarm(0), Alarm.VOLTAGE):
        watch.see({"elbow_flex": alarm})
        clock.pass_s(PATIENCE_S * 0.9)
    assert not watch.danger()


def test_a_gripper_may_press(watch: ServoMonitor, clock: FakeClock) -> None:
    for _ in range(2):
        watch.see({"gripper": Alarm.OVERLOAD})
        clock.pass_s(PATIENCE_S * 1.01)
    assert not watch.danger()
    assert watch.complaints() == ["gripper: it is overloaded: find out what blocks it"]


def test_a_gripper_may_not_burn(watch: ServoMonitor, clock: FakeClock) -> None:
    watch.see({"gripper": Alarm.OVERHEAT})
    clock.pass_s(PATIENCE_S * 1.01)
    assert "gripper: it is too hot" in watch.danger()


def test_warmth_is_said_before_it_hurts(watch: ServoMonitor) -> None:
    watch.health = {"elbow_flex": JointHealth(HOT_C, 7.4, 0.3, Alarm(0), True)}
    assert watch.complaints() == [f"elbow_flex is {HOT_C} degrees warm"]
    assert not watch.danger()
