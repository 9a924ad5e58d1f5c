from __future__ import annotations

import math

import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import Parameter


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("low", [None, 0])
def test_a_number_must_be_finite(low, value):
    with pytest.raises(ConfigError, match=f"length_s: expected a finite number, found {value}"):
        Parameter("length_s", 1.0, "How long", "s", low).check(value)
