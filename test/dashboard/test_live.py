"""What watchers of the dashboard get over their connection; asked of a real server."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("segno")

from dashboards import ServedDashboard, read_live

from lerobot_recorder.dashboard import Live

WAIT_S = 30.0


@pytest.fixture
def served(tmp_path):
    with ServedDashboard(tmp_path / "data") as served:
        yield served


def wait_until(condition) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_watcher_gets_everything_first_and_then_what_changes(served):
    served.live.put("recorder", {"state": "idle"})
    served.live.put("encoder", {"waiting": 0})
    served.live.put_picture("top", b"first")
    parts = read_live(f"http://{served.host}/")
    first = {(kind, name): content for kind, name, content in itertools.islice(parts, 3)}
    assert first == {
        ("state", "recorder"): {"state": "idle"},
        ("state", "encoder"): {"waiting": 0},
        ("picture", "top"): b"first",
    }
    served.live.put("encoder", {"waiting": 0})  # the same
    served.live.put("recorder", {"state": "recording"})
    served.live.notify()
    assert next(parts) == ("state", "recorder", {"state": "recording"})
    assert next(parts)[0] == "quiet"  # nothing happens, and the connection is not lost
    parts.close()


def test_who_watches_is_known_until_it_leaves(served):
    parts = read_live(f"http://{served.host}/", "?closeup=top&closeup=wrist")
    next(parts)
    assert served.live.watchers == 1
    assert served.live.closeups == {"top", "wrist"}
    parts.close()
    wait_until(lambda: served.live.watchers == 0)
    assert served.live.closeups == frozenset()


def test_a_slow_watcher_gets_fewer_pictures_and_the_newest_one(served):
    parts = read_live(f"http://{served.host}/")
    next(parts)
    count, picture = 200, bytes(200_000)
    for number in range(count):
        served.live.put_picture("top", picture + str(number).encode())
        served.live.notify()
        time.sleep(0.005)
    got = []
    for kind, _, content in parts:
        if kind == "picture":
            got.append(int(content[len(picture) :]))
            if got[-1] == count - 1:
                break
    assert len(got) < count / 2
    assert got == sorted(got)
    parts.close()


def test_closing_ends_all_waiting():
    live = Live()
    ended = []
    threads = [threading.Thread(target=lambda: ended.append(live.wait_for_watchers())) for _ in range(2)]
    for thread in threads:
        thread.start()
    live.close()
    for thread in threads:
        thread.join()
    assert ended == [False, False]


def test_pictures_of_cameras_that_are_gone_are_forgotten():
    live = Live()
    live.put_picture("top", b"a")
    live.put_picture("wrist", b"b")
    live.keep_cameras(["wrist"])
    assert live.news(0).pictures == {"wrist": b"b"}


def test_streams_are_complete_when_the_dashboard_ends(tmp_path, caplog):
    with ServedDashboard(tmp_path / "data") as served:
        parts = read_live(f"http://{served.host}/")
        next(parts)
    assert {kind for kind, _, _ in parts} <= {"quiet"}
    assert [record.getMessage() for record in caplog.records if record.name == "uvicorn.error"] == []
