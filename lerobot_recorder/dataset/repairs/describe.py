"""Finds the features and the rate of a dataset whose ``info.json`` may be missing or wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import tables
from lerobot_recorder.dataset.features import (
    DEFAULT_FEATURES,
    MAX_DIMENSIONS,
    VECTOR_DTYPES,
    FeatureDict,
    Features,
    is_depth,
)
from lerobot_recorder.dataset.loading import DTYPES, column_faults, is_list

_HIGHEST_RATE = 10_000


class Seen(Protocol):
    """What a video file holds, which may be damaged."""

    @property
    def frames(self) -> int:
        """Number of complete frames."""

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""

    @property
    def fps(self) -> float:
        """Nominal frames per second."""

    @property
    def is_whole(self) -> bool:
        """Whether no byte of a frame is missing."""

    @property
    def info(self) -> dict[str, Any]:
        """The entries of a feature's ``info`` that describe the stream."""

    def is_on_grid(self, fps: float) -> bool:
        """Return whether frame k is at ``k / fps``."""


@dataclass
class Column:
    """What the data files have in a column.

    Attributes:
        kinds: number of rows with each dtype and shape.
        samples: for each of these, the column of a file.
    """

    kinds: Counter[tuple[str, tuple[int, ...]]] = field(default_factory=Counter)
    samples: dict[tuple[str, tuple[int, ...]], pa.ChunkedArray] = field(default_factory=dict)

    def add(self, values: pa.ChunkedArray) -> None:
        """Add the column of a file."""
        kind = kind_of(values)
        self.kinds[kind] += len(values)
        self.samples.setdefault(kind, values)


def kind_of(column: pa.ChunkedArray) -> tuple[str, tuple[int, ...]]:
    """Return the dtype and the most frequent shape of the values of a column."""
    values, shape = column.drop_null(), []
    while is_list(values.type):
        lengths = Counter(pc.list_value_length(values).to_pylist())
        size = lengths.most_common(1)[0][0] if lengths else 0
        values = pc.list_flatten(values.filter(pc.equal(pc.list_value_length(values), size)))
        values = values.drop_null()
        shape.append(int(size))
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return "string", tuple(shape) or (1,)
    if pa.types.is_struct(values.type) or pa.types.is_binary(values.type):
        return "image", ()
    try:
        name = tables.numpy_dtype(values.type).name
    except NotImplementedError:
        name = str(values.type)
    return name, tuple(shape) or (1,)


def find_features(
    declared: Mapping[str, Any], columns: Mapping[str, Column], videos: Mapping[str, Sequence[Seen]]
) -> Features:
    """Return the features that the files have, as they are declared where that fits.

    Args:
        declared: the features in ``info.json``, not checked.
        columns: the columns of the data files.
        videos: the readable video files of each camera.
    """
    found: Features = {}
    for key in dict.fromkeys([*declared, *columns, *videos, *DEFAULT_FEATURES]):
        known = declared.get(key)
        if key in DEFAULT_FEATURES:
            found[key] = _default_feature(key, known)
        elif videos.get(key):
            found[key] = _video_feature(known, videos[key])
        elif key in columns and (feature := _column_feature(key, known, columns[key])):
            found[key] = feature
    return found


def _default_feature(key: str, known: Any) -> FeatureDict:
    if is_declared(known) and known["dtype"] in VECTOR_DTYPES and list(known["shape"]) == [1]:
        return cast("FeatureDict", known)
    feature = DEFAULT_FEATURES[key]
    return {**feature, "shape": list(feature["shape"])}


def is_declared(known: Any) -> bool:
    """Return whether a value from ``info.json`` declares a feature."""
    if not isinstance(known, Mapping) or not isinstance(known.get("dtype"), str):
        return False
    shape, info = known.get("shape"), known.get("info")
    if (
        known["dtype"] not in DTYPES
        or not isinstance(shape, list)
        or not isinstance(info, (dict, type(None)))
    ):
        return False
    return 0 < len(shape) <= MAX_DIMENSIONS and all(type(size) is int and size > 0 for size in shape)


def _video_feature(known: Any, videos: Sequence[Seen]) -> FeatureDict:
    sizes = Counter((each.height, each.width) for each in videos)
    height, width = sizes.most_common(1)[0][0]
    if is_declared(known) and known["dtype"] == "video" and len(known["shape"]) == 3:
        if (*known["shape"][:2],) in sizes:
            return cast("FeatureDict", known)
        info = {**(known.get("info") or {}), "video.height": height, "video.width": width}
        shape = [height, width, known["shape"][2]]
        return cast("FeatureDict", {**known, "shape": shape, "info": info})
    info = dict(videos[0].info)
    if is_declared(known):
        info = {**info, **(known.get("info") or {})}
    is_map = is_depth(cast("FeatureDict", {"info": info})) or "gray" in str(info.get("video.pix_fmt"))
    channels = 1 if is_map else 3
    return {
        "dtype": "video",
        "shape": [height, width, channels],
        "names": ["height", "width", "channels"],
        "info": {**info, "is_depth_map": is_map},
    }


def _column_feature(key: str, known: Any, column: Column) -> FeatureDict | None:
    if not column.kinds:
        return None
    (dtype, shape), _ = column.kinds.most_common(1)[0]
    sample = column.samples[dtype, shape]
    if is_declared(known) and known["dtype"] != "video":
        fitting = sample.filter(pa.array(good_rows(sample, known)))
        if len(fitting) * 2 > len(sample) and not list(column_faults(key, known, fitting)):
            return cast("FeatureDict", known)
    if dtype not in VECTOR_DTYPES | {"string"} or not math.prod(shape):
        return None
    names = known.get("names") if isinstance(known, Mapping) else None
    kept = names if isinstance(names, list) and len(shape) == 1 and len(names) == shape[0] else None
    return {"dtype": dtype, "shape": list(shape), "names": kept}


def good_rows(column: pa.ChunkedArray, feature: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Find the rows that have a value of a feature's dtype and shape, (n,)."""
    if not list(column_faults("", feature, column)):
        return np.ones(len(column), bool)
    if feature["dtype"] in ("image", "language"):
        return np.array(pc.is_valid(column).to_numpy())
    shape = [] if list(feature["shape"]) == [1] else list(feature["shape"])
    is_text = feature["dtype"] == "string"
    return np.array([_is_value(value, shape, is_text) for value in column.to_pylist()], bool)


def _is_value(value: Any, shape: Sequence[int], is_text: bool) -> bool:
    if not shape:
        return value is not None and not isinstance(value, list) and isinstance(value, str) == is_text
    is_right = isinstance(value, list) and len(value) == shape[0]
    return is_right and all(_is_value(each, shape[1:], is_text) for each in value)


def rate_of_rows(timestamps: Iterable[npt.NDArray[np.float64]]) -> int | None:
    """Return the frames per second of rows; None if their times are not regular.

    Args:
        timestamps: of each episode.
    """
    steps = np.concatenate([np.empty(0), *(np.diff(each) for each in timestamps)])
    steps = steps[np.isfinite(steps)]
    if not len(steps) or (middle := float(np.median(steps))) <= 0 or not 1 / middle < _HIGHEST_RATE:
        return None
    rate = round(1 / middle)
    is_regular = np.mean(np.abs(steps - 1 / max(rate, 1)) < 1e-3) > 0.9
    return rate if rate and is_regular else None


def find_rate(declared: Any, rows: int | None, videos: Sequence[float]) -> int | None:
    """Return the frames per second: the declared ones, unless rows and videos agree on others."""
    filmed = round(Counter(videos).most_common(1)[0][0]) if videos else None
    is_number = isinstance(declared, (int, float)) and not isinstance(declared, bool)
    if is_number and 0 < declared < _HIGHEST_RATE and float(declared).is_integer():
        is_contradicted = rows is not None and rows != declared and filmed in (rows, None)
        return rows if is_contradicted else int(declared)
    return rows or filmed
