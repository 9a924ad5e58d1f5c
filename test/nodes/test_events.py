from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from lerobot_recorder.nodes.events import ParentNews, parent_news


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_news_come_as_lines_in_their_order(pipe):
    news = ParentNews(pipe[1])
    news.tell("recorder", "status", {"state": "idle"})
    news.tell("recorder", "episode_completed", {"length": 3})
    news.close()
    lines = os.read(pipe[0], 4096).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"from": "recorder", "status": {"state": "idle"}},
        {"from": "recorder", "episode_completed": {"length": 3}},
    ]


def test_a_parent_that_does_not_read_holds_nobody_up(pipe):
    news = ParentNews(pipe[1])
    for _ in range(100):
        news.tell("recorder", "status", {"message": "x" * 10_000})
    lines = 0
    while lines < 100:
        lines += os.read(pipe[0], 1 << 20).count(b"\n")
    news.close()


def test_a_parent_that_is_gone_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    news = ParentNews(writing)
    news.tell("recorder", "status", {})
    news.tell("recorder", "status", {})
    news.close()
    os.close(writing)


def test_whoever_does_not_ask_gets_nothing(monkeypatch):
    monkeypatch.delenv("LEROBOT_RECORDER_NEWS", raising=False)
    parent_news.cache_clear()
    assert parent_news() is None
