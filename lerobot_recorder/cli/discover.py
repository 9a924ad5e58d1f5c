"""``discover``: write a parameter file for the running robot, or for a bag."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Annotated

import typer

from lerobot_recorder.bags import WholePart, is_bag_path, open_bag
from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment, require_ros
from lerobot_recorder.cli.status import end_reason
from lerobot_recorder.discovery import Plan, Survey, make_plan, parameter_text, use_command
from lerobot_recorder.durable import why_not_written
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.topics import survey_of_bag

_END_S = 5.0
_OUTPUT = Path("robot.yaml")


def discover(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BAG] [OUTPUT]",
            help="Bag to look at instead of the running robot: a rosbag2 folder, an .mcap or a .db3 file. "
            "Parameter file to write, by default robot.yaml.",
            show_default=False,
        ),
    ] = None,
    *,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to look at each topic.")] = 3.0,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Find out what the running robot publishes, or a bag holds; write a parameter file that records it."""
    bag, output = _bag_and_output(paths or [])
    if bag is None:
        require_ros()
    if output.exists() and not force:
        raise ConfigError(f"{output} already exists: name another file, or replace it with --force")
    plan = make_plan(survey(seconds) if bag is None else _survey_of(bag, seconds))
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(parameter_text(plan))
    except OSError as error:
        raise ConfigError(f"{output}: cannot write the parameter file: {why_not_written(error)}") from error
    _print_plan(plan, output)


def _bag_and_output(paths: list[Path]) -> tuple[Path | None, Path]:
    """Return the bag, None for the running robot, and the file to write."""
    paths = [path.expanduser() for path in paths]
    if len(paths) > 2:
        raise ConfigError(f"expected a bag and a file to write, found {counted(len(paths), 'path')}")
    if len(paths) == 2:
        return paths[0], paths[1]
    if paths and is_bag_path(paths[0]):
        return paths[0], _OUTPUT
    return None, paths[0] if paths else _OUTPUT


def _survey_of(path: Path, seconds: float) -> Survey:
    with open_bag(path) as bag:
        part = WholePart(bag)
        found = survey_of_bag(part, seconds)
    if part.damage:
        typer.echo(f"warning: {part.damage}", err=True)
    return found


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
    what = "import the bag" if plan.survey.bag else "record"
    typer.echo(f"\nwrote {output}; check it, then {what} with")
    typer.echo(f"  {use_command(plan.survey, str(output))}")
