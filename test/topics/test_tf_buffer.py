"""The buffer of tf2 and our own: which one is used, and that they give the same."""

from __future__ import annotations

import math
import sys
from types import ModuleType
from types import SimpleNamespace as Message

import numpy as np
import pytest

from lerobot_recorder.errors import StreamError
from lerobot_recorder.topics import tf
from lerobot_recorder.topics.tf import TransformTracker
from lerobot_recorder.topics.tf_buffer import OwnBuffer, choose_buffer
from lerobot_recorder.topics.transform import continued

TREE = {"link": "base", "wrist": "link", "tool": "wrist", "mast": "base", "camera": "mast"}
STATIC = ("tool", "camera")
TF2_BUFFER = "lerobot_recorder.topics.tf2_buffer"


@pytest.fixture
def no_buffer_chosen(monkeypatch):
    monkeypatch.setitem(sys.modules, TF2_BUFFER, ModuleType(TF2_BUFFER))
    del sys.modules[TF2_BUFFER]


@pytest.mark.usefixtures("no_buffer_chosen")
def test_without_tf2_the_buffer_is_our_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_py", None)
    assert choose_buffer() is OwnBuffer


@pytest.mark.usefixtures("no_buffer_chosen")
def test_where_ros_has_tf2_the_buffer_is_of_tf2(monkeypatch):
    pytest.importorskip("geometry_msgs")
    tf2_py = ModuleType("tf2_py")
    tf2_py.BufferCore = tf2_py.TransformException = None
    monkeypatch.setitem(sys.modules, "tf2_py", tf2_py)
    assert choose_buffer().__name__ == "Tf2Buffer"


def transforms(seed: int):
    """Return transforms of an arm and a camera on a mast with their times of arrival."""
    random = np.random.default_rng(seed)
    sent = []
    for child, parent in TREE.items():
        axis, offset = random.normal(size=3), random.normal(size=3)
        axis /= np.linalg.norm(axis)
        lag_s, rate_hz, speed = random.uniform(0, 0.3), random.uniform(20, 120), random.uniform(0.3, 3)
        times = [0.0] if child in STATIC else 1000 + np.arange(0, 4, 1 / rate_hz)
        for time_s in times:
            angle = 3 * math.sin(speed * time_s)
            x, y, z = map(float, axis * math.sin(angle / 2))
            rotation = Message(x=x, y=y, z=z, w=math.cos(angle / 2))
            x, y, z = map(float, offset + 0.1 * math.cos(speed * time_s))
            moved = Message(translation=Message(x=x, y=y, z=z), rotation=rotation)
            stamp = Message(sec=int(time_s), nanosec=int(time_s % 1 * 1e9))
            header = Message(frame_id=parent, stamp=stamp)
            sent.append((time_s + lag_s, Message(header=header, child_frame_id=child, transform=moved)))
    return sent


def rows(sent, rotation: str) -> dict[int, np.ndarray]:
    """Return the rows that transforms give in the order of their arrival, by the time in nanoseconds."""
    tracker, found, before = TransformTracker("camera", "tool"), {}, None
    for _, stamped in sorted(sent, key=lambda each: each[0]):
        is_static = stamped.child_frame_id in STATIC
        try:
            for at_ns, transform in tracker.add(Message(transforms=[stamped]), is_static=is_static):
                before = continued(rotation, transform.vector(rotation), before)
                found[at_ns] = before
        except StreamError:
            assert not found  # until all frames are there
    return found


@pytest.mark.parametrize("rotation", ["quaternion", "rotation_vector"])
@pytest.mark.parametrize("seed", range(4))
def test_both_buffers_give_the_same_rows(monkeypatch, seed, rotation):
    pytest.importorskip("tf2_py", reason="tf2_py is part of ROS installations, and no wheel of it exists")
    sent = transforms(seed)
    by_tf2 = rows(sent, rotation)
    monkeypatch.setattr(tf, "choose_buffer", lambda: OwnBuffer)
    by_own = rows(sent, rotation)
    assert list(by_tf2) == list(by_own)
    assert len(by_own) > 400
    assert np.abs(np.array(list(by_tf2.values())) - np.array(list(by_own.values()))).max() < 1e-7


@pytest.mark.usefixtures("transform_buffer")
def test_rows_have_the_same_bits_in_whichever_order_transforms_arrive():
    sent = transforms(7)
    random = np.random.default_rng(7)
    lags = {child: random.uniform(0, 0.5) for child in TREE}
    late = [(time_s + lags[each.child_frame_id], each) for time_s, each in sent]
    first, second = rows(sent, "quaternion"), rows(late, "quaternion")
    both = [at_ns for at_ns in first if at_ns in second]
    assert len(both) > 300
    signs = {float(np.sign(first[at_ns][3:] @ second[at_ns][3:])) for at_ns in both}
    assert len(signs) == 1  # the first row chooses it
    assert all((first[at_ns] == second[at_ns] * [1, 1, 1, *[s] * 4]).all() for at_ns in both for s in signs)
