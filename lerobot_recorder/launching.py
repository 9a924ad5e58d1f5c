"""The options of ``lerobot-recorder record``, the launch file's arguments, and the nodes that take them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from lerobot_recorder.arms import ArmSettings
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import BatchSettings
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import RecorderSettings, RunSettings
from lerobot_recorder.settings import Parameter, parameter, parameters_of, setting

Hardware = Literal["so100", "sim", "none"]


@dataclass(frozen=True)
class LaunchSettings:
    """Which nodes are started, and with which parameter file."""

    hardware: Hardware = setting(
        "so100",
        "What is recorded; so100: an SO-100 or SO-101, sim: a simulated one, none: topics that other nodes "
        "publish",
        choices=get_args(Hardware),
    )
    config: str = setting(
        "",
        "Parameter file; options override it; empty: so100.yaml, or so100_sim.yaml with hardware sim; needed "
        "with hardware none",
    )
    namespace: str = setting("", "Namespace of the nodes and their topics, for example of a second robot")


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
}
"""The parameters of each node that are options, too."""

END_S = 15
"""Seconds that a node may take to end at once; the hardware node's `torque_off_warning_s` is shorter."""

GRACE_PERIOD_S = {"hardware": END_S, "recorder": 60, "encoder": 24 * 3600}
"""Seconds that a node may take to finish its work: the hardware node warns before it releases the arm, the
recorder writes its queue to the disk, the encoder encodes the remaining episodes."""

OPTIONS = {each.name: each for each in (*parameters_of(LaunchSettings), *_PLACE, *_EPISODES, *_BATCHES)}
"""All options by name."""

PORTS = {f"{arm}_port": f"{arm}.port" for arm in ("follower", "leader")}
"""The launch arguments that are the serial ports of arms, and the hardware node's parameters."""


def _port(argument: str) -> Parameter:
    port, arm = parameter(ArmSettings, "port"), argument.removesuffix("_port")
    return replace(port, name=argument, text=f"Serial port of the {arm}; sim: a simulated arm")


LAUNCH_ARGUMENTS = {**OPTIONS, **{each: _port(each) for each in PORTS}} | {
    each.name: each for each in parameters_of(IncludeSettings)
}
"""All arguments of the launch file by name."""

PARENT_VARIABLE = "LEROBOT_RECORDER_PARENT"
"""Environment variable with the process id of a parent with which a node ends."""

PROFILE_VARIABLE = "FASTDDS_DEFAULT_PROFILES_FILE"
"""Environment variable with the profile of Fast DDS."""


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


def node_values(node: str, given: Mapping[str, str]) -> dict[str, object]:
    """Return the parameters of a node that launch arguments set.

    Args:
        node: name of the node
        given: values of launch arguments that are not empty, by name

    Raises:
        ConfigError: a value is not allowed
    """
    values = {each.name: _typed(each, given[each.name]) for each in NODE_OPTIONS[node] if each.name in given}
    ports = {name: given[argument] for argument, name in PORTS.items() if argument in given}
    return {**values, **(ports if node == "hardware" else {})}


def _typed(option: Parameter, text: str) -> object:
    kind = type(option.default)
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
