"""``console``: the screen and the keys of ``record``, for nodes that run already."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.cli.attachment import Attachment
from lerobot_recorder.cli.controls import key_aliases
from lerobot_recorder.cli.options import KeyOption
from lerobot_recorder.cli.processes import node_arguments, node_environment, require_ros
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.excerpt import counted

_WAIT_S = 60.0
"""How long a console that nobody watches waits for a recorder."""


def console(
    namespace: Annotated[
        str | None,
        typer.Option(help="Namespace of the recorder; / for none. Default: the only recorder there is."),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help=f"How long to wait for a recorder; 0: without a limit. Default: {_WAIT_S:g} without a "
            "terminal, 0 on one.",
        ),
    ] = None,
    key: KeyOption = None,
) -> None:
    """Watch and control a recording that runs already, for example one that ros2 launch started.

    It starts no node, and q and Ctrl-C leave it while the recording continues. Any number of consoles can be
    attached at the same time. The exit status is 0 if everything that was asked for was recorded, as with
    record; the encoder may still be encoding it.
    """
    require_ros()
    limit_s = (0.0 if sys.stdin.isatty() else _WAIT_S) if wait is None else wait
    parameters = {"search": namespace is None, "wait_s": float(limit_s)}
    arguments = node_arguments(parameters, namespace or "")
    attachment = Attachment(arguments, node_environment(isolated=False), key_aliases(key or ()))
    run = attachment.run()
    if run.recorder is None and not run.problems:
        raise RecorderError("no recorder was found: start one, or check --namespace and ROS_DOMAIN_ID")
    if run.recorder is not None:
        saved = counted(run.recorder.episode - 1, "episode")
        left = ", and the recording continues" if attachment.has_left else ""
        Console(highlight=False, soft_wrap=True).print(f"{saved} recorded{left}")
    if problems := [*run.problems, *run.missing(waiting=0)]:  # an encoder that runs goes on encoding
        raise RecorderError("; ".join(problems))
