"""What the encoder node answers, and the exit status that it ends with."""

from __future__ import annotations

from pathlib import Path

from vectors import numbers_in, record, wait_for, whereabouts

from lerobot_recorder.cli.status import end_reason
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.spool import Spool
from lerobot_recorder.spool.manifest import MANIFEST_FILE


def test_failed_episodes_are_tried_again_by_a_service(graph, tmp_path):
    root = tmp_path / "data"
    (episode_id,) = record(root, 0)
    manifest = Spool(root).directory("ready") / episode_id / MANIFEST_FILE
    sound = manifest.read_bytes()
    manifest.write_text("{")
    encoder = graph.start("encoder", {"root": str(root)})
    graph.wait(lambda: graph.status["encoder"]["failed"] == 1)
    assert "--retry-failed" in graph.status["encoder"]["message"]
    (Spool(root).directory("failed") / episode_id / MANIFEST_FILE).write_bytes(sound)
    assert graph.call("encoder/retry_failed") == (True, "trying 1 failed episode again")
    graph.wait(lambda: graph.status["encoder"]["committed"] == 1)
    graph.wait(lambda: graph.status["encoder"]["message"] == "")
    assert graph.call("encoder/retry_failed") == (True, "no episode has failed")
    encoder.interrupt()
    assert graph.end_of(encoder) == 0
    assert numbers_in(root) == [0]


def test_a_paused_encoder_reports_that_nothing_is_encoded(graph, tmp_path):
    root = tmp_path / "data"
    record(root, 0, 1)
    graph.start("encoder", {"root": str(root), "paused": True})
    graph.wait(lambda: graph.status["encoder"]["waiting"] == 2)
    success, message = graph.call("encoder/encode_pending")
    assert (success, "is paused" in message, "2 episodes wait" in message) == (False, True, True)
    assert graph.set_parameter("encoder", "paused", False) == (True, "")
    graph.wait(lambda: graph.status["encoder"]["committed"] == 2)


def test_an_encoder_that_failed_to_encode_an_episode_exits_with_1(graph, tmp_path):
    root = tmp_path / "data"
    record(root, 0)
    with BatchEncoder(root):
        pass
    record(root, 1)
    encoder = graph.start("encoder", {"root": str(root), "video_encoding_batch_size": 5})
    graph.wait(lambda: graph.status["encoder"]["waiting"] == 1)
    (root / "meta/info.json").write_text("{")
    encoder.interrupt()
    assert graph.end_of(encoder) == 1
    assert "info.json" in end_reason([*encoder.last_lines])
    assert list(whereabouts(root)) == ["ready"]


def test_a_dataset_that_cannot_be_appended_to_ends_the_node_at_its_start(graph, tmp_path):
    root: Path = tmp_path / "data"
    record(root, 0)
    with BatchEncoder(root):
        pass
    (next(root.glob("data/*/*.parquet"))).unlink()
    encoder = graph.start("encoder", {"root": str(root)})
    assert graph.end_of(encoder) == 1
    assert ".parquet" in end_reason([*encoder.last_lines])


def test_committed_episodes_are_announced_once_to_the_parent(graph, tmp_path):
    root = tmp_path / "data"
    record(root, *range(12))
    encoder = graph.start("encoder", {"root": str(root), "video_encoding_batch_size": 12})
    graph.wait(lambda: graph.status["encoder"]["committed"] == 12)
    assert len(graph.status["encoder"]["episodes"]) == 10
    encoder.interrupt()
    wait_for(lambda: not encoder.running)
    lines = []
    while not graph.events.empty():
        lines.append(getattr(graph.events.get(), "line", ""))
    announced = "".join(line for line in lines if '"committed": {"episodes"' in line)
    assert announced.count('"episode_id"') == 12
