"""Statistics, compared with values computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pytest

from lerobot_recorder.dataset import statistics
from lerobot_recorder.dataset.statistics import (
    Stats,
    added,
    aggregate,
    depth_stats,
    image_stats,
    sample_indices,
    thinning,
    total_of,
    vector_stats,
)

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


def test_vector_statistics_are_per_dimension() -> None:
    stats = vector_stats(np.array([[0, 10], [2, 10], [4, 40]], np.float32))
    np.testing.assert_array_equal(stats["min"], [0, 10])
    np.testing.assert_array_equal(stats["max"], [4, 40])
    np.testing.assert_allclose(stats["mean"], [2, 20])
    np.testing.assert_allclose(stats["std"], [np.sqrt(8 / 3), np.sqrt(200)], rtol=1e-6)
    assert stats["count"].tolist() == [3]
    assert all(value.shape == (2,) for name, value in stats.items() if name != "count")


def test_scalars_and_booleans_have_one_value() -> None:
    stats = vector_stats(np.array([True, False, False, False]))
    assert {name: value.shape for name, value in stats.items()} == dict.fromkeys(stats, (1,))
    assert (stats["min"][0], stats["max"][0], stats["mean"][0]) == (0, 1, 0.25)


def test_matrices_have_a_value_per_element_of_the_last_dimension() -> None:
    stats = vector_stats(np.arange(24.0).reshape(2, 4, 3))
    np.testing.assert_allclose(stats["mean"], [10.5, 11.5, 12.5])
    assert stats["count"].tolist() == [2]


def test_single_row_is_all_its_statistics() -> None:
    stats = vector_stats(np.array([[3.0, -1.0]], np.float32))
    for name in ("min", "max", "mean", *QUANTILES):
        np.testing.assert_array_equal(stats[name], [3, -1])
    np.testing.assert_array_equal(stats["std"], [0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("n", [2, 3, 100, 451])
@pytest.mark.parametrize("levels", [1, 2, 10**7])
def test_quantiles_are_those_of_the_whole_histogram(dtype: type, n: int, levels: int) -> None:
    values = (np.random.default_rng(n).integers(0, levels, n) / np.pi).astype(dtype)
    stats = vector_stats(values)
    precise = values.astype(np.result_type(values.dtype, np.float32))
    margin = precise.dtype.type(statistics.EDGE_MARGIN)
    low, high = precise.min() - margin, precise.max() + margin
    edges = np.linspace(low, high, statistics.BINS + 1, dtype=precise.dtype)
    upto = np.cumsum(np.histogram(precise, edges)[0].astype(np.float64))
    for name, share in QUANTILES.items():
        place = int(np.searchsorted(upto, share * n))
        expected = np.float64(edges[0])
        if place:
            part = (share * n - upto[place - 1]) / (upto[place] - upto[place - 1])
            expected = edges[place] + part * (edges[place + 1] - edges[place])
        assert stats[name][0] == expected


def test_quantiles_of_even_values_are_within_a_bin() -> None:
    values = np.linspace(0, 1, 100_001)
    stats = vector_stats(values)
    for name, share in QUANTILES.items():
        assert stats[name][0] == pytest.approx(share, abs=1 / statistics.BINS)


def test_quantiles_interpolate_inside_a_bin() -> None:
    """The median of 0, 1, 1, 1 is a third into the bin that ends at 1, as in LeRobot."""
    stats = vector_stats(np.array([0.0, 1.0, 1.0, 1.0]))
    width = (1 + 2 * statistics.EDGE_MARGIN) / statistics.BINS
    assert stats["q50"][0] == pytest.approx(1 + statistics.EDGE_MARGIN - width * 2 / 3, abs=1e-12)


def test_image_statistics_are_in_zero_to_one_per_channel() -> None:
    frames = np.zeros((4, 2, 2, 3), np.uint8)
    frames[..., 1] = 51
    frames[2:, ..., 2] = 255
    stats = image_stats(frames)
    np.testing.assert_allclose(stats["mean"], np.array([0, 0.2, 0.5]).reshape(3, 1, 1), atol=1e-7)
    np.testing.assert_allclose(stats["std"], np.array([0, 0, 0.5]).reshape(3, 1, 1), atol=1e-3)
    np.testing.assert_allclose(stats["max"], np.array([0, 0.2, 1]).reshape(3, 1, 1), atol=1e-7)
    assert stats["count"].tolist() == [4]


def test_image_statistics_by_counting_equal_those_of_values() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    found, values = image_stats(frames), vector_stats(frames.reshape(-1, 3).astype(np.float32))
    for name in ("min", "max", "mean", "std", *QUANTILES):
        np.testing.assert_allclose(found[name].ravel(), values[name] / 255, rtol=1e-6)


def test_statistics_are_those_of_all_pixels_at_once() -> None:
    frames = np.random.default_rng(3).integers(0, 256, (9, 37, 41, 3), dtype=np.uint8)
    values = frames.reshape(-1, 3).astype(np.float32)
    stats, mean = image_stats(iter(frames)), np.mean(values, axis=0)
    np.testing.assert_array_equal(stats["mean"].ravel(), mean / 255.0)
    spread = np.sqrt(np.mean(values**2, axis=0) - mean**2)
    np.testing.assert_array_equal(stats["std"].ravel(), spread / 255.0)


def test_depth_is_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = np.random.default_rng(3).integers(0, 5000, (5, 37, 41), dtype=np.uint16)
    whole = depth_stats(depth)
    monkeypatch.setattr(statistics, "BLOCK", 1000)
    for name, value in depth_stats(depth).items():
        np.testing.assert_array_equal(value, whole[name])
    mean = np.mean(depth.reshape(-1, 1).astype(np.float32), axis=0)
    np.testing.assert_array_equal(whole["mean"].ravel(), mean)


def test_depth_statistics_keep_their_unit() -> None:
    stats = depth_stats(np.array([[[500, 1500]], [[1000, 1000]]], np.uint16))
    assert stats["mean"].shape == (1, 1, 1)
    assert (stats["min"].item(), stats["mean"].item(), stats["max"].item()) == (500, 1000, 1500)


@pytest.mark.parametrize(
    ("frames", "samples"), [(1, 1), (99, 99), (100, 100), (450, 100), (1000, 177), (10**6, 10_000)]
)
def test_samples_are_evenly_spaced_with_both_ends(frames: int, samples: int) -> None:
    indices = sample_indices(frames)
    assert len(indices) == samples
    assert (indices[0], indices[-1]) == (0, frames - 1)
    steps = np.diff(indices)
    assert steps.size == 0 or steps.max() - steps.min() <= 1


@pytest.mark.parametrize(
    ("size", "step"), [((240, 299), 1), ((240, 300), 2), ((480, 640), 4), ((1080, 1920), 12)]
)
def test_large_images_are_thinned(size: tuple[int, int], step: int) -> None:
    assert thinning(*size) == step


def test_combined_moments_are_those_of_all_rows() -> None:
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=(n, 3)) for n in (5, 50, 500)]
    combined, whole = aggregate([vector_stats(part) for part in parts]), vector_stats(np.concatenate(parts))
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(combined[name], whole[name])


def test_combined_quantiles_are_weighted_by_count() -> None:
    low, high = vector_stats(np.array([1.0])), vector_stats(np.full(3, 5.0))
    assert aggregate([low, high])["q50"][0] == pytest.approx(4.0)


def test_quantiles_that_a_part_lacks_are_left_out() -> None:
    part = vector_stats(np.arange(4.0))
    old = {name: value for name, value in part.items() if name not in QUANTILES}
    assert not QUANTILES.keys() & aggregate([old, part]).keys()
    assert not QUANTILES.keys() & aggregate([part, old]).keys()


def test_statistics_survive_their_file() -> None:
    stats = {"image": image_stats(np.zeros((2, 2, 2, 3), np.uint8)), "state": vector_stats(np.arange(3.0))}
    found = statistics.from_json(statistics.to_json(stats))
    for key, part in stats.items():
        for name, value in part.items():
            np.testing.assert_array_equal(found[key][name], value)


# Values that are no numbers


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_statistics_are_those_of_the_finite_values(bad: float, dtype: type) -> None:
    values = np.array([[0, 10], [bad, 10], [4, 40], [2, 20]], dtype)
    stats = vector_stats(values)
    np.testing.assert_array_equal(stats["min"], [0, 10])
    np.testing.assert_array_equal(stats["max"], [4, 40])
    np.testing.assert_allclose(stats["mean"], [2, 20])
    np.testing.assert_allclose(stats["std"], [np.sqrt(8 / 3), np.sqrt(150)], rtol=1e-6)
    assert stats["count"].tolist() == [4]
    good = vector_stats(values[:, 1:])
    for name in QUANTILES:
        assert stats[name][1] == good[name][0]


def test_depth_without_a_measurement_is_ignored() -> None:
    frames = np.linspace(0.3, 3, 64, dtype=np.float32).reshape(2, 4, 8)
    holed = frames.copy()
    holed[:, 0, :4] = np.nan
    holed[:, 0, 4:] = np.inf
    stats, whole = depth_stats(holed), vector_stats(frames[:, 1:].reshape(-1, 1))
    for name in ("min", "max", "mean", "std", *QUANTILES):
        np.testing.assert_array_equal(stats[name].ravel(), whole[name])
    assert stats["count"].tolist() == [2]


def test_episode_without_a_finite_value_takes_the_statistics_before_it() -> None:
    before = vector_stats(np.array([[1.0, 5.0], [3.0, 7.0]]))
    part = statistics.as_written(vector_stats(np.array([[np.nan, 6.0]])), before)
    combined = aggregate([before, part])
    for name in ("min", "max", "mean", "std", *QUANTILES):
        assert combined[name][0] == pytest.approx(before[name][0])
    assert (combined["mean"][1], combined["count"].tolist()) == (6, [3])


@pytest.mark.parametrize("before", [None, vector_stats(np.arange(3.0))])
def test_nothing_but_numbers_is_written(before: statistics.Stats | None) -> None:
    written = statistics.as_written(vector_stats(np.full((3, 2), np.nan)), before)
    assert (written["mean"].tolist(), written["std"].tolist(), written["count"].tolist()) == (
        [0, 0],
        [0, 0],
        [3],
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_huge_values_have_finite_statistics(dtype: type, rows: int) -> None:
    huge = float(np.finfo(dtype).max)
    stats = vector_stats(np.array([huge, -huge, 0, 1, huge][:rows], dtype))
    assert all(np.isfinite(value).all() for value in stats.values())


# Quantiles over episodes


@pytest.mark.parametrize(("rule", "low", "high"), [("mean", 4.0, 4.0), ("extremes", 1.0, 5.0)])
def test_quantiles_of_a_dataset_follow_one_constant(
    rule: str, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "QUANTILES_OVER_EPISODES", rule)
    combined = aggregate([vector_stats(np.array([1.0])), vector_stats(np.full(3, 5.0))])
    for name in ("q01", "q10", "q50"):
        assert combined[name][0] == pytest.approx(low)
    for name in ("q90", "q99"):
        assert combined[name][0] == pytest.approx(high)


def random_stats(rng: np.random.Generator, shape: tuple[int, ...], names: Sequence[str]) -> Stats:
    values = {name: rng.normal(size=shape) for name in names}
    return {**values, "std": rng.random(shape), "count": rng.integers(1, 900, 1)}


@pytest.mark.parametrize("odd", ["nothing", "a feature", "a quantile", "infinity"])
def test_a_total_is_the_same_as_adding_episodes_one_after_the_other(odd):
    rng = np.random.default_rng(5)
    names = ("min", "max", "mean", *QUANTILES)
    shapes = {"action": (6,), "index": (1,), "camera": (3, 1, 1), "depth": (1, 1, 1)}
    parts = [{key: random_stats(rng, shape, names) for key, shape in shapes.items()} for _ in range(20)]
    if odd == "a feature":
        del parts[7]["index"]
    elif odd == "a quantile":
        del parts[7]["camera"]["q50"]
    elif odd == "infinity":
        parts[0]["action"]["max"][2] = np.inf
    one_by_one = reduce(added, parts, {})
    at_once = total_of(parts)
    assert at_once.keys() == one_by_one.keys()
    for key, stats in one_by_one.items():
        assert at_once[key].keys() == stats.keys()
        for name, value in stats.items():
            assert at_once[key][name].dtype == value.dtype
            assert np.array_equal(at_once[key][name], value)
            assert at_once[key][name].shape == value.shape
