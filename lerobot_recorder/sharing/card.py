"""The dataset card: ``README.md`` with a header that the Hugging Face Hub and ``datasets`` read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from lerobot_recorder.dataset import CountedDataset
from lerobot_recorder.excerpt import counted, listing

_LIMIT = "---\n"
_CONFIGS = [{"config_name": "default", "data_files": "data/*/*.parquet"}]
"""Without this entry, ``load_dataset`` would also read the parquet files in ``meta``, and fail."""


def card(
    dataset: CountedDataset, name: str, licence: str, existing: str = "", tags: Sequence[str] = ()
) -> str:
    """Return the card of a dataset.

    Args:
        dataset: the dataset.
        name: its name, as the title.
        licence: the identifier of its licence, such as ``apache-2.0``.
        existing: the card that it has; its text and all other entries of its header stay.
        tags: more tags.
    """
    header, text = _parts(existing)
    header["license"] = licence
    for entry, value in (("task_categories", "robotics"), *(("tags", tag) for tag in ("LeRobot", *tags))):
        known = header.get(entry) or []
        known = known if isinstance(known, list) else [known]
        header[entry] = known if value in known else [*known, value]
    header.setdefault("configs", _CONFIGS)
    written = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    return f"{_LIMIT}{written}{_LIMIT}{text or _text(dataset, name)}"


def _parts(existing: str) -> tuple[dict[str, Any], str]:
    """Split a card into the entries of its header, and its text."""
    if not existing.startswith(_LIMIT):
        return {}, existing
    header, end, text = existing.removeprefix(_LIMIT).partition(f"\n{_LIMIT}")
    try:
        entries = yaml.safe_load(header) if end else None
    except yaml.YAMLError:
        entries = None
    return (entries, text) if isinstance(entries, dict) else ({}, existing)


def _text(dataset: CountedDataset, name: str) -> str:
    info = dataset.info
    cameras = [key for key, feature in info.features.items() if feature["dtype"] == "video"]
    rows = {
        "Robot": info.robot_type or "unknown",
        "Episodes": f"{info.total_episodes}, {counted(info.total_frames, 'frame')}",
        "Length": f"{info.total_frames / info.fps / 60:.1f} minutes at {info.fps} fps",
        "Cameras": listing(cameras) or "none",
        "Tasks": listing(dataset.tasks),
    }
    table = "".join(f"| {title} | {_cell(value)} |\n" for title, value in rows.items())
    return (
        f"\n# {name}\n\nRobot demonstrations in the format LeRobotDataset {info.codebase_version}.\n\n"
        f"| | |\n|---|---|\n{table}"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
