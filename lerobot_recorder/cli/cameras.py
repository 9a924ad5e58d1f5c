"""``cameras``: list the cameras, their formats and controls, and take a snapshot with each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lerobot_recorder.cameras import (
    PERMISSION_HINT,
    CameraImage,
    CameraInfo,
    CameraSettings,
    PixelFormat,
    encode_jpeg,
    list_cameras,
    list_forbidden,
    take_snapshot,
)
from lerobot_recorder.cli.options import option
from lerobot_recorder.cli.terminal import operator_console, persistent_name
from lerobot_recorder.errors import CameraError
from lerobot_recorder.settings import parameters_of
from lerobot_recorder.simulation import SIMULATED_SOURCE, SimulatedCamera

BY_ID = Path("/dev/v4l/by-id")

_SIMULATED = ("top", "wrist")
_CAMERA = {each.name: each for each in parameters_of(CameraSettings)}


def cameras(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="A device, a video file, an http:// or rtsp:// stream, or sim.", show_default="all devices"
        ),
    ] = None,
    *,
    output: Annotated[Path, typer.Option(help="Directory for the snapshots.")] = Path("snapshots"),
    width: Annotated[int, option(_CAMERA["width"])] = _CAMERA["width"].default,
    height: Annotated[int, option(_CAMERA["height"])] = _CAMERA["height"].default,
    fps: Annotated[float, option(_CAMERA["fps"])] = _CAMERA["fps"].default,
    pixel_format: Annotated[PixelFormat, option(_CAMERA["pixel_format"])] = _CAMERA["pixel_format"].default,
    warm_up_s: Annotated[
        float, typer.Option(min=0, help="Time for a camera to adjust to the light, in seconds.")
    ] = 1.0,
) -> None:
    """List the cameras with their formats and controls, and save a snapshot of each."""
    console = operator_console()
    devices, forbidden = ([], []) if source else (list_cameras(), list_forbidden())
    for device in devices:
        _describe(device, console)
    sources = source or [device.path for device in devices]
    if not sources and not forbidden:
        raise CameraError(
            "no camera is connected to this computer: plug one in, or name a source: a device, a video file, "
            "an http:// or rtsp:// stream, or sim"
        )
    failures = []
    for place in sources:
        for name in _SIMULATED if place == SIMULATED_SOURCE else (snapshot_name(place),):
            settings = CameraSettings(name, place, width, height, fps, pixel_format)
            try:
                _save_snapshot(settings, warm_up_s, output, console)
            except CameraError as error:
                failures.append(str(error))
    if forbidden:
        failures.append(f"no permission to open {', '.join(forbidden)}: {PERMISSION_HINT}")
    if failures:
        raise CameraError("; ".join(failures))


def _describe(device: CameraInfo, console: Console) -> None:
    console.print(f"{device.path}  {device.name}", style="bold", markup=False)
    if name := persistent_name(device.path, BY_ID):
        console.print(f"  name          {name}", markup=False)
    for pixel_format, modes in groupby(device.modes, key=lambda mode: mode.pixel_format):
        sizes = (f"{mode.width}x{mode.height}{_rates(mode.rates_hz)}" for mode in modes)
        console.print(f"  {pixel_format:<12}  {', '.join(sizes)}", markup=False)
    controls = (f"{name} {low} to {high}" for name, (low, high) in device.controls.items())
    console.print(f"  controls      {', '.join(controls) or 'none'}", markup=False)


def _rates(rates_hz: Sequence[float]) -> str:
    return f" at {'/'.join(f'{rate:g}' for rate in rates_hz)} Hz" if rates_hz else ""


def _save_snapshot(settings: CameraSettings, warm_up_s: float, output: Path, console: Console) -> None:
    opener = SimulatedCamera if settings.source == SIMULATED_SOURCE else None
    with console.status(f"taking a snapshot with {settings.place}"):
        image = take_snapshot(settings, warm_up_s, opener)
    path = _write(image, output / f"{settings.name}.jpg")
    console.print(f"{settings.place}: {image.width}x{image.height}, saved as {path}", markup=False)


def snapshot_name(source: str) -> str:
    """Return a file name for a source: the device's, the file's, or the address without its password."""
    address = re.sub(r"^\w+://([^/@]*@)?", "", source)
    name = Path(source).name if "://" not in source else address
    return re.sub(r"[^\w.-]+", "_", name).strip("_") if not source.isdigit() else f"video{source}"


def _write(image: CameraImage, path: Path) -> Path:
    jpeg = image.jpeg
    if jpeg is None:
        assert image.rgb is not None, "a snapshot has its pixels"
        jpeg = encode_jpeg(image.rgb)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg)
    return path
