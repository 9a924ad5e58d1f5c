"""Measure what an operator notices: the wait between episodes, late and missed ticks, lost images, cost.

    python benchmarks/recording.py                       two cameras of 640x480, raw, jpeg and png spools
    python benchmarks/recording.py --all                 1 to 4 cameras, 640x480 and 1280x720, all spools
    python benchmarks/recording.py --lerobot PYTHON      and LeRobot 0.6.1's three ways on the same frames
    python benchmarks/recording.py --compare PYTHON      CPU of the nodes and of those of another build
    python benchmarks/recording.py --seconds 300         long episodes; --episodes 20: many
    python benchmarks/recording.py --dashboard           and a dashboard that one browser watches
    python benchmarks/recording.py --busy 4              beside as many processes that never rest

A robot made of real footage publishes joint states at 100 Hz and images at 30 Hz from its own process. The
recorder and encoder nodes run as usual; the encoder works on earlier episodes meanwhile. The wait is measured
at a client: from its call of `save_episode` to the answer to its call of `start_episode`. From then on the
operator may move; the next row is the first one of the next episode. Beside the wait stands the time of one
`fsync` of a small file, which is the least that a save can take. The recorder's memory is read 10 s into the
first episode and at the end of the last one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from builds import compare
from dashboard_watch import MOST_IDLE, MOST_WATCHED, WatchedDashboard
from processes import Cost, cost, resident_bytes
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rich.console import Console
from rich.table import Table
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment
from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.recording import CompletedEpisode, RecorderStatus
from lerobot_recorder.status import from_json

HERE = Path(__file__).parent
JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
FPS = 30
PATIENCE_S = 120.0
LOOK_S = 0.05
WARM_S = 10.0
SYNC_BYTES, SYNCS_PER_EPISODE = 4096, 5
KEEPS_UP = 0.9
"""Recorded seconds that the encoder must encode per second; its last status may be a second old."""
AROUND_CALLS = 2
"""Ticks at each end of an episode that fall into the calls; they do not count as missed."""


@dataclass(frozen=True)
class Setup:
    """The cameras and the spool that are recorded."""

    spool: str
    cameras: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.spool}, {self.cameras} x {self.width}x{self.height}"


@dataclass
class Result:
    """Measurements of one recording."""

    waits_s: list[float] = field(default_factory=list)
    saves_s: list[float] = field(default_factory=list)
    first_rows_s: list[float] = field(default_factory=list)
    syncs_s: list[float] = field(default_factory=list)
    mean_lateness_s: list[float] = field(default_factory=list)
    max_lateness_s: float = 0.0
    late: int = 0
    missed: int = 0
    ticks: int = 0
    published: int = 0
    received: int = 0
    spooled: int = 0
    repeated: int = 0
    resident: list[int] = field(default_factory=list)
    encoded_s_per_s: float = 0.0
    costs: dict[str, Cost] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    idle_share: float = 0.0
    pictures: dict[str, int] = field(default_factory=dict)


def read_status(kind: type, handle: Callable[[Any], None], message: String) -> None:
    handle(from_json(kind, json.loads(message.data)))


class Client:
    """Commands a recorder and reads its status, as an operator's program would."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        self.context.init(domain_id=domain)
        self.node = rclpy.create_node("benchmark", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.status, self.encoder = RecorderStatus(), EncoderStatus()
        self.completed: list[CompletedEpisode] = []
        for topic, kind, handle in (
            ("recorder/status", RecorderStatus, partial(setattr, self, "status")),
            ("encoder/status", EncoderStatus, partial(setattr, self, "encoder")),
            ("episode_completed", CompletedEpisode, self.completed.append),
        ):
            self.node.create_subscription(String, topic, partial(read_status, kind, handle), latched)
        self.services = {
            name: self.node.create_client(Trigger, f"recorder/{name}")
            for name in ("start_episode", "save_episode")
        }

    def call(self, name: str) -> tuple[bool, str]:
        if not self.services[name].wait_for_service(PATIENCE_S):
            return False, f"the recorder does not offer {name}"
        answer = self.services[name].call_async(Trigger.Request())
        self.executor.spin_until_future_complete(answer, PATIENCE_S)
        if not answer.done():
            return False, f"{name} was not answered within {PATIENCE_S:.0f} s"
        return answer.result().success, answer.result().message

    def wait(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
        """Receive statuses until a condition is true; return whether it became true in time."""
        deadline = time.monotonic() + patience_s
        while not condition():
            if (left_s := deadline - time.monotonic()) <= 0:
                return False
            self.executor.spin_once(timeout_sec=min(left_s, LOOK_S))
        return True

    def sleep(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def encoded_s(self) -> float:
        """Return the recorded seconds that are encoded, according to the encoder's status."""
        here = [each for each in self.completed if each.state == "ready"]
        done, batch = self.encoder.committed, self.encoder.encoding
        committed_s = sum(each.length for each in here[:done]) / FPS
        if not batch:
            return committed_s
        batch_s = sum(each.length for each in here[done : done + batch.episodes]) / FPS
        return committed_s + batch_s * batch.frames_done / batch.frames

    def close(self) -> None:
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


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run processes that never rest, in the same session, and at the same priority, as the recorder."""
    loops = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def time_syncs(folder: Path) -> list[float]:
    """Return how long some appends to a small file take until they are on the device."""
    found = []
    with (folder / "sync").open("ab", buffering=0) as file:
        for _ in range(SYNCS_PER_EPISODE):
            file.write(bytes(SYNC_BYTES))
            began = time.perf_counter()
            os.fsync(file.fileno())
            found.append(time.perf_counter() - began)
    return found


def measure(setup: Setup, args: argparse.Namespace, folder: Path) -> Result:
    """Record some episodes without a pause."""
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
            "encoder",
            ["--ros-args", "-p", f"root:={json.dumps(str(root))}", "-p", "encode_on_exit:=false"],
            environment,
            events,
        ),
    }
    client = Client(int(environment["ROS_DOMAIN_ID"]))
    result = Result()
    dashboard = WatchedDashboard(root, environment) if args.dashboard else None
    try:
        pids = {name: node._process.pid for name, node in nodes.items()} | {"robot": robot.pid}
        if dashboard:
            result.idle_share = dashboard.idle()
            dashboard.watch()
            pids["dashboard"] = dashboard.pid
        with busy(args.busy):
            record(client, pids, result, args, folder)
        robot.send_signal(signal.SIGINT)
        result.published = sum(json.loads(robot.communicate(timeout=30)[0].splitlines()[-1]).values())
        client.sleep(1.5)  # the last status
        result.received = sum(
            stream.received for name, stream in client.status.streams.items() if name.startswith("cam")
        )
    finally:
        if dashboard:
            result.pictures = dashboard.close()
        robot.kill()
        client.close()
        for node in nodes.values():
            node.end(grace_s=PATIENCE_S)
    result.problems += complaints(events)
    count(result, client.completed, round(args.seconds * FPS), setup)
    return result


def record(
    client: Client, pids: dict[str, int], result: Result, args: argparse.Namespace, folder: Path
) -> None:
    episodes, seconds = args.episodes, args.seconds
    if not client.wait(lambda: client.call("start_episode")[0], 30):
        raise SystemExit(f"the recording does not start: {client.status.missing}")
    before = {name: cost(pid) for name, pid in pids.items()}
    encoding_from = time.perf_counter() + seconds
    saved_at_ns = []
    for number in range(episodes):
        warm_s = min(WARM_S, seconds) if number == 0 else seconds / 2
        client.sleep(warm_s)
        if number == 0:
            result.resident.append(resident_bytes(pids["recorder"]))
        result.syncs_s += time_syncs(folder)
        client.sleep(seconds - warm_s)
        saved_at_ns.append(time.time_ns())
        if not exchange(client, result, is_last=number + 1 == episodes):
            break
    result.resident.append(resident_bytes(pids["recorder"]))
    result.encoded_s_per_s = client.encoded_s() / (time.perf_counter() - encoding_from)
    client.wait(lambda: len(client.completed) > episodes - 1, 10)
    started_ns = sorted(each.started_at_ns for each in client.completed)[1:]
    result.first_rows_s = [
        (first - saved) / 1e9 for first, saved in zip(started_ns, saved_at_ns[:-1], strict=False)
    ]
    for name, pid in pids.items():
        result.costs[name] = cost(pid).since(before[name])


def exchange(client: Client, result: Result, *, is_last: bool) -> bool:
    """Save an episode and start the next one; return whether that has started."""
    began = time.perf_counter()
    saved, reason = client.call("save_episode")
    result.saves_s.append(time.perf_counter() - began)
    if not saved:
        result.problems.append(reason)
    if is_last:
        return False
    started, reason = client.call("start_episode")
    result.waits_s.append(time.perf_counter() - began)
    if not started:
        result.problems.append(reason)
    return started


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


def count(result: Result, completed: list[CompletedEpisode], expected: int, setup: Setup) -> None:
    for episode in completed:
        ticks = episode.ticks
        if not ticks:
            continue
        result.ticks += episode.length
        result.spooled += episode.length * setup.cameras
        result.repeated += sum(
            stream["repeated_ticks"] for name, stream in episode.streams.items() if name.startswith("cam")
        )
        result.missed += max(0, expected - AROUND_CALLS - episode.length)
        result.late += ticks["late"]
        result.mean_lateness_s.append(ticks["mean_lateness_s"])
        result.max_lateness_s = max(result.max_lateness_s, ticks["max_lateness_s"])


def spread_ms(times_s: list[float]) -> str:
    """Return median, 95th percentile and maximum in milliseconds."""
    ordered = sorted(times_s) or [0.0]
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return " / ".join(f"{time_s * 1e3:.1f}" for time_s in (statistics.median(ordered), p95, ordered[-1]))


def row(setup: str, result: Result, recorded_s: float) -> list[str]:
    cpu = [f"{cost.cpu_s / recorded_s:.2f}" for cost in result.costs.values()]
    peaks = [f"{cost.peak_bytes / 1e6:.0f}" for cost in result.costs.values()]
    written = sum(cost.written_bytes for cost in result.costs.values()) / 1e6
    lateness = statistics.mean(result.mean_lateness_s) * 1e3 if result.mean_lateness_s else 0.0
    return [
        setup,
        spread_ms(result.waits_s),
        f"{lateness:.1f} / {result.max_lateness_s * 1e3:.0f}",
        f"{result.missed} + {result.late} of {result.ticks}",
        f"{result.published} / {result.received} / {result.spooled}",
        f"{result.repeated}",
        " + ".join(cpu),
        " + ".join(peaks[:2]),
        " to ".join(f"{size / 1e6:.0f}" for size in result.resident),
        f"{result.encoded_s_per_s:.2f}",
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
        return [name, f"failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:60]}", *[""] * 9]
    found = json.loads(lines[-1])
    waits = sorted(found["waits_s"])
    if error := found.get("error"):
        name = f"{name} ({error[:40]})"
    lateness = [late * 1e3 for late in found["lateness_s"]] or [0.0]
    late = sum(each > 500 / FPS for each in lateness)
    recorded_s = found["ticks"] / FPS
    return [
        name,
        f"{statistics.median(waits) * 1e3:.0f} / {waits[-1] * 1e3:.0f} / {waits[-1] * 1e3:.0f}"
        if waits
        else "",
        f"{statistics.mean(lateness):.1f} / {max(lateness):.0f}",
        f"{found['missed']} + {late} of {found['ticks']}",
        "",
        "",
        f"{found['cpu_s'] / recorded_s:.2f}",
        f"{found['peak_mb']:.0f}",
        "",
        "",
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


def waits_line(result: Result) -> str:
    """Return what the wait consists of, and what it would be at least."""
    parts = {
        "wait": result.waits_s,
        "of which save": result.saves_s,
        "first row after": result.first_rows_s,
        "one fsync": result.syncs_s,
    }
    texts = [f"{name} {spread_ms(times_s)}" for name, times_s in parts.items()]
    return f"median / p95 / max in ms: {', '.join(texts)}"


def dashboard_line(result: Result, recorded_s: float) -> str:
    """Return what the dashboard took, and whether it is too much."""
    watched = result.costs["dashboard"].cpu_s / recorded_s
    is_much = watched > MOST_WATCHED or result.idle_share > MOST_IDLE
    rates = ", ".join(f"{name} {count / recorded_s:.1f}" for name, count in result.pictures.items())
    return (
        f"dashboard: {watched:.3f} of a core watched by one browser ({rates} pictures/s), "
        f"{result.idle_share:.4f} watched by nobody{': too much' if is_much else ''}"
    )


def verdict(result: Result) -> str:
    """Return what exceeds this machine, or an empty string."""
    found = [problem[-200:] for problem in dict.fromkeys(result.problems)]
    if result.missed or result.late:
        found.append(f"{result.missed} ticks missed, {result.late} late by more than half a period")
    if result.received < result.published:
        found.append(f"{result.published - result.received} images lost on their way to the recorder")
    if result.encoded_s_per_s < KEEPS_UP:
        found.append(f"the encoder falls behind: {result.encoded_s_per_s:.2f} s encoded per recorded s")
    return f"exceeds this machine: {'; '.join(found)}" if found else ""


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
    parser.add_argument("--compare", metavar="PYTHON", help="of an environment with another build")
    parser.add_argument("--dashboard", action="store_true", help="one browser watches a dashboard")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="processes that never rest")
    parser.add_argument("--rounds", type=int, default=5, help="of --compare")
    args = parser.parse_args()
    if args.compare:
        compare(args.compare, args.rounds, args.seconds)
        return
    from footage import find_clip

    args.clip = find_clip("bikes.mp4")
    beside = f", beside {args.busy} busy processes" if args.busy else ""
    table = Table(title=f"{args.episodes} episodes of {args.seconds:g} s, {os.cpu_count()} cores{beside}")
    for heading in (
        "spool, cameras",
        "wait ms\nmedian / p95 / max",
        "lateness ms\nmean / max",
        "ticks\nmissed + late",
        "images published\n/ received / spooled",
        "images\nrepeated",
        "CPU s per s\nrecorder + encoder + robot",
        "peak MB\nrecorder + encoder",
        "recorder MB\nfirst to last",
        "encoded\ns per s",
        "disk\nMB",
    ):
        table.add_column(heading)
    console, verdicts = Console(width=max(200, Console().width)), []
    for setup in setups(args):
        console.print(f"recording {setup}", style="dim")
        folder = Path(tempfile.mkdtemp(prefix="recording-benchmark-"))
        try:
            result = measure(setup, args, folder)
        finally:
            shutil.rmtree(folder)
        table.add_row(*row(str(setup), result, args.episodes * args.seconds))
        verdicts.append(f"{setup}: {waits_line(result)}")
        if args.dashboard:
            verdicts.append(f"{setup}: {dashboard_line(result, args.episodes * args.seconds)}")
        if text := verdict(result):
            verdicts.append(f"{setup} {text}")
    if args.lerobot:
        for mode in ("default", "batched", "streaming"):
            console.print(f"recording with LeRobot, {mode}", style="dim")
            table.add_row(*lerobot_row(args.lerobot, mode, Setup("", 2, 640, 480), args))
    console.print(table)
    for text in verdicts:
        console.print(text, soft_wrap=True)


if __name__ == "__main__":
    main()
