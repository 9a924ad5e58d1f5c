"""The recorder's parameters, and the settings that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lerobot_recorder.nodes.parameters import Parameter
from lerobot_recorder.recording import QualityRules, RecorderSettings

NOW, NEXT = "at once", "from the next episode"

PARAMETERS = (
    Parameter("repo_id", "", "The dataset's name, user/name; says where it is unless root does"),
    Parameter("root", "", "The dataset's directory"),
    Parameter("fps", 30, "Rows per second", "Hz", 1, 1000),
    Parameter("robot_type", "", "Kept in the dataset; empty: unknown"),
    Parameter("streams", ["state", "action"], "Names of the streams; each has <name>.topic and so on"),
    Parameter("image_format", "raw", "How images of raw topics are spooled", choices=("raw", "png")),
    Parameter("task", "", "The sentence that describes what is shown", effect=NEXT),
    Parameter("num_episodes", 0, "Episodes to record unattended; 0: each by hand", "", 0, effect=NOW),
    Parameter("episode_time_s", 60.0, "Length of an episode; 0: until it is saved", "s", 0, effect=NEXT),
    Parameter("reset_time_s", 60.0, "Pause between episodes when unattended", "s", 0, effect=NOW),
    Parameter(
        "record_ages",
        False,
        "Add the feature stream_ages, how old each sample was at its tick; it is kept beside the dataset in "
        "any case, and LeRobot's tools refuse to join datasets with and without the feature",
    ),
    Parameter(
        "record_success",
        False,
        "Add the feature next.success, from mark_success; LeRobot's tools refuse to join datasets with and "
        "without it",
    ),
    Parameter(
        "on_bad_episode", "reject", "What to do with bad ones", choices=("reject", "keep"), effect=NEXT
    ),
    Parameter(
        "frozen_after_s",
        1.0,
        "A camera that repeats an image so long is frozen; 0: never",
        "s",
        0,
        effect=NEXT,
    ),
    Parameter("queue_mb", 512.0, "Memory for rows that wait for the disk", "MB", 1, effect=NEXT),
)


def settings_of(values: Mapping[str, Any]) -> RecorderSettings:
    """Return the settings that the parameters describe.

    Raises:
        ConfigError: they are out of range.
    """
    return RecorderSettings(
        task=values["task"],
        episode_time_s=values["episode_time_s"],
        robot_type=values["robot_type"] or None,
        record_ages=values["record_ages"],
        record_success=values["record_success"],
        queue_mb=values["queue_mb"],
        rules=QualityRules(values["frozen_after_s"], values["on_bad_episode"] == "reject"),
    )
