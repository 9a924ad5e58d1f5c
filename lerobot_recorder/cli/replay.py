"""``replay``: replay a recorded episode on the follower."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from lerobot_recorder.arms import Comparison, ReplaySettings, ReplayStatus, TeleopSettings, Unit
from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.cli.options import option
from lerobot_recorder.cli.processes import (
    NodeEnded,
    NodeOutput,
    NodeProcess,
    node_arguments,
    node_environment,
    require_ros,
)
from lerobot_recorder.cli.status import described_end, log_remark
from lerobot_recorder.cli.terminal import operator_console, plain_table
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.launching import END_S, OPTIONS
from lerobot_recorder.settings import parameter, parameters_of
from lerobot_recorder.status import from_json

_REPLAY = {each.name: each for each in parameters_of(ReplaySettings)}
_LARGEST_STEP = parameter(TeleopSettings, "max_relative_target")


def replay(
    dataset: DatasetArgument,
    *,
    episode: Annotated[int, option(_REPLAY["episode"], show_default=False)],
    port: Annotated[
        str | None,
        typer.Option(
            help="Serial port of the follower, or sim for a simulated one.",
            show_default="use the running hardware node",
        ),
    ] = None,
    calibration: Annotated[str | None, option(_REPLAY["calibration"])] = None,
    unit: Annotated[Unit, option(_REPLAY["unit"])] = _REPLAY["unit"].default,
    joint_prefix: Annotated[str, option(_REPLAY["joint_prefix"])] = _REPLAY["joint_prefix"].default,
    approach_speed_rad_s: Annotated[float, option(_REPLAY["approach_speed_rad_s"])] = _REPLAY[
        "approach_speed_rad_s"
    ].default,
    max_relative_target: Annotated[float, option(_LARGEST_STEP, "With --port: ")] = _LARGEST_STEP.default,
    namespace: Annotated[str, option(OPTIONS["namespace"])] = OPTIONS["namespace"].default,
) -> None:
    """Replay the actions of an episode on the follower, and report how closely its states match.

    Teleoperation is switched off, and the follower moves slowly to the first pose. Ctrl-C stops the replay.
    A running hardware node then holds the follower; with --port its torque is switched off at the end, after
    a warning if the arm would fall.
    """
    require_ros()
    given = {
        "root": str(dataset.expanduser().absolute()),
        "episode": episode,
        "calibration": calibration,
        "unit": unit,
        "joint_prefix": joint_prefix,
        "approach_speed_rad_s": approach_speed_rad_s,
    }
    nodes = {"replay": node_arguments(given, namespace)}
    if port is not None:
        follower = _follower_alone(port, calibration, max_relative_target)
        nodes["hardware"] = node_arguments(follower, namespace)
    console = operator_console()
    status = _run(nodes, node_environment(isolated=port == "sim"), console)
    if status.comparison is not None:
        console.print(errors_table(status.comparison))


def _follower_alone(port: str, calibration: str | None, max_relative_target: float) -> dict[str, object]:
    return {
        "follower.port": port,
        "follower.calibration": calibration,
        "leader.port": "",
        "max_relative_target": max_relative_target,
        "teleop": False,
        "cameras": [""],
    }


def _run(nodes: Mapping[str, list[str]], environment: Mapping[str, str], console: Console) -> ReplayStatus:
    """Run the nodes until the replay has ended, and return its last status."""
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    running: dict[str, NodeProcess] = {}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    try:
        for name, arguments in nodes.items():
            running[name] = NodeProcess(name, arguments, environment, events)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            return _watch(events, running, progress)
    finally:
        _end(events, running, console)


def _watch(
    events: queue.SimpleQueue[object], running: Mapping[str, NodeProcess], progress: Progress
) -> ReplayStatus:
    status = ReplayStatus()
    bar = progress.add_task("starting", total=None)
    while True:
        event = events.get()
        if isinstance(event, NodeOutput) and event.is_log:
            _print_log(event, progress.console)
        elif isinstance(event, NodeOutput) and event.line.startswith("{"):
            content = json.loads(event.line)
            if content["from"] == "replay":
                status = from_json(ReplayStatus, content["status"])
                progress.update(bar, description=status.state, completed=status.frame, total=status.frames)
        elif isinstance(event, NodeEnded):
            if (event.node, event.status) == ("replay", 0):
                return status
            lines = list(running[event.node].last_lines)
            raise RecorderError(described_end(event.node, event.status, lines))


def _end(events: queue.SimpleQueue[object], running: Mapping[str, NodeProcess], console: Console) -> None:
    """End the nodes and print their logs meanwhile: they may ask the operator to hold the follower."""

    def end() -> None:
        for process in running.values():
            process.end(END_S)
        events.put(None)

    threading.Thread(target=end).start()
    for event in iter(events.get, None):
        if isinstance(event, NodeOutput) and event.is_log:
            _print_log(event, console)


def _print_log(output: NodeOutput, console: Console) -> None:
    remark = log_remark(output.node, output.line)
    if remark is not None:
        console.print(f"{remark.source:<9} {remark.text}", markup=False)


def errors_table(comparison: Comparison) -> Table:
    """Return a table of how far each joint was from the recording, with and without the delay."""
    lag = f"{comparison.lag_s * 1000:.0f} ms later"
    table = plain_table("degrees off", "mean", "95 %", "largest", f"{lag}: mean", "95 %", "largest")
    for joint in comparison.at_once["mean"]:
        errors = [
            each[what][joint]
            for each in (comparison.at_once, comparison.lagged)
            for what in ("mean", "p95", "largest")
        ]
        table.add_row(joint, *(f"{error:.2f}" for error in errors))
    return table
