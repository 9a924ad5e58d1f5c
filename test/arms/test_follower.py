from __future__ import annotations

import logging

import numpy as np
import pytest
from arms import FOLDED, UPRIGHT, FakeArm, FakeClock

from lerobot_recorder.arms.connection import RETRY_S
from lerobot_recorder.arms.follower import FollowerDriver
from lerobot_recorder.arms.motion import Target
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.settings import TeleopSettings
from lerobot_recorder.errors import BusTimeoutError, DeviceError, PortError

SETTINGS = TeleopSettings(torque_off_warning_s=0)
TICK_S = 0.01


@pytest.fixture
def driver(arm: FakeArm, clock: FakeClock) -> FollowerDriver:
    driver = FollowerDriver(arm, torque=True, clock=clock)
    driver.read()
    return driver


def run(driver: FollowerDriver, clock: FakeClock, position: np.ndarray, count: int) -> None:
    """Drive towards a target that is said anew in every tick."""
    for _ in range(count):
        clock.pass_s(TICK_S)
        driver.drive(Target(clock.now, position), SETTINGS)
        driver.read()


def test_it_is_powered_before_it_is_driven(driver: FollowerDriver, arm: FakeArm, clock: FakeClock) -> None:
    assert arm.torque == [True]
    assert driver.is_powered
    run(driver, clock, UPRIGHT, 300)
    assert arm.position == pytest.approx(UPRIGHT)


def test_it_is_not_powered_unless_requested(arm: FakeArm, clock: FakeClock) -> None:
    driver = FollowerDriver(arm, torque=False, clock=clock)
    run(driver, clock, UPRIGHT, 10)
    assert arm.torque == arm.goals == []


def test_without_targets_it_holds(driver: FollowerDriver, arm: FakeArm, clock: FakeClock) -> None:
    run(driver, clock, FOLDED, 2)
    count = len(arm.goals)
    driver.drive(None, SETTINGS)
    assert driver.motion is not None
    assert driver.motion.phase == "holding"
    assert len(arm.goals) == count


def test_an_old_target_is_ignored(driver: FollowerDriver, arm: FakeArm, clock: FakeClock) -> None:
    target = Target(clock.now, UPRIGHT)
    clock.pass_s(SETTINGS.command_timeout_s + 0.01)
    driver.drive(target, SETTINGS)
    assert arm.goals == []


def test_the_age_of_the_target_is_measured(driver: FollowerDriver, clock: FakeClock) -> None:
    target = Target(clock.now, UPRIGHT)
    clock.pass_s(0.02)
    driver.drive(target, SETTINGS)
    assert driver.ages.percentile_ms(50) == pytest.approx(20)


def test_a_returned_arm_is_powered_where_it_is_and_approaches(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock
) -> None:
    run(driver, clock, FOLDED, 2)
    arm.failure = PortError("gone")
    run(driver, clock, FOLDED, 2)
    assert not driver.is_powered
    arm.failure, arm.position = None, UPRIGHT.copy()
    clock.pass_s(RETRY_S)
    driver.read()
    assert arm.torque == [True, True]
    run(driver, clock, FOLDED, 1)
    assert np.abs(arm.goals[-1] - UPRIGHT).max() < 0.04


def test_power_that_fails_is_tried_again(arm: FakeArm, clock: FakeClock) -> None:
    driver = FollowerDriver(arm, torque=True, clock=clock)
    enable, arm.enable_torque = arm.enable_torque, _fail  # type: ignore[method-assign]
    driver.read()
    assert driver.trouble == "the follower is not powered: servo 3 does not answer"
    assert not driver.is_powered
    arm.enable_torque = enable  # type: ignore[method-assign]
    driver.read()
    assert driver.is_powered
    assert not driver.trouble


def _fail(enabled: bool) -> None:
    raise BusTimeoutError("servo 3 does not answer")


def test_an_arm_that_cannot_be_released_is_released_later_and_not_powered_again(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock
) -> None:
    enable, arm.enable_torque = arm.enable_torque, _fail  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="servo 3 does not answer"):
        driver.set_torque(False)
    run(driver, clock, UPRIGHT, 3)
    assert arm.goals == []
    assert driver.trouble == "the follower's torque is not off yet: servo 3 does not answer"
    arm.enable_torque = enable  # type: ignore[method-assign]
    run(driver, clock, UPRIGHT, 3)
    assert arm.torque == [True, False]
    assert not driver.trouble


def test_an_arm_that_was_disconnected_when_it_was_to_be_released_is_released_later(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock
) -> None:
    arm.failure = PortError("gone")
    driver.read()
    with pytest.raises(DeviceError, match="gone"):
        driver.set_torque(False)
    arm.failure = None
    clock.pass_s(RETRY_S)
    driver.read()
    assert arm.torque == [True, False]


def test_an_arm_that_was_left_powered_is_released_after_a_warning(
    arm: FakeArm, clock: FakeClock, caplog
) -> None:
    arm.enable_torque(True)
    driver = FollowerDriver(arm, torque=False, clock=clock)
    run(driver, clock, UPRIGHT, 60)
    assert "was left powered: hold it" in caplog.text
    assert arm.torque == [True]
    run(driver, clock, UPRIGHT, 160)
    assert arm.torque == [True, False]
    assert arm.goals == []


def test_a_joint_that_lost_its_torque_stops_the_arm_until_it_is_set_up_again(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock
) -> None:
    run(driver, clock, FOLDED, 2)
    arm.limp.add("shoulder_lift")
    run(driver, clock, FOLDED, 60)
    assert driver.danger.startswith("shoulder_lift: torque lost, perhaps by a voltage drop")
    assert driver.motion is not None
    assert driver.motion.phase == "holding"
    assert arm.torque == [True]
    driver.resume()
    assert (arm.torque, arm.set_ups, driver.danger) == ([True, True], 1, "")
    run(driver, clock, UPRIGHT, 300)
    assert arm.position == pytest.approx(UPRIGHT)


def test_an_alarm_holds_it_until_it_is_driven_again(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock
) -> None:
    run(driver, clock, FOLDED, 2)
    arm.alarms["elbow_flex"] = Alarm.OVERLOAD
    arm.position = FOLDED + 0.01
    run(driver, clock, FOLDED + 0.01, 40)
    assert "elbow_flex: it is overloaded" in driver.danger
    count = len(arm.goals)
    assert arm.goals[-1] == pytest.approx(FOLDED + 0.01)
    run(driver, clock, UPRIGHT, 40)
    assert len(arm.goals) == count
    with pytest.raises(DeviceError, match=r"cannot be driven: elbow_flex"):
        driver.set_torque(True)
    arm.alarms["elbow_flex"] = Alarm(0)
    driver.read()
    driver.set_torque(True)
    run(driver, clock, UPRIGHT, 300)
    assert arm.position == pytest.approx(UPRIGHT)


def test_its_servos_are_monitored(driver: FollowerDriver, arm: FakeArm, clock: FakeClock) -> None:
    arm.temperature_c = 65
    clock.pass_s(1.0)
    driver.read()
    assert driver.monitor.health["gripper"].temperature_c == 65


@pytest.mark.parametrize(("on_exit", "torque"), [("off", [True, False]), ("hold", [True])])
def test_the_torque_is_left_as_requested(
    on_exit: str, torque: list[bool], driver: FollowerDriver, arm: FakeArm
) -> None:
    driver.end(TeleopSettings(torque_on_exit=on_exit))
    assert arm.torque == torque


@pytest.mark.parametrize(("pose", "warned"), [(FOLDED, False), (UPRIGHT, True)])
def test_releasing_an_arm_that_will_fall_logs_a_warning(
    pose: np.ndarray, warned: bool, clock: FakeClock, caplog
) -> None:
    driver = FollowerDriver(FakeArm(position=pose), torque=True, clock=clock)
    driver.read()
    with caplog.at_level(logging.WARNING):
        driver.end(SETTINGS)
    assert ("will fall: hold it" in caplog.text) == warned


def test_torque_that_cannot_be_switched_off_is_logged(driver: FollowerDriver, arm: FakeArm, caplog) -> None:
    arm.failure = PortError("the cable is gone")
    driver.end(SETTINGS)
    assert "Cannot switch off the follower's torque: the cable is gone" in caplog.text


def test_an_arm_that_is_lost_at_the_end_is_reconnected_to_release_it(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock
) -> None:
    arm.failure = PortError("the cable is gone")
    run(driver, clock, FOLDED, 1)
    arm.failure = None
    driver.end(SETTINGS)
    assert arm.torque == [True, False]


def test_an_arm_that_is_disconnected_at_the_end_is_logged(
    driver: FollowerDriver, arm: FakeArm, clock: FakeClock, caplog
) -> None:
    arm.failure = PortError("the cable is gone")
    run(driver, clock, FOLDED, 1)
    driver.end(SETTINGS)
    assert "Cannot switch off the follower's torque: the cable is gone" in caplog.text
