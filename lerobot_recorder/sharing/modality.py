"""Describes a dataset for GR00T: what the values in it are, by the names of the joints."""

from __future__ import annotations

from typing import Any

from lerobot_recorder.dataset import FeatureDict, Features, is_depth, value_names, video_keys

PATH = "meta/modality.json"

_STATE, _ACTION, _OBSERVATION, _IMAGES = "observation.state", "action", "observation.", "observation.images."
_NUMBERS = ("float", "int", "uint", "bool")


def modality(features: Features) -> dict[str, Any]:
    """Return the content of ``meta/modality.json``; depth is left out.

    The joints of an arm are a group, and so is each gripper: ``single_arm`` and ``gripper``, or ``left_arm``,
    ``left_gripper``, ``right_arm`` and ``right_gripper`` if the names of the joints have these words.
    """
    vectors = {key: feature for key, feature in features.items() if _is_vector(feature)}
    others = {
        key.removeprefix(_OBSERVATION): {"start": 0, "end": _size(feature), "original_key": key}
        for key, feature in vectors.items()
        if key.startswith(_OBSERVATION) and key != _STATE
    }
    return {
        "state": {**(_groups(vectors[_STATE]) if _STATE in vectors else {}), **others},
        "action": _groups(vectors[_ACTION]) if _ACTION in vectors else {},
        "video": {
            key.removeprefix(_IMAGES): {"original_key": key}
            for key in video_keys(features)
            if not is_depth(features[key])
        },
        "annotation": {"human.task_description": {"original_key": "task_index"}},
    }


def _is_vector(feature: FeatureDict) -> bool:
    return len(feature["shape"]) == 1 and feature["dtype"].startswith(_NUMBERS)


def _size(feature: FeatureDict) -> int:
    return int(feature["shape"][0])


def _groups(feature: FeatureDict) -> dict[str, dict[str, Any]]:
    """Return the ranges of consecutive values that belong together, by name."""
    names = value_names(feature) or [""] * _size(feature)
    groups: dict[str, dict[str, Any]] = {}
    last = ""
    for number, name in enumerate(names):
        kind = _group(name)
        if groups and kind == _group(names[number - 1]):
            groups[last]["end"] = number + 1
            continue
        same = sum(each == kind or each.startswith(f"{kind}_") for each in groups)
        last = f"{kind}_{same + 1}" if same else kind
        groups[last] = {"start": number, "end": number + 1}
    return groups


def _group(name: str) -> str:
    words = name.lower().replace(".", "_").replace("/", "_").split("_")
    side = next((word for word in words if word in ("left", "right")), "")
    part = "gripper" if "gripper" in words else "arm"
    if side:
        return f"{side}_{part}"
    return "gripper" if part == "gripper" else "single_arm"
