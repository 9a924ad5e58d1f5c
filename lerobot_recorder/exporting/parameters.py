"""The parameter file with which an import makes the same rows of an exported bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lerobot_recorder.dataset import SUCCESS_FEATURE, FeatureDict, Source, is_depth, is_video, value_names
from lerobot_recorder.discovery import COMPRESSED, IMAGE, JOINT_STATE, TEXT, VIDEO
from lerobot_recorder.exporting.cameras import Images, image_topic
from lerobot_recorder.exporting.messages import SUFFIXES, VectorTopic, vector_topics
from lerobot_recorder.exporting.units import Part

_HEAD = """\
# Makes the rows of this dataset again from the bag that was exported of it:
#
#   lerobot-recorder import BAG --config THIS_FILE --from-recorder --root NEW_DATASET
"""
_SUFFIX_OF = {quantity: suffix for suffix, quantity in SUFFIXES.items()}


def import_parameters(source: Source, episode: int, images: Images) -> tuple[str, list[str]]:
    """Return the content of the parameter file, and the features that an import cannot make.

    Args:
        source: the dataset.
        episode: number of the episode whose set-up counts.
        images: how color images are published.
    """
    info, setup = source.info, source.setup(episode)
    folder = source.setup_path(episode)
    topics = {topic.feature: topic for topic in vector_topics(info.features, setup)}
    streams: dict[str, dict[str, Any]] = {}
    left_out = []
    for key, feature in info.features.items():
        if is_video(feature):
            found = _image_stream(key, feature, images)
        elif key in topics and key != SUCCESS_FEATURE:  # from the mark of the episode
            found = list(_vector_streams(topics[key], value_names(feature), folder))
        else:
            continue
        if not found:
            left_out.append(key)
        for name, settings in found:
            streams[_free(name, streams)] = {"stamp": "header", **settings, "feature": key}
    values: dict[str, Any] = {
        "fps": info.fps,
        "robot_type": info.robot_type or "",
        "record_success": SUCCESS_FEATURE in info.features,
        "streams": list(streams),
        **{f"{name}.{key}": value for name, each in streams.items() for key, value in each.items()},
    }
    document = {"/**/recorder": {"ros__parameters": values}}
    return _HEAD + yaml.safe_dump(
        document, sort_keys=False, allow_unicode=True, default_flow_style=None
    ), left_out


_Streams = list[tuple[str, dict[str, Any]]]


def _image_stream(key: str, feature: FeatureDict, images: Images) -> _Streams:
    """Return the stream of a camera; none if its messages cannot be imported."""
    if images == "none":
        return []
    height, width, *_ = feature["shape"]
    settings: dict[str, Any] = {"topic": image_topic(key, feature, images)}
    if height % 2 or width % 2:
        settings["odd_size"] = "keep"
    if is_depth(feature):
        settings |= {"type": IMAGE, "depth": True}
    elif images == "jpeg":
        settings["type"] = COMPRESSED
    else:
        settings |= {"type": VIDEO, **({"image_format": "png"} if "odd_size" in settings else {})}
    return [(key.rpartition(".")[2], settings)]


def _vector_streams(topic: VectorTopic, names: tuple[str, ...], folder: Path) -> Iterator[Any]:
    """Yield the streams of a feature; none if its messages cannot be imported."""
    name = topic.feature.rpartition(".")[2]
    if topic.message_type == TEXT:
        yield name, {"topic": topic.topic, "type": TEXT, "stamp": "receive"}
    if topic.message_type != JOINT_STATE:
        return
    known = {"topic": topic.topic, "type": JOINT_STATE}
    if topic.field != "position":
        known["field"] = topic.field
    for part in topic.parts:
        settings = {**known, **_names(part.joints, names[part.values], topic.field), **_unit(part, folder)}
        yield part.stream, settings
    if not topic.parts:
        yield name, {**known, **_exact_names(topic, names)}


def _exact_names(topic: VectorTopic, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the joints, or the places of values whose names are not those of joints."""
    suffix = _SUFFIX_OF[topic.field]
    if tuple(joint if "." in joint else joint + suffix for joint in topic.joints) == names:
        return {"names": list(topic.joints)}
    return {"names": [f"position[{index}]" for index in range(len(names))], "aliases": list(names)}


def _names(joints: tuple[str, ...], names: tuple[str, ...], quantity: str) -> Mapping[str, Any]:
    """Return the joints, and their names in the dataset if these are others."""
    plain = [name.removesuffix(_SUFFIX_OF[quantity]) for name in names]
    return {"names": list(joints), **({} if plain == list(joints) else {"aliases": plain})}


def _unit(part: Part, folder: Path) -> Mapping[str, Any]:
    if part.calibration is None:
        return {} if part.unit == "as_published" else {"unit": part.unit}
    return {"unit": part.unit, "calibration": str(folder / part.calibration_file)}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """Return a name for a stream that no other has."""
    plain = "".join(each if each.isalnum() else "_" for each in name)
    number = 1
    while (chosen := plain if number == 1 else f"{plain}_{number}") in taken:
        number += 1
    return chosen
