"""Small episodes without cameras, which are recorded in milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.recording import EpisodeRecorder
from lerobot_recorder.spool import Spool, SpooledEpisode

FEATURES: dict[str, Any] = {
    "observation.state": {"dtype": "float32", "shape": [2], "names": ["a.pos", "b.pos"]}
}


def record(root: Path, *numbers: int, length: int = 3, features: dict[str, Any] | None = None) -> list[str]:
    """Record an episode per number, whose rows hold the number and the frame; return the identifiers."""
    features = features or FEATURES
    key, size = next((key, feature["shape"][0]) for key, feature in features.items())
    found = []
    with EpisodeRecorder(root, features, fps=30) as recorder:
        for number in numbers:
            with recorder.episode("Pick up") as episode:
                for frame in range(length):
                    episode.add({key: np.array([number, frame, 0][:size], np.float32)})
            found.append(episode.episode_id)
    return found


def numbers_in(root: Path, key: str = "observation.state") -> list[int]:
    """Read the numbers of the episodes in a dataset, in order; check that each is complete."""
    table = [row for path in sorted(root.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()]
    rows = [row[key] for row in table]
    info = load_info(root)
    assert len(rows) == (info.total_frames if info else 0)
    numbers = list(dict.fromkeys(int(number) for number, *_ in rows))
    assert [row[:2] for row in rows] == [[number, frame] for number in numbers for frame in range(3)]
    return numbers


def whereabouts(root: Path) -> dict[str, list[str]]:
    """List the episodes by their state in the spool."""
    spool = Spool(root)
    states = {state: episodes_in(spool, state) for state in ("ready", "claimed", "committing", "failed")}
    return {state: [each.episode_id for each in found] for state, found in states.items() if found}


def episodes_in(spool: Spool, state: str) -> list[SpooledEpisode]:
    return [SpooledEpisode(path) for path in sorted(spool.directory(state).glob("*"))]


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def frames_done(encoder: BatchEncoder) -> int:
    """Return how many video frames of the current batch are encoded."""
    batch = encoder.status().encoding
    return batch.frames_done if batch else 0
