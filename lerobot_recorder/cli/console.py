"""``console``: the screen and the keys of ``record``, for nodes that run already."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.cli.attachment import Attachment
from lerobot_recorder.cli.controls import key_aliases
from lerobot_recorder.cli.options import KeyOption
from lerobot_recorder.cli.processes import node_arguments, node_environment, require_ros
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.recording import RecorderStatus
from lerobot_recorder.spool import Spool

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
    record; the encoder may still be encoding it. It is 1 too if you leave before that, if a node has stopped
    answering, or if the recorder was ended during a take.
    """
    require_ros()
    limit_s = (0.0 if sys.stdin.isatty() else _WAIT_S) if wait is None else wait
    parameters = {"search": namespace is None, "wait_s": float(limit_s)}
    arguments = node_arguments(parameters, namespace or "")
    attachment = Attachment(arguments, node_environment(isolated=False), key_aliases(key or ()))
    run = attachment.run()
    if run.recorder is None and not run.problems:
        raise RecorderError("no recorder was found: start one, or check --namespace and ROS_DOMAIN_ID")
    output = Console(highlight=False, soft_wrap=True)
    missing = run.missing(waiting=0)  # an encoder that runs goes on encoding
    if attachment.has_left and not run.problems:
        output.print(left(run.recorder or RecorderStatus()))
        raise typer.Exit(1 if missing else 0)
    if run.recorder is not None:
        output.print(f"{counted(run.recorder.episode - 1, 'episode')} recorded")
        if waiting := _waiting(run):
            encode = f"lerobot-recorder encode {run.recorder.root}"
            output.print(f"{counted(waiting, 'episode', 'wait')} to be encoded: {encode}")
    if problems := [*run.problems, *missing]:
        raise RecorderError("; ".join(problems))


def left(status: RecorderStatus) -> str:
    """Return the sentence for an operator who leaves a recording that continues."""
    saved, asked = status.episode - 1, status.num_episodes
    done = f"{saved} of {counted(asked, 'episode')}" if asked else counted(saved, "episode")
    return f"left: {done} recorded so far, the recording continues"


def _waiting(run: RunStatus) -> int:
    """Return how many episodes wait for the next start, where the spool can be read here."""
    ended = run.encoder is None or run.encoder.state == "ended"
    if run.recorder is None or not (ended or run.problems):
        return 0
    spool = Spool(Path(run.recorder.root))
    return len(spool.waiting()) if spool.path.is_dir() else 0
