"""Encoding on a Ray cluster: nodes and heads that die lose nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import pytest
from numbered import record, spread
from typer.testing import CliRunner

import lerobot_recorder.encoding.cluster as module
from lerobot_recorder.cli.app import app
from lerobot_recorder.dataset import check
from lerobot_recorder.encoding import BatchEncoder, RayCluster
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import probe

BUILDER = Path(__file__).parents[1] / "builders" / "ray_cluster.py"
COMMAND = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()", "encode"]
FRAMES = 4 * 128 + 20
TIMEOUT_S = 120
NICE = 0
"""Others may use this computer."""

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")


class ACluster:
    """Nodes of one CPU each, in processes of their own."""

    def __init__(self, nodes: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(BUILDER), str(nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._line()

    def kill(self, node: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{node}\n")
        self._process.stdin.flush()
        assert self._line() == "killed"

    def close(self) -> None:
        self._process.communicate(timeout=TIMEOUT_S)

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@pytest.fixture
def cluster() -> Iterator[Callable[[int], ACluster]]:
    started: list[ACluster] = []

    def start(nodes: int) -> ACluster:
        started.append(ACluster(nodes))
        return started[-1]

    yield start
    for each in started:
        each.close()


def encoding(*roots: Path, ray: str) -> subprocess.Popen[str]:
    """Start the command, and wait until it has encoded something."""
    command = subprocess.Popen(
        [*COMMAND, *map(str, roots), "--ray", ray, "--nice", str(NICE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not any(segments(root) for root in roots):
        assert command.poll() is None, command.communicate()[0]
        time.sleep(0.05)
    return command


def segments(root: Path) -> list[Path]:
    return list(Spool(root).directory("segments").glob("*/*/*.json"))


def packets(root: Path) -> list[bytes]:
    found = []
    for video in sorted(root.glob("videos/**/*.mp4")):
        with av.open(str(video)) as container:
            found += [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return found


def encoded_here(root: Path) -> list[bytes]:
    """Encode what waits without a cluster, into a dataset of its own."""
    copy = root.with_name(f"{root.name}-here")
    subprocess.run(["cp", "-r", Spool(root).path, Spool(copy).path], check=True)
    with BatchEncoder(copy, nice=NICE):
        pass
    return packets(copy)


@needs_ray
def test_a_node_that_dies_loses_and_doubles_nothing(tmp_path, cluster):
    roots = [tmp_path / "one", tmp_path / "two"]
    for number, root in enumerate(roots):
        record(root, [spread(number + frame) for frame in range(FRAMES)])
    expected = [encoded_here(root) for root in roots]
    nodes = cluster(2)
    command = encoding(*roots, ray=nodes.address)
    nodes.kill(1)
    output, _ = command.communicate(timeout=TIMEOUT_S)
    assert command.returncode == 0, output
    assert output.count("1 episode added") == 2
    for root, packets_here in zip(roots, expected, strict=True):
        assert packets(root) == packets_here
        assert len(packets_here) == FRAMES
        assert list(check(root, probe)) == []
        assert not Spool(root).ready()


@needs_ray
def test_without_the_head_episodes_wait_and_what_is_done_is_used(tmp_path, cluster):
    root = tmp_path / "data"
    record(root, [spread(frame) for frame in range(3 * FRAMES)])
    expected = encoded_here(root)
    nodes = cluster(1)
    command = encoding(root, ray=nodes.address)
    nodes.kill(0)
    output, _ = command.communicate(timeout=TIMEOUT_S)
    assert command.returncode == 1
    words = " ".join(output.split())
    assert f"1 episode waits: the connection to the Ray cluster at {nodes.address} was lost" in words
    assert "Traceback" not in output
    assert len(Spool(root).ready()) == 1
    done = {path: path.stat().st_mtime_ns for path in segments(root)}
    with BatchEncoder(root, nice=NICE) as encoder:
        pass
    assert done
    assert len(encoder.committed) == 1
    assert packets(root) == expected


def test_without_ray_the_command_says_how_to_install_it(tmp_path, monkeypatch):
    record(tmp_path / "data", [1, 2])
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["encode", str(tmp_path / "data"), "--ray", "auto"])
    assert result.exit_code == 1
    assert "pip install 'lerobot-recorder[ray]'" in " ".join(result.output.split())
    with pytest.raises(ConfigError, match="needs Ray"):
        RayCluster()


def test_a_cluster_that_cannot_be_reached_leaves_the_episodes(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    record(tmp_path / "data", [1, 2])
    monkeypatch.setattr(module, "find_spec", lambda _: True)
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    result = CliRunner().invoke(app, ["encode", str(tmp_path / "data"), "--ray", "127.0.0.1:9"])
    assert result.exit_code == 1
    assert "127.0.0.1:9 cannot be established; is its head running?" in " ".join(result.output.split())
    assert len(Spool(tmp_path / "data").ready()) == 1
