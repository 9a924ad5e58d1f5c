"""What an action of the page reaches; asked of a real server."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("segno")

from dashboards import ServedDashboard

from lerobot_recorder.answers import Answer

LAST = {"episode_id": "20261128T174401.275311Z-fd96", "episode_index": 3, "state": "ready"}
NEWER = {"episode_id": "20261128T174501.000000Z-0a0b", "episode_index": 4, "state": "ready"}
RECORDING = {"state": "recording", "episode_id": NEWER["episode_id"], "episode_index": 4, "last": LAST}


@pytest.fixture
def served(tmp_path):
    with ServedDashboard(tmp_path / "data") as served:
        yield served


def act(served: ServedDashboard, action: str, episode_id: str) -> tuple[bool, str]:
    answer = served.post(f"/actions/{action}", {"id": episode_id}).json()
    return answer["success"], answer["message"]


def test_delete_last_reaches_only_the_episode_in_the_question(served):
    served.live.put("recorder", {"state": "idle", "last": LAST})
    assert act(served, "delete_last_episode", LAST["episode_id"]) == (True, "done")
    served.live.put("recorder", {"state": "idle", "last": NEWER})  # somebody else has saved another one
    success, message = act(served, "delete_last_episode", LAST["episode_id"])
    assert not success
    assert "another episode is the last one by now: nothing was deleted" in message
    assert served.station.asked == [("delete_last_episode", False)]


def test_discard_reaches_only_the_take_in_the_question(served):
    served.live.put("recorder", RECORDING)
    assert act(served, "discard_episode", NEWER["episode_id"]) == (True, "done")
    refused = (False, "this take is over by now: nothing was discarded")
    assert act(served, "discard_episode", LAST["episode_id"]) == refused
    served.live.put("recorder", {**RECORDING, "state": "saving"})
    assert act(served, "discard_episode", NEWER["episode_id"]) == refused
    served.live.forget(["recorder"])
    assert "state is unknown" in act(served, "discard_episode", NEWER["episode_id"])[1]
    assert served.station.asked == [("discard_episode", False)]


def test_answers_have_numbers_and_buttons(served):
    served.live.put("recorder", RECORDING)
    served.station.answer = Answer(True, "deleted episode 4", "undo_delete", NEWER["episode_id"])
    assert act(served, "undo_delete", "") == (True, "deleted episode 4; “Bring back” brings it back")
    assert served.post("/controls/paused", {"value": False}).json()["message"] == "encoding continues"


def test_the_answer_of_a_node_that_does_not_report_is_not_awaited(served):
    served.live.put("silent", ["recorder"])
    served.station.call = lambda _action, _value: Future()
    assert "the recorder does not answer" in act(served, "start_episode", "")[1]


def test_the_icon_that_browsers_ask_for_exists(served):
    icon = served.get("/favicon.ico")
    assert (icon.status, icon.headers["content-type"]) == (200, "image/svg+xml")
