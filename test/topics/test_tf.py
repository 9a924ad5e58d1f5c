"""Transforms from the messages of /tf and /tf_static, live ones and those of bags alike."""

from __future__ import annotations

import contextlib
import math
import re
from types import SimpleNamespace as Message

import numpy as np
import pytest

from lerobot_recorder.discovery import TF
from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.recording.rows import row_at
from lerobot_recorder.topics import StreamSettings, binding_of
from lerobot_recorder.topics.tf import TransformTracker
from lerobot_recorder.topics.tf_buffer import OwnBuffer
from lerobot_recorder.topics.transform import NAMES, Transform, continued

pytestmark = pytest.mark.usefixtures("transform_buffer")

MS = 10**6


class TfTypes:
    def fields(self, message_type: str) -> dict[str, str]:
        if message_type != TF:
            raise ConfigError(f"{message_type} is unknown")
        return {"transforms": "sequence<geometry_msgs/TransformStamped>"}


def about(axis: tuple[float, float, float], angle: float) -> tuple[float, float, float, float]:
    x, y, z = np.array(axis) / np.linalg.norm(axis) * math.sin(angle / 2)
    return float(x), float(y), float(z), math.cos(angle / 2)


def stamped(parent, child, at_ms=0, position=(0.0, 0.0, 0.0), rotation=(0.0, 0.0, 0.0, 1.0)):
    seconds, milliseconds = divmod(at_ms, 1000)
    return Message(
        header=Message(frame_id=parent, stamp=Message(sec=int(seconds), nanosec=round(milliseconds * MS))),
        child_frame_id=child,
        transform=Message(
            translation=Message(**dict(zip("xyz", map(float, position), strict=True))),
            rotation=Message(**dict(zip("xyzw", map(float, rotation), strict=True))),
        ),
    )


def tf(*transforms) -> Message:
    return Message(transforms=list(transforms))


def added(tracker, *transforms, is_static=False) -> dict[float, Transform]:
    """Return the transforms that a message makes known, by their times in milliseconds."""
    return {at_ns / MS: each for at_ns, each in tracker.add(tf(*transforms), is_static=is_static)}


def matrix(transform: Transform) -> np.ndarray:
    x, y, z, w = transform.rotation
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    made = np.eye(4)
    made[:3, :3] = np.eye(3) + 2 * w * cross + 2 * cross @ cross
    made[:3, 3] = transform.position
    return made


def test_a_chain_of_transforms_equals_the_product_of_their_matrices():
    random = np.random.default_rng(3)
    parents = {"a": "world", "b": "a", "tool": "b", "c": "world", "camera": "c"}
    links = {
        child: Transform(tuple(random.normal(size=3)), about(random.normal(size=3), random.uniform(-3, 3)))
        for child in parents
    }
    tracker = TransformTracker("camera", "/tool")
    static = [stamped("world", "a", 0, *links["a"])]
    with pytest.raises(StreamError, match="there is no frame tool; there are a, world"):
        added(tracker, *static, is_static=True)
    moving = [stamped(parents[child], child, 500, *links[child]) for child in parents if child != "a"]
    found = added(tracker, *moving)
    expected = np.linalg.inv(matrix(links["c"]) @ matrix(links["camera"]))
    for child in ("a", "b", "tool"):
        expected = expected @ matrix(links[child])
    assert list(found) == [500]
    assert np.allclose(matrix(found[500]), expected)
    assert np.allclose(matrix(found[500].inverse()), np.linalg.inv(expected))


def test_transforms_with_other_stamps_are_interpolated_and_nothing_is_extrapolated():
    tracker = TransformTracker("base", "tool")
    with pytest.raises(StreamError):
        added(tracker, stamped("base", "arm", 100))
    assert not added(tracker, stamped("arm", "tool", 110, (1.0, 0.0, 0.0)))
    assert not added(tracker, stamped("base", "other", 120))
    turned = added(tracker, stamped("base", "arm", 120, (0.0, 0.0, 2.0), about((0, 0, 1), math.pi / 2)))
    assert list(turned) == [110]
    assert turned[110].position == pytest.approx((math.cos(math.pi / 4), math.sin(math.pi / 4), 1.0))
    assert turned[110].rotation == pytest.approx(about((0, 0, 1), math.pi / 4))
    assert list(added(tracker, stamped("arm", "tool", 140, (1.0, 0.0, 0.0)))) == [120]
    assert not added(tracker, stamped("arm", "tool", 130, (9.0, 0.0, 0.0)))  # older than the newest
    assert not added(tracker, stamped("arm", "tool", 150, (1.0, 0.0, 0.0)))
    assert list(added(tracker, stamped("base", "arm", 160))) == [140, 150]


BY_TF2 = [
    (0.0005, 0.37, (0.108309081919071, -0.271002781713195, 0.433595010630068, 0.852538563253457)),
    (0.02, 0.10, (0.107414290367034, -0.271023043512168, 0.433534814381801, 0.852675931892818)),
    (0.7, 0.90, (-0.202392979011380, -0.264629640882479, 0.391789026537659, 0.857618559674394)),
    (2.5, 0.37, (-0.342900468418478, -0.252557412763228, 0.358556147959950, 0.830705429605979)),
    (2.5, 0.90, (-0.842839500560634, -0.137127684459587, 0.127323146032622, 0.504585365358339)),
    (3.6, 0.10, (0.239302385070537, -0.265559323831905, 0.438545541044083, 0.824554681301275)),
    (3.6, 0.90, (0.960089816088621, -0.075311341253847, 0.215889892357663, 0.161081660344253)),
]
"""Angle of a turn, part of it, and what ``slerp`` of tf2 0.7.6 gives there."""


@pytest.mark.parametrize(("angle", "part", "rotation"), BY_TF2)
def test_a_moving_frame_on_a_static_one_is_interpolated_as_by_tf2(angle, part, rotation):
    first = Transform((1.0, 2.0, 3.0), about((0.2, -0.5, 0.8), 1.1))
    turned = first @ Transform((0.0, 0.0, 0.0), about((-0.6, 0.3, 0.1), angle))
    last = Transform((-0.5, 2.25, 7.0), turned.rotation)
    on_wall, at_ms = Transform((0.0, 0.0, 5.0), about((0, 0, 1), math.pi / 2)), 100 + round(100 * part)
    tracker, found = TransformTracker("wall", "tool"), {}
    for message, is_static in [
        (stamped("wall", "base", 0, *on_wall), True),
        (stamped("base", "arm", 100, *first), False),
        (stamped("arm", "tool", at_ms - 50), False),
        (stamped("arm", "tool", at_ms), False),
        (stamped("base", "arm", 200, *last), False),
        (stamped("arm", "tool", 300), False),
    ]:
        with contextlib.suppress(StreamError):  # until all frames are there
            found |= added(tracker, message, is_static=is_static)
    assert min(found) >= 100  # a pose before the first or after the last message is not guessed
    assert max(found) == 200
    x, y, z = 1 - 1.5 * part, 2 + 0.25 * part, 3 + 4 * part
    expected = matrix(Transform((-y, x, z + 5), (0.0, 0.0, 0.0, 1.0)))
    expected[:3, :3] = matrix(on_wall)[:3, :3] @ matrix(Transform((0.0, 0.0, 0.0), rotation))[:3, :3]
    assert matrix(found[at_ms]) == pytest.approx(expected, abs=1e-9)


def test_the_order_in_which_messages_arrive_does_not_matter():
    arm = [
        stamped("base", "arm", 100 + 10 * n, (0.1 * n, 0.0, 0.0), about((1, 0, 0), 0.3 * n))
        for n in range(20)
    ]
    tool = [
        stamped("arm", "tool", 103 + 7 * n, (0.0, 0.2 * n, 0.0), about((0, 1, 0), 0.2 * n)) for n in range(28)
    ]
    mixed = sorted([*arm, *tool], key=lambda each: each.header.stamp.nanosec)
    late = [*tool[:1], *arm, *tool[1:]]
    results = []
    for order in (mixed, late, [*arm[:1], *tool, *arm[1:]]):
        tracker, found, waited = TransformTracker("base", "tool"), {}, 0
        for each in order:
            try:
                found |= added(tracker, each)
            except StreamError:
                waited += 1
        assert waited == 1  # until both are there
        results.append(found)
    assert results[0] == results[1] == results[2]
    assert len(results[0]) > 40


def test_a_static_transform_may_come_before_after_and_again():
    tracker = TransformTracker("base", "camera")
    hold = stamped("arm", "camera", 0, (0.0, 0.0, 0.1))
    with pytest.raises(StreamError, match="there is no frame camera; there are arm, base"):
        added(tracker, stamped("base", "arm", 100))
    assert added(tracker, hold, is_static=True)[100].position == (0, 0, 0.1)
    assert not added(tracker, stamped("base", "other"), hold, is_static=True)
    assert list(added(tracker, stamped("base", "arm", 110))) == [110]
    with pytest.raises(StreamError, match="camera does not move in arm: only static transforms"):
        added(TransformTracker("arm", "camera"), hold, is_static=True)


@pytest.mark.parametrize(
    ("transforms", "why"),
    [
        ([("base", "arm"), ("world", "tool")], "connects base and tool: base belongs to base, tool to world"),
        ([("base", "arm")], "there is no frame tool; there are arm, base"),
        ([("", "base"), ("/", "tool")], "there is no frame tool; there are none"),
        ([("arm", "tool")], "there is no frame base; there are arm, tool"),
        ([("base", "arm"), ("wrist", "tool"), ("tool", "wrist")], "the frames tool, wrist form a loop"),
        ([("base", "base"), ("base", "tool")], "the frames base form a loop"),
        ([("base", "tool", 100, (0, 0, 0), (0, 0, 0, 0.5))], "no unit quaternion: its length is 0.5"),
        ([("base", "tool", 100, (0, 0, 0), (0, 0, 0, math.nan))], "no unit quaternion: its length is nan"),
        ([("base", "tool", 100, (0, math.inf, 0))], "the position from base to tool is NaN or infinite"),
        ([("base", "tool", 0)], "the transform from base to tool has no stamp"),
        ([("base", "tool", -5000)], "the transform from base to tool has no stamp"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_tree_is_one_sentence(transforms, why):
    with pytest.raises(StreamError, match=why):
        added(TransformTracker("base", "tool"), *(stamped(*each) for each in transforms))


def test_damaged_transforms_of_other_frames_do_not_matter_and_a_good_one_repairs():
    tracker = TransformTracker("base", "tool")
    broken = stamped("base", "cup", 100, (0, 0, 0), (0, 0, 0, 0))
    assert list(added(tracker, broken, stamped("base", "tool", 100))) == [100]
    with pytest.raises(StreamError, match="no unit quaternion"):
        added(tracker, stamped("base", "tool", 110, (0, 0, 0), (0, 0, 0, 2)))
    assert list(added(tracker, stamped("base", "tool", 120, (0, 0, 0), (0, 0, 0, 1.004)))) == [120]


def test_a_frame_can_get_another_parent_and_the_clock_can_be_set_back():
    tracker = TransformTracker("base", "tool")
    assert list(added(tracker, stamped("base", "tool", 9000, (1.0, 0, 0)))) == [9000]
    assert not added(tracker, stamped("hand", "tool", 9010), stamped("base", "hand", 9005, (0, 2.0, 0)))
    assert added(tracker, stamped("base", "hand", 9020, (0, 2.0, 0)))[9010].position == (0, 2, 0)
    assert not added(tracker, stamped("base", "hand", 100))
    assert list(added(tracker, stamped("hand", "tool", 100))) == [100]


def test_neither_frames_nor_messages_without_end_fill_the_memory():
    tracker = TransformTracker("base", "tool")
    added(tracker, stamped("arm", "tool", 100), stamped("base", "arm", 100))
    for number in range(5000):
        added(tracker, stamped("base", f"frame_{number}"), stamped("base", "arm", 200 + number))
    assert len(tracker._links) == 4096
    assert all(len(link.waiting) <= 4096 for link in tracker._links.values())
    assert not added(tracker, stamped("arm", "tool", 150))  # what moved the arm then is forgotten
    assert list(added(tracker, stamped("arm", "tool", 1106))) == [1104, 1105, 1106]


def test_a_message_may_have_several_transforms_of_one_frame():
    tracker = TransformTracker("base", "tool")
    several = [stamped("base", "tool", at_ms, (at_ms, 0, 0)) for at_ms in (100, 110, 120)]
    assert list(added(tracker, several[0])) == [100]
    assert list(added(tracker, *several)) == [110, 120]


def test_transforms_of_a_slow_frame_are_interpolated_over_a_time_that_tf2_alone_forgets():
    tracker, found = TransformTracker("map", "tool"), {}
    for at_ms in range(100, 61000, 100):
        with contextlib.suppress(StreamError):  # until both frames are there
            found |= added(tracker, stamped("odom", "tool", at_ms, (0, 1, 0)))
        if at_ms % 15000 == 100:
            found |= added(tracker, stamped("map", "odom", at_ms, (at_ms, 0, 0)))
    assert list(found) == list(range(100, 60101, 100))
    assert [each.position[0] for each in found.values()] == pytest.approx(list(found))


def test_a_jump_of_the_clock_ends_no_stream():
    tracker = TransformTracker("base", "tool")
    jumps = (5000, 5010, 90_000_000, 90_000_010, 5000, 5010, 5020)
    found = [list(added(tracker, stamped("base", "tool", at_ms))) for at_ms in jumps]
    assert found == [[at_ms] for at_ms in jumps]


def test_a_path_with_too_many_frames_is_one_sentence(transform_buffer):
    links = [stamped(f"frame_{number}", f"frame_{number + 1}", 100) for number in range(1100)]
    tracker = TransformTracker("frame_0", "frame_1100")
    if transform_buffer is OwnBuffer:
        assert list(added(tracker, *links)) == [100]
    else:
        with pytest.raises(StreamError, match=r"tf2 cannot give frame_1100 in frame_0: .*loop"):
            added(tracker, *links)


@pytest.mark.parametrize("rotation", ["quaternion", "rotation_vector"])
def test_rounding_does_not_choose_the_sign_of_half_a_turn(rotation):
    for axis in ((1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, -0.6, 0.8), (-1e-17, 0.8, -0.6)):
        rows = [Transform((0.0, 0.0, 0.0), (*axis, w)).vector(rotation) for w in (-1e-16, 0.0, 1e-16)]
        assert np.allclose(rows[0], rows[1])
        assert np.allclose(rows[0], rows[2])
        assert next(each for each in rows[0][3:6] if abs(each) > 0.1) > 0


@pytest.mark.parametrize("rotation", ["quaternion", "rotation_vector"])
def test_rotations_continue_from_row_to_row(rotation):
    angles = np.concatenate((np.arange(0, 15, 0.1), np.arange(15, -15, -0.1)))
    before, rows = None, []
    for angle in angles:
        turned = about((0.0, 0.6, 0.8), angle)
        turned = tuple(-each for each in turned) if len(rows) % 3 == 0 else turned
        before = continued(rotation, Transform((1.0, 2.0, 3.0), turned).vector(rotation), before)
        rows.append(before)
    steps = np.abs(np.diff(np.array(rows), axis=0)).max()
    assert steps < 0.11
    assert len(rows[0]) == len(NAMES[rotation])
    if rotation == "rotation_vector":
        expected = np.outer(angles, (0.0, 0.6, 0.8))
        assert np.allclose(np.array(rows)[:, 3:], expected, atol=1e-6)


def test_a_stream_of_transforms_is_recorded_by_the_stamps_of_its_messages():
    settings = StreamSettings(type="tf", parent="base", child="tool", rotation="rotation_vector")
    binding = binding_of("hand", settings, "raw", TfTypes())
    assert (binding.topic, binding.held_topics, binding.message_type) == ("/tf", ("/tf_static",), TF)
    assert binding.allow_multiple_publishers
    assert binding.stream.spec.names == NAMES["rotation_vector"]
    assert binding.stream.spec.feature == "observation.hand"
    flange = tf(stamped("flange", "tool", 0, (0.0, 0.0, 0.5)))
    with pytest.raises(StreamError, match="there is no frame base"):
        list(binding.samples(flange, 5, "/tf_static"))
    binding.stream.keep_from(0)
    for number in range(40):
        moved = stamped("base", "flange", 100 + 10 * number, (0.0, 0.0, 0.0), about((0, 0, 1), 0.2 * number))
        for sample in binding.samples(tf(moved), 7, "/tf"):
            assert sample.stamp_ns == sample.source_ns == (100 + 10 * number) * MS
            binding.stream.push(sample)
    rows = []
    for number in range(12):
        rows.append(row_at([binding.stream], (115 + 33 * number) * MS, previous=rows[-1] if rows else None))
    turned = [row.vectors["observation.hand"][5] for row in rows]
    assert turned == pytest.approx([0.2 * ((115 + 33 * n - 100) // 10) for n in range(12)], rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"parent": "base"}, "hand.child: give the frame"),
        ({"child": "tool"}, "hand.parent: give the frame"),
        ({"parent": "base", "child": "/base"}, "hand.child: expected another frame than the parent"),
        ({"parent": "a", "child": "b", "names": ("x",)}, "hand.names: has no meaning for tf"),
        ({"parent": "a", "child": "b", "unit": "degrees"}, "hand.unit: has no meaning for tf"),
        ({"parent": "a", "child": "b", "aliases": ("x",)}, "hand.aliases: 1 for the 7 values position.x"),
    ],
)
def test_parameters_of_a_transform_that_cannot_be_are_refused(settings, why):
    with pytest.raises(ConfigError, match=re.escape(why)):
        binding_of("hand", StreamSettings(type="tf", **settings), "raw", TfTypes())


def test_frames_are_refused_for_other_types_and_tf_without_its_messages():
    with pytest.raises(ConfigError, match=r"arm\.parent: has no meaning for sensor_msgs/msg/JointState"):
        binding_of("arm", StreamSettings(topic="/joints", parent="base"), "raw", TfTypes())
    missing = Message(fields=TfTypes().fields)
    missing.fields = lambda kind: (_ for _ in ()).throw(ConfigError(f"{kind} is not installed"))
    with pytest.raises(ConfigError, match="stream hand: tf2_msgs/msg/TFMessage is not installed"):
        binding_of("hand", StreamSettings(type="tf", parent="a", child="b"), "raw", missing)


def test_transforms_of_a_bag_are_read_like_live_ones():
    pytest.importorskip("rosbags")
    from bag_types import BagTypes

    types = BagTypes()
    known = types.store.types
    stamp = known["builtin_interfaces/msg/Time"](1, 500)
    position = known["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0)
    rotation = known["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    moved = known["geometry_msgs/msg/TransformStamped"](
        known["std_msgs/msg/Header"](stamp, "base"),
        "tool",
        known["geometry_msgs/msg/Transform"](position, rotation),
    )
    message = types.make(TF, [moved])
    binding = binding_of("hand", StreamSettings(type="tf", parent="base", child="tool"), "raw", types)
    (sample,) = binding.samples(message, 0, "/tf")
    assert sample.stamp_ns == 10**9 + 500
    assert sample.value.tolist() == [1, 2, 3, 0, 0, 0, 1]
