"""What the dashboard reads of episodes, and what it edits: through a real server, on real videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("segno")

from dashboards import ServedDashboard
from numbered import FEATURES, KEY, make_dataset, number_in, picture, spread
from takes import FORMATS, a_take

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.preflight import Finding, save_findings, sheet_file
from lerobot_recorder.spool import Spool


@pytest.fixture
def root(tmp_path) -> Path:
    """Two episodes in the dataset, of 25 and 36 frames, and one of 10 frames that is not encoded yet."""
    root = make_dataset(tmp_path / "data", "h264")
    with EpisodeRecorder(root, FEATURES, 30) as recorder, recorder.episode("Count") as episode:
        for number in range(10):
            episode.add(
                {"observation.state": np.full(1, number, np.float32), KEY: picture(spread(500 + number))}
            )
    return root


def test_the_last_preflight_is_shown_with_its_picture(served, root):
    assert served.get("/preflight").json() is None
    assert served.get("/preflight/picture").status == 404
    save_findings(root, [Finding("top", "fault", "black")], has_pictures=True)
    sheet_file(root).write_bytes(b"\xff\xd8 a picture")
    found = served.get("/preflight").json()
    assert found["findings"] == [{"subject": "top", "level": "fault", "text": "black"}]
    assert found["has_pictures"]
    assert served.get("/preflight/picture").body == b"\xff\xd8 a picture"


def test_a_preflight_that_cannot_be_read_and_a_link_to_elsewhere_are_not_shown(served, root, tmp_path):
    save_findings(root, [], has_pictures=True)
    (sheet_file(root).parent / "findings.json").write_text('{"findings": 1}')
    (tmp_path / "secret").write_text("secret")
    sheet_file(root).symlink_to(tmp_path / "secret")
    assert served.get("/preflight").json() is None
    assert served.get("/preflight/picture").status == 404


@pytest.fixture
def served(root):
    with ServedDashboard(root) as served:
        yield served


def shown(jpeg: bytes) -> int:
    return number_in(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def listed(served) -> dict:
    return served.get("/episodes").json()


def edit(served, **request) -> tuple[bool, str]:
    answer = served.post("/edits", request).json()
    return answer["success"], answer["message"]


def test_all_episodes_are_listed(served):
    found = listed(served)
    assert [(each["number"], each["seconds"]) for each in found["episodes"]] == [(0, 25 / 30), (1, 36 / 30)]
    (waiting,) = found["spool"]
    assert waiting["state"] == "ready"
    assert waiting["verdict"] == "good"
    assert found["edits"] == []
    newest = served.get("/episodes?last=1").json()
    assert (newest["count"], [each["number"] for each in newest["episodes"]]) == (2, [1])


def test_every_picture_is_that_of_its_row(served):
    for row in (0, 13, 35):
        encoded = served.get(f"/episodes/1/picture/{KEY}/{row}")
        assert shown(encoded.body) == spread(26 + row)
    waiting = listed(served)["spool"][0]["ref"]
    for row in (0, 4, 9):
        assert shown(served.get(f"/episodes/{waiting}/picture/{KEY}/{row}").body) == spread(500 + row)
    assert shown(served.get(f"/episodes/{waiting}/thumbnail").body) == spread(505)
    assert shown(served.get("/episodes/0/thumbnail").body) == spread(13)


def test_curves_and_the_place_in_the_video_are_those_of_the_episode(served):
    details = served.get("/episodes/1").json()
    assert details["length"] == 36
    (camera,) = details["cameras"]
    assert (camera["name"], camera["first"], camera["codec"]) == ("top", 25, "h264")
    (curve,) = details["curves"]
    assert curve["names"] == ["number"]
    assert curve["values"][0] == [float(np.float32(spread(26 + row))) for row in range(36)]
    waiting = served.get(f"/episodes/{listed(served)['spool'][0]['ref']}").json()
    assert waiting["curves"][0]["values"][0] == [float(row) for row in range(10)]
    assert waiting["cameras"][0]["codec"] == ""


def test_a_part_of_a_video_is_served(served):
    whole = served.get(f"/episodes/0/video/{KEY}")
    part = served.get(f"/episodes/0/video/{KEY}", Range="bytes=100-199")
    assert part.status == 206
    assert part.body == whole.body[100:200]
    assert whole.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_of_the_spool_can_be_shown(tmp_path, image_format):
    spool = Spool(tmp_path / "data")
    take = a_take(spool, image_format, episode_id=spool.new_episode_id()).save()
    key = next(iter(take.manifest.cameras))
    camera = take.manifest.cameras[key]
    with ServedDashboard(spool.root) as served:
        jpeg = served.get(f"/episodes/{take.episode_id}/picture/{key}/0").body
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[:2] == (camera.height, camera.width)


def test_an_episode_is_deleted_and_brought_back(served, root):
    assert edit(served, edit="delete", ref="0") == (True, "deleted episode 0")
    assert [each["seconds"] for each in listed(served)["episodes"]] == [36 / 30]
    assert shown(served.get("/episodes/0/thumbnail").body) == spread(26 + 18)
    assert served.live.news(0).states["edited"] == 1  # other browsers read the list again
    assert edit(served, edit="undo")[0]
    assert len(listed(served)["episodes"]) == 2
    waiting = listed(served)["spool"][0]["ref"]
    assert edit(served, edit="delete", ref=waiting)[0]
    assert listed(served)["spool"] == []
    assert Spool(root).undo_delete().episode_id == waiting


def test_episodes_are_relabelled_marked_and_trimmed(served):
    assert edit(served, edit="task", ref="1", task="Place")[0]
    assert edit(served, edit="success", ref="1", success=False)[0]
    assert edit(served, edit="trim", ref="1", start_s=6 / 30, stop_s=30 / 30)[0]
    episode = listed(served)["episodes"][1]
    assert (episode["task"], episode["success"], episode["seconds"]) == ("Place", False, 24 / 30)
    assert shown(served.get(f"/episodes/1/picture/{KEY}/0").body) == spread(26 + 6)
    assert len(listed(served)["edits"]) == 3
    waiting = listed(served)["spool"][0]["ref"]
    assert edit(served, edit="success", ref=waiting, success=True)[0]
    assert listed(served)["spool"][0]["success"] is True
    assert edit(served, edit="task", ref=waiting, task="Lift") == (True, "the episode has a new task")
    assert listed(served)["spool"][0]["task"] == "Lift"
    assert not edit(served, edit="task", ref=waiting, task=" ")[0]


def test_an_edit_reaches_an_episode_that_was_encoded_meanwhile(served, root):
    waiting = listed(served)["spool"][0]["ref"]
    with BatchEncoder(root):
        pass
    assert edit(served, edit="task", ref=waiting, task="Lift") == (True, "episode 2 has a new task")
    assert listed(served)["episodes"][2]["task"] == "Lift"


def test_the_recorder_itself_accepts_and_deletes_its_last_take(served):
    waiting = listed(served)["spool"][0]["ref"]
    last = {"episode_id": waiting, "state": "rejected"}
    served.live.put("recorder", {"last": last})
    assert edit(served, edit="success", ref=waiting, success=True)[0]
    assert served.station.asked == []
    served.live.put("actions", ["accept_episode", "delete_last_episode"])
    assert edit(served, edit="accept", ref=waiting) == (True, "done")
    assert edit(served, edit="delete", ref=waiting) == (True, "done")
    assert served.station.asked == [("accept_episode", False), ("delete_last_episode", False)]
    assert edit(served, edit="delete", ref="0") == (True, "deleted episode 0")
    served.live.put("recorder", {"last": {**last, "state": "deleted"}})
    assert edit(served, edit="delete", ref=waiting)[0]
    assert len(served.station.asked) == 2


def test_a_trim_of_an_episode_that_waits_is_refused_with_the_time_when_it_is_possible(served):
    waiting = listed(served)["spool"][0]["ref"]
    refused = "trim: possible as soon as the episode is encoded and in the dataset"
    assert edit(served, edit="trim", ref=waiting, start_s=0, stop_s=1) == (False, refused)


def test_an_edit_does_not_reach_an_episode_that_has_taken_the_number(served):
    first, second = listed(served)["episodes"]
    assert edit(served, edit="delete", ref="0", id=first["id"])[0]
    for wanted in ({"edit": "delete"}, {"edit": "trim", "start_s": 0.1, "stop_s": 0.5}):
        success, message = edit(served, ref="0", id=first["id"], **wanted)
        assert not success, message
    assert [each["id"] for each in listed(served)["episodes"]] == [second["id"]]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"edit": "melt", "ref": "0"}, "expected delete, task, success, trim or undo"),
        ({"edit": "trim", "ref": "0", "start_s": "now", "stop_s": 1}, "start_s: expected seconds"),
        ({"edit": "task", "ref": "0"}, "task: expected a text"),
        ({"edit": "delete"}, "ref: expected an episode"),
        ({"edit": "delete", "ref": "7"}, "no episode 7"),
        (
            {"edit": "task", "ref": "20200101T000000.000000Z-0000", "task": "x"},
            "is not in the spool",
        ),
        ({"edit": "undo"}, "there is no edit to undo"),
    ],
)
def test_an_edit_that_is_not_possible_is_refused_with_the_reason(served, request_, message):
    success, found = edit(served, **request_)
    assert not success
    assert message in found
