from __future__ import annotations

import pytest
from arms import FakeClock

from lerobot_recorder.arms.arm import JointHealth
from lerobot_recorder.arms.follower import FILTER_TIME_S, HOT_C, ServoMonitor
from lerobot_recorder.arms.protocol import Alarm


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def monitor(clock: FakeClock) -> ServoMonitor:
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
    alarm: Alarm, reason: str, monitor: ServoMonitor, clock: FakeClock
) -> None:
    monitor.update({"elbow_flex": alarm})
    assert not monitor.danger()
    clock.pass_s(FILTER_TIME_S * 1.01)
    monitor.update({"elbow_flex": alarm})
    assert monitor.danger().startswith("elbow_flex: ")
    assert reason in monitor.danger()


def test_a_brief_alarm_is_ignored(monitor: ServoMonitor, clock: FakeClock) -> None:
    for alarm in (Alarm.VOLTAGE, Alarm(0), Alarm.VOLTAGE):
        monitor.update({"elbow_flex": alarm})
        clock.pass_s(FILTER_TIME_S * 0.9)
    assert not monitor.danger()


def test_a_gripper_may_be_overloaded(monitor: ServoMonitor, clock: FakeClock) -> None:
    for _ in range(2):
        monitor.update({"gripper": Alarm.OVERLOAD})
        clock.pass_s(FILTER_TIME_S * 1.01)
    assert not monitor.danger()
    assert monitor.warnings() == ["gripper: it is overloaded: check what blocks it"]


def test_a_hot_gripper_is_a_danger(monitor: ServoMonitor, clock: FakeClock) -> None:
    monitor.update({"gripper": Alarm.OVERHEAT})
    clock.pass_s(FILTER_TIME_S * 1.01)
    assert "gripper: it is too hot" in monitor.danger()


def test_a_warm_motor_is_a_warning_before_it_is_a_fault(monitor: ServoMonitor) -> None:
    monitor.health = {"elbow_flex": JointHealth(HOT_C, 7.4, 0.3, Alarm(0), True)}
    assert monitor.warnings() == [f"elbow_flex has a temperature of {HOT_C} degrees"]
    assert not monitor.danger()
