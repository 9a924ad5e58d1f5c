from __future__ import annotations

from collections.abc import Iterator

import pytest
from arms import FakeArm, FakeClock

from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.simulation import SimulatedArm
from lerobot_recorder.video import forbid_real_time

# As root, codecs that tests open would make this thread real-time, and with it all that later tests start.
forbid_real_time()


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
