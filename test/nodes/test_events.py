from __future__ import annotations

import json
import os
import queue
from collections.abc import Iterator

import pytest

from lerobot_recorder.nodes.events import ParentEvents, parent_events, read_commands


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_events_are_lines_in_their_order(pipe):
    events = ParentEvents(pipe[1])
    events.write("recorder", "status", {"state": "idle"})
    events.write("recorder", "episode_completed", {"length": 3})
    events.close()
    lines = os.read(pipe[0], 4096).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"from": "recorder", "status": {"state": "idle"}},
        {"from": "recorder", "episode_completed": {"length": 3}},
    ]


def test_a_parent_that_does_not_read_does_not_block_the_node(pipe):
    events = ParentEvents(pipe[1])
    for _ in range(100):
        events.write("recorder", "status", {"message": "x" * 10_000})
    lines = 0
    while lines < 100:
        lines += os.read(pipe[0], 1 << 20).count(b"\n")
    events.close()


def test_a_parent_that_is_gone_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    events = ParentEvents(writing)
    events.write("recorder", "status", {})
    events.write("recorder", "status", {})
    events.close()
    os.close(writing)


def test_a_parent_that_does_not_request_events_gets_none(monkeypatch):
    monkeypatch.delenv("LEROBOT_RECORDER_EVENTS", raising=False)
    parent_events.cache_clear()
    assert parent_events() is None


def received(descriptor: int, monkeypatch) -> queue.SimpleQueue:
    monkeypatch.setenv("LEROBOT_RECORDER_EVENTS", "1")
    lines: queue.SimpleQueue = queue.SimpleQueue()
    read_commands(lines.put, descriptor)
    return lines


def test_commands_are_read_line_by_line_from_any_pieces(pipe, monkeypatch):
    lines = received(pipe[0], monkeypatch)
    for part in (b"one\ntw", b"o\n", b"x" * 30_000, b"\nlast\n"):
        os.write(pipe[1], part)
    assert [lines.get(timeout=10) for _ in range(2)] == [b"one", b"two"]
    assert set(lines.get(timeout=10)) == set(b"x")
    assert lines.get(timeout=10) == b"last"


def test_a_closed_input_is_no_error(monkeypatch):
    reading, writing = os.pipe()
    os.close(writing)
    os.close(reading)
    assert received(reading, monkeypatch).empty()


def test_no_command_is_read_unless_the_parent_requests_events(pipe, monkeypatch):
    monkeypatch.delenv("LEROBOT_RECORDER_EVENTS", raising=False)
    read_commands(pytest.fail, pipe[0])
    os.write(pipe[1], b"one\n")
