"""Features as LeRobot declares them: checks and comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from lerobot_recorder.errors import ConfigError

MAX_DIMENSIONS = 5
"""LeRobot has column types for arrays of up to five dimensions."""


class _Declaration(TypedDict):
    dtype: str
    shape: Sequence[int]
    names: Any


class FeatureDict(_Declaration, total=False):
    """One feature: its ``dtype``, the ``shape`` of one frame's value, ``names``, and for videos ``info``."""

    info: dict[str, Any]


Features = dict[str, FeatureDict]

DEFAULT_FEATURES: Features = {
    "timestamp": {"dtype": "float32", "shape": (1,), "names": None},
    "frame_index": {"dtype": "int64", "shape": (1,), "names": None},
    "episode_index": {"dtype": "int64", "shape": (1,), "names": None},
    "index": {"dtype": "int64", "shape": (1,), "names": None},
    "task_index": {"dtype": "int64", "shape": (1,), "names": None},
}
"""The features that every dataset has; a commit computes their values."""

AGES_FEATURE = "stream_ages"
"""The feature with the age of each stream's sample at the tick, in seconds."""

AGE_SUFFIX = ".age_s"
"""Suffix of a stream's name in the names of its ages."""

SUCCESS_FEATURE = "next.success"
"""True on the last row of an episode that was marked as a success, as LeRobot's evaluation records it."""

RESERVED_NAMES = frozenset({"task", "tasks", "size", "language_persistent", "language_events"})
VECTOR_DTYPES = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def is_video(feature: FeatureDict) -> bool:
    """Return whether the feature is stored as video files."""
    return feature["dtype"] == "video"


def is_depth(feature: FeatureDict) -> bool:
    """Return whether the feature is a depth map, by either of the entries that LeRobot has used."""
    info = feature.get("info") or {}
    return bool(info.get("is_depth_map", info.get("video.is_depth_map", False)))


def video_keys(features: Mapping[str, FeatureDict]) -> list[str]:
    """List the features that are stored as video files."""
    return [key for key, feature in features.items() if is_video(feature)]


def vector_keys(features: Mapping[str, FeatureDict]) -> list[str]:
    """List the user's features that are columns of the data files."""
    return [key for key, ft in features.items() if not is_video(ft) and key not in DEFAULT_FEATURES]


def shape_of(feature: FeatureDict) -> tuple[int, ...]:
    """Return the shape of one frame's value as a tuple."""
    return tuple(int(size) for size in feature["shape"])


def value_names(feature: FeatureDict) -> tuple[str, ...]:
    """Return the names of a feature's values, none if it has none.

    Older datasets nest them one level deeper, as ``{"motors": [...]}``.
    """
    names = feature.get("names") or ()
    if isinstance(names, dict):
        names = next((value for value in names.values() if isinstance(value, Sequence)), ())
    return tuple(map(str, names))


def validate_features(features: Mapping[str, FeatureDict]) -> None:
    """Check that a dataset can have the user's features.

    Args:
        features: the user's features by name, without the default ones.

    Raises:
        ConfigError: a feature cannot be recorded; the message names it and what to change.
    """
    if not features:
        raise ConfigError("features: expected at least one feature, found none; declare what to record")
    for key, feature in features.items():
        _validate_name(key)
        _validate_declaration(key, feature)


def _validate_name(key: str) -> None:
    if not key or "/" in key:
        raise ConfigError(
            f"feature {key!r}: a name must not be empty or contain '/'; use dots, as in LeRobot"
        )
    if key in DEFAULT_FEATURES or key in RESERVED_NAMES:
        raise ConfigError(f"feature {key!r}: the format uses this name itself; choose another one")


def _validate_declaration(key: str, feature: FeatureDict) -> None:
    missing = [part for part in ("dtype", "shape") if part not in feature]
    if missing:
        raise ConfigError(f"feature {key!r}: no {' and no '.join(missing)} declared")
    dtype, shape = feature["dtype"], shape_of(feature)
    if not 1 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 1:
        raise ConfigError(
            f"feature {key!r}: expected a shape of 1 to {MAX_DIMENSIONS} sizes from 1 up, found {shape}"
        )
    if dtype == "video":
        _validate_video(key, feature)
    elif dtype == "image":
        raise ConfigError(
            f"feature {key!r}: images are stored as videos here: declare dtype 'video', with the same shape"
        )
    elif dtype == "string" and shape != (1,):
        raise ConfigError(f"feature {key!r}: expected shape (1,) for a string, found {shape}")
    elif dtype != "string" and dtype not in VECTOR_DTYPES:
        raise ConfigError(
            f"feature {key!r}: unknown dtype {dtype!r}, expected 'video', 'string' or one of "
            f"{', '.join(sorted(VECTOR_DTYPES))}"
        )
    names = feature.get("names")
    if isinstance(names, (list, tuple)) and len(shape) == 1 and len(names) != shape[0]:
        raise ConfigError(f"feature {key!r}: expected {shape[0]} names, found {len(names)}")


def _validate_video(key: str, feature: FeatureDict) -> None:
    channels = 1 if is_depth(feature) else 3
    shape = shape_of(feature)
    if len(shape) != 3 or shape[2] != channels:
        raise ConfigError(
            f"feature {key!r}: expected shape (height, width, {channels}) for a video, found {shape}"
            + ("; depth needs info {'is_depth_map': True}" if shape[-1] == 1 and channels == 3 else "")
        )


def with_defaults(features: Mapping[str, FeatureDict]) -> Features:
    """Return the features of a dataset: the user's, then the default ones."""
    return {**user_features(features), **{key: {**ft} for key, ft in DEFAULT_FEATURES.items()}}


def user_features(features: Mapping[str, FeatureDict]) -> Features:
    """Return the features without the default ones."""
    return {key: feature for key, feature in features.items() if key not in DEFAULT_FEATURES}


def differences(
    existing: Mapping[str, FeatureDict], wanted: Mapping[str, FeatureDict], *, place: str = "now"
) -> list[str]:
    """Describe how the wanted features differ from those of an existing dataset.

    The encoding of videos and the order of the features do not matter.

    Args:
        existing: features of the dataset.
        wanted: the features to compare.
        place: where those are, for the sentences.

    Returns:
        One sentence per difference; none if the wanted features fit.
    """
    old, new = user_features(existing), user_features(wanted)
    missing = [_missing(key) for key in old if key not in new]
    extra = [
        f"feature {key!r} is not in the dataset{_OPTIONAL.get(key, '')}" for key in new if key not in old
    ]
    changed = [line for key in old if key in new for line in _changes(key, old[key], new[key], place)]
    return missing + extra + changed


_OPTIONAL = {
    AGES_FEATURE: " (set record_ages: false; ages are kept beside the dataset in any case)",
    SUCCESS_FEATURE: " (set record_success: false)",
}
_ASKED_BY = {AGES_FEATURE: "record_ages", SUCCESS_FEATURE: "record_success"}


def _missing(key: str) -> str:
    hint = f" (set {_ASKED_BY[key]}: true)" if key in _ASKED_BY else ""
    return f"feature {key!r} of the dataset is not recorded{hint}"


def unsupported(features: Mapping[str, FeatureDict]) -> list[str]:
    """Describe the features of a dataset that cannot be recorded, and what to do.

    Returns:
        One sentence per feature.
    """
    return [
        f"feature {key!r} of the dataset {_UNSUPPORTED.get(feature['dtype'], 'cannot be recorded')}"
        for key, feature in user_features(features).items()
        if not is_video(feature) and feature["dtype"] not in VECTOR_DTYPES | {"string"}
    ]


_UNSUPPORTED = {
    "image": "is stored as images in the data files, but only videos can be recorded "
    "(`lerobot-edit-dataset --operation.type convert_image_to_video` makes a dataset with videos of it)",
}


def _changes(key: str, old: FeatureDict, new: FeatureDict, place: str) -> list[str]:
    pairs = [
        ("dtype", old["dtype"], new["dtype"]),
        ("shape", shape_of(old), shape_of(new)),
        ("names", *_names_that_differ(old, new)),
        ("is_depth_map", is_depth(old), is_depth(new)),
        ("depth_unit", _depth_unit(old, new), _depth_unit(new, old)),
    ]
    return [
        f"feature {key!r} has {part} {was} in the dataset, {now} {place}"
        for part, was, now in pairs
        if was != now
    ]


def _depth_unit(feature: FeatureDict, other: FeatureDict) -> str | None:
    """Return the unit of a depth feature's statistics; if it has none, that of the other feature."""
    noted = ((each.get("info") or {}).get("depth_unit") for each in (feature, other))
    return next((unit for unit in noted if unit), None)


def _names_that_differ(old: FeatureDict, new: FeatureDict) -> tuple[Any, Any]:
    """Return the names of both, equal if the new values can have the old names.

    A dataset without names takes values of the same shape. Early versions of LeRobot called the last
    dimension of a video ``channel``.
    """
    was, now = _plain(old.get("names")), _plain(new.get("names"))
    if was is None or (is_video(old) and was == ["height", "width", "channel"]):
        return now, now
    return was, now


def _plain(names: Any) -> Any:
    """Return names as JSON stores them, so that tuples and lists compare equal."""
    if isinstance(names, Mapping) and len(names) == 1:  # as LeRobot 0.1 had them: {"motors": [...]}
        return _plain(next(iter(names.values())))
    if isinstance(names, Mapping):
        return {str(key): _plain(value) for key, value in names.items()}
    if isinstance(names, (list, tuple)):
        return [_plain(value) for value in names]
    return names


def as_column(key: str, feature: FeatureDict, values: np.ndarray) -> np.ndarray:
    """Convert the values of one feature to the dtype and shape of its column.

    Args:
        key: the feature's name, for the message.
        feature: its declaration.
        values: one value per frame, of shape ``(n, *shape)``, or (n,) if shape is (1,).

    Returns:
        Values of the declared dtype; (n,) for shape (1,), else ``(n, *shape)``.

    Raises:
        ConfigError: the values have another shape, or converting them loses information.
    """
    values, shape = np.asarray(values), shape_of(feature)
    if values.ndim == 0 or (values.shape[1:] != shape and not (shape == (1,) and values.ndim == 1)):
        raise ConfigError(f"feature {key!r}: expected values of shape (n, {shape}), found {values.shape}")
    if feature["dtype"] == "string":
        return values.reshape(len(values))
    dtype = np.dtype(feature["dtype"])
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        raise ConfigError(f"feature {key!r}: expected {dtype} values, found {values.dtype}")
    values = values.astype(dtype, copy=False)
    return values.reshape(len(values)) if shape == (1,) else values
