from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from lerobot_recorder import BatchEncoder, EpisodeRecorder
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.spool import Spool

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": (1,), "names": ["a.pos"]},
    "observation.images.top": {
        "dtype": "video",
        "shape": (64, 64, 3),
        "names": ["height", "width", "channels"],
    },
}


def record(recorder: EpisodeRecorder, length: int = 5, error: BaseException | None = None) -> None:
    with recorder.episode("Pick up") as episode:
        for number in range(length):
            image = np.full((64, 64, 3), number % 256, np.uint8)
            episode.add(
                {"observation.state": np.full(1, number, np.float32), "observation.images.top": image}
            )
        if error:
            raise error


def episodes(root) -> int:
    info = load_info(root)
    return info.total_episodes if info else 0


def test_leaving_encodes_any_number_of_remaining_episodes(tmp_path):
    root = tmp_path / "data"
    with EpisodeRecorder(root, FEATURES, 30) as recorder, BatchEncoder(root, batch_size=10):
        record(recorder)
        record(recorder)
        assert episodes(root) == 0
    assert episodes(root) == 2


@pytest.mark.parametrize("error", [RuntimeError("the gripper slipped"), KeyboardInterrupt()])
def test_leaving_with_an_exception_encodes_them_too(tmp_path, error):
    root = tmp_path / "data"
    with (
        pytest.raises(type(error)),
        EpisodeRecorder(root, FEATURES, 30) as recorder,
        BatchEncoder(root, batch_size=10),
    ):
        record(recorder)
        record(recorder, 3, error)
    assert episodes(root) == 1
    assert [take.length for take in Spool(root).rejected()] == [3]


PROGRAM = """
import signal, sys, time
from lerobot_recorder import BatchEncoder
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background

class Encoder(BatchEncoder):
    def finish(self):
        super().finish()
        print("leaving", flush=True)

with Encoder(sys.argv[1], batch_size=10) as encoder:
    encoder.batch_size = 1
    while not frames_done(encoder):
        time.sleep(0.01)
"""


def test_ctrl_c_while_leaving_leaves_the_rest_for_the_next_start(tmp_path):
    root = tmp_path / "data"
    with EpisodeRecorder(root, FEATURES, 30) as recorder:
        record(recorder, 3000)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "leaving\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in stderr
    assert len(Spool(root).ready()) == 1
    assert episodes(root) == 0
