"""Starts the hardware, recorder and encoder nodes; ends them when the recorder has finished.

``ros2 launch lerobot_recorder record.launch.py --show-args`` lists the arguments. They override the parameter
file.
"""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch_ros.actions import Node

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import END_S, GRACE_PERIOD_S, NODE_OPTIONS, OPTIONS
from lerobot_recorder.settings import Parameter

CONFIG = Path(__file__).resolve().parents[1] / "config"
PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"
PRESETS = {"so100": CONFIG / "so100.yaml", "sim": CONFIG / "so100_sim.yaml", "none": CONFIG / "so100.yaml"}


def generate_launch_description() -> LaunchDescription:
    declared = [_declared(option) for option in OPTIONS.values()]
    transport = SetEnvironmentVariable(PROFILE, os.environ.get(PROFILE, str(CONFIG / "fastdds.xml")))
    return LaunchDescription([*declared, transport, OpaqueFunction(function=_nodes)])


def _declared(option: Parameter) -> DeclareLaunchArgument:
    if option.choices:
        choices = list(option.choices)
        return DeclareLaunchArgument(
            option.name, default_value=option.default, choices=choices, description=option.help
        )
    # Empty: from the parameter file.
    return DeclareLaunchArgument(option.name, default_value="", description=option.help)


def _nodes(context: LaunchContext) -> list[Node]:
    given = {name: text for name in OPTIONS if (text := context.launch_configurations[name])}
    kind = context.launch_configurations["hardware"]
    config = Path(given.get("config", PRESETS[kind])).expanduser()
    if not config.is_file():
        raise RuntimeError(f"config: there is no parameter file {config}")
    nodes = [
        _node("recorder", given, config, on_exit=Shutdown(reason="the recorder ended")),
        _node("encoder", given, config),
    ]
    if kind != "none":
        ended = Shutdown(reason="the hardware node ended")
        nodes.insert(0, _node("hardware", given, config, on_exit=ended))
    return nodes


def _node(name: str, given: dict[str, str], config: Path, **options: object) -> Node:
    values = _values(given, NODE_OPTIONS[name])
    return Node(
        package="lerobot_recorder",
        executable=f"{name}_node",
        name=name,
        namespace=given.get("namespace"),
        output="screen",
        parameters=[str(config), *([values] if values else [])],
        sigterm_timeout=str(GRACE_PERIOD_S[name]),
        sigkill_timeout=str(END_S),
        **options,
    )


def _values(given: dict[str, str], options: tuple[Parameter, ...]) -> dict[str, object]:
    return {option.name: _typed(option, given[option.name]) for option in options if option.name in given}


def _typed(option: Parameter, text: str) -> object:
    kind = type(option.default)
    try:
        return option.check(kind(text))
    except ConfigError as error:
        raise RuntimeError(str(error)) from None
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise RuntimeError(f"{option.name}: expected {expected}, found {text!r}") from None
