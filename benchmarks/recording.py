"""Measure what an operator feels: the wait between episodes, late and missed ticks, lost images, cost.

    python benchmarks/recording.py                       two cameras of 640x480, raw, jpeg and png spools
    python benchmarks/recording.py --all                 1 to 4 cameras, 640x480 and 1280x720, all spools
    python benchmarks/recording.py --lerobot PYTHON      and LeRobot 0.6.1's three ways on the same frames

A robot made of real footage publishes joint states at 100 Hz and images at 30 Hz from a process of its own;
the recorder and the encoder node run as they always do, the encoder at work on earlier episodes. The wait is
that of a client: from its call of `save_episode` until its call of `start_episode` has been answered.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import rclpy
from processes import Cost, cost
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rich.console import Console
from rich.table import Table
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment

HERE = Path(__file__).parent
JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
FPS = 30
PATIENCE_S = 120.0
AROUND_CALLS = 2
"""Ticks at either end of an episode that fall into the time of the calls; they do not count as missed."""


@dataclass(frozen=True)
class Setup:
    """What is recorded."""

    spool: str
    cameras: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.spool}, {self.cameras} x {self.width}x{self.height}"


@dataclass
class Result:
    """What it was like."""

    waits_s: list[float] = field(default_factory=list)
    mean_lateness_s: list[float] = field(default_factory=list)
    max_lateness_s: float = 0.0
    late: int = 0
    missed: int = 0
    ticks: int = 0
    published: int = 0
    received: int = 0
    spooled: int = 0
    costs: dict[str, Cost] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Client:
    """Commands a recorder and listens to it, as an operator's program would."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        self.context.init(domain_id=domain)
        self.node = rclpy.create_node("benchmark", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.status: dict = {}
        self.encoder: dict = {}
        self.completed: list[dict] = []
        subscribe = self.node.create_subscription
        subscribe(String, "recorder/status", lambda news: self.status.update(json.loads(news.data)), latched)
        subscribe(String, "encoder/status", lambda news: self.encoder.update(json.loads(news.data)), latched)
        subscribe(
            String, "episode_completed", lambda news: self.completed.append(json.loads(news.data)), latched
        )
        self.services = {
            name: self.node.create_client(Trigger, f"recorder/{name}")
            for name in ("start_episode", "save_episode")
        }
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.spin)
        self.thread.start()

    def spin(self) -> None:
        while not self.stopped.is_set():
            self.executor.spin_once(timeout_sec=0.1)

    def call(self, name: str) -> tuple[bool, str]:
        if not self.services[name].wait_for_service(PATIENCE_S):
            return False, f"the recorder does not offer {name}"
        answer = self.services[name].call_async(Trigger.Request())
        if not self.wait(answer.done, every_s=0.0005):
            return False, f"{name} was not answered within {PATIENCE_S:.0f} s"
        return answer.result().success, answer.result().message

    def wait(self, condition, patience_s: float = PATIENCE_S, every_s: float = 0.05) -> bool:
        deadline = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(every_s)
        return True

    def close(self) -> None:
        self.stopped.set()
        self.thread.join()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def recorder_parameters(setup: Setup, root: Path) -> list[str]:
    cameras = [f"cam{index}" for index in range(setup.cameras)]
    values = {
        "root": str(root),
        "streams": ["state", "action", *cameras],
        "episode_time_s": 0.0,
        "task": "benchmark",
    }
    for stream, arm in (("state", "follower"), ("action", "leader")):
        values |= {f"{stream}.topic": f"{arm}/joint_states", f"{stream}.names": JOINTS}
    suffix = "/compressed" if setup.spool == "jpeg" else ""
    values |= {f"{camera}.topic": f"cameras/{camera}/image_raw{suffix}" for camera in cameras}
    if setup.spool == "png":
        values["image_format"] = "png"
    return [word for name, value in values.items() for word in ("-p", f"{name}:={json.dumps(value)}")]


def measure(setup: Setup, episodes: int, seconds: float, folder: Path) -> Result:
    """Record some episodes, one straight after the other."""
    environment = node_environment(isolated=True)
    root = folder / "dataset"
    events: queue.SimpleQueue = queue.SimpleQueue()
    transport = "compressed" if setup.spool == "jpeg" else "raw"
    robot = subprocess.Popen(
        [sys.executable, str(HERE / "robot_publisher.py"), "--transport", transport,
         "--cameras", str(setup.cameras), "--width", str(setup.width), "--height", str(setup.height)],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    nodes = {
        "recorder": NodeProcess(
            "recorder", ["--ros-args", *recorder_parameters(setup, root)], environment, events
        ),
        "encoder": NodeProcess(
            "encoder", ["--ros-args", "-p", f"root:={json.dumps(str(root))}"], environment, events
        ),
    }
    client = Client(int(environment["ROS_DOMAIN_ID"]))
    result = Result()
    try:
        record(client, nodes, result, episodes, seconds)
        robot.send_signal(2)
        robot.wait(30)
        time.sleep(1.5)  # the last status
        result.received = sum(
            stream["received"] for name, stream in client.status["streams"].items() if name.startswith("cam")
        )
    finally:
        robot.terminate()
        result.published = sum(json.loads(robot.communicate(timeout=30)[0].splitlines()[-1]).values())
        client.close()
        for node in nodes.values():
            node.end(patience_s=PATIENCE_S)
    result.problems += complaints(events)
    count(result, client.completed, round(seconds * FPS), setup)
    return result


def record(client: Client, nodes: dict, result: Result, episodes: int, seconds: float) -> None:
    pids = {name: node._process.pid for name, node in nodes.items()}
    if not client.wait(lambda: client.call("start_episode")[0], 30):
        raise SystemExit(f"the recording does not start: {client.status.get('missing')}")
    before = {name: cost(pid) for name, pid in pids.items()}
    for number in range(episodes):
        time.sleep(seconds)
        began = time.perf_counter()
        saved, reason = client.call("save_episode")
        if not saved:
            result.problems.append(reason)
        if number + 1 < episodes:
            started, reason = client.call("start_episode")
            result.waits_s.append(time.perf_counter() - began)
            if not started:
                result.problems.append(reason)
                break
    client.wait(lambda: len(client.completed) > episodes - 1, 10)
    for name, pid in pids.items():
        result.costs[name] = cost(pid).since(before[name])


def complaints(events: queue.SimpleQueue) -> list[str]:
    found = []
    while not events.empty():
        event = events.get()
        if (
            isinstance(event, NodeOutput)
            and event.is_log
            and ("[ERROR]" in event.line or "error:" in event.line)
        ):
            found.append(event.line)
        if isinstance(event, NodeEnded) and event.status:
            found.append(f"the {event.node} node ended with status {event.status}")
    return found


def count(result: Result, completed: list[dict], expected: int, setup: Setup) -> None:
    for episode in completed:
        ticks = episode["ticks"]
        if not ticks:
            continue
        result.ticks += episode["length"]
        result.spooled += episode["length"] * setup.cameras
        result.missed += max(0, expected - AROUND_CALLS - episode["length"])
        result.late += ticks["late"]
        result.mean_lateness_s.append(ticks["mean_lateness_s"])
        result.max_lateness_s = max(result.max_lateness_s, ticks["max_lateness_s"])


def row(setup: str, result: Result, recorded_s: float) -> list[str]:
    waits = sorted(result.waits_s) or [0.0]
    p95 = waits[min(len(waits) - 1, int(0.95 * len(waits)))]
    cpu = [result.costs.get(name, Cost()).cpu_s / recorded_s for name in ("recorder", "encoder")]
    peak = sum(cost.peak_bytes for cost in result.costs.values()) / 1e6
    written = sum(cost.written_bytes for cost in result.costs.values()) / 1e6
    lateness = statistics.mean(result.mean_lateness_s) * 1e3 if result.mean_lateness_s else 0.0
    return [
        setup,
        f"{statistics.median(waits) * 1e3:.0f} / {p95 * 1e3:.0f} / {max(waits) * 1e3:.0f}",
        f"{lateness:.1f} / {result.max_lateness_s * 1e3:.0f}",
        f"{result.missed} + {result.late} of {result.ticks}",
        f"{result.published} / {result.received} / {result.spooled}",
        f"{cpu[0]:.2f} + {cpu[1]:.2f}",
        f"{peak:.0f}",
        f"{written:.0f}",
    ]


def lerobot_row(python: str, mode: str, setup: Setup, args: argparse.Namespace) -> list[str]:
    """Run LeRobot on the same frames; its wait is from the end of an episode until the next can start."""
    words = [
        "--mode",
        mode,
        "--episodes",
        args.lerobot_episodes,
        "--seconds",
        args.seconds,
        "--cameras",
        setup.cameras,
    ]
    foreign = ("LD_LIBRARY_PATH", "PYTHONPATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    done = subprocess.run(
        [python, str(HERE / "lerobot_recording.py"), *map(str, words), "--clip", str(args.clip)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    name = f"LeRobot 0.6.1 {mode}, {setup.cameras} x {setup.width}x{setup.height}"
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return [name, f"failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:60]}", *[""] * 6]
    found = json.loads(lines[-1])
    waits = sorted(found["waits_s"])
    if error := found.get("error"):
        name = f"{name} ({error[:40]})"
    lateness = [late * 1e3 for late in found["lateness_s"]] or [0.0]
    recorded_s = found["ticks"] / FPS
    return [
        name,
        f"{statistics.median(waits) * 1e3:.0f} / {waits[-1] * 1e3:.0f} / {waits[-1] * 1e3:.0f}"
        if waits
        else "",
        f"{statistics.mean(lateness):.1f} / {max(lateness):.0f}",
        f"{found['missed']} of {found['ticks']}",
        "",
        f"{found['cpu_s'] / recorded_s:.2f}",
        f"{found['peak_mb']:.0f}",
        f"{found['written_mb']:.0f}",
    ]


def setups(args: argparse.Namespace) -> list[Setup]:
    spools = ("raw", "jpeg", "png")
    if args.all:
        sizes = ((640, 480), (1280, 720))
        return [
            Setup(spool, count, *size)
            for size, count, spool in itertools.product(sizes, (1, 2, 3, 4), spools)
        ]
    return [Setup(spool, 2, 640, 480) for spool in args.spools]


def verdict(result: Result) -> str:
    if result.problems:
        return f"exceeds this machine: {result.problems[0][-160:]}"
    if result.missed or result.late:
        return "exceeds this machine: ticks are late or missed"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--spools", nargs="+", choices=("raw", "jpeg", "png"), default=("raw", "jpeg", "png"))
    parser.add_argument("--all", action="store_true", help="1 to 4 cameras, two sizes, three spools")
    parser.add_argument("--lerobot", metavar="PYTHON", default=os.environ.get("LEROBOT_PYTHON"))
    parser.add_argument("--lerobot-episodes", type=int, default=2)
    args = parser.parse_args()
    from footage import find_clip

    args.clip = find_clip("bikes.mp4")
    table = Table(title=f"{args.episodes} episodes of {args.seconds:g} s, {os.cpu_count()} cores")
    for heading in (
        "spool, cameras",
        "wait ms\nmedian / p95 / max",
        "lateness ms\nmean / max",
        "ticks\nmissed + late",
        "images published\n/ received / spooled",
        "CPU s per s\nrecorder + encoder",
        "peak MB",
        "disk MB",
    ):
        table.add_column(heading)
    console = Console(width=max(160, Console().width))
    for setup in setups(args):
        console.print(f"recording {setup}", style="dim")
        folder = Path(tempfile.mkdtemp(prefix="recording-benchmark-"))
        try:
            result = measure(setup, args.episodes, args.seconds, folder)
        finally:
            shutil.rmtree(folder)
        table.add_row(*row(str(setup), result, args.episodes * args.seconds))
        if said := verdict(result):
            table.add_row(f"  {said}")
    if args.lerobot:
        for mode in ("default", "batched", "streaming"):
            console.print(f"recording with LeRobot, {mode}", style="dim")
            table.add_row(*lerobot_row(args.lerobot, mode, Setup("", 2, 640, 480), args))
    console.print(table)


if __name__ == "__main__":
    main()
