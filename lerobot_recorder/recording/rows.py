"""Which samples make a row of the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lerobot_recorder.dataset import AGE_SUFFIX, AGES_FEATURE, SUCCESS_FEATURE
from lerobot_recorder.errors import ConfigError, StreamError
from lerobot_recorder.recording.streams import Sample, Stream, StreamSpec
from lerobot_recorder.spool import CameraSpool, EncodedImage

Feature = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """What was seen at one tick.

    Attributes:
        vectors: values of the vector features, float32.
        images: the sample of each camera feature, not decoded yet.
        samples: the sample of each stream, by name.
        ages_s: their ages, by name.
    """

    vectors: dict[str, np.ndarray[Any, np.dtype[np.float32]]]
    images: dict[str, Sample]
    samples: dict[str, Sample]
    ages_s: dict[str, float]


def row_at(streams: Sequence[Stream], time_ns: int, ages: Sequence[str] = ()) -> Row:
    """Take from each stream the newest sample that is not later than a time.

    Args:
        streams: what is recorded.
        time_ns: the row's time.
        ages: the streams whose ages make the feature `stream_ages`, in its order; none: no such feature.

    Raises:
        StreamError: a stream has none.
    """
    samples = {stream.spec.name: _sample_at(stream, time_ns) for stream in streams}
    ages_s = {name: (time_ns - sample.stamp_ns) / 1e9 for name, sample in samples.items()}
    images = {stream.spec.feature: samples[stream.spec.name] for stream in streams if stream.spec.is_image}
    vectors = {
        key: np.concatenate([samples[name].value for name in names]).astype(np.float32)
        for key, names in vector_sources([stream.spec for stream in streams]).items()
    }
    if ages:
        vectors[AGES_FEATURE] = np.array([ages_s[name] for name in ages], np.float32)
    return Row(vectors, images, samples, ages_s)


def _sample_at(stream: Stream, time_ns: int) -> Sample:
    if (sample := stream.at(time_ns)) is None:
        raise StreamError(f"{stream.spec.name}: there is no sample from before the tick")
    return sample


def vector_sources(specs: Sequence[StreamSpec]) -> dict[str, list[str]]:
    """Name for each vector feature the streams that it is made of, in order."""
    sources: dict[str, list[str]] = {}
    for spec in specs:
        if not spec.is_image:
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
        specs: the streams.
        cameras: per camera feature its format and size.
        age_names: names of the values of `stream_ages`; none: no such feature.
        with_success: add `next.success`.
    """
    by_name = {spec.name: spec for spec in specs}
    features: dict[str, Feature] = {}
    for key, sources in vector_sources(specs).items():
        features[key] = _vector([name for source in sources for name in by_name[source].names])
    for key, camera in cameras.items():
        features[key] = _video(camera)
    if age_names:
        features[AGES_FEATURE] = _vector(age_names)
    if with_success:
        features[SUCCESS_FEATURE] = {"dtype": "bool", "shape": [1], "names": None}
    return features


def age_names(specs: Sequence[StreamSpec], existing: Feature | None = None) -> list[str]:
    """Name the values of `stream_ages`: as a dataset has them if it has these streams, else with a suffix.

    Earlier versions named them like the streams themselves.
    """
    known = {name for spec in specs for name in (spec.name, f"{spec.name}{AGE_SUFFIX}")}
    names = (existing or {}).get("names")
    if isinstance(names, list) and len(names) == len(specs) and known.issuperset(names):
        return names
    return [f"{spec.name}{AGE_SUFFIX}" for spec in specs]


def aged_streams(feature: Feature | None) -> tuple[str, ...]:
    """Return the streams whose ages make a feature `stream_ages`, in its order; none where there is none."""
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
    """Tell from a first image how a camera's images are to be spooled.

    Raises:
        StreamError: it is not of the declared size.
        SpoolError: images of this kind or size cannot be spooled.
    """
    camera = _camera_of(spec, image)
    if spec.size not in (None, (camera.width, camera.height)):
        raise StreamError(
            f"{spec.name}: images of {spec.size[0]}x{spec.size[1]} are declared, "
            f"those on {spec.source} are {camera.width}x{camera.height}"
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
    """Check that the streams make a dataset.

    Raises:
        ConfigError: there are none, or two of them fill the same camera feature or the same value.
    """
    if not specs:
        raise ConfigError("streams: none are configured, so there is nothing to record")
    cameras = [spec.feature for spec in specs if spec.is_image]
    vectors = {spec.feature for spec in specs if not spec.is_image}
    for key in cameras:
        if cameras.count(key) > 1 or key in vectors:
            raise ConfigError(f"feature {key}: only one stream can fill a camera feature")
    for key, sources in vector_sources(specs).items():
        names = [name for spec in specs if spec.name in sources for name in spec.names]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"feature {key}: {', '.join(twice)} is in it twice; "
                f"give the streams {', '.join(sources)} aliases"
            )
