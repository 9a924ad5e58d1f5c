from __future__ import annotations

import logging

import pytest
from arms import FOLDED, FakeArm, FakeClock

from lerobot_recorder.arms.connection import LOST_AFTER_S, RETRY_S, ArmConnection
from lerobot_recorder.errors import BusTimeoutError, CalibrationError, DeviceError, PortError

SILENT = BusTimeoutError("no servo answers")
GONE = PortError("port /dev/fake failed")


@pytest.fixture
def link(arm: FakeArm, clock: FakeClock) -> ArmConnection:
    return ArmConnection(arm, clock)


def test_it_reads_with_the_time(link: ArmConnection, clock: FakeClock) -> None:
    reading = link.read()
    assert reading is not None
    assert reading.time_s == clock.now
    assert (reading.position_rad == FOLDED).all()


def test_one_failed_reading_is_skipped(link: ArmConnection, arm: FakeArm, clock: FakeClock) -> None:
    arm.failure = SILENT
    assert link.read() is None
    assert link.up
    arm.failure = None
    clock.pass_s(0.1)
    assert link.read() is not None
    assert (link.skipped, link.connections) == (1, 1)


def test_failures_for_some_time_are_a_loss(
    link: ArmConnection, arm: FakeArm, clock: FakeClock, caplog
) -> None:
    arm.failure = SILENT
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            assert link.read() is None
            clock.pass_s(LOST_AFTER_S * 0.4)
    assert not link.up
    assert not arm.connected
    assert link.trouble == "no servo answers"
    assert len(caplog.records) == 1


def test_a_port_that_is_gone_is_a_loss_at_once(link: ArmConnection, arm: FakeArm) -> None:
    arm.failure = GONE
    assert link.read() is None
    assert not link.up


def test_a_lost_arm_is_looked_for_now_and_then(link: ArmConnection, arm: FakeArm, clock: FakeClock) -> None:
    arm.failure = GONE
    link.read()
    arm.failure = None
    assert link.read() is None
    assert arm.reconnects == 0
    clock.pass_s(RETRY_S)
    assert link.read() is not None
    assert (link.up, link.connections) == (True, 2)


def test_another_arm_on_the_port_stays_out(link: ArmConnection, arm: FakeArm, clock: FakeClock) -> None:
    arm.failure = GONE
    link.read()
    arm.failure = CalibrationError("it holds another calibration")
    clock.pass_s(RETRY_S)
    assert link.read() is None
    assert link.trouble == "it holds another calibration"


def test_what_is_done_with_a_lost_arm_says_why_not(link: ArmConnection, arm: FakeArm) -> None:
    arm.failure = GONE
    assert not link.attempt(lambda arm: arm.enable_torque(True))
    with pytest.raises(DeviceError, match=r"the follower is not there: port /dev/fake failed"):
        link.do(lambda arm: arm.enable_torque(True))
