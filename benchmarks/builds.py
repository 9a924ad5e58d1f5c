"""Compare the CPU of the hardware and the recorder node with those of another build, at equal work.

Two simulated arms and two MJPEG cameras of 640x480 at 30 Hz run in processes of their own, as real devices
would. The nodes publish and record raw images. Builds take turns, so other programs disturb both alike.
"""

from __future__ import annotations

import http.server
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
from footage import back_and_forth, find_clip, load_frames
from processes import FOREIGN, cost
from rich.console import Console
from rich.table import Table

from lerobot_recorder.launching import profile_environment

NODES = ("hardware", "recorder")
CAMERAS = ("top", "wrist")
FPS = 30
SETTLE_S = 2.0
START_S = 60.0
END_S = 30.0


class MjpegServer(http.server.ThreadingHTTPServer):
    """Serves footage as a network camera does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MjpegHandler)
        frames = load_frames(find_clip("bikes.mp4"), 640, 480)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        self.jpegs = [cv2.imencode(".jpg", frame[..., ::-1], quality)[1].tobytes() for frame in frames]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class MjpegHandler(http.server.BaseHTTPRequestHandler):
    server: MjpegServer

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=image")
        self.end_headers()
        jpegs = self.server.jpegs
        due_s = time.monotonic()
        for number in back_and_forth(range(len(jpegs))):
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += 1 / FPS
            head = f"--image\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpegs[number])}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpegs[number] + b"\r\n")
            except OSError:
                return

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def node_words(node: str, ports: dict[str, Path], url: str, root: Path, seconds: float) -> list[str]:
    """Return the parameters of a node, which both builds know."""
    joints = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
    if node == "hardware":
        values: dict[str, object] = {"cameras": list(CAMERAS), **{f"{name}.source": url for name in CAMERAS}}
        for role, port in ports.items():
            values |= {f"{role}.port": str(port), f"{role}.calibration": "sim"}
    else:
        values = {"root": str(root), "streams": ["state", "action", *CAMERAS], "num_episodes": 1}
        values |= {"episode_time_s": seconds + 2 * SETTLE_S, "task": "benchmark"}
        for stream, topic in (("state", "joint_states"), ("action", "joint_target")):
            values |= {f"{stream}.topic": f"follower/{topic}", f"{stream}.names": joints}
        values |= {f"{name}.topic": f"cameras/{name}/image_raw" for name in CAMERAS}
    return [word for name, value in values.items() for word in ("-p", f"{name}:={json.dumps(value)}")]


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment of all processes: as `record` sets it, in an unused domain."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        domain = probe.getsockname()[1] % 100 + 1
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    profile = Path(__file__).resolve().parents[1] / "config" / "fastdds.xml"
    return environment | {
        **profile_environment({}, profile),
        "HF_LEROBOT_HOME": str(folder),
        "LEROBOT_RECORDER_EVENTS": "1",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(domain),
        "ROS_LOCALHOST_ONLY": "1",
    }


@contextmanager
def running(words: Sequence[str], environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen]:
    """Run a program outside this checkout, so that it finds its own build, and interrupt it at the end."""
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(
            words, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def measure(python: str, url: str, seconds: float) -> dict[str, float]:
    """Return the CPU of each node of a build, in seconds per recorded second."""
    with (
        tempfile.TemporaryDirectory(prefix="builds-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        environment, root = environment_of(folder), folder / "dataset"
        ports = {role: folder / role for role in ("follower", "leader")}
        for role, port in ports.items():  # of this build, in front of both
            words = [sys.executable, "-m", "lerobot_recorder.cli.app", "simulate"]
            stack.enter_context(running([*words, "--role", role, "--link", str(port)], environment, folder))
        wait_for(lambda: all(port.exists() for port in ports.values()), folder)
        pids = {}
        for node in NODES:
            words = [python, "-m", f"lerobot_recorder.nodes.{node}", "--ros-args"]
            words += node_words(node, ports, url, root, seconds)
            pids[node] = stack.enter_context(running(words, environment, folder)).pid
        wait_for(lambda: any(root.with_name("dataset.spool").glob("recording/*/*")), folder)
        time.sleep(SETTLE_S)
        before = {node: cost(pid) for node, pid in pids.items()}
        time.sleep(seconds)
        return {node: cost(pid).since(before[node]).cpu_s / seconds for node, pid in pids.items()}


def wait_for(condition: Callable[[], bool], folder: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"the recording does not start:\n{(folder / 'log.txt').read_text()[-3000:]}")
        time.sleep(0.05)


def compare(other: str, rounds: int, seconds: float) -> None:
    """Print the CPU of this build and of the build that the Python ``other`` has installed."""
    url, builds = MjpegServer().url(), {"this build": sys.executable, "other build": other}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in builds}
    for number in range(rounds):
        for name, python in itertools.islice(itertools.cycle(builds.items()), number % 2, number % 2 + 2):
            found[name].append(measure(python, url, seconds))
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("CPU s per recorded s", *NODES, "both"):
        table.add_column(heading, justify="left" if heading.startswith("CPU") else "right")
    both = {}
    for name, results in found.items():
        middle = [statistics.median(each[node] for each in results) for node in NODES]
        both[name] = statistics.median(sum(each.values()) for each in results)
        table.add_row(name, *(f"{each:.3f}" for each in (*middle, both[name])))
    Console(width=100).print(table)
    print(f"this build needs {both['this build'] / both['other build']:.2f} of the other's CPU")
