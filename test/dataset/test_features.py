"""Declarations of features: checks, differences, conversion of values to columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lerobot_recorder.dataset.features import (
    as_column,
    differences,
    unsupported,
    validate_features,
    with_defaults,
)
from lerobot_recorder.errors import ConfigError

STATE: dict[str, Any] = {"dtype": "float32", "shape": (2,), "names": ["a", "b"]}
VIDEO: dict[str, Any] = {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "at least one feature"),
        ({"a/b": STATE}, "must not be empty or contain '/'"),
        ({"timestamp": STATE}, "the format uses this name itself"),
        ({"task": STATE}, "the format uses this name itself"),
        ({"a": {"names": None}}, "no dtype and no shape"),
        ({"a": {**STATE, "shape": ()}}, r"sizes from 1 up, found \(\)"),
        ({"a": {**STATE, "shape": (0,)}}, r"sizes from 1 up, found \(0,\)"),
        ({"a": {**STATE, "dtype": "complex64"}}, "unknown dtype 'complex64'"),
        ({"a": {**STATE, "names": ["a"]}}, "expected 2 names, found 1"),
        ({"a": {**VIDEO, "shape": (48, 64)}}, r"expected shape \(height, width, 3\) for a video"),
        ({"a": {**VIDEO, "shape": (48, 64, 1)}}, "depth needs info"),
    ],
)
def test_impossible_feature_is_named(features: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate_features(features)


def test_possible_features_pass() -> None:
    depth = {**VIDEO, "shape": (48, 64, 1), "info": {"is_depth_map": True}}
    text = {"dtype": "string", "shape": (1,), "names": None}
    validate_features({"state": STATE, "top": VIDEO, "depth": depth, "note": text})


def test_order_lists_and_encoding_are_no_difference() -> None:
    read_back = {"top": {**VIDEO, "shape": [48, 64, 3], "info": {"video.codec": "av1"}}, "state": STATE}
    assert differences(with_defaults(read_back), {"state": STATE, "top": VIDEO}) == []


def test_every_difference_is_named() -> None:
    old = with_defaults({"state": STATE, "gone": STATE, "top": VIDEO})
    new = {
        "state": {**STATE, "dtype": "float64", "names": ["a", "c"]},
        "top": {**VIDEO, "shape": (96, 64, 3)},
    }
    assert differences(old, {**new, "extra": STATE}) == [
        "feature 'gone' of the dataset is not recorded",
        "feature 'extra' is not in the dataset",
        "feature 'state' has dtype float32 in the dataset, float64 now",
        "feature 'state' has names ['a', 'b'] in the dataset, ['a', 'c'] now",
        "feature 'top' has shape (48, 64, 3) in the dataset, (96, 64, 3) now",
    ]


def test_depth_in_another_unit_is_a_difference() -> None:
    mm, m, unsaid = (
        {"depth": {**VIDEO, "info": {"is_depth_map": True, **unit}}}
        for unit in ({"depth_unit": "mm"}, {"depth_unit": "m"}, {})
    )
    assert differences(with_defaults(mm), m) == ["feature 'depth' has depth_unit mm in the dataset, m now"]
    assert differences(with_defaults(unsaid), m) == differences(with_defaults(m), unsaid) == []


def test_columns_have_the_declared_dtype_and_shape() -> None:
    column = as_column("state", STATE, np.zeros((5, 2)))
    assert (column.dtype, column.shape) == (np.float32, (5, 2))
    scalar: Any = {"dtype": "int64", "shape": (1,), "names": None}
    assert as_column("n", scalar, np.zeros((5, 1), np.int32)).shape == (5,)


@pytest.mark.parametrize("values", [np.zeros((5, 3)), np.zeros(5), np.zeros((5, 2), complex), np.float64(1)])
def test_values_that_do_not_fit_are_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match="feature 'state': expected"):
        as_column("state", STATE, values)


@pytest.mark.parametrize("unnamed", [None, {"motors": None}])
def test_a_dataset_without_names_takes_values_of_the_same_shape(unnamed: Any) -> None:
    old = with_defaults({"state": {**STATE, "names": unnamed}, "top": {**VIDEO, "names": None}})
    assert differences(old, {"state": STATE, "top": VIDEO}) == []
    longer: Any = {**STATE, "shape": (3,), "names": ["a", "b", "c"]}
    assert "shape" in differences(old, {"state": longer, "top": VIDEO})[0]
    named = with_defaults({"state": STATE})
    assert "names" in differences(named, {"state": {**STATE, "names": None}})[0]


def test_early_name_of_the_channels_is_no_difference() -> None:
    old = with_defaults({"top": {**VIDEO, "names": ["height", "width", "channel"]}})
    assert differences(old, {"top": VIDEO}) == []


def test_names_one_level_deeper_are_no_difference() -> None:
    """LeRobot before 0.2 kept names as {"motors": [...]}."""
    old = {"state": {**STATE, "names": {"motors": ["a", "b"]}}}
    assert differences(with_defaults(old), {"state": STATE}) == []
    assert differences(with_defaults(old), {"state": {**STATE, "names": ["b", "a"]}}) != []


def test_optional_features_name_the_parameter() -> None:
    ages: Any = {"dtype": "float32", "shape": (1,), "names": ["front.age_s"]}
    success: Any = {"dtype": "bool", "shape": (1,), "names": None}
    extra = {"state": STATE, "stream_ages": ages, "next.success": success}
    assert differences(with_defaults(extra), {"state": STATE}) == [
        "feature 'stream_ages' of the dataset is not recorded (set record_ages: true)",
        "feature 'next.success' of the dataset is not recorded (set record_success: true)",
    ]
    assert differences(with_defaults({"state": STATE}), extra) == [
        "feature 'stream_ages' is not in the dataset "
        "(set record_ages: false; ages are kept beside the dataset in any case)",
        "feature 'next.success' is not in the dataset (set record_success: false)",
    ]


def test_features_that_cannot_be_recorded_say_what_to_do() -> None:
    old = with_defaults(
        {"state": STATE, "top": {**VIDEO, "dtype": "image"}, "note": {**STATE, "dtype": "language"}}
    )
    image, text = unsupported(old)
    assert image.startswith("feature 'top' of the dataset is stored as images")
    assert "convert_image_to_video" in image
    assert text == "feature 'note' of the dataset cannot be recorded"
    note = {"dtype": "string", "shape": (1,), "names": None}
    assert unsupported(with_defaults({"state": STATE, "top": VIDEO, "note": note})) == []
