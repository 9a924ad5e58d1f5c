"""The encoder node encodes on a Ray cluster if its parameter ``executor`` is ``ray``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from numbered import record
from vectors import whereabouts

from lerobot_recorder.dataset import check
from lerobot_recorder.video import probe

pytest.importorskip("ray")


@pytest.fixture
def sessions(graph) -> Iterator[Path]:
    """Return where the node's cluster writes what it does; sockets need a short path."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    graph.environment["RAY_TMPDIR"] = str(folder)
    yield folder / "ray"
    shutil.rmtree(folder, ignore_errors=True)


def test_an_encoder_with_executor_ray_encodes_on_a_cluster(graph, tmp_path, sessions):
    root = tmp_path / "data"
    record(root, [1, 2, 3])
    parameters = {"root": str(root), "executor": "ray", "parallel_encodings": 1, "nice": 0}
    encoder = graph.start("encoder", parameters)
    graph.wait(lambda: graph.status["encoder"]["committed"] == 1)
    encoder.interrupt()
    assert graph.end_of(encoder) == 0
    assert list(check(root, probe)) == []
    assert not whereabouts(root)
    assert list(sessions.glob("session_*/logs/worker-*"))  # a worker of Ray ran it
