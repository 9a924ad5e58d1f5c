"""Command-line options: those that several commands share, and how parameters become options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lerobot_recorder.launching import OPTIONS, Hardware
from lerobot_recorder.settings import Parameter


def option(parameter: Parameter, prefix: str = "", **given: Any) -> Any:
    """Return the option for a parameter, with its text and range.

    Args:
        parameter: what the option sets
        prefix: start of the help text
        given: more arguments of `typer.Option`
    """
    text = f"{prefix}{parameter.help}"
    return typer.Option(min=parameter.low, max=parameter.high, help=text, **given)


def _arm_option(name: str, flag: str) -> Any:
    """Return the option for an arm, under LeRobot's name and ours."""
    return typer.Option(flag, f"--{name.replace('_', '-')}", help=OPTIONS[name].help)


def _absolute(path: str | None) -> str | None:
    """Return a path for a node, whose home and working directory may be others."""
    return str(Path(path).expanduser().absolute()) if path else None


# What is recorded, for the commands that start nodes or check before.

HardwareOption = Annotated[Hardware, option(OPTIONS["hardware"])]
ConfigOption = Annotated[Path | None, option(OPTIONS["config"])]
RepoIdOption = Annotated[str | None, option(OPTIONS["repo_id"])]
RootOption = Annotated[str | None, option(OPTIONS["root"], metavar="<path>", callback=_absolute)]
TaskOption = Annotated[str | None, option(OPTIONS["task"])]
NumEpisodesOption = Annotated[int | None, option(OPTIONS["num_episodes"])]
FpsOption = Annotated[int | None, option(OPTIONS["fps"])]
EpisodeTimeOption = Annotated[float | None, option(OPTIONS["episode_time_s"])]
BatchSizeOption = Annotated[int | None, option(OPTIONS["video_encoding_batch_size"])]
RobotPortOption = Annotated[str | None, _arm_option("follower_port", "--robot-port")]
RobotIdOption = Annotated[str | None, _arm_option("follower_id", "--robot-id")]
TeleopPortOption = Annotated[str | None, _arm_option("leader_port", "--teleop-port")]
TeleopIdOption = Annotated[str | None, _arm_option("leader_id", "--teleop-id")]
NamespaceOption = Annotated[str, option(OPTIONS["namespace"])]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NODE.NAME=VALUE",
        help="Any other parameter of a node, for example hardware.follower.port=/dev/ttyUSB0.",
    ),
]

# How it is operated.

KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="KEY=ACTING_AS",
        help="Let a key, for example that of a pedal, act as another one: b=right, page_down=space. May be "
        "repeated.",
    ),
]
