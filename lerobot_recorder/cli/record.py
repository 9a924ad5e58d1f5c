"""``record``: start the nodes, show what happens, and end with a dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from lerobot_recorder.cli.processes import node_environment
from lerobot_recorder.cli.session import Session
from lerobot_recorder.cli.summary import summarise
from lerobot_recorder.cli.terminal import shipped_config
from lerobot_recorder.dataset import check_appendable, check_repo_id, default_root, load_info
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.spool import Spool

_NODES = ("hardware", "recorder", "encoder")
_DATASET = ("repo_id", "root")
_OPTIONS_OF = {
    "hardware": (),
    "recorder": (*_DATASET, "task", "num_episodes", "episode_time_s", "reset_time_s"),
    "encoder": (*_DATASET, "video_encoding_batch_size"),
}

_NAMESPACE = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)

Value = str | int | float | None


def record(
    *,
    hardware: Annotated[
        Literal["so100", "sim", "none"],
        typer.Option(help="An SO-100 or SO-101, a simulated one, or topics that others publish."),
    ] = "so100",
    config: Annotated[
        Path | None,
        typer.Option(help="Parameter file; what no option gives comes from it.", show_default="so100.yaml"),
    ] = None,
    repo_id: Annotated[str | None, typer.Option(help="Name of the dataset, user/name.")] = None,
    root: Annotated[Path | None, typer.Option(help="Directory of the dataset.")] = None,
    task: Annotated[str | None, typer.Option(help="What the episodes show, one sentence.")] = None,
    num_episodes: Annotated[
        int | None, typer.Option(min=0, help="Episodes to record; 0: each is started by hand.")
    ] = None,
    episode_time_s: Annotated[
        float | None, typer.Option(min=0, help="Length of an episode; 0: until it is saved.")
    ] = None,
    reset_time_s: Annotated[float | None, typer.Option(min=0, help="Pause between episodes.")] = None,
    video_encoding_batch_size: Annotated[
        int | None, typer.Option(min=1, help="Encode when so many episodes wait.")
    ] = None,
    namespace: Annotated[
        str, typer.Option(help="Namespace of the nodes and their topics, as of a second robot.")
    ] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NODE.NAME=VALUE",
            help="Any other, as hardware.follower.port=/dev/ttyUSB0.",
        ),
    ] = None,
) -> None:
    """Record episodes, encode them meanwhile, and show the dataset that came of it.

    Ctrl-C ends the recording and encodes what remains; a second one leaves that for the next start.
    """
    if find_spec("rclpy") is None:
        raise ConfigError(
            "this Python has no ROS 2: source its setup file, or pip install 'lerobot_recorder[ros]'"
        )
    options: dict[str, Value] = {
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
    arguments = node_arguments(_config(config, hardware), options, parameter or [], namespace)
    arguments["caller"] = ["--ros-args", *in_namespace(namespace)]
    if hardware == "none":
        del arguments["hardware"]
    news = Session(arguments, node_environment(isolated=hardware == "sim")).run()
    summarise(news, Console(highlight=False, soft_wrap=True))
    if news.problems:
        raise RecorderError("; ".join(news.problems))


def _refuse_unusable(root: Path | None, repo_id: str | None, recorder: str) -> None:
    """Raise an error now, before the robot moves, where no dataset can be.

    Raises:
        ConfigError: the name can be none of a dataset.
        DatasetError: there is something that is not a dataset, or one that nothing can be added to.
        SpoolError: nothing can be written there, or another recorder is recording there.
    """
    if repo_id:
        check_repo_id(repo_id)
    if root or repo_id:
        place = root.expanduser().absolute() if root else default_root(repo_id or "")
        load_info(place)
        spool = Spool(place)
        spool.require()
        spool.lock_recorder(recorder).release()
        check_appendable(place)


def node_arguments(
    config: Path, options: Mapping[str, Value], parameters: list[str], namespace: str = ""
) -> dict[str, list[str]]:
    """Return the command line of each node, for what was given.

    Raises:
        ConfigError: a parameter is not of the form NODE.NAME=VALUE, or the namespace is none.
    """
    common = ["--ros-args", *in_namespace(namespace)]
    arguments = {node: [*common, "--params-file", str(config)] for node in _NODES}
    for node, names in _OPTIONS_OF.items():
        given = {name: value for name in names if (value := options.get(name)) is not None}
        arguments[node] += _assignments(given)
    for assignment in parameters:
        node, name, value = _parsed(assignment)
        arguments[node] += ["-p", f"{name}:={value}"]
    return arguments


def in_namespace(name: str) -> list[str]:
    """Return the arguments that put a node into a namespace; none for an empty one.

    Raises:
        ConfigError: it cannot be a namespace.
    """
    name = name.strip("/")
    if name and not _NAMESPACE.fullmatch(name):
        raise ConfigError(
            f"--namespace {name}: expected letters, digits and _, the first no digit, as left or robots/left"
        )
    return ["-r", f"__ns:=/{name}"] if name else []


def _assignments(values: Mapping[str, Value]) -> Iterator[str]:
    for name, value in values.items():
        # Quoted, so that no text is taken for another type.
        yield from ("-p", f"{name}:={json.dumps(value, ensure_ascii=False)}")


def _parsed(assignment: str) -> tuple[str, str, str]:
    path, equals, value = assignment.partition("=")
    node, dot, name = path.partition(".")
    if node not in _NODES or not (dot and name and equals):
        raise ConfigError(
            f"parameter {assignment!r}: expected NODE.NAME=VALUE with a node of {', '.join(_NODES)}, "
            "as in encoder.crf=25"
        )
    return node, name, value


def _config(config: Path | None, hardware: str) -> Path:
    if config is None:
        return shipped_config("so100_sim.yaml" if hardware == "sim" else "so100.yaml")
    if not config.expanduser().is_file():
        raise ConfigError(f"there is no parameter file {config}")
    return config.expanduser()
