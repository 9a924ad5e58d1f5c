"""Print the flags of ``lerobot-record`` with an SO-100 or with two, as JSON; run by LeRobot's own Python."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator

from lerobot.cameras.opencv import OpenCVCameraConfig
from lerobot.robots.config import RobotConfig
from lerobot.scripts.lerobot_record import RecordConfig
from lerobot.teleoperators.config import TeleoperatorConfig

ARMS = {
    "robot": (RobotConfig, ("so100_follower", "so101_follower", "bi_so_follower")),
    "teleop": (TeleoperatorConfig, ("so100_leader", "so101_leader", "bi_so_leader")),
}


def flags(config: type, prefix: str) -> Iterator[str]:
    kinds = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        kind, name = kinds[field.name], f"{prefix}{field.name}"
        yield name
        if name in ARMS:
            registry, models = ARMS[name]
            yield f"{name}.type"
            for model in models:
                yield from flags(registry.get_choice_class(model), f"{name}.")
        elif dataclasses.is_dataclass(kind):
            yield from flags(kind, f"{name}.")


print(
    json.dumps(
        {
            "flags": sorted({*flags(RecordConfig, ""), "config_path"}),
            "camera": [field.name for field in dataclasses.fields(OpenCVCameraConfig)],
        }
    )
)
