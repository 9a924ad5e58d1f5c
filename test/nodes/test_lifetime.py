from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

from lerobot_recorder.cli.processes import node_environment

ENDS_WITHIN_S = 120.0

PARENT = """
import os, queue, sys
from lerobot_recorder.cli.processes import NodeOutput, NodeProcess, node_environment

events = queue.SimpleQueue()
arguments = ["--ros-args", "-p", f"root:={sys.argv[1]}"]
node = NodeProcess("encoder", arguments, node_environment(isolated=True), events)
print(node._process.pid, flush=True)
while not (isinstance(event := events.get(), NodeOutput) and '"status"' in event.line):
    pass
print("runs", flush=True)
sys.stdin.read()
"""


def test_a_node_stops_when_its_parent_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        node = os.pidfd_open(int(parent.stdout.readline()))
        assert parent.stdout.readline() == "runs\n"
        parent.kill()
    ended, _, _ = select.select([node], [], [], ENDS_WITHIN_S)
    os.close(node)
    assert ended


def test_a_node_stops_whose_parent_died_before_the_signal_was_requested(tmp_path):
    with subprocess.Popen(["true"]) as gone:
        pass
    environment = node_environment(isolated=True) | {"LEROBOT_RECORDER_PARENT": str(gone.pid)}
    node = subprocess.run(
        [
            sys.executable,
            "-m",
            "lerobot_recorder.nodes.encoder",
            "--ros-args",
            "-p",
            f"root:={tmp_path / 'data'}",
        ],
        env=environment,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert node.returncode == 0


STUCK = """
import ctypes, os, sys
from lerobot_recorder.nodes import lifetime
from lerobot_recorder.nodes.lifetime import ManagedNode

class Stuck(ManagedNode):
    def finished(self):
        return True

    def close(self):
        print("closed", flush=True)

    def destroy_node(self):
        ctypes.PyDLL(None).pause()  # unlike CDLL, it keeps Python's lock

lifetime._LEAVING_S = 0.5
sys.exit(lifetime.run(lambda: Stuck("stuck"), "stuck"))
"""


def test_a_node_that_cannot_leave_the_graph_ends_once_it_has_closed_its_files():
    node = subprocess.run(
        [sys.executable, "-c", STUCK],
        env=node_environment(isolated=True),
        stdout=subprocess.PIPE,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert (node.returncode, node.stdout) == (1, "closed\n")
