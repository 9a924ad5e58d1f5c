"""What the nodes record, as LeRobot itself sees it; LEROBOT_PYTHON names a Python that has LeRobot 0.6.1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")

from lerobot_recorder.cli.processes import node_environment
from lerobot_recorder.dataset import RecordedEpisode, check
from lerobot_recorder.dataset.features import DEFAULT_FEATURES
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.video import probe

HERE = Path(__file__).parent
PYTHON = os.environ.get("LEROBOT_PYTHON")
JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no Python with LeRobot; run make test-lerobot"
)


def lerobot(*arguments: object, timeout_s: float = 600) -> subprocess.CompletedProcess:
    """Run LeRobot's Python, without what the ROS wheels put into the environment."""
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    environment |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [str(PYTHON), *map(str, arguments)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def start(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen:
    with log.open("w") as output:
        return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, stderr=output)


def node(name: str, parameters: dict, environment: dict[str, str], folder: Path) -> subprocess.Popen:
    given = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    return start(
        ["-m", f"lerobot_recorder.nodes.{name}", "--ros-args", *given], environment, folder / f"{name}.log"
    )


def end(process: subprocess.Popen) -> int:
    process.send_signal(2)
    return process.wait(120)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Record a known robot with the real nodes: three episodes, of which two are encoded in one batch."""
    folder = tmp_path_factory.mktemp("recorded")
    environment = node_environment(isolated=True)
    publisher = start(
        [str(HERE / "publisher.py"), str(folder / "sent.npz")], environment, folder / "publisher.log"
    )
    root = folder / "dataset"
    encoder = node("encoder", {"root": root, "video_encoding_batch_size": 2}, environment, folder)
    streams = {"streams": "[state,action,top,wrist]", "robot_type": "so_follower", "root": root}
    for stream, topic in (("state", "follower"), ("action", "leader")):
        streams |= {f"{stream}.topic": f"{topic}/joint_states", f"{stream}.names": f"[{','.join(JOINTS)}]"}
    for camera in ("top", "wrist"):
        streams[f"{camera}.topic"] = f"cameras/{camera}/image_raw"
    run = {"num_episodes": 3, "episode_time_s": 4.0, "reset_time_s": 0.5, "task": "'Pick up the cube'"}
    recorder = node("recorder", {**streams, **run}, environment, folder)
    try:
        assert recorder.wait(180) == 0, (folder / "recorder.log").read_text()
    finally:
        statuses = [end(process) for process in (encoder, publisher)]
        if recorder.poll() is None:
            end(recorder)
    assert statuses == [0, 0], (folder / "encoder.log").read_text() + (folder / "publisher.log").read_text()
    return folder


def test_lerobot_finds_what_was_published(recorded):
    result = lerobot(HERE / "verify.py", recorded / "dataset", recorded / "sent.npz")
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAILED" not in result.stdout


def test_lerobot_doctor_finds_nothing_wrong(recorded):
    result = lerobot("-m", "lerobot_doctor.cli", "check", recorded / "dataset")
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAIL" not in result.stdout, result.stdout


def record_directly(root: Path, features: dict, length: int) -> None:
    """Append an episode through the Python API."""
    own = {key: feature for key, feature in features.items() if key not in DEFAULT_FEATURES}
    recorder = EpisodeRecorder(root, own, 30, robot_type="so_follower")
    with recorder, BatchEncoder(root), recorder.episode("Pick up the cube") as episode:
        for number in range(length):
            dtypes = {
                key: np.uint8 if feature["dtype"] == "video" else np.float32 for key, feature in own.items()
            }
            episode.add({key: np.full(own[key]["shape"], number, dtype) for key, dtype in dtypes.items()})


def test_lerobot_appends_to_ours_and_we_append_to_lerobots(recorded, tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(recorded / "dataset", root)
    resumed = lerobot(HERE / "resume.py", root)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert list(check(root, probe)) == []
    record_directly(root, load_info(root).features, 15)
    assert list(check(root, probe)) == []
    loaded = lerobot(HERE / "load.py", root)
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    assert json.loads(loaded.stdout.splitlines()[-1]) == {"episodes": 5, "frames": 395, "of": [0, 1, 2, 3, 4]}


def test_lerobots_tools_merge_ours_with_theirs_delete_and_split(recorded, tmp_path):
    root = recorded / "dataset"
    assert all(RecordedEpisode(root, index).ages() for index in range(3))
    edited = lerobot(HERE / "edit.py", root, tmp_path)
    assert edited.returncode == 0, edited.stdout + edited.stderr
    episodes = {"theirs": 1, "merged": 4, "joined": 4, "deleted": 2, "train": 1, "val": 2}
    for name, count in episodes.items():
        assert list(check(tmp_path / name, probe)) == [], name
        assert load_info(tmp_path / name).total_episodes == count
        loaded = lerobot(HERE / "load.py", tmp_path / name)
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        assert json.loads(loaded.stdout.splitlines()[-1])["of"] == list(range(count))


def test_texts_of_rows_are_loaded_and_left_alone_by_policies(tmp_path):
    features = {
        "observation.state": {"dtype": "float32", "shape": (1,), "names": ["a"]},
        "instruction": {"dtype": "string", "shape": (1,), "names": None},
    }
    said = ["open it", "", "close it, slowly \u2603"]
    with EpisodeRecorder(tmp_path / "data", features, 10) as recorder, recorder.episode("Drawer") as episode:
        for text in said:
            episode.add({"observation.state": np.zeros(1, np.float32), "instruction": text})
    with BatchEncoder(tmp_path / "data"):
        pass
    loaded = lerobot(HERE / "texts.py", tmp_path / "data", "instruction")
    assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout.splitlines()[-1])
    assert found == {"frames": said, "batch": said, "for_policies": False}
