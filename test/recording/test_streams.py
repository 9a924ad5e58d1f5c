from __future__ import annotations

import json
from dataclasses import asdict

from lerobot_recorder.recording import Stream, StreamSpec


def test_the_list_of_faults_does_not_grow_with_messages():
    stream = Stream(StreamSpec("state", "observation.state", ("a",)))
    for number in range(1000):
        stream.fault(f"message {number}: " + "x" * 100_000)
    status = stream.status(0)
    assert sum(status.faults.values()) == 1000
    assert len(json.dumps({**asdict(status), "missing": stream.missing(0)})) < 10_000


def test_equal_faults_are_counted_together_even_if_they_are_long():
    stream = Stream(StreamSpec("state", "observation.state", ("a",)))
    for _ in range(3):
        stream.fault("x" * 100_000)
    assert list(stream.faults().values()) == [3]
