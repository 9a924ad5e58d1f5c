"""``cameras``: list the cameras, their formats and controls, and take a snapshot with each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from lerobot_recorder.cameras import (
    PERMISSION_HINT,
    CameraImage,
    CameraInfo,
    CameraSettings,
    encode_jpeg,
    list_cameras,
    list_forbidden,
    take_snapshot,
)
from lerobot_recorder.cli.terminal import lasting_name, operator_console
from lerobot_recorder.errors import CameraError
from lerobot_recorder.simulation import SIMULATED_SOURCE, SimulatedCamera

BY_ID = Path("/dev/v4l/by-id")

_SIMULATED = ("top", "wrist")


@dataclass(frozen=True)
class SnapshotRequest:
    """The image that every camera is asked for.

    Attributes:
        width: in pixels; 0 for the camera's own
        height: in pixels; 0 for the camera's own
        fps: images per second
        pixel_format: ``auto``, ``mjpeg`` or ``raw``
        warm_up_s: how long the camera may adjust to the light, in seconds
    """

    width: int
    height: int
    fps: float
    pixel_format: str
    warm_up_s: float


def cameras(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="A device, a video file, an http:// or rtsp:// stream, or sim.", show_default="all devices"
        ),
    ] = None,
    *,
    output: Annotated[Path, typer.Option(help="Directory for the snapshots.")] = Path("snapshots"),
    width: Annotated[
        int, typer.Option(min=0, help="Width in pixels; 0 with height 0: the camera's own size.")
    ] = 640,
    height: Annotated[int, typer.Option(min=0, help="Height in pixels.")] = 480,
    fps: Annotated[float, typer.Option(min=0.1, help="Images per second.")] = 30.0,
    pixel_format: Annotated[
        Literal["auto", "mjpeg", "raw"], typer.Option(help="Format to request from a device.")
    ] = "auto",
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
    request = SnapshotRequest(width, height, fps, pixel_format, warm_up_s)
    failures = [error for place in sources for error in _snapshots(place, request, output, console)]
    if forbidden:
        failures.append(f"no permission to open {', '.join(forbidden)}: {PERMISSION_HINT}")
    if failures:
        raise CameraError("; ".join(failures))


def _describe(device: CameraInfo, console: Console) -> None:
    console.print(f"{device.path}  {device.name}", style="bold", markup=False)
    if name := lasting_name(device.path, BY_ID):
        console.print(f"  lasting name  {name}", markup=False)
    for pixel_format, modes in groupby(device.modes, key=lambda mode: mode.pixel_format):
        sizes = (f"{mode.width}x{mode.height}{_rates(mode.rates_hz)}" for mode in modes)
        console.print(f"  {pixel_format:<12}  {', '.join(sizes)}", markup=False)
    controls = (f"{name} {low} to {high}" for name, (low, high) in device.controls.items())
    console.print(f"  controls      {', '.join(controls) or 'none'}", markup=False)


def _rates(rates_hz: Sequence[float]) -> str:
    return f" at {'/'.join(f'{rate:g}' for rate in rates_hz)} Hz" if rates_hz else ""


def _snapshots(source: str, request: SnapshotRequest, output: Path, console: Console) -> Iterator[str]:
    """Save a snapshot of each camera of a source, and yield the errors."""
    simulated = source == SIMULATED_SOURCE
    asked = request.width, request.height, request.fps, request.pixel_format
    for name in _SIMULATED if simulated else (snapshot_name(source),):
        settings = CameraSettings(name, source, *asked)
        try:
            with console.status(f"taking a snapshot with {settings.place}"):
                image = take_snapshot(settings, request.warm_up_s, SimulatedCamera if simulated else None)
        except CameraError as error:
            yield str(error)
        else:
            path = _write(image, output / f"{name}.jpg")
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
