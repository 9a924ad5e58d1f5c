from __future__ import annotations

import numpy as np
import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording.rows import check_specs, declare_features, row_at
from lerobot_recorder.recording.streams import Sample, Stream, StreamSpec

LEFT = StreamSpec("left", "observation.state", ("left_a.pos", "left_b.pos"))
RIGHT = StreamSpec("right", "observation.state", ("right_a.pos",))


def test_streams_of_one_feature_are_joined_in_their_order():
    streams = [Stream(RIGHT), Stream(LEFT)]
    for stream, value in zip(streams, ([3.0], [1.0, 2.0]), strict=True):
        stream.push(Sample(0, np.array(value)))
    row = row_at(streams, 0)
    assert row.vectors["observation.state"].tolist() == [3.0, 1.0, 2.0]
    feature = declare_features([RIGHT, LEFT], {})["observation.state"]
    assert feature["names"] == ["right_a.pos", "left_a.pos", "left_b.pos"]


def test_two_arms_with_the_same_joint_names_are_told_to_use_aliases():
    twin = StreamSpec("twin", "observation.state", ("left_a.pos",))
    with pytest.raises(ConfigError, match=r"left_a\.pos is in it twice; give the streams left, twin aliases"):
        check_specs([LEFT, twin])


def test_a_vector_can_continue_that_of_the_row_before():
    stream = Stream(RIGHT)
    stream.keep_from(0)
    stream.follow = lambda value, before: value if before is None or value @ before >= 0 else -value
    for stamp_ns, value in ((0, 1.0), (10, -2.0), (30, -3.0)):
        stream.push(Sample(stamp_ns, np.array([value])))
    rows = [row_at([stream], 0)]
    for time_ns in (10, 20, 30):
        rows.append(row_at([stream], time_ns, previous=rows[-1]))
    assert [row.vectors["observation.state"][0] for row in rows] == [1, 2, 2, 3]
    assert rows[1].samples["right"] is rows[2].samples["right"]  # a repeated sample
    assert row_at([stream], 30).vectors["observation.state"][0] == -3  # the first of another episode


def test_a_text_is_a_feature_of_its_own():
    says = StreamSpec("says", "instruction", is_text=True)
    streams = [Stream(RIGHT), Stream(says)]
    streams[0].push(Sample(0, np.array([3.0])))
    streams[1].push(Sample(0, "Open"))
    row = row_at(streams, 0)
    assert row.vectors["instruction"].tolist() == ["Open"]
    assert declare_features([RIGHT, says], {})["instruction"] == {
        "dtype": "string",
        "shape": [1],
        "names": None,
    }
    with pytest.raises(ConfigError, match="feature instruction: only one stream can fill a text feature"):
        check_specs([says, StreamSpec("other", "instruction", ("x",))])
