"""What can be wrong with statistics: they are missing, or do not describe the values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lerobot_recorder.dataset import statistics, tables
from lerobot_recorder.dataset.features import FeatureDict, shape_of, vector_keys
from lerobot_recorder.dataset.reader import CountedDataset
from lerobot_recorder.dataset.statistics import Stats

MOMENTS = ("min", "max", "mean", "std")
TOLERANCES = {"min": 1e-5, "max": 1e-5, "mean": 1e-3, "std": 2e-3}
"""Allowed differences between stored statistics and those of the values, as a share of the largest value.
LeRobot computes in single precision, so a joint that rests at 90 has a standard deviation of up to 0.05."""

PICTURE_MEAN_TOLERANCE = 0.03
PICTURE_STD_TOLERANCE = 0.05
"""Allowed differences between the statistics of decoded pictures and their originals, in [0, 1]. A codec
removes noise, so the standard deviation may be smaller."""

_NUMBERS = "fiub"
Array = npt.NDArray[np.float64]


def stats(dataset: CountedDataset) -> Iterator[str]:
    """Check that the statistics of the dataset and of each episode exist, are finite and agree."""
    path = dataset.layout.stats
    try:
        found = statistics.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        yield f"{path}: cannot be read: {error}."
        return
    for key, feature in dataset.info.features.items():
        if feature["dtype"] not in ("string", "language"):
            yield from (f"{path}: {fault}" for fault in _feature_stats(dataset, key, found.get(key, {})))
    for file in dataset.episode_rows:
        yield from _episode_stats(file)


def _feature_stats(dataset: CountedDataset, key: str, found: Stats) -> Iterator[str]:
    missing = [name for name in (*MOMENTS, "count") if name not in found]
    if missing:
        if found or key == "action" or key.startswith("observation."):  # LeRobot normalizes these in training
            yield f"no {', '.join(missing)} of {key}."
        return
    wrong = [
        *(f"{name} of {key} is not {what}." for name, what in _not_finite(found)),
        *_wrong_sizes(key, dataset.info.features[key], found),
    ]
    yield from wrong
    # The statistics of actions may be those of steps: LeRobot can recompute them so on request.
    if not wrong and key.split(".", maxsplit=1)[0] != "action":
        yield from _compared_with_rows(dataset, key, found)


def _compared_with_rows(dataset: CountedDataset, key: str, found: Stats) -> Iterator[str]:
    count, frames = int(found["count"].flat[0]), dataset.info.total_frames
    is_sampled = dataset.info.features[key]["dtype"] in ("video", "image")
    if not is_sampled and not dataset.is_enough(count, frames):
        yield f"{key} was counted {count} times, but there are {frames} rows."
    if key in vector_keys(dataset.info.features) and dataset.journal is None:
        episodes = episode_stats(dataset, key)
        if episodes is not None:
            yield from _differences(found, episodes.together(), f"of {key}", "its episodes have")


def _not_finite(found: Stats) -> Iterator[tuple[str, str]]:
    for name, values in found.items():
        if values.dtype.kind not in _NUMBERS or not values.size:
            yield name, "a number"
        elif not np.isfinite(values).all():
            yield name, f"finite: {values.tolist()}"


def _wrong_sizes(key: str, feature: FeatureDict, found: Stats) -> Iterator[str]:
    """Find statistics with another number of values than the feature: LeRobot cannot normalize with them."""
    shape = shape_of(feature)
    if feature["dtype"] in ("video", "image"):
        wanted = [shape[-1], shape[0]]  # the channels are first in datasets that were converted from v2
    else:
        wanted = [shape[-1], math.prod(shape)]
    for name, values in found.items():
        if name != "count" and values.size not in wanted:
            yield f"{name} of {key} has {values.size} values, expected {wanted[0]}."


def _differences(
    found: Mapping[str, np.ndarray], wanted: Mapping[str, Array], what: str, who: str
) -> Iterator[str]:
    scale = max(1e-6, *(float(np.abs(wanted[name]).max()) for name in ("min", "max")))
    for name in MOMENTS:
        values, expected = np.asarray(found[name], np.float64).reshape(-1), wanted[name].reshape(-1)
        if values.shape != expected.shape:
            yield f"{name} {what} has {len(values)} values, expected {len(expected)}."
        elif not np.allclose(values, expected, rtol=0, atol=TOLERANCES[name] * scale):
            at = int(np.abs(values - expected).argmax())
            yield f"{name} {what} is {values[at]:.6g}, but {who} {expected[at]:.6g}."


def _episode_stats(path: Path) -> Iterator[str]:
    table = tables.read_table(path)
    for name in table.column_names:
        if name.startswith(tables.STATS_PREFIX):
            values = table[name]
            while pa.types.is_list(values.type):
                values = pc.list_flatten(values)
            if pa.types.is_null(values.type) or not pa.types.is_primitive(values.type):
                yield f"{path}: {name} is {table[name].type}, expected numbers."
            elif values.null_count or not pc.all(pc.is_finite(values), min_count=0).as_py():
                yield f"{path}: {name} is missing or not finite in some episode."


# Of each episode


@dataclass(frozen=True)
class EpisodeStats:
    """The stored statistics of one feature.

    Attributes:
        count: number of values, (episodes,).
        moments: ``min``, ``max``, ``mean`` and ``std``, each (episodes, values).
    """

    count: Array
    moments: Mapping[str, Array]

    def together(self) -> dict[str, Array]:
        """Return the statistics over all episodes."""
        parts = [
            {"count": self.count[i : i + 1], **{name: self.moments[name][i] for name in MOMENTS}}
            for i in range(len(self.count))
        ]
        return statistics.aggregate(parts)


def episode_stats(dataset: CountedDataset, key: str) -> EpisodeStats | None:
    """Read the statistics that are stored for each episode; None if some are missing or not numbers."""
    names = [f"{tables.STATS_PREFIX}{key}/{name}" for name in (*MOMENTS, "count")]
    columns: list[list[object]] = [[] for _ in names]
    for path in dataset.episode_rows:
        table = tables.read_table(path, names)
        if any(name not in table.column_names for name in names):
            return None
        for values, name in zip(columns, names, strict=True):
            values.extend(table[name].to_pylist())
    try:
        arrays = [np.array(column[: len(dataset.lengths)], np.float64) for column in columns]
        flat = [array.reshape(len(dataset.lengths), -1) for array in arrays]
    except (ValueError, TypeError):
        return None
    if not all(np.isfinite(array).all() for array in flat):
        return None
    return EpisodeStats(flat[-1][:, 0], dict(zip(MOMENTS, flat[:-1], strict=True)))


def all_episode_stats(dataset: CountedDataset) -> dict[str, EpisodeStats]:
    """Read the statistics of all numeric features in the rows; features without them are left out."""
    features = dataset.info.features
    keys = [k for k in vector_keys(features) if features[k]["dtype"] not in ("string", "language", "image")]
    found = {key: episode_stats(dataset, key) for key in keys}
    return {key: each for key, each in found.items() if each is not None}


def rows(
    dataset: CountedDataset,
    path: Path,
    table: pa.Table,
    episodes: Sequence[int],
    stored: Mapping[str, EpisodeStats],
) -> Iterator[str]:
    """Compare the rows of a data file with the statistics that are stored for its episodes.

    Args:
        dataset: the dataset.
        path: the data file.
        table: exactly the rows of the episodes.
        episodes: numbers of the episodes in it.
        stored: the result of `all_episode_stats`.
    """
    for key, each in stored.items():
        values = (
            _values(table[key], shape_of(dataset.info.features[key])) if key in table.column_names else None
        )
        if values is None or len(values) != table.num_rows:
            continue
        wrong = list(_wrong_episodes(dataset, each, values, episodes))
        if wrong:
            more = f", and {len(wrong) - 1} more episodes differ" if len(wrong) > 1 else ""
            yield f"{path}: the rows of {key} differ from the statistics in meta/episodes: {wrong[0]}{more}."


def _values(column: pa.ChunkedArray, shape: Sequence[int]) -> Array | None:
    """Return the rows as (n, inner values, values of the last dimension); None if they have another shape."""
    values = column
    while not pa.types.is_primitive(values.type):
        if not hasattr(values.type, "value_type"):
            return None
        values = pc.list_flatten(values)
    if values.null_count:
        return None
    numbers = values.cast(pa.float64()) if not pa.types.is_boolean(values.type) else values.cast(pa.int8())
    size = int(np.prod(shape))
    if len(numbers) != len(column) * size:
        return None
    return np.asarray(numbers.to_numpy(), np.float64).reshape(len(column), -1, shape[-1])


def _wrong_episodes(
    dataset: CountedDataset, stored: EpisodeStats, values: Array, episodes: Sequence[int]
) -> Iterator[str]:
    start = 0
    for episode in episodes:
        length = int(dataset.lengths[episode])
        part = values[start : start + length].reshape(-1, values.shape[-1])
        start += length
        if not np.isfinite(part).all():
            continue
        found = {"min": part.min(0), "max": part.max(0), "mean": part.mean(0), "std": part.std(0)}
        differing = _differences(
            {name: stored.moments[name][episode] for name in MOMENTS},
            found,
            f"of episode {episode}",
            "the rows have",
        )
        first = next(differing, None)
        if first is None and stored.count[episode] != length:
            first = f"count of episode {episode} is {int(stored.count[episode])}, but it has {length} rows."
        if first is not None:
            yield first.removesuffix(".")


# Pictures


class PictureSums:
    """Sums the pixels of those pictures of an episode that LeRobot computes statistics from."""

    def __init__(self, length: int, height: int, width: int) -> None:
        self.wanted = frozenset(statistics.sample_indices(length))
        self._step = statistics.thinning(height, width)
        self._count = 0
        self._sums = np.zeros((2, 3))

    def add(self, picture: npt.NDArray[np.uint8]) -> None:
        """Add a picture, (height, width, 3)."""
        pixels = picture[:: self._step, :: self._step].reshape(-1, 3) / 255.0
        self._sums += [pixels.sum(0), (pixels**2).sum(0)]
        self._count += len(pixels)

    def moments(self) -> dict[str, Array]:
        """Return mean and std per channel."""
        mean, square = self._sums / max(self._count, 1)
        return {"mean": mean, "std": np.sqrt(np.maximum(0, square - mean**2))}


def picture_differences(stored: EpisodeStats, episode: int, found: Mapping[str, Array]) -> str | None:
    """Describe how decoded pictures differ from the stored statistics; None if they do not."""
    expected = {name: stored.moments[name][episode] for name in ("mean", "std")}
    if any(expected[name].shape != found[name].shape for name in expected):
        return None
    excess = {
        "mean": np.abs(found["mean"] - expected["mean"]) - PICTURE_MEAN_TOLERANCE,
        "std": found["std"] - expected["std"] - PICTURE_STD_TOLERANCE,
    }
    for name, beyond in excess.items():
        if beyond.max() > 0:
            at = int(beyond.argmax())
            return (
                f"the {name} of channel {at} in episode {episode} is {found[name][at]:.3f}, "
                f"but {expected[name][at]:.3f} in meta/episodes"
            )
    return None
