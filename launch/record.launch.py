"""Starts the hardware, recorder and encoder nodes; ends them when the recorder has finished.

`ros2 launch lerobot_recorder record.launch.py --show-args` lists the arguments. What is not given comes from
the parameter file.
"""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch_ros.actions import Node

CONFIG = Path(__file__).resolve().parents[1] / "config"
PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"
PRESETS = {"so100": CONFIG / "so100.yaml", "sim": CONFIG / "so100_sim.yaml", "none": CONFIG / "so100.yaml"}

ARGUMENTS = {
    "namespace": "Namespace of the nodes and all their topics, as for a second robot.",
    "config": "Parameter file of the three nodes; default: so100.yaml, with hardware:=sim so100_sim.yaml.",
    "repo_id": "Name of the dataset, user/name; says where it is, unless root does.",
    "root": "Directory of the dataset; default: where LeRobot looks for repo_id.",
    "task": "What the episodes show, one sentence.",
    "num_episodes": "Record so many episodes, then end; 0: each is started by hand.",
    "episode_time_s": "Length of an episode, in seconds; 0: until it is saved.",
    "reset_time_s": "Pause between episodes, in seconds.",
    "video_encoding_batch_size": "Encode when so many episodes wait.",
}
WHOLE = ("num_episodes", "video_encoding_batch_size")
DECIMAL = ("episode_time_s", "reset_time_s")
DATASET = ("repo_id", "root")
OF_RECORDER = (*DATASET, "task", "num_episodes", "episode_time_s", "reset_time_s")
OF_ENCODER = (*DATASET, "video_encoding_batch_size")

# Seconds from the wish to end until the process is forced to: the encoder encodes what remains, the recorder
# brings what is queued to the disk, the hardware node brings the arm to rest.
PATIENCE_S = {"hardware": 15, "recorder": 60, "encoder": 24 * 3600}


def generate_launch_description() -> LaunchDescription:
    hardware = DeclareLaunchArgument(
        "hardware",
        default_value="so100",
        choices=list(PRESETS),
        description="What is recorded: an SO-100 or SO-101, a simulated one, or topics that others publish.",
    )
    declared = [
        DeclareLaunchArgument(name, default_value="", description=text) for name, text in ARGUMENTS.items()
    ]
    transport = SetEnvironmentVariable(PROFILE, os.environ.get(PROFILE, str(CONFIG / "fastdds.xml")))
    return LaunchDescription([hardware, *declared, transport, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Node]:
    given = {name: text for name in ARGUMENTS if (text := context.launch_configurations[name])}
    kind = context.launch_configurations["hardware"]
    config = Path(given.get("config", PRESETS[kind])).expanduser()
    if not config.is_file():
        raise RuntimeError(f"config: there is no parameter file {config}")
    nodes = [
        _node("recorder", given, config, OF_RECORDER, on_exit=Shutdown(reason="the recorder ended")),
        _node("encoder", given, config, OF_ENCODER),
    ]
    if kind != "none":
        ended = Shutdown(reason="the hardware node ended")
        nodes.insert(0, _node("hardware", given, config, (), on_exit=ended))
    return nodes


def _node(
    name: str, given: dict[str, str], config: Path, arguments: tuple[str, ...], **options: object
) -> Node:
    values = _values(given, arguments)
    return Node(
        package="lerobot_recorder",
        executable=f"{name}_node",
        name=name,
        namespace=given.get("namespace"),
        output="screen",
        parameters=[str(config), *([values] if values else [])],
        sigterm_timeout=str(PATIENCE_S[name]),
        sigkill_timeout="10",
        **options,
    )


def _values(given: dict[str, str], names: tuple[str, ...]) -> dict[str, object]:
    return {name: _typed(name, given[name]) for name in names if name in given}


def _typed(name: str, text: str) -> object:
    kind = int if name in WHOLE else float if name in DECIMAL else str
    try:
        return kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise RuntimeError(f"{name}: expected {expected}, found {text!r}") from None
