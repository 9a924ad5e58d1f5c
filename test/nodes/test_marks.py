from __future__ import annotations

from lerobot_recorder.spool import Spool


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


def test_without_an_episode_there_is_nothing_to_mark(graph, make_robot, tmp_path):
    graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    marked, reason = graph.switch("recorder/mark_success", True)
    assert not marked
    assert "no episode that could be marked" in reason
