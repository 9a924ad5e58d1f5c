"""Statistics of features, equal to those that LeRobot 0.6.1 computes.

They follow the same steps in the same precision as LeRobot's ``compute_stats``, including rounding, so a
dataset is the same whichever program recorded it. Bytes and 16-bit integers are counted first: the histogram
is the same and takes a hundredth of the time.

Unlike LeRobot's, they describe only the finite values: a single NaN or infinity (which mean "no measurement"
and "too far" in depth images, REP 118) would make all statistics of the dataset NaN for good. If an episode
has no finite value, its statistics are NaN here; the dataset gets those of the episodes before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Literal

import numpy as np

Stats = dict[str, np.ndarray]
"""``min, max, mean, std, count, q01, q10, q50, q90, q99`` of a feature; ``count`` is int64, shape (1,)."""

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
QUANTILES_OVER_EPISODES: Literal["mean", "extremes"] = "mean"
"""How the quantiles of episodes are combined: their mean weighted by count, as in LeRobot 0.6.1, or the
lowest q01, q10, q50 and the highest q90, q99, as in later versions (LeRobot's #3804)."""

_MOMENTS = frozenset(("min", "max", "mean", "std", "count"))
_NAMES = _MOMENTS | QUANTILES.keys()

BINS = 5000
"""Bins of the histogram from which quantiles are computed, over the range of the values."""

EDGE_MARGIN = 1e-10
"""Margin of the histogram beyond the values, on both sides."""

MIN_SAMPLES, MAX_SAMPLES, SAMPLE_POWER = 100, 10_000, 0.75
"""Image statistics use n**0.75 of n frames, within these limits."""

LARGEST_SINGLE, LARGEST = 1e15, 1e150
"""The sums of squares of larger values can overflow in single and in double precision, respectively."""

LARGEST_COUNT = 2**53
"""From here on, double precision cannot represent every count."""

BLOCK = 2**18
"""Values that are counted at once."""

THINNED_SIZE, THINNING_THRESHOLD = 150, 300
"""Images whose longer side reaches the threshold are thinned to about this size."""


def sample_indices(n: int) -> list[int]:
    """Choose the frames that image statistics are computed from.

    Args:
        n: number of frames in the episode.

    Returns:
        Evenly spaced frame indices in rising order, including the first and the last frame.
    """
    samples = max(min(n, MIN_SAMPLES), min(int(n**SAMPLE_POWER), MAX_SAMPLES))
    return [int(index) for index in np.round(np.linspace(0, n - 1, samples)).astype(int)]


def thinning(height: int, width: int) -> int:
    """Return k: image statistics use every k-th pixel in both directions."""
    longer = max(height, width)
    return 1 if longer < THINNING_THRESHOLD else longer // THINNED_SIZE


def vector_stats(values: np.ndarray) -> Stats:
    """Compute the statistics of one episode's values of a feature.

    Args:
        values: one value per frame, of shape (n,) or ``(n, *shape)``, numbers or booleans.

    Returns:
        Statistics of shape (1,) for values of shape (n,), else one per element of the last dimension.
    """
    rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(-1, 1)
    return {**_finite_stats(rows), "count": np.array([len(values)])}


def image_stats(frames: Iterable[np.ndarray]) -> Stats:
    """Compute the statistics of one episode's images, which are needed one after the other only.

    Args:
        frames: the sampled frames (see `sample_indices`), thinned (see `thinning`): RGB, uint8,
            (height, width, 3) each.

    Returns:
        Statistics per channel, in [0, 1], of shape (3, 1, 1).
    """
    pixels, count = _Counted(), 0
    for frame in frames:
        pixels.add(frame.reshape(-1, frame.shape[-1]))
        count += 1
    return _per_channel(pixels.stats(), count, scale=255.0)


def depth_stats(frames: np.ndarray) -> Stats:
    """Compute the statistics of one episode's depth maps, in the unit that they are recorded in.

    Args:
        frames: the sampled frames, thinned: uint16 (mm) or float32 (m), (n, height, width) or
            (n, height, width, 1).

    Returns:
        Statistics of shape (1, 1, 1).
    """
    values = frames.reshape(-1, 1)
    if values.dtype != np.uint16:
        return _per_channel(_finite_stats(values), len(frames), scale=1.0)
    counted = _Counted()
    counted.add(values)  # at once: NumPy adds a single column pairwise
    return _per_channel(counted.stats(), len(frames), scale=1.0)


def _finite_stats(rows: np.ndarray) -> Stats:
    """Describe the finite values of rows, (n, d); NaN for a column that has none."""
    if rows.dtype.kind != "f" or (finite := np.isfinite(rows)).all():
        return _stats(rows)
    columns = [
        _stats(values[is_finite].reshape(-1, 1)) if is_finite.any() else _unknown()
        for values, is_finite in zip(rows.T, finite.T, strict=True)
    ]
    return {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}


def _unknown() -> Stats:
    return {name: np.array([np.nan]) for name in ("min", "max", "mean", "std", "count", *QUANTILES)}


def _stats(rows: np.ndarray) -> Stats:
    """Describe finite rows, in double precision if their squares need it."""
    if rows.dtype.kind == "f" and float(np.abs(rows).max()) > LARGEST_SINGLE:
        rows = np.clip(rows.astype(np.float64), -LARGEST, LARGEST)
    return _single(rows) if len(rows) < 2 else _many(_promoted(rows))


def _per_channel(stats: Stats, count: int, scale: float) -> Stats:
    shaped = {name: (value / scale).reshape(-1, 1, 1) for name, value in stats.items()}
    return {**shaped, "count": np.array([count])}


def _promoted(rows: np.ndarray) -> np.ndarray:
    return rows.astype(np.result_type(rows.dtype, np.float32), copy=False)


def _single(rows: np.ndarray) -> Stats:
    """Describe a single row: every quantile is its value."""
    mean = np.mean(rows, axis=0)
    moments = {
        "min": np.min(rows, axis=0),
        "max": np.max(rows, axis=0),
        "mean": mean,
        "std": np.std(rows, axis=0),
    }
    return {**moments, "count": np.array([1]), **{name: mean.copy() for name in QUANTILES}}


def _many(rows: np.ndarray) -> Stats:
    """Describe two rows or more, (n, d) of float."""
    moments = np.mean(rows, axis=0), np.mean(rows**2, axis=0)
    low, high = np.min(rows, axis=0), np.max(rows, axis=0)
    columns = []
    for values, least, most in zip(rows.T, low, high, strict=True):
        upto = np.arange(1, len(values) + 1, dtype=np.float64)
        columns.append(_quantiles(np.sort(values), upto, _edges(least, most)))
    return _described(len(rows), (low, high), moments, columns)


class _Counted:
    """Describes integers of 8 or 16 bits by how often each occurs, so they need not be kept.

    The sums are added up in the precision of `_promoted`. NumPy adds rows of several columns one after the
    other, so adding them part by part gives the same bits.
    """

    def __init__(self) -> None:
        self._first = np.zeros((0, 0))
        self._number = 0
        self._counts: list[np.ndarray] = []
        self._sums: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, pixels: np.ndarray) -> None:
        """Add pixels, (n, channels)."""
        if self._sums is None:
            self._first = pixels[:1].copy()
            self._counts = [np.zeros(np.iinfo(pixels.dtype).max + 1, np.int64)] * pixels.shape[1]
            self._sums = (np.zeros((0, pixels.shape[1]), np.float32),) * 2
        self._number += len(pixels)
        self._counts = [
            before + _levels(column, len(before))
            for before, column in zip(self._counts, pixels.T, strict=True)
        ]
        rows = _promoted(pixels)
        total, square = self._sums
        self._sums = _added(total, rows), _added(square, rows**2)

    def stats(self) -> Stats:
        """Describe all pixels that were added."""
        if self._sums is None or self._number < 2:
            return _finite_stats(self._first)
        n = np.float32(self._number)
        moments = self._sums[0][0] / n, self._sums[1][0] / n
        ranges, columns = [], []
        for counts in self._counts:
            levels = np.flatnonzero(counts).astype(moments[0].dtype)
            ranges.append(levels[[0, -1]])
            upto = np.cumsum(counts[counts > 0]).astype(np.float64)
            columns.append(_quantiles(levels, upto, _edges(*ranges[-1])))
        low, high = np.array(ranges).T
        return _described(self._number, (low, high), moments, columns)


def _levels(values: np.ndarray, levels: int) -> np.ndarray:
    """Count how often each level occurs, in blocks, because NumPy converts them to 64 bits first."""
    blocks = (values[start : start + BLOCK] for start in range(0, len(values), BLOCK))
    return np.sum([np.bincount(block, minlength=levels) for block in blocks], axis=0)


def _added(total: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Add rows to a sum, which has none yet or one row."""
    return np.asarray(np.add.reduce(np.concatenate([total, rows]), axis=0, keepdims=True))


def _described(
    n: int,
    extremes: tuple[np.ndarray, np.ndarray],
    moments: tuple[np.ndarray, np.ndarray],
    quantiles: Sequence[np.ndarray],
) -> Stats:
    """Assemble statistics; ``moments``: mean and mean square; ``quantiles``: those of each column."""
    (low, high), (mean, mean_square) = extremes, moments
    std = np.sqrt(np.maximum(0, mean_square - mean**2))
    named = dict(zip(QUANTILES, np.array(quantiles).T, strict=True))
    return {"min": low, "max": high, "mean": mean, "std": std, "count": np.array([n]), **named}


def _edges(low: np.floating[Any], high: np.floating[Any]) -> np.ndarray:
    """Return the edges of the histogram for values from low to high."""
    margin = low.dtype.type(EDGE_MARGIN)
    return np.linspace(low - margin, high + margin, BINS + 1, dtype=low.dtype)


def _quantiles(values: np.ndarray, upto: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Interpolate in the bins of a histogram that the quantiles are in; only those are counted.

    Args:
        values: the values, rising.
        upto: how many there are up to and including each, float64.
        edges: the edges of the bins; each bin is without its upper edge, except for the last one.
    """
    targets = np.array(list(QUANTILES.values())) * upto[-1]
    reached = values[np.searchsorted(upto, targets)]
    bins = np.minimum(np.searchsorted(edges, reached, side="right"), len(edges) - 1) - 1
    below = np.concatenate([[0.0], upto])
    before = below[np.searchsorted(values, edges[bins])]
    after = below[np.searchsorted(values, edges[bins + 1])]
    inside = np.where(bins == len(edges) - 2, upto[-1], after) - before
    interpolated = edges[bins] + (targets - before) / inside * (edges[bins + 1] - edges[bins])
    found: np.ndarray = np.where(bins == 0, edges[0], interpolated)
    return found


def aggregate(parts: Sequence[Stats]) -> Stats:
    """Combine the statistics of several episodes of one feature.

    Means and variances are weighted by count; for quantiles see `QUANTILES_OVER_EPISODES`. A quantile that
    one part lacks is left out.
    """
    counts = np.stack([part["count"] for part in parts])
    total = counts.sum(axis=0)
    means = np.stack([part["mean"] for part in parts])
    weights = counts.reshape(len(parts), -1, *[1] * (means.ndim - 2))
    mean = (means * weights).sum(axis=0) / total
    variances = np.stack([part["std"] ** 2 for part in parts]) + (means - mean) ** 2
    combined = {
        "min": np.min(np.stack([part["min"] for part in parts]), axis=0),
        "max": np.max(np.stack([part["max"] for part in parts]), axis=0),
        "mean": mean,
        "std": np.sqrt((variances * weights).sum(axis=0) / total),
        "count": total,
    }
    for name in (name for name in QUANTILES if all(name in part for part in parts)):
        values = np.stack([part[name] for part in parts])
        if QUANTILES_OVER_EPISODES == "mean":
            combined[name] = (values * weights).sum(axis=0) / total
        else:
            combined[name] = values.max(axis=0) if name in ("q90", "q99") else values.min(axis=0)
    return combined


def aggregate_features(parts: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Combine the statistics of several episodes, feature by feature."""
    keys = list(dict.fromkeys(key for part in parts for key in part))
    return {key: aggregate([part[key] for part in parts if key in part]) for key in keys}


def added(total: Mapping[str, Stats], part: Mapping[str, Stats]) -> dict[str, Stats]:
    """Add an episode to the statistics of the ones before.

    A feature that those have no statistics of gets none, as they would not describe all rows.
    """
    if not total:
        return dict(part)
    combined = aggregate_features([total, {key: part[key] for key in part if key in total}])
    return {key: as_written(stats) for key, stats in combined.items()}


def total_of(parts: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """Return what `added` gives when episodes are added one after the other, bit for bit.

    If all have statistics of the same kinds, those of all features are added at once, which is much faster.
    """
    if not parts or len({_layout(part) for part in parts}) > 1:
        return reduce(added, parts, {})
    return total_of_stacked(
        {
            key: {name: np.stack([part[key][name] for part in parts]) for name in stats}
            for key, stats in parts[0].items()
        }
    )


def total_of_stacked(stacked: Mapping[str, Stats]) -> dict[str, Stats]:
    """Return what `total_of` gives.

    Args:
        stacked: statistics of episodes by feature; the first axis of each array is the episodes.
    """
    total = _total_at_once(stacked) if _is_regular(stacked) else None
    if total is not None:
        return total
    count = max((len(values) for stats in stacked.values() for values in stats.values()), default=0)
    parts = (
        {key: {name: values[k] for name, values in stats.items()} for key, stats in stacked.items()}
        for k in range(count)
    )
    return reduce(added, parts, {})


def _layout(part: Mapping[str, Stats]) -> tuple[Any, ...]:
    """Return features, names and shapes of statistics, in order."""
    return tuple(
        (key, tuple((name, value.shape) for name, value in stats.items())) for key, stats in part.items()
    )


def _is_regular(stacked: Mapping[str, Stats]) -> bool:
    """Return whether all features have the same statistics, of one shape each, and a count."""
    names = {frozenset(stats) for stats in stacked.values()}
    shapes = [{value.shape for name, value in stats.items() if name != "count"} for stats in stacked.values()]
    return (
        len(names) == 1
        and names.pop() <= _NAMES
        and all(len(each) == 1 for each in shapes)
        and all(stats.keys() >= _MOMENTS and stats["count"].shape[1:] == (1,) for stats in stacked.values())
    )


def _total_at_once(stacked: Mapping[str, Stats]) -> dict[str, Stats] | None:
    """Add the episodes one after the other, all features at once; None if a value is not finite."""
    shapes = {key: stats["mean"].shape[1:] for key, stats in stacked.items()}
    widths = [math.prod(shape) for shape in shapes.values()]
    names = next(iter(stacked.values())).keys() - {"count"}
    columns = {
        name: np.concatenate([_flat(each[name]) for each in stacked.values()], axis=1) for name in names
    }
    repeated = zip(stacked.values(), widths, strict=True)
    counts = np.concatenate([np.repeat(each["count"], width, axis=1) for each, width in repeated], axis=1)
    if not all(np.isfinite(values).all() for values in columns.values()):
        return None
    flat = _combined(columns, counts)
    if not all(np.isfinite(values).all() for values in flat.values()):
        return None
    ends = np.cumsum(widths)[:-1]
    pieces = {name: np.split(values, ends) for name, values in flat.items()}
    return {
        key: {
            name: parts[place][:1] if name == "count" else parts[place].reshape(shape)
            for name, parts in pieces.items()
        }
        for place, (key, shape) in enumerate(shapes.items())
    }


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def _combined(columns: Mapping[str, np.ndarray], counts: np.ndarray) -> Stats:
    """Do what `aggregate` does, again and again: with the result so far and the next row."""
    weights, totals = counts.astype(np.float64), np.cumsum(counts, axis=0)
    means = _averages(columns["mean"], weights, totals)
    found = {
        "min": columns["min"].min(axis=0),
        "max": columns["max"].max(axis=0),
        "mean": means[-1],
        "std": _deviation(columns, means, weights, totals),
        "count": totals[-1],
    }
    for name in (name for name in QUANTILES if name in columns):
        if QUANTILES_OVER_EPISODES == "mean":
            found[name] = _averages(columns[name], weights, totals)[-1]
        else:
            found[name] = columns[name].max(axis=0) if name in ("q90", "q99") else columns[name].min(axis=0)
    return found


def _averages(values: np.ndarray, weights: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the first row, of the first two, and so on."""
    found = np.empty_like(values)
    found[0] = values[0]
    weighted = values * weights
    for k in range(1, len(values)):
        found[k] = (found[k - 1] * totals[k - 1] + weighted[k]) / totals[k]
    return found


def _deviation(
    columns: Mapping[str, np.ndarray], means: np.ndarray, weights: np.ndarray, totals: np.ndarray
) -> np.ndarray:
    """Return the standard deviation over all rows; ``means``: from `_averages`."""
    from_before = (means[:-1] - means[1:]) ** 2
    weighted = (columns["std"][1:] ** 2 + (columns["mean"][1:] - means[1:]) ** 2) * weights[1:]
    std = columns["std"][0]
    for k in range(len(weighted)):
        std = np.sqrt(((std**2 + from_before[k]) * totals[k] + weighted[k]) / totals[k + 1])
    return np.asarray(std)


def as_written(stats: Stats, before: Stats | None = None) -> Stats:
    """Return statistics as they are when read from a file, so that both give the same results.

    Args:
        stats: statistics of one or several episodes.
        before: statistics of the episodes before, which replace values that are not finite; without them,
            those become 0.
    """
    written = {}
    for name, value in stats.items():
        known = (before or {}).get(name)
        instead = known if known is not None and known.shape == value.shape else 0
        written[name] = np.where(np.isfinite(value), value, instead).astype(np.float64)
    return {**written, "count": written["count"].astype(np.int64)}


def is_usable(stats: Stats) -> bool:
    """Return whether statistics can be combined with others: they are complete, finite and of one shape."""
    needed = [stats.get(name) for name in ("min", "max", "mean", "std")]
    count = stats.get("count")
    if count is None or count.shape != (1,) or not 1 <= count[0] < LARGEST_COUNT:
        return False
    values = [*needed, *(stats[name] for name in QUANTILES if name in stats)]
    shapes = {value.shape for value in values if value is not None}
    return len(shapes) == 1 and all(value is not None and np.isfinite(value).all() for value in values)


def from_plain(values: Mapping[str, Any]) -> Stats:
    """Convert plain values to statistics; null becomes NaN, entries that are not numbers are dropped."""
    stats = {}
    for name, value in values.items():
        try:
            stats[name] = np.atleast_1d(np.array(value, dtype=np.float64))
        except (ValueError, TypeError):
            continue
    return stats


def to_json(stats: Mapping[str, Stats]) -> str:
    """Write the statistics of a dataset as LeRobot does."""
    lists = {key: {name: value.tolist() for name, value in part.items()} for key, part in stats.items()}
    return json.dumps(lists, indent=4, ensure_ascii=False)


def from_json(text: str) -> dict[str, Stats]:
    """Parse the statistics of a dataset; entries that are not objects are dropped.

    Raises:
        ValueError: the text is not a JSON object.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found {type(content).__name__}")
    return {key: from_plain(part) for key, part in content.items() if isinstance(part, dict)}
