from __future__ import annotations

import logging

import pytest
from arms import FOLDED, FakeArm, FakeClock

from lerobot_recorder.arms.connection import LOST_AFTER_S, RETRY_S, ArmConnection
from lerobot_recorder.errors import BusTimeoutError, CalibrationError, DeviceError, PortError

SILENT = BusTimeoutError("no servo answers")
GONE = PortError("port /dev/fake failed")


@pytest.fixture
def connection(arm: FakeArm, clock: FakeClock) -> ArmConnection:
    return ArmConnection(arm, clock)


def test_a_reading_has_its_time(connection: ArmConnection, clock: FakeClock) -> None:
    reading = connection.read()
    assert reading is not None
    assert reading.time_s == clock.now
    assert (reading.position_rad == FOLDED).all()


def test_one_failed_reading_is_skipped(connection: ArmConnection, arm: FakeArm, clock: FakeClock) -> None:
    arm.failure = SILENT
    assert connection.read() is None
    assert connection.is_connected
    arm.failure = None
    clock.pass_s(0.1)
    assert connection.read() is not None
    assert (connection.skipped, connection.connections) == (1, 1)


def test_an_arm_that_fails_for_some_time_is_lost(
    connection: ArmConnection, arm: FakeArm, clock: FakeClock, caplog
) -> None:
    arm.failure = SILENT
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            assert connection.read() is None
            clock.pass_s(LOST_AFTER_S * 0.4)
    assert not connection.is_connected
    assert not arm.connected
    assert connection.trouble == "no servo answers"
    assert len(caplog.records) == 1


def test_an_arm_whose_port_is_gone_is_lost_at_once(connection: ArmConnection, arm: FakeArm) -> None:
    arm.failure = GONE
    assert connection.read() is None
    assert not connection.is_connected


def test_a_lost_arm_is_reconnected_at_intervals(
    connection: ArmConnection, arm: FakeArm, clock: FakeClock
) -> None:
    arm.failure = GONE
    connection.read()
    arm.failure = None
    assert connection.read() is None
    assert arm.reconnects == 0
    clock.pass_s(RETRY_S)
    assert connection.read() is not None
    assert (connection.is_connected, connection.connections) == (True, 2)


def test_another_arm_on_the_port_is_refused(
    connection: ArmConnection, arm: FakeArm, clock: FakeClock
) -> None:
    arm.failure = GONE
    connection.read()
    arm.failure = CalibrationError("it holds another calibration")
    clock.pass_s(RETRY_S)
    assert connection.read() is None
    assert connection.trouble == "it holds another calibration"


def test_an_action_on_a_lost_arm_fails_with_the_reason(connection: ArmConnection, arm: FakeArm) -> None:
    arm.failure = GONE
    assert not connection.attempt(lambda arm: arm.enable_torque(True))
    with pytest.raises(DeviceError, match=r"the follower is not connected: port /dev/fake failed"):
        connection.do(lambda arm: arm.enable_torque(True))
