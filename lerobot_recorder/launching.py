"""The options of ``lerobot-recorder record`` and of the launch file, and the nodes that take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import BatchSettings
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
        "", "Parameter file; options override it; empty: so100.yaml, or so100_sim.yaml with hardware sim"
    )
    namespace: str = setting("", "Namespace of the nodes and their topics, for example of a second robot")


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
