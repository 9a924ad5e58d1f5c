"""Checks that a dataset accepts what will be recorded, and what LeRobot's tools will do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lerobot_recorder.dataset import AGES_FEATURE, SUCCESS_FEATURE, check_appendable, load_info
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.preflight.finding import FAULT, WARNING, Finding, combined
from lerobot_recorder.recording import RecorderSettings, Stream, features_to_record
from lerobot_recorder.spool import Spool

_LEROBOTS_ROBOT = "so_follower"
"""What LeRobot 0.6.1 calls an SO-100 or SO-101."""

_OPTIONAL = {AGES_FEATURE: "record_ages", SUCCESS_FEATURE: "record_success"}


def check_dataset(
    root: Path,
    fps: int,
    streams: Sequence[Stream],
    sizes: Mapping[str, tuple[int, int]],
    settings: RecorderSettings,
    *,
    is_so_arm: bool,
) -> Finding:
    """Return whether a dataset accepts new episodes, and which of LeRobot's tools would refuse it.

    Args:
        root: directory of the dataset
        fps: rows per second
        streams: what is recorded
        sizes: width and height of the images by stream, where they are known
        settings: the recorder's settings
        is_so_arm: whether LeRobot itself could record this robot
    """
    spool = Spool(root)
    try:
        check_appendable(root)
        features = features_to_record(spool, fps, streams, sizes, settings)
        info = load_info(root)
    except RecorderError as error:
        return Finding("dataset", FAULT, str(error))
    waiting = len(spool.waiting())
    there = f"{counted(info.total_episodes, 'episode')} there" if info is not None else "a new dataset"
    fine = f"{root}: {there}{f', {waiting} not encoded yet' if waiting else ''}"
    problems = [(WARNING, text) for text in _refusals(features, settings.robot_type, is_so_arm=is_so_arm)]
    return combined("dataset", problems, fine if problems else f"{fine}; LeRobot can resume and merge it")


def _refusals(features: Mapping[str, object], robot_type: str, *, is_so_arm: bool) -> list[str]:
    found = []
    if optional := [name for name in _OPTIONAL if name in features]:
        named = " and ".join(optional)
        set_by = " and ".join(_OPTIONAL[name] for name in optional)
        found.append(
            "lerobot-record --resume refuses it, and LeRobot merges it only with others that have "
            f"{named} (set by {set_by})"
        )
    if is_so_arm and robot_type != _LEROBOTS_ROBOT:
        found.append(
            f"lerobot-record --resume and LeRobot's merge with its own datasets refuse it: robot_type is "
            f"{robot_type or 'empty'}, there it is {_LEROBOTS_ROBOT}"
        )
    return found
