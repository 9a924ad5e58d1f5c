"""Feetech's own library drives the simulated arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lerobot_recorder.arms import registers as r
from lerobot_recorder.simulation import SimulatedArm

scservo_sdk = pytest.importorskip("scservo_sdk", reason="feetech-servo-sdk is not installed")

IDS = range(1, 7)


@pytest.fixture
def port(simulated: SimulatedArm) -> Iterator[Any]:
    """The port as Feetech's own library opens it."""
    port = scservo_sdk.PortHandler(simulated.port)
    assert port.openPort()
    assert port.setBaudRate(1_000_000)
    # On a busy computer the library's 34 ms are too short.
    port.setPacketTimeout = lambda _: port.setPacketTimeoutMillis(1000)
    yield port
    port.closePort()


@pytest.fixture
def packets() -> Any:
    return scservo_sdk.PacketHandler(0)


def test_pings(port, packets):
    for servo in IDS:
        assert packets.ping(port, servo) == (r.MODEL_STS3215, scservo_sdk.COMM_SUCCESS, 0)


def test_reads_and_writes(port, packets):
    address = r.GOAL_POSITION.address
    assert packets.write2ByteTxRx(port, 3, address, 1500) == (scservo_sdk.COMM_SUCCESS, 0)
    assert packets.read2ByteTxRx(port, 3, address) == (1500, scservo_sdk.COMM_SUCCESS, 0)


def test_sync_reads(port, packets, simulated: SimulatedArm):
    group = scservo_sdk.GroupSyncRead(port, packets, r.PRESENT_POSITION.address, 2)
    for servo in IDS:
        assert group.addParam(servo)
    assert group.txRxPacket() == scservo_sdk.COMM_SUCCESS
    seen = [group.getData(servo, r.PRESENT_POSITION.address, 2) for servo in IDS]
    assert seen == [round(servo.angle) for servo in simulated.servos.values()]


def test_sync_writes(port, packets):
    group = scservo_sdk.GroupSyncWrite(port, packets, r.GOAL_POSITION.address, 2)
    for servo in IDS:
        assert group.addParam(servo, list(r.GOAL_POSITION.encode(2000 + servo)))
    assert group.txPacket() == scservo_sdk.COMM_SUCCESS
    assert packets.read2ByteTxRx(port, 6, r.GOAL_POSITION.address)[0] == 2006


def test_sets_an_id(port, packets):
    assert packets.write1ByteTxRx(port, 6, r.LOCK.address, 0)[0] == scservo_sdk.COMM_SUCCESS
    assert packets.write1ByteTxRx(port, 6, r.ID.address, 16)[0] == scservo_sdk.COMM_SUCCESS
    assert packets.ping(port, 16)[0] == r.MODEL_STS3215
