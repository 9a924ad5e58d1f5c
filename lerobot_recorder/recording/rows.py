"""Builds the rows of a dataset from samples, and declares their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lerobot_recorder.dataset import AGE_SUFFIX, AGES_FEATURE, SUCCESS_FEATURE
from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.recording.streams import Sample, Stream, StreamSpec
from lerobot_recorder.spool import CameraSpool, EncodedImage

Feature = dict[str, Any]

_TEXT: Feature = {"dtype": "string", "shape": [1], "names": None}


@dataclass(frozen=True)
class Row:
    """The samples of one tick.

    Attributes:
        vectors: values of the vector features, float32, and of texts, (1,)
        samples: sample of each stream, by the stream's name
        ages_s: their ages in seconds, by the stream's name
    """

    vectors: dict[str, np.ndarray[Any, np.dtype[Any]]]
    samples: dict[str, Sample]
    ages_s: dict[str, float]


def row_at(
    streams: Sequence[Stream], time_ns: int, ages: Sequence[str] = (), previous: Row | None = None
) -> Row:
    """Take from each stream the newest sample that is not later than a time.

    Args:
        streams: the recorded streams
        time_ns: time of the row
        ages: the streams in the feature ``stream_ages``, in its order; empty: no such feature
        previous: the row before, in the same episode

    Raises:
        StreamError: a stream has no such sample.
    """
    samples: dict[str, Sample] = {}
    for stream in streams:
        if (sample := stream.at(time_ns)) is None:
            raise StreamError(f"{stream.spec.name}: no sample from before the tick")
        samples[stream.spec.name] = _following(stream, sample, previous)
    ages_s = {name: (time_ns - sample.stamp_ns) / 1e9 for name, sample in samples.items()}
    specs = [stream.spec for stream in streams]
    vectors: dict[str, np.ndarray[Any, np.dtype[Any]]] = {
        key: np.concatenate([samples[name].value for name in names]).astype(np.float32)
        for key, names in vector_sources(specs).items()
    }
    vectors |= {spec.feature: np.array([samples[spec.name].value]) for spec in specs if spec.is_text}
    if ages:
        vectors[AGES_FEATURE] = np.array([ages_s[name] for name in ages], np.float32)
    return Row(vectors, samples, ages_s)


def _following(stream: Stream, sample: Sample, previous: Row | None) -> Sample:
    if stream.follow is None:
        return sample
    before = previous.samples[stream.spec.name] if previous is not None else None
    if before is not None and before.stamp_ns == sample.stamp_ns:
        return before
    return replace(sample, value=stream.follow(sample.value, before.value if before is not None else None))


def vector_sources(specs: Sequence[StreamSpec]) -> dict[str, list[str]]:
    """Return the streams of each vector feature, in order."""
    sources: dict[str, list[str]] = {}
    for spec in specs:
        if not (spec.is_image or spec.is_text):
            sources.setdefault(spec.feature, []).append(spec.name)
    return sources


def declare_features(
    specs: Sequence[StreamSpec],
    cameras: Mapping[str, CameraSpool],
    *,
    age_names: Sequence[str] = (),
    with_success: bool = False,
) -> dict[str, Feature]:
    """Declare the dataset's features as LeRobot does.

    Args:
        specs: the streams
        cameras: format and size of each camera feature
        age_names: names of the values of ``stream_ages``; empty: no such feature
        with_success: whether to add ``next.success``
    """
    by_name = {spec.name: spec for spec in specs}
    features: dict[str, Feature] = {}
    for key, sources in vector_sources(specs).items():
        features[key] = _vector([name for source in sources for name in by_name[source].names])
    features |= {spec.feature: dict(_TEXT) for spec in specs if spec.is_text}
    for key, camera in cameras.items():
        features[key] = _video(camera)
    if age_names:
        features[AGES_FEATURE] = _vector(age_names)
    if with_success:
        features[SUCCESS_FEATURE] = {"dtype": "bool", "shape": [1], "names": None}
    return features


def age_names(specs: Sequence[StreamSpec], existing: Feature | None = None) -> list[str]:
    """Return the names of the values of ``stream_ages``.

    If the dataset has these streams, use its names: earlier versions used the streams' names without suffix.
    """
    known = {name for spec in specs for name in (spec.name, f"{spec.name}{AGE_SUFFIX}")}
    names = (existing or {}).get("names")
    if isinstance(names, list) and len(names) == len(specs) and known.issuperset(names):
        return names
    return [f"{spec.name}{AGE_SUFFIX}" for spec in specs]


def aged_streams(feature: Feature | None) -> tuple[str, ...]:
    """Return the streams in the feature ``stream_ages``, in its order; empty without that feature."""
    return tuple(name.removesuffix(AGE_SUFFIX) for name in feature["names"]) if feature else ()


def _vector(names: Sequence[str]) -> Feature:
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}


def _video(camera: CameraSpool) -> Feature:
    shape = [camera.height, camera.width, 1 if camera.is_depth else 3]
    feature: Feature = {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"]}
    if camera.is_depth:
        unit = "mm" if camera.format == "depth16" else "m"
        feature["info"] = {"is_depth_map": True, "depth_unit": unit}
    return feature


def camera_of(spec: StreamSpec, image: np.ndarray[Any, Any] | EncodedImage) -> CameraSpool:
    """Decide from a first image how to spool a camera's images.

    Raises:
        StreamError: it has another size than declared.
        SpoolError: images of this kind or size cannot be spooled.
    """
    camera = _camera_of(spec, image)
    if spec.size not in (None, (camera.width, camera.height)):
        raise StreamError(
            f"{spec.name}: expected images of {spec.size[0]}x{spec.size[1]} on {spec.source}, "
            f"found {camera.width}x{camera.height}"
        )
    return camera


def _camera_of(spec: StreamSpec, image: np.ndarray[Any, Any] | EncodedImage) -> CameraSpool:
    if isinstance(image, EncodedImage):
        return CameraSpool(image.format, image.width, image.height)
    height, width = image.shape[:2]
    if spec.is_depth:
        return CameraSpool("depth16" if image.dtype == np.uint16 else "depth32", width, height)
    return CameraSpool(spec.image_format, width, height)


def check_specs(specs: Sequence[StreamSpec]) -> None:
    """Check that a dataset can have these streams.

    Raises:
        ConfigError: there is no stream, or two streams fill the same camera or text, or the same value.
    """
    if not specs:
        raise ConfigError("streams: expected at least one, found none")
    kinds = {"camera": [spec.feature for spec in specs if spec.is_image]}
    kinds["text"] = [spec.feature for spec in specs if spec.is_text]
    features = [spec.feature for spec in specs]
    for kind, keys in kinds.items():
        for key in keys:
            if features.count(key) > 1:
                raise ConfigError(f"feature {key}: only one stream can fill a {kind} feature")
    for key, sources in vector_sources(specs).items():
        names = [name for spec in specs if spec.name in sources for name in spec.names]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"feature {key}: {', '.join(twice)} is in it twice; "
                f"give the streams {', '.join(sources)} aliases"
            )
