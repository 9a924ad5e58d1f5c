"""Parameters that follow from others, so that a file gives each fact once.

A camera of the hardware node is recorded, too. The calibration of an arm is that of its joint states in the
dataset. The dataset of the recorder is that of the encoder. `record` and the launch file add what follows; a
contradiction is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lerobot_recorder.arms import load_calibration
from lerobot_recorder.errors import CalibrationError, ConfigError

Values = Mapping[str, Any]

_CAMERAS = ("top", "wrist")
_STREAMS = ("state", "action")
_TRANSPORTS = {"raw": "image_raw", "both": "image_raw", "compressed": "image_raw/compressed"}


def derived_parameters(given: Mapping[str, Values]) -> dict[str, dict[str, Any]]:
    """Return what follows from the given parameters.

    Args:
        given: parameters by node, those of files and options; nodes that are not started are left out

    Returns:
        Additional parameters by node.

    Raises:
        ConfigError: two parameters contradict each other; the message names both.
    """
    recorder = given["recorder"]
    derived: dict[str, dict[str, Any]] = {node: {} for node in given}
    for node in ("encoder", "dashboard"):
        if node in given:
            derived[node].update(_place(recorder, node, given[node]))
    if "hardware" in given:
        derived["recorder"].update(_camera_streams(given["hardware"], recorder))
        streams = derived["recorder"].get("streams", _texts(recorder.get("streams", _STREAMS)))
        for stream in streams:
            derived["recorder"].update(_calibration(stream, given["hardware"], recorder))
    return derived


def _texts(values: Any) -> list[str]:
    return [each for each in values if each] if isinstance(values, (list, tuple)) else []


def _place(recorder: Values, node: str, values: Values) -> Iterator[tuple[str, Any]]:
    """Yield the place of the dataset for another node."""
    for name in ("repo_id", "root"):
        theirs, ours = recorder.get(name, ""), values.get(name, "")
        if theirs and ours and theirs != ours:
            raise ConfigError(
                f"recorder.{name} is {theirs!r}, but {node}.{name} is {ours!r}: give it to the recorder only"
            )
        if theirs and not ours:
            yield name, theirs


def _camera_streams(hardware: Values, recorder: Values) -> Iterator[tuple[str, Any]]:
    """Yield a stream for each camera that no stream records yet."""
    streams, cameras = _texts(recorder.get("streams", _STREAMS)), _texts(hardware.get("cameras", _CAMERAS))
    recorded = {_camera_of(recorder.get(f"{stream}.topic", "")): stream for stream in streams}
    recorded.pop("", None)
    if unknown := [camera for camera in recorded if camera not in cameras]:
        stream = recorded[unknown[0]]
        raise ConfigError(
            f"recorder.{stream}.topic is {recorder[f'{stream}.topic']}, but hardware.cameras names no "
            f"{unknown[0]}: expected one of {', '.join(cameras) or 'none'}"
        )
    missing = [each for each in cameras if each not in recorded and hardware.get(f"{each}.record", True)]
    for camera in missing:
        if recorder.get(f"{camera}.topic"):
            raise ConfigError(
                f"the stream {camera} records {recorder[f'{camera}.topic']}, so it cannot record the camera "
                f"{camera}: rename one of them, or set hardware.{camera}.record to false"
            )
        transport = _TRANSPORTS.get(hardware.get(f"{camera}.transport", "raw"), "image_raw")
        yield f"{camera}.topic", f"cameras/{camera}/{transport}"
    if any(camera not in streams for camera in missing):
        yield "streams", [*streams, *(camera for camera in missing if camera not in streams)]


def _camera_of(topic: str) -> str:
    """Return the camera of the hardware node that publishes a topic; empty if none does."""
    parts = str(topic).split("/")
    return parts[1] if parts[0] == "cameras" and len(parts) > 2 else ""


def _calibration(stream: str, hardware: Values, recorder: Values) -> Iterator[tuple[str, Any]]:
    """Yield the calibration of a stream in LeRobot's units: that of the arm whose joints it records."""
    arm = str(recorder.get(f"{stream}.topic", "")).partition("/")[0]
    if recorder.get(f"{stream}.unit") != "so100" or arm not in ("follower", "leader"):
        return
    simulated = "sim" if hardware.get(f"{arm}.port") == "sim" else ""
    driven = hardware.get(f"{arm}.calibration") or simulated
    recorded = recorder.get(f"{stream}.calibration")
    if driven and not recorded:
        yield f"{stream}.calibration", driven
        yield f"{stream}.role", arm
    elif driven and _differ(arm, driven, recorded):
        raise ConfigError(
            f"hardware.{arm}.calibration is {driven!r}, but recorder.{stream}.calibration is {recorded!r}, "
            f"which is another one: leave out recorder.{stream}.calibration"
        )


def _differ(arm: Any, *names: Any) -> bool:
    """Return whether calibrations differ; nodes report those that cannot be read."""
    if len(set(names)) == 1:
        return False
    try:
        first, second = (load_calibration(name, arm).joints for name in names)
    except CalibrationError:
        return True
    return first != second
