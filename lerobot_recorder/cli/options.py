"""Command-line options: those that several commands share, and how parameters become options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

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


def parameter_option(text: str) -> Any:
    """Return the option for other parameters of nodes, with this help."""
    return typer.Option("--parameter", "-p", metavar="NODE.NAME=VALUE", help=text)


def _absolute(path: str | None) -> str | None:
    """Return a path for a node, whose home and working directory may be others."""
    return str(Path(path).expanduser().absolute()) if path else None


RepoIdOption = Annotated[str | None, option(OPTIONS["repo_id"])]
RootOption = Annotated[str | None, option(OPTIONS["root"], metavar="<path>", callback=_absolute)]
TaskOption = Annotated[str | None, option(OPTIONS["task"])]
NamespaceOption = Annotated[str, option(OPTIONS["namespace"])]
KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="KEY=ACTING_AS",
        help="Let a key, for example that of a pedal, act as another one: b=right, page_down=space. May be "
        "repeated.",
    ),
]
PrivateOption = Annotated[
    bool, typer.Option("--private", help="Create a repository on the Hub that only you can see.")
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", help="A tag of the dataset on the Hub; may be repeated.")
]


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """The options of a recording, which ``record`` follows and ``preflight`` checks."""

    hardware: Annotated[Hardware, option(OPTIONS["hardware"])] = OPTIONS["hardware"].default
    config: Annotated[Path | None, option(OPTIONS["config"])] = None
    repo_id: RepoIdOption = None
    root: RootOption = None
    task: TaskOption = None
    num_episodes: Annotated[int | None, option(OPTIONS["num_episodes"])] = None
    fps: Annotated[int | None, option(OPTIONS["fps"])] = None
    episode_time_s: Annotated[float | None, option(OPTIONS["episode_time_s"])] = None
    reset_time_s: Annotated[float | None, option(OPTIONS["reset_time_s"])] = None
    video_encoding_batch_size: Annotated[int | None, option(OPTIONS["video_encoding_batch_size"])] = None
    follower_port: Annotated[str | None, _arm_option("follower_port", "--robot-port")] = None
    follower_id: Annotated[str | None, _arm_option("follower_id", "--robot-id")] = None
    leader_port: Annotated[str | None, _arm_option("leader_port", "--teleop-port")] = None
    leader_id: Annotated[str | None, _arm_option("leader_id", "--teleop-id")] = None
    namespace: NamespaceOption = OPTIONS["namespace"].default
    dashboard: Annotated[bool, typer.Option("--dashboard", help=OPTIONS["dashboard"].help)] = False
    dashboard_address: Annotated[str | None, option(OPTIONS["dashboard_address"])] = None
    dashboard_port: Annotated[int | None, option(OPTIONS["dashboard_port"])] = None
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Require that the dataset exists, or that it does not; by default one that exists is "
            "continued.",
        ),
    ] = None
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            "--push-to-hub",
            metavar="LICENCE",
            help="Upload the dataset afterwards, under this licence, for example apache-2.0.",
        ),
    ] = None
    private: PrivateOption = False
    tag: TagOption = None
    key: KeyOption = None
    parameter: Annotated[
        list[str] | None,
        parameter_option("Any other parameter of a node, for example hardware.follower.port=/dev/ttyUSB0."),
    ] = None


def takes_recording_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command each of the `RecordingOptions` as an option of its own.

    Args:
        command: gets them as its first argument, and its own options by name
    """
    names = [each.name for each in fields(RecordingOptions)]

    @wraps(command)
    def run(**given: Any) -> None:
        command(RecordingOptions(**{name: given.pop(name) for name in names}), **given)

    hints = get_type_hints(RecordingOptions, include_extras=True)
    shared = [
        each.replace(annotation=hints[each.name]) for each in signature(RecordingOptions).parameters.values()
    ]
    # Not of `get_type_hints`, which hides the options with the default None in Python 3.10.
    _, *own = signature(command, eval_str=True).parameters.values()
    parameters = [*shared, *own]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return run
