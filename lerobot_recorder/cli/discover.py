"""``discover``: write a parameter file for the running robot."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment, require_ros
from lerobot_recorder.cli.status import end_reason
from lerobot_recorder.discovery import Plan, Survey, make_plan, parameter_text
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.excerpt import counted

_END_S = 5.0


def discover(
    output: Annotated[Path, typer.Argument(help="Parameter file to write.")] = Path("robot.yaml"),
    *,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to listen.")] = 3.0,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Find out what the running robot publishes, and write a parameter file that records it."""
    require_ros()
    output = output.expanduser()
    if output.exists() and not force:
        raise ConfigError(f"{output} already exists: name another file, or replace it with --force")
    plan = make_plan(survey(seconds))
    with output.open("w" if force else "x", encoding="utf-8") as file:
        file.write(parameter_text(plan))
    _print_plan(plan, output)


def survey(seconds: float) -> Survey:
    """Return what is published in the ROS graph.

    Raises:
        RecorderError: the ROS graph could not be read
    """
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    process = NodeProcess("discover", [str(seconds)], node_environment(isolated=False), events)
    try:
        lines = []
        while not isinstance(event := events.get(), NodeEnded):
            if isinstance(event, NodeOutput) and not event.is_log:
                lines.append(event.line)
    finally:
        process.end(_END_S)
    if event.status != 0 or not lines:
        raise RecorderError(f"cannot read the ROS graph: {end_reason(list(process.last_lines))}")
    return Survey.from_json(lines[-1])


def _print_plan(plan: Plan, output: Path) -> None:
    width = max(len(stream.feature) for stream in plan.streams)
    for stream in plan.streams:
        typer.echo(f"{stream.feature:{width}}  {stream.topic.name}")
    for stream in plan.offered:
        typer.echo(f"offered in the file: {stream.topic.name}")
    for topic, reason in plan.left_out:
        typer.echo(f"not recorded: {topic.name}: {reason}")
    if plan.survey.others:
        typer.echo(
            f"not recorded: {counted(len(plan.survey.others), 'topic')} of other types, listed in the file"
        )
    for line in plan.survey.losses:
        typer.echo(f"\nwarning: {line}", err=True)
    typer.echo(f"\nwrote {output}; check it, then record with")
    typer.echo(f"  lerobot-recorder record --hardware none --config {output}")
