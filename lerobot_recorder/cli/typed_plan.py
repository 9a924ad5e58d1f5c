"""The parameters of a plan in their types, for checks without ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lerobot_recorder import hardware_settings
from lerobot_recorder.cameras import CameraSettings, camera_settings
from lerobot_recorder.cli.plan import Plan
from lerobot_recorder.dashboard import DashboardSettings
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.importing import (
    OF_ENCODER,
    OF_RECORDER,
    ImportParameters,
    KnownParameters,
    typed_parameters,
    unknown_parameters,
)
from lerobot_recorder.parameter_files import read_sections
from lerobot_recorder.recording import ButtonSettings
from lerobot_recorder.settings import parameters_of, settings_from

T = TypeVar("T")


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
    hardware: dict[str, Any] = {}
    cameras: list[CameraSettings] = []
    if "hardware" in plan.given:
        hardware = _allowed(plan, "hardware", problems)
        names = _listed(_known("hardware"), hardware)
        cameras = [made for name in names if (made := _camera(name, hardware, problems)) is not None]
    recorder = _allowed(plan, "recorder", problems)
    encoder = _allowed(plan, "encoder", problems)
    if "dashboard" in plan.given:
        _allowed(plan, "dashboard", problems)
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


def _known(node: str) -> KnownParameters:
    """Return the parameters that a node declares."""
    if node == "hardware":
        arms = [
            replace(each, name=f"{arm}.{each.name}")
            for arm in ("follower", "leader")
            for each in hardware_settings.ARM_PARAMETERS
        ]
        own = (*hardware_settings.PARAMETERS, *arms)
        return KnownParameters(own, "cameras", hardware_settings.CAMERA_PARAMETERS)
    if node == "dashboard":
        return KnownParameters(parameters_of(DatasetPlace, DashboardSettings))
    return {"recorder": OF_RECORDER, "encoder": OF_ENCODER}[node]


def _allowed(plan: Plan, node: str, problems: list[str]) -> dict[str, Any]:
    """Return the values of a node in their types, without those that it refuses, which are problems."""
    values = {**plan.given[node], **plan.derived[node]}
    kept = {name: value for name, value in values.items() if value is not None}
    sections = [each for each in read_sections(plan.file) if each.applies_to(f"{plan.prefix}{node}")]
    in_file = {name: entry for section in sections for name, entry in section.parameters.items()}
    known = _known(node)
    listed = _listed(known, values)
    changes = {name: value for name, value in plan.given[node].items() if name not in in_file}
    problems += unknown_parameters(node, sections, changes, known, listed)
    for each in known.of(listed):
        for name in filter(None, (each.name, each.former_name)):
            if name not in kept:
                continue
            try:
                kept[name] = each.check(kept[name])
            except ConfigError as error:
                entry = in_file.get(name)
                place = f"{entry.place}: " if entry is not None and entry.value == kept[name] else ""
                problems.append(f"{place}{node}.{error}")
                del kept[name]
    return kept


def _listed(known: KnownParameters, values: Mapping[str, Any]) -> list[str]:
    """Return the members that are listed, such as streams."""
    default = next((each.default for each in known.parameters if each.name == known.members), ())
    given = values.get(known.members)
    return [str(each) for each in (given if isinstance(given, (list, tuple)) else default) if each]


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
