"""The options of ``lerobot-recorder record``, the launch file's arguments, and the nodes that take them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from lerobot_recorder.arms import ArmSettings
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import BatchSettings
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import GridSettings, RecorderSettings, RunSettings
from lerobot_recorder.settings import Parameter, parameter, parameters_of, setting

Hardware = Literal["so100", "so101", "sim", "simulated", "none"]


@dataclass(frozen=True)
class LaunchSettings:
    """Which nodes are started, and with which parameter file."""

    hardware: Hardware = setting(
        "so100",
        "What is recorded; so100 or so101: such arms and cameras, sim or simulated: simulated ones, none: "
        "topics that other nodes publish",
        choices=get_args(Hardware),
    )
    config: str = setting(
        "",
        "Parameter file; options override it; empty: so100.yaml, or so100_sim.yaml with hardware sim; needed "
        "with hardware none",
    )
    namespace: str = setting("", "Namespace of the nodes and their topics, for example of a second robot")
    dashboard: bool = setting(False, "Whether to serve the dashboard, a web page for the operator")


@dataclass(frozen=True)
class AddressSettings:
    """Where the dashboard is served."""

    address: str = setting(
        "127.0.0.1",
        "IP address of this computer at which the dashboard is served; 0.0.0.0: all of them; with any other "
        "than 127.0.0.1 the page asks for a token, which the terminal shows",
    )
    port: int = setting(8090, "Port of the dashboard; 0: any that is free", low=0, high=65535)


@dataclass(frozen=True)
class IncludeSettings:
    """How the launch file behaves in a larger launch."""

    shutdown_on_exit: Literal["auto", "true", "false"] = setting(
        "auto",
        "Whether everything else that was launched ends with the recorder; auto: only if ros2 launch starts "
        "this file itself, not a file that includes it",
        choices=("auto", "true", "false"),
    )


_PLACE = parameters_of(DatasetPlace)
_EPISODES = (
    parameter(GridSettings, "fps"),
    parameter(RecorderSettings, "task"),
    parameter(RunSettings, "num_episodes"),
    parameter(RecorderSettings, "episode_time_s"),
    parameter(RunSettings, "reset_time_s"),
)
_BATCHES = (parameter(BatchSettings, "video_encoding_batch_size"),)

NODE_OPTIONS: dict[str, tuple[Parameter, ...]] = {
    "hardware": (),
    "recorder": (*_PLACE, *_EPISODES),
    "encoder": (*_PLACE, *_BATCHES),
    "dashboard": _PLACE,
}
"""The parameters of each node that are options, too."""

END_S = 15
"""Seconds that a node may take to end at once; the hardware node's `torque_off_warning_s` is shorter."""

GRACE_PERIOD_S = {"hardware": END_S, "recorder": 60, "encoder": 24 * 3600, "dashboard": END_S}
"""Seconds that a node may take to finish its work: the hardware node warns before it releases the arm, the
recorder writes its queue to the disk, the encoder encodes the remaining episodes."""

OPTIONS = {each.name: each for each in (*parameters_of(LaunchSettings), *_PLACE, *_EPISODES, *_BATCHES)}
"""All options by name."""

ARMS = {
    f"{arm}_{short}": f"{arm}.{name}"
    for arm in ("follower", "leader")
    for short, name in (("port", "port"), ("id", "calibration"))
}
"""The options that describe arms, and the hardware node's parameters."""


def _arm_option(name: str) -> Parameter:
    arm, _, short = name.partition("_")
    if short == "id":
        text = f"LeRobot's id of the {arm}, or the path of its calibration file"
        return replace(parameter(ArmSettings, "calibration"), name=name, text=text)
    text = f"Serial port of the {arm}; sim: a simulated arm"
    return replace(parameter(ArmSettings, "port"), name=name, text=text)


DASHBOARD = {f"dashboard_{each.name}": each.name for each in parameters_of(AddressSettings)}
"""The options that place the dashboard, and its parameters."""

OPTIONS |= {each: _arm_option(each) for each in ARMS}
OPTIONS |= {
    option: replace(parameter(AddressSettings, name), name=option) for option, name in DASHBOARD.items()
}

LAUNCH_ARGUMENTS = OPTIONS | {each.name: each for each in parameters_of(IncludeSettings)}
"""All arguments of the launch file by name."""

READY = {"recorder": "ready to record into", "encoder": "ready to encode into"}
"""What these nodes log when they have read their parameters and opened the dataset."""

PARENT_VARIABLE = "LEROBOT_RECORDER_PARENT"
"""Environment variable with the process id of a parent with which a node ends."""

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Environment variables with the profile of Fast DDS: since its version 3 (kilted), and before (jazzy)."""


def profile_environment(environment: Mapping[str, str], profile: Path) -> dict[str, str]:
    """Return the variables that let a node use a profile of Fast DDS; empty if the user has set one.

    Args:
        environment: variables of the process that starts the node
        profile: the profile's file
    """
    if any(name in environment for name in PROFILE_VARIABLES):
        return {}
    return dict.fromkeys(profile_variables(), str(profile))


def profile_variables() -> tuple[str, ...]:
    """Return the variable that the installed Fast DDS reads; both if none is found beside rclpy."""
    new, old = PROFILE_VARIABLES
    rclpy = find_spec("rclpy")
    if rclpy is None or rclpy.origin is None:
        return PROFILE_VARIABLES
    libraries = Path(rclpy.origin).parents[3]  # lib, from lib/python3.12/site-packages/rclpy/__init__.py
    found = {new: libraries.glob("libfastdds.so*"), old: libraries.glob("libfastrtps.so*")}
    return tuple(name for name, files in found.items() if any(files)) or PROFILE_VARIABLES


def plain_hardware(hardware: str) -> str:
    """Return the shorter of two names for the same hardware."""
    return {"so101": "so100", "simulated": "sim"}.get(hardware, hardware)


def require_config(hardware: str, config: object, example: str) -> None:
    """Refuse hardware without a parameter file of its own.

    Args:
        hardware: value of the option ``hardware``
        config: value of the option ``config``; empty or None if it is not given
        example: how the option is written

    Raises:
        ConfigError: other nodes publish the topics, and no file names them
    """
    if hardware == "none" and not config:
        raise ConfigError(
            "with hardware none, a parameter file has to name the topics of your robot: start the robot, let "
            f"`lerobot-recorder discover robot.yaml` write the file, and give {example}"
        )


def node_values(node: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of a node that options set.

    Args:
        node: name of the node
        options: values of options by name; None leaves a parameter as it is
    """
    names = {each.name: each.name for each in NODE_OPTIONS[node]}
    names |= {"hardware": ARMS, "dashboard": DASHBOARD}.get(node, {})
    given = {name: options.get(option) for option, name in names.items()}
    return {name: value for name, value in given.items() if value is not None}


def typed_options(texts: Mapping[str, str]) -> dict[str, object]:
    """Return launch arguments in the types of their parameters.

    Args:
        texts: values of launch arguments that are not empty, by name

    Raises:
        ConfigError: a value is not allowed
    """
    return {name: _typed(OPTIONS[name], text) for name, text in texts.items() if name in OPTIONS}


def _typed(option: Parameter, text: str) -> object:
    kind = type(option.default)
    if kind is bool:
        return option.check({"true": True, "false": False}.get(text.lower(), text))
    try:
        return option.check(kind(text))
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{option.name}: expected {expected}, found {text!r}") from None


def is_launched(arguments: Sequence[str], file: Path) -> bool:
    """Return whether a command line starts a launch file: ``ros2 launch lerobot_recorder record.launch.py``.

    ``ros2 launch`` includes the file that it is given, so launch itself makes no difference between that file
    and a file that it includes.

    Args:
        arguments: the command line
        file: launch file of this package
    """
    if [*(Path(each).name for each in arguments[:1]), *arguments[1:2]] != ["ros2", "launch"]:
        return False
    names = [each for each in arguments[2:] if not each.startswith("-") and ":=" not in each]
    by_package = ("lerobot_recorder", file.name) in itertools.pairwise(names)
    return by_package or any(Path(each).resolve() == file for each in names)
