from __future__ import annotations

import array
from dataclasses import dataclass, field

import pytest

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.settings import (
    Parameter,
    check_settings,
    parameters_of,
    setting,
    setting_of,
    settings_from,
)


@dataclass(frozen=True)
class Rules:
    limit_s: float = setting(1.0, "Longest time", unit="s", low=0.5, high=2, effect="at once")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Settings:
    threads: int | None = setting(None, "Threads", name="encoder_threads", low=1, as_parameter=2)
    mode: str = setting("slow", "Mode", choices=("slow", "fast"))
    names: tuple[str, ...] = setting((), "Names")
    hidden: int = 7
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        check_settings(self, "settings: ")


def test_each_field_is_a_parameter():
    assert parameters_of(Settings) == (
        Parameter("encoder_threads", 2, "Threads", low=1),
        Parameter("mode", "slow", "Mode", choices=("slow", "fast")),
        Parameter("names", (), "Names"),
        Parameter("limit_s", 1.0, "Longest time", "s", 0.5, 2, effect="at once"),
    )


def test_values_of_parameters_become_settings():
    values = {"encoder_threads": 3, "limit_s": 1.5, "of_another_class": 0}
    assert settings_from(Settings, values, hidden=1) == Settings(3, hidden=1, rules=Rules(1.5))
    assert settings_from(Settings, {}) == Settings()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threads": 0}, "settings: encoder_threads: expected at least 1, found 0"),
        ({"mode": "odd"}, "settings: mode: expected one of 'slow', 'fast', found 'odd'"),
    ],
)
def test_settings_are_checked_against_their_definition(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Settings(**wrong)


@pytest.mark.parametrize("seconds", [0.4, 2.5])
def test_a_range_is_the_same_in_python_and_as_a_parameter(seconds):
    (limit,) = parameters_of(Rules)
    for check in (Rules, limit.check):
        with pytest.raises(ConfigError, match=f"limit_s: expected 0.5 to 2 s, found {seconds}"):
            check(seconds)


def test_a_setting_can_be_shared():
    @dataclass(frozen=True)
    class Other:
        limit_s: float = setting_of(Rules, "limit_s")

    assert parameters_of(Other) == parameters_of(Rules)
    assert Other() == Other(1.0)


def test_a_list_of_texts_has_no_empty_one_and_none_twice():
    names = Parameter("names", (), "Names")
    assert names.check(["a", "", "b"]) == ("a", "b")
    assert names.check([""]) == ()
    with pytest.raises(ConfigError, match="names: expected different texts, found a twice"):
        names.check(["a", "b", "a"])
    with pytest.raises(ConfigError, match="names: expected a list of texts, found 'a'"):
        names.check("a")


def test_a_choice_that_yaml_reads_as_false_is_accepted():
    torque = Parameter("torque_on_exit", "off", "Torque", choices=("off", "hold"))
    assert torque.check(False) == "off"
    with pytest.raises(ConfigError, match="put the text in quotes"):
        torque.check(True)


def test_lists_of_numbers_have_as_many_as_their_default():
    parameter = Parameter("crop", (0, 0), "Crop", "pixels", low=0, high=9)
    assert parameter.check([1, 2]) == (1, 2)
    assert parameter.check(array.array("q", [1, 2])) == (1, 2)
    assert parameter.check([]) == parameter.check(()) == parameter.check([""]) == (0, 0)
    assert parameter.limits == "2 numbers, each 0 to 9"
    for wrong in ([1], [1, 2, 3], [1, 2.5], [True, 1], ["1", "2"], 1, "12", None):
        with pytest.raises(ConfigError, match="crop: expected 2 whole numbers, found"):
            parameter.check(wrong)
    with pytest.raises(ConfigError, match="crop: expected 2 numbers, each 0 to 9 pixels, found 10"):
        parameter.check([1, 10])
