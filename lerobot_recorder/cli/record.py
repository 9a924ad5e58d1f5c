"""``record``: start the nodes, show their progress, and end with a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.cli.options import option
from lerobot_recorder.cli.processes import node_arguments, node_environment, require_ros
from lerobot_recorder.cli.session import Session
from lerobot_recorder.cli.summary import summarise
from lerobot_recorder.dataset import DatasetPlace, check_appendable
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.launching import NODE_OPTIONS, OPTIONS, Hardware, require_config
from lerobot_recorder.shipped import shipped_config
from lerobot_recorder.spool import Spool


def record(
    *,
    hardware: Annotated[Hardware, option(OPTIONS["hardware"])] = OPTIONS["hardware"].default,
    config: Annotated[Path | None, option(OPTIONS["config"])] = None,
    repo_id: Annotated[str | None, option(OPTIONS["repo_id"])] = None,
    root: Annotated[Path | None, option(OPTIONS["root"])] = None,
    task: Annotated[str | None, option(OPTIONS["task"])] = None,
    num_episodes: Annotated[int | None, option(OPTIONS["num_episodes"])] = None,
    episode_time_s: Annotated[float | None, option(OPTIONS["episode_time_s"])] = None,
    reset_time_s: Annotated[float | None, option(OPTIONS["reset_time_s"])] = None,
    video_encoding_batch_size: Annotated[int | None, option(OPTIONS["video_encoding_batch_size"])] = None,
    namespace: Annotated[str, option(OPTIONS["namespace"])] = OPTIONS["namespace"].default,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NODE.NAME=VALUE",
            help="Any other parameter of a node, for example hardware.follower.port=/dev/ttyUSB0.",
        ),
    ] = None,
) -> None:
    """Record episodes, encode them in the background, and show the dataset.

    Ctrl-C ends the recording and encodes the remaining episodes; a second Ctrl-C leaves them for the next
    start.
    """
    require_ros()
    options = {
        "repo_id": repo_id,
        "root": str(root.expanduser().absolute()) if root else None,
        "task": task,
        "num_episodes": num_episodes,
        "episode_time_s": episode_time_s,
        "reset_time_s": reset_time_s,
        "video_encoding_batch_size": video_encoding_batch_size,
    }
    namespace = namespace.strip("/")
    _refuse_unusable(root, repo_id, f"/{namespace}/recorder" if namespace else "/recorder")
    arguments = arguments_by_node(_config(config, hardware), options, parameter or [], namespace)
    if hardware == "none":
        del arguments["hardware"]
    run = Session(arguments, node_environment(isolated=hardware == "sim")).run()
    summarise(run, Console(highlight=False, soft_wrap=True))
    if run.problems:
        raise RecorderError("; ".join(run.problems))


def _refuse_unusable(root: Path | None, repo_id: str | None, recorder: str) -> None:
    """Raise an error before the robot moves if nothing can be recorded there.

    Raises:
        ConfigError: the name is not a valid name of a dataset
        DatasetError: the directory holds something else, or a dataset that cannot be continued
        SpoolError: the directory is not writable, or another recorder uses it
    """
    if root or repo_id:
        place = DatasetPlace(repo_id or "", str(root or "")).directory
        spool = Spool(place)
        spool.require()
        spool.lock_recorder(recorder).release()
        check_appendable(place)


def arguments_by_node(
    config: Path, options: Mapping[str, object], parameters: list[str], namespace: str = ""
) -> dict[str, list[str]]:
    """Return the command line of each node.

    Raises:
        ConfigError: a parameter does not have the form NODE.NAME=VALUE, or the namespace is invalid
    """
    arguments = {
        node: node_arguments({each.name: options.get(each.name) for each in known}, namespace, config)
        for node, known in NODE_OPTIONS.items()
    }
    for assignment in parameters:
        node, name, value = _parsed(assignment)
        arguments[node] += ["-p", f"{name}:={value}"]
    return arguments


def _parsed(assignment: str) -> tuple[str, str, str]:
    path, equals, value = assignment.partition("=")
    node, dot, name = path.partition(".")
    if node not in NODE_OPTIONS or not (dot and name and equals):
        raise ConfigError(
            f"parameter {assignment!r}: expected NODE.NAME=VALUE with a node of {', '.join(NODE_OPTIONS)}, "
            "for example encoder.crf=25"
        )
    return node, name, value


def _config(config: Path | None, hardware: str) -> Path:
    require_config(hardware, config, "--config robot.yaml")
    if config is None:
        return shipped_config("so100_sim.yaml" if hardware == "sim" else "so100.yaml")
    if not config.expanduser().is_file():
        raise ConfigError(f"parameter file {config} does not exist")
    return config.expanduser()
