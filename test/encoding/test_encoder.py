from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from takes import a_take
from vectors import frames_done

from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.encoding import encoder as module
from lerobot_recorder.encoding.batch import Batch
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import EncoderSettings, probe

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": [2], "names": ["a.pos", "b.pos"]},
    "observation.images.top": {
        "dtype": "video",
        "shape": [48, 64, 3],
        "names": ["height", "width", "channels"],
    },
    "observation.images.wrist": {
        "dtype": "video",
        "shape": [32, 32, 3],
        "names": ["height", "width", "channels"],
    },
}
VIDEOS = [key for key in FEATURES if "images" in key]
FAST = EncoderSettings()


def record(root: Path, *lengths: int, task: str = "Pick up") -> None:
    with EpisodeRecorder(root, FEATURES, fps=30) as recorder:
        for number, length in enumerate(lengths):
            rng = np.random.default_rng(number)
            with recorder.episode(task) as episode:
                for frame in range(length):
                    values = {"observation.state": np.array([number, frame], np.float32)}
                    for key in VIDEOS:
                        values[key] = rng.integers(0, 255, FEATURES[key]["shape"], np.uint8)
                    episode.add(values)


def wait_for(condition, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def states(root: Path) -> list[list[float]]:
    return [row["observation.state"] for row in rows(root)]


def rows(root: Path) -> list[dict]:
    return [row for path in sorted(root.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()]


def videos(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.glob("videos/*/*/*.mp4"))}


def test_an_episode_of_the_batch_does_not_wait_as_well(tmp_path, monkeypatch):
    counts, commit, wait = [], Batch.commit, Batch.wait

    def note_and_commit(batch):
        status = encoder.status()
        counts.append((status.state, status.encoding.episodes, status.waiting))
        commit(batch)

    monkeypatch.setattr(Batch, "commit", note_and_commit)
    monkeypatch.setattr(Batch, "wait", lambda batch, _: wait(batch, 60))  # no look at the spool meanwhile
    record(tmp_path / "data", 5)
    with BatchEncoder(tmp_path / "data", parallel_encodings=1, nice=0) as encoder:
        wait_for(lambda: counts)
    assert counts == [("committing", 1, 0)]


def test_an_episode_of_the_batch_that_was_brought_back_only_waits(tmp_path, monkeypatch):
    root, counts, commit, wait = tmp_path / "data", [], Batch.commit, Batch.wait

    def wait_and_take_back(batch, _timeout_s):
        if is_done := wait(batch, 60) and not counts:
            Spool(root).delete_last()
            Spool(root).undo_delete()
        return is_done or bool(counts)

    def note_and_commit(batch):
        status = encoder.status()
        counts.append((status.encoding.episodes, status.waiting))
        commit(batch)

    monkeypatch.setattr(Batch, "wait", wait_and_take_back)
    monkeypatch.setattr(Batch, "commit", note_and_commit)
    record(root, 5)
    with BatchEncoder(root, parallel_encodings=1, nice=0) as encoder:
        wait_for(lambda: len(counts) == 2)
    assert counts == [(0, 1), (1, 0)]
    assert encoder.status().committed == 1


def test_what_was_recorded_is_in_the_dataset_and_no_longer_in_the_spool(tmp_path):
    root = tmp_path / "data"
    record(root, 5, 8)
    with BatchEncoder(root, batch_size=2):
        pass
    assert states(root) == [[0, frame] for frame in range(5)] + [[1, frame] for frame in range(8)]
    for key in VIDEOS:
        assert probe(root / f"videos/{key}/chunk-000/file-000.mp4").frames == 13
    spool = Spool(root)
    assert not (spool.ready())
    assert not (spool.claimed())
    assert not (spool.failed())


def test_how_an_episode_was_recorded_is_kept_beside_the_dataset(tmp_path):
    root = tmp_path / "data"
    record(root, 5)
    marked = Spool(root).mark_success(True)
    with BatchEncoder(root):
        pass
    record(root, 4)
    with BatchEncoder(root):
        pass
    lines = (root / "meta/recordings/chunk-000/file-000.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert (first["episode_index"], first["episode_id"], first["success"]) == (0, marked, True)
    assert (second["episode_index"], second["success"], second["clock"]) == (1, None, "system")


def test_nothing_is_encoded_before_enough_episodes_wait(tmp_path):
    root = tmp_path / "data"
    record(root, 4, 4)
    encoder = BatchEncoder(root, batch_size=3, encode_on_exit=False)
    try:
        wait_for(lambda: encoder.status().waiting == 2)
        assert encoder.status().state == "idle"
        record(root, 4)
        wait_for(lambda: encoder.status().committed == 3)
    finally:
        encoder.close()


def test_a_smaller_batch_size_starts_at_once(tmp_path):
    root = tmp_path / "data"
    record(root, 4, 4, 4, 4)
    encoder = BatchEncoder(root, batch_size=10, encode_on_exit=False)
    try:
        wait_for(lambda: encoder.status().waiting == 4)
        encoder.batch_size = 3
        wait_for(lambda: encoder.status().committed == 4)
        assert [episode.episode_index for episode in encoder.status().episodes] == [0, 1, 2, 3]
    finally:
        encoder.close()


def test_encode_pending_and_pause(tmp_path):
    root = tmp_path / "data"
    record(root, 4)
    encoder = BatchEncoder(root, batch_size=10, encode_on_exit=False)
    try:
        encoder.paused = True
        encoder.batch_size = 1
        wait_for(lambda: encoder.status().state == "paused")
        assert encoder.status().waiting == 1
        encoder.paused = False
        wait_for(lambda: encoder.status().committed == 1)
        encoder.batch_size = 10
        record(root, 4)
        encoder.encode_pending()
        wait_for(lambda: encoder.status().committed == 2)
    finally:
        encoder.close()


def test_the_result_does_not_depend_on_the_batch_size(tmp_path):
    lengths = (5, 3, 9, 4)
    for size in (1, 2, 50):
        root = tmp_path / f"batch-{size}"
        record(root, *lengths)
        with BatchEncoder(root, batch_size=size, parallel_encodings=size % 3 + 1):
            pass
    first = tmp_path / "batch-1"
    for size in (2, 50):
        other = tmp_path / f"batch-{size}"
        assert rows(first) == rows(other)
        assert videos(first) == videos(other)
        assert (first / "meta/stats.json").read_text() == (other / "meta/stats.json").read_text()


def test_videos_encoded_with_other_settings_get_a_file_of_their_own(tmp_path):
    root = tmp_path / "data"
    record(root, 4)
    with BatchEncoder(root) as encoder:
        wait_for(lambda: encoder.status().committed == 1)
        encoder.settings = EncoderSettings(crf=40)
        record(root, 6)
    frames = [probe(path).frames for path in sorted(root.glob(f"videos/{VIDEOS[0]}/*/*.mp4"))]
    assert frames == [4, 6]


def test_a_damaged_episode_is_set_aside_and_the_others_are_encoded(tmp_path):
    root = tmp_path / "data"
    record(root, 4, 5, 6)
    damaged = Spool(root).ready()[1]
    image_file = next(damaged.path.glob("*.i420"))
    content = bytearray(image_file.read_bytes())
    content[100] ^= 0xFF
    image_file.write_bytes(content)
    with BatchEncoder(root, batch_size=3) as encoder:
        pass
    assert {state[0] for state in states(root)} == {0.0, 2.0}
    assert "damaged" in Spool(root).error(Spool(root).failed()[0])
    assert encoder.status().failed == 1


def test_an_episode_that_is_taken_back_meanwhile_is_no_failure(tmp_path, caplog, capfd):
    root = tmp_path / "data"
    record(root, 400)
    with BatchEncoder(root, parallel_encodings=1) as encoder:
        wait_for(lambda: frames_done(encoder))
        Spool(root).delete_last()
    assert encoder.status().failed == 0
    assert not encoder.status().committed
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not capfd.readouterr().err


def test_a_worker_that_dies_is_replaced_and_its_episode_encoded(tmp_path):
    root = tmp_path / "data"
    record(root, 400, 4)
    encoder = BatchEncoder(root, batch_size=2, parallel_encodings=1)
    wait_for(lambda: frames_done(encoder) > 0)
    os.kill(next(iter(encoder._pool._processes)).pid, signal.SIGKILL)
    encoder.close()
    assert Spool(root).failed() == []
    assert [episode.frames for episode in encoder.status().episodes] == [400, 4]


def test_abort_leaves_the_rest_for_the_next_start(tmp_path):
    root = tmp_path / "data"
    record(root, 1000, 1000)
    encoder = BatchEncoder(root, batch_size=2, parallel_encodings=1)
    wait_for(lambda: frames_done(encoder) > 0)
    encoder.abort()
    assert encoder.join(30)
    assert len(Spool(root).ready()) == 2
    assert not rows(root)
    with BatchEncoder(root):
        pass
    assert len(rows(root)) == 2000


def test_a_commit_that_fails_is_tried_again(tmp_path, monkeypatch):
    root = tmp_path / "data"
    record(root, 4)
    monkeypatch.setattr(module, "RETRY_S", 0.1)
    original, failures = module.DatasetWriter.commit, []

    def full_once(self, *args, **kwargs):
        if not failures:
            failures.append(True)
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(module.DatasetWriter, "commit", full_once)
    encoder = BatchEncoder(root)
    wait_for(lambda: encoder.status().committed == 1)
    encoder.close()
    assert len(rows(root)) == 4


def test_settings_out_of_range_are_refused(tmp_path):
    for wrong in ({"batch_size": 0}, {"parallel_encodings": -1}, {"nice": -1}):
        with pytest.raises(ConfigError):
            BatchEncoder(tmp_path / "data", **wrong)


PROGRAM = """
import sys
from lerobot_recorder.encoding import BatchEncoder
with BatchEncoder(sys.argv[1], batch_size=2):
    pass
"""


def encoding_process(root: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(root)], stderr=subprocess.DEVNULL)


def test_an_encoder_killed_at_any_time_loses_and_duplicates_nothing(tmp_path):
    root = tmp_path / "data"
    lengths = (20, 30, 10, 25, 15, 20)
    record(root, *lengths)
    rng = np.random.default_rng(7)
    for _ in range(12):
        process = encoding_process(root)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.2, 1.6))
        process.kill()
        process.wait()
    assert encoding_process(root).wait(120) == 0
    assert states(root) == [
        [number, frame] for number, length in enumerate(lengths) for frame in range(length)
    ]
    for key in VIDEOS:
        assert sum(probe(path).frames for path in root.glob(f"videos/{key}/*/*.mp4")) == sum(lengths)


def test_a_take_that_was_cut_short_is_left_to_the_recorder(tmp_path):
    root = tmp_path / "data"
    record(root, 3)
    writer = a_take(Spool(root), "raw")
    writer.abandon()
    with BatchEncoder(root):
        pass
    assert len(states(root)) == 3
    assert [path.name for path in Spool(root).directory("recording").iterdir()] == [writer.path.name]
    assert not Spool(root).rejected()


def test_two_encoders_share_the_work(tmp_path):
    root = tmp_path / "data"
    record(root, *([6] * 8))
    processes = [encoding_process(root) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert sorted(states(root)) == [[number, frame] for number in range(8) for frame in range(6)]
    assert len(rows(root)) == 48


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Limit the file size of this process and its children, to simulate a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_episode_waits_while_the_disk_is_too_full_to_encode_it(tmp_path):
    root = tmp_path / "data"
    record(root, 30)
    with room_for(2000), BatchEncoder(root) as encoder:
        pass
    assert "no space left to encode" in encoder.status().message
    assert [each.length for each in Spool(root).ready()] == [30]
    assert not Spool(root).failed()
    with BatchEncoder(root):
        pass
    assert len(states(root)) == 30


@pytest.mark.parametrize("needs_room_for", ["encoding", "the commit"])
def test_on_a_full_disk_discarded_episodes_are_erased(tmp_path, needs_room_for):
    root = tmp_path / "data"
    record(root, 30, 30)
    largest = 2000
    if needs_room_for == "the commit":
        with BatchEncoder(root):
            pass
        largest = max(len(content) for content in videos(root).values())
        record(root, 30, 30)
    deleted = Spool(root).delete_last()
    with room_for(largest), BatchEncoder(root):
        pass
    assert Spool(root).find(deleted) is None
    assert [each.length for each in Spool(root).ready()] == [30]


def test_an_episode_waits_while_the_disk_is_too_full_for_its_commit(tmp_path):
    root = tmp_path / "data"
    record(root, 30, 30)
    largest = 0
    with BatchEncoder(root, batch_size=2, encode_on_exit=False) as encoder:
        wait_for(lambda: encoder.status().committed == 2)
        largest = max(len(content) for content in videos(root).values())
    record(root, 30)
    with room_for(largest), BatchEncoder(root) as encoder:
        pass
    assert "no space left for the commit" in encoder.status().message
    assert (len(Spool(root).ready()), len(Spool(root).failed())) == (1, 0)
    with BatchEncoder(root):
        pass
    assert len(states(root)) == 90


def test_a_request_is_done_once_there_is_space_again(tmp_path, monkeypatch):
    monkeypatch.setattr("lerobot_recorder.encoding.encoder.RETRY_S", 0.1)
    root = tmp_path / "data"
    record(root, 30)
    with BatchEncoder(root, batch_size=5, encode_on_exit=False) as encoder:
        with room_for(2000):
            encoder.encode_pending()
            wait_for(lambda: "no space left" in encoder.status().message)
        encoder.parallel_encodings = 3  # in new processes, which are not limited
        wait_for(lambda: encoder.status().committed == 1)
    assert len(states(root)) == 30
