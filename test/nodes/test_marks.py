from __future__ import annotations

from lerobot_recorder.dataset import RecordedEpisode, check, load_info
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import probe


def test_an_episode_is_marked_while_it_is_recorded_or_afterwards(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    graph.start("recorder", {**make_robot().recorder_parameters(root), "record_success": True})
    for early in (True, False):
        graph.wait(lambda: graph.call("recorder/start_episode")[0])
        graph.wait(lambda: graph.frames() >= 3)
        if early:
            assert graph.switch("recorder/mark_success", True)[0]
        assert graph.call("recorder/save_episode")[0]
        graph.status.clear()
    assert [episode.manifest.success for episode in Spool(root).ready()] == [True, None]
    assert graph.switch("recorder/mark_success", False)[0]
    first, second = Spool(root).ready()
    assert (first.manifest.success, second.manifest.success) == (True, False)
    assert first.rows()["next.success"][:, 0].tolist() == [False] * (first.length - 1) + [True]
    assert not second.rows()["next.success"].any()
    last = graph.wait(lambda: graph.status["recorder"]["last"])
    assert (last["episode_index"], last["state"], last["success"]) == (1, "ready", False)


def test_without_an_episode_there_is_nothing_to_mark(graph, make_robot, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    marked, reason = graph.switch("recorder/mark_success", True)
    assert not marked
    assert "no episode that could be marked" in reason


def test_committed_episodes_are_marked_deleted_and_brought_back(graph, make_robot, tmp_path):
    root = tmp_path / "data"
    parameters = {"record_success": True, "on_bad_episode": "keep"}
    graph.start("recorder", {**make_robot().recorder_parameters(root), **parameters})
    graph.start("encoder", {"root": str(root), "vcodec": "h264"})
    for _ in range(2):
        graph.wait(lambda: graph.call("recorder/start_episode")[0])
        graph.wait(lambda: graph.frames() >= 3)
        assert graph.call("recorder/save_episode")[0]
        graph.status.pop("recorder", None)
    graph.wait(lambda: graph.status["encoder"]["committed"] >= 2)
    name = RecordedEpisode(root, 1).recording["episode_id"]
    answer = f"marked episode 1, which is in the dataset\nepisode_id: {name}"
    assert graph.switch("recorder/mark_success", True) == (True, answer)
    marked = RecordedEpisode(root, 1)
    assert marked.recording["success"] is True
    assert marked.vectors("next.success").rows[:, 0].tolist() == [False] * (marked.length - 1) + [True]
    deleted = f"deleted episode 1, which was in the dataset\nepisode_id: {name}\nundo_delete: brings it back"
    assert graph.call("recorder/delete_last_episode") == (True, deleted)
    assert (load_info(root).total_episodes, list(check(root, probe))) == (1, [])
    graph.wait(lambda: graph.status["recorder"]["saved"] == 1)
    last = graph.status["recorder"]["last"]
    assert (last["episode_index"], last["state"]) == (1, "deleted")
    refused, reason = graph.call("recorder/delete_last_episode")
    assert not refused
    assert reason == "the episode is deleted\nundo_delete: brings it back"
    restored = f"brought back episode 1: it is in the dataset\nepisode_id: {name}"
    assert graph.call("recorder/undo_delete") == (True, restored)
    assert RecordedEpisode(root, 1).recording["success"] is True
    assert list(check(root, probe)) == []
