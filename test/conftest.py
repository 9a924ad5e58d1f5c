from __future__ import annotations

from collections.abc import Iterator

import pytest
from arms import FakeArm, FakeClock

from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.simulation import SimulatedArm


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def arm() -> FakeArm:
    return FakeArm()


@pytest.fixture
def simulated() -> Iterator[SimulatedArm]:
    with SimulatedArm() as arm:
        yield arm


@pytest.fixture
def bus(simulated: SimulatedArm) -> Iterator[ServoBus]:
    with ServoBus(simulated.port) as bus:
        yield bus
