"""The parameters of a plan in their types, for checks without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lerobot_recorder.arms import ArmSettings, TeleopSettings
from lerobot_recorder.cameras import CameraSettings, camera_settings
from lerobot_recorder.cli.plan import Plan
from lerobot_recorder.encoding import ENCODER_PARAMETERS
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.importing import ImportParameters, typed_parameters
from lerobot_recorder.recording import ButtonSettings
from lerobot_recorder.settings import Parameter, parameters_of, settings_from
from lerobot_recorder.topics import PARAMETERS

T = TypeVar("T")

_CAMERAS = Parameter("cameras", ("top", "wrist"), "")


@dataclass(frozen=True)
class TypedPlan:
    """The parameters of a plan, without values that are not allowed.

    Attributes:
        hardware: values of the hardware node's parameters, by name
        cameras: the hardware node's cameras
        recorder: the recorder's and the encoder's parameters; None if only the nodes can read them
        num_episodes: episodes to record; 0: as many as the operator likes
        problems: a sentence for each value that is not allowed
    """

    hardware: Mapping[str, Any]
    cameras: Sequence[CameraSettings]
    recorder: ImportParameters | None
    num_episodes: int
    problems: Sequence[str]


def typed_plan(plan: Plan) -> TypedPlan:
    """Return the parameters of a plan in their types, and what is wrong with them."""
    problems: list[str] = []
    given = {node: {**plan.given[node], **plan.derived[node]} for node in plan.given}
    hardware: dict[str, Any] = {}
    cameras: list[CameraSettings] = []
    if "hardware" in given:
        hardware = _allowed(given["hardware"], _of_hardware(given["hardware"]), problems)
        names = [name for name in hardware.get("cameras", _CAMERAS.default) if name]
        cameras = [made for name in names if (made := _camera(name, hardware, problems)) is not None]
    recorder = _allowed(given["recorder"], PARAMETERS, problems)
    encoder = _allowed(given["encoder"], ENCODER_PARAMETERS, problems)
    _check_buttons(recorder, problems)
    parameters = _together(plan, recorder, encoder, problems)
    return TypedPlan(hardware, cameras, parameters, recorder.get("num_episodes", 0), problems)


def checked_settings(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return the settings that values of parameters describe.

    Args:
        kind: settings class
        values: values by name, as a command line or a file gives them; others are ignored

    Raises:
        ConfigError: a value is not allowed
    """
    given = {each.name: each for each in parameters_of(kind) if values.get(each.name) is not None}
    return settings_from(kind, {name: each.check(values[name]) for name, each in given.items()})


def _of_hardware(values: Mapping[str, Any]) -> Iterator[Parameter]:
    """Yield the parameters that checks need: of the arms, and of the cameras that are listed."""
    yield from (_CAMERAS, *parameters_of(TeleopSettings))
    names = values.get("cameras", _CAMERAS.default)
    of_each = dict.fromkeys(("follower", "leader"), parameters_of(ArmSettings))
    of_each |= dict.fromkeys(names if isinstance(names, list) else (), parameters_of(CameraSettings))
    for name, parameters in of_each.items():
        yield from (replace(each, name=f"{name}.{each.name}") for each in parameters)


def _allowed(
    values: Mapping[str, Any], parameters: Iterator[Parameter] | Sequence[Parameter], problems: list[str]
) -> dict[str, Any]:
    """Return values in their types without those that a parameter does not allow, which are problems."""
    kept = {name: value for name, value in values.items() if value is not None}
    for each in parameters:
        if each.name in kept:
            try:
                kept[each.name] = each.check(kept[each.name])
            except ConfigError as error:
                problems.append(str(error))
                del kept[each.name]
    return kept


def _camera(name: str, hardware: Mapping[str, Any], problems: list[str]) -> CameraSettings | None:
    start = f"{name}."
    given = {key.removeprefix(start): value for key, value in hardware.items() if key.startswith(start)}
    try:
        return camera_settings(name, given)
    except ConfigError as error:
        problems.append(str(error))
        return None


def _check_buttons(recorder: Mapping[str, Any], problems: list[str]) -> None:
    try:
        settings_from(ButtonSettings, recorder)
    except ConfigError as error:
        problems.append(str(error))


def _together(
    plan: Plan, recorder: Mapping[str, Any], encoder: Mapping[str, Any], problems: list[str]
) -> ImportParameters | None:
    try:
        return typed_parameters(plan.file, recorder, encoder, plan.namespace)
    except ConfigError as error:
        problems.append(str(error))
        return None
