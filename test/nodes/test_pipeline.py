from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import probe

JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
CAMERAS = ("top", "wrist")


def spool_episodes(root, *lengths):
    features = {
        "observation.state": {"dtype": "float32", "shape": [1], "names": ["a"]},
        "observation.images.top": {
            "dtype": "video",
            "shape": [64, 64, 3],
            "names": ["height", "width", "channels"],
        },
    }
    with EpisodeRecorder(root, features, 30) as recorder:
        for length in lengths:
            with recorder.episode("Pick up") as episode:
                for _ in range(length):
                    image = np.random.default_rng().integers(0, 255, (64, 64, 3), np.uint8)
                    episode.add({"observation.state": [0.5], "observation.images.top": image})


def rows_of(root) -> list[dict]:
    return [row for path in sorted(root.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_the_simulated_arm_is_recorded_encoded_and_committed(graph, tmp_path):
    root = tmp_path / "data"
    hardware = {"follower.port": "sim", "leader.port": "sim", "cameras": list(CAMERAS)}
    for camera in CAMERAS:
        hardware |= {f"{camera}.source": "sim", f"{camera}.width": 160, f"{camera}.height": 120}
    recorder = {"root": str(root), "robot_type": "so_follower", "streams": ["state", "action", *CAMERAS]}
    recorder |= {"num_episodes": 3, "episode_time_s": 1.0, "reset_time_s": 0.2, "task": "Pick up"}
    for stream, arm in (("state", "follower"), ("action", "leader")):
        recorder |= {f"{stream}.topic": f"{arm}/joint_states", f"{stream}.names": JOINTS}
        recorder |= {f"{stream}.unit": "so100", f"{stream}.calibration": "sim"}
    recorder |= {f"{camera}.topic": f"cameras/{camera}/image_raw" for camera in CAMERAS}
    graph.start("hardware", hardware)
    encoder = graph.start("encoder", {"root": str(root), "video_encoding_batch_size": 2})
    assert graph.end_of(graph.start("recorder", recorder)) == 0
    graph.wait(lambda: graph.status["encoder"]["committed"] >= 2)
    encoder.interrupt()
    assert graph.end_of(encoder) == 0
    rows = rows_of(root)
    assert len(rows) == 90
    assert {row["episode_index"] for row in rows} == {0, 1, 2}
    for camera in CAMERAS:
        assert probe(root / f"videos/observation.images.{camera}/chunk-000/file-000.mp4").frames == 90
    states = np.array([row["observation.state"] for row in rows])
    assert np.abs(np.diff(states, axis=0)).max() > 0
    assert (states[:, 5] >= 0).all()
    assert (states[:, 5] <= 100).all()


def test_the_encoder_obeys_parameters_and_services(graph, tmp_path):
    root = tmp_path / "data"
    spool_episodes(root, 5, 5, 5, 5)
    graph.start("encoder", {"root": str(root), "video_encoding_batch_size": 10})
    graph.wait(lambda: graph.status.get("encoder", {}).get("waiting") == 4)
    assert graph.set_parameter("encoder", "video_encoding_batch_size", 3) == (True, "")
    graph.wait(lambda: graph.status["encoder"]["committed"] == 4)
    assert not graph.set_parameter("encoder", "video_encoding_batch_size", 0)[0]
    refused, reason = graph.set_parameter("encoder", "vcodec", "hevc_nvenc")
    assert not refused
    assert "this machine has no encoder hevc_nvenc; it has libsvtav1" in reason
    assert graph.set_parameter("encoder", "crf", 40)[0]
    spool_episodes(root, 5)
    assert graph.call("encoder/encode_pending")[0]
    graph.wait(lambda: graph.status["encoder"]["committed"] == 5)
    assert len(list(root.glob("videos/*/*/*.mp4"))) == 2


def test_a_second_interrupt_leaves_the_rest_for_the_next_start(graph, tmp_path):
    root = tmp_path / "data"
    spool_episodes(root, 300, 300)
    encoder = graph.start("encoder", {"root": str(root), "video_encoding_batch_size": 5, "preset": 2})
    graph.wait(lambda: graph.status.get("encoder", {}).get("waiting") == 2)
    encoder.interrupt()
    graph.wait(lambda: (graph.status["encoder"]["encoding"] or {}).get("frames_done", 0) > 0)
    encoder._process.terminate()
    assert graph.end_of(encoder) == 0
    assert len(Spool(root).ready()) == 2
    assert not rows_of(root)
