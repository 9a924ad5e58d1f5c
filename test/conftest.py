from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
from arms import FakeArm, FakeClock

from lerobot_recorder.arms.bus import ServoBus
from lerobot_recorder.simulation import SimulatedArm
from lerobot_recorder.topics import tf, tf_buffer
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


@pytest.fixture(params=["own", "tf2"])
def transform_buffer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type:
    """Return the buffer from which transforms come in a test: each of the two, in turn."""
    buffer: type = tf_buffer.OwnBuffer
    if request.param == "tf2":
        pytest.importorskip("tf2_py", reason="tf2_py is part of ROS installations, and no wheel of it exists")
        buffer = importlib.import_module("lerobot_recorder.topics.tf2_buffer").Tf2Buffer
    monkeypatch.setattr(tf, "choose_buffer", lambda: buffer)
    return buffer
