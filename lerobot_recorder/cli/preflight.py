"""``preflight``: check arms, cameras, disk, dataset and clock before the first take."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import cv2
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lerobot_recorder.arms import Role, load_calibration
from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.cli.controls import key_aliases
from lerobot_recorder.cli.discover import survey
from lerobot_recorder.cli.options import RecordingOptions, takes_recording_options
from lerobot_recorder.cli.plan import Plan, plan_recording
from lerobot_recorder.cli.typed_plan import TypedPlan, checked_settings, typed_plan
from lerobot_recorder.dashboard import DashboardSettings, Server
from lerobot_recorder.dataset import DatasetPlace, dataset_name, load_info
from lerobot_recorder.discovery import IMAGES, JOINT_STATE
from lerobot_recorder.durable import replace_file
from lerobot_recorder.errors import CalibrationError, ConfigError, RecorderError
from lerobot_recorder.importing import ImportParameters
from lerobot_recorder.preflight import (
    FAULT,
    FINE,
    WARNING,
    ArmToCheck,
    CameraLook,
    Finding,
    Reference,
    check_arm,
    check_camera,
    check_clock,
    check_dataset,
    check_disk,
    check_topics,
    draw_sheet,
    load_references,
    look_at,
    save_findings,
    save_references,
    sheet_file,
)
from lerobot_recorder.sharing import check_names, check_tags
from lerobot_recorder.simulation import SIMULATED_SOURCE, SimulatedCamera, simulated_arm
from lerobot_recorder.spool import Spool
from lerobot_recorder.topics import binding_of

QUICK_S = 1.0
"""How long ``record`` looks at arms and cameras."""

_SIMULATED_TIMEOUT_S = 0.5
_COLOURS = {FINE: "green", "warning": "yellow", FAULT: "red"}
_FIELDS = {
    JOINT_STATE: {
        "header": "std_msgs/Header",
        "name": "sequence<string>",
        "position": "sequence<double>",
        "velocity": "sequence<double>",
        "effort": "sequence<double>",
    },
    **{image: {"header": "std_msgs/Header", "data": "sequence<uint8>"} for image in IMAGES},
}
"""The types of the hardware node's topics; those of other nodes are known when the recorder runs."""


@dataclass(frozen=True)
class Preflight:
    """What was checked.

    Attributes:
        findings: a line per subject
        looks: what each camera delivered, by name
        references: what the cameras were and showed before, by name
    """

    findings: Sequence[Finding]
    looks: Mapping[str, CameraLook]
    references: Mapping[str, Reference]

    @property
    def faults(self) -> list[Finding]:
        """What spoils a recording."""
        return [each for each in self.findings if each.level == FAULT]

    def has_fault(self, *subjects: str) -> bool:
        """Return whether one of some subjects has a fault."""
        return any(each.subject in subjects for each in self.faults)

    def pictures(self) -> dict[str, Reference]:
        """Return what can be compared with in the next session."""
        return {
            name: Reference(look.identity, look.picture)
            for name, look in self.looks.items()
            if look.picture is not None
        }


@takes_recording_options
def preflight(
    options: RecordingOptions,
    *,
    seconds: Annotated[
        float, typer.Option(min=0.2, max=60, help="How long arms and cameras are looked at.")
    ] = 3.0,
    sheet: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Picture of what the cameras see, beside the last session; by default in the spool.",
        ),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Compare with these pictures and devices from now on."),
    ] = False,
    before: Annotated[bool, typer.Option("--preflight/--no-preflight", hidden=True)] = True,
) -> None:
    """Check arms, cameras, disk, dataset and clock before the first take; nothing moves.

    One line each: ok, a warning, or a fault that spoils a recording. The exit status is 1 if there is a
    fault. It takes the options of record, and the flags of lerobot-record.
    """
    del before  # an option of record, which preflight takes as it takes all others
    key_aliases(options.key or ())
    plan = plan_recording(options)
    console = Console(highlight=False, soft_wrap=True)
    had_spool = Spool(plan.root).path.exists()
    with console.status(f"looking at arms and cameras for {seconds:g} s"):
        done = run_preflight(plan, seconds)
    done = replace(done, findings=[*_of_options(options, plan.place), *done.findings])
    print_findings(done.findings, console)
    is_kept = had_spool or not done.has_fault("dataset", "disk")
    if not is_kept:
        Spool(plan.root).remove_unused()
    else:
        keep_findings(done, plan.root, known=() if accept else done.references)
    if done.looks and (sheet or is_kept):
        path = sheet.expanduser() if sheet else sheet_file(plan.root)
        if sheet:
            _write_sheet(done, path)
        console.print(f"{'pictures':<9}{path}", markup=False)
    if done.faults:
        raise typer.Exit(1)


def check_claims(options: RecordingOptions, place: DatasetPlace) -> None:
    """Check what options say of the dataset: whether it exists, and its name, licence and tags on the Hub.

    Raises:
        ConfigError: one of them cannot be, or the dataset exists, or does not, against expectation
    """
    check_tags(options.tag or ())
    if options.push_to_hub:
        check_names(dataset_name(place), options.push_to_hub)
    if (resume := options.resume) is None:
        return
    exists = load_info(place.directory) is not None or bool(Spool(place.directory).waiting())
    if resume != exists:
        found, other = ("a dataset exists", "--resume") if exists else ("there is none", "--no-resume")
        expected = "an existing dataset" if resume else "no dataset"
        raise ConfigError(
            f"{place.directory}: expected {expected}, but {found}: give {other}, leave the option out to use "
            "what is there, or give another --repo-id or --root"
        )


def check_dashboard(parameters: Mapping[str, Any]) -> None:
    """Check that the dashboard could be reached, before the robot moves.

    Args:
        parameters: parameters of the dashboard node

    Raises:
        ConfigError: a parameter is not allowed, the address is that of another computer, or the port is used
    """
    settings = checked_settings(DashboardSettings, parameters)
    Server(settings.address, settings.port).close()


def run_preflight(plan: Plan, seconds: float, *, devices: bool = True) -> Preflight:
    """Check everything that a recording needs.

    Args:
        plan: the recording
        seconds: how long arms and cameras are looked at
        devices: whether to look at arms, cameras and topics at all
    """
    references, typed = load_references(plan.root), typed_plan(plan)
    findings = [Finding("parameters", FAULT, "; ".join(typed.problems))] if typed.problems else []
    looks: dict[str, CameraLook] = {}
    if devices and "hardware" in plan.given:
        arms, looks = _look(typed.hardware, typed.cameras, seconds)
        findings += arms
        findings += [check_camera(look, references) for look in looks.values()]
    if devices and "hardware" not in plan.given and (parameters := typed.recorder) is not None:
        topics = {name: parameters.topic(each.topic) for name, each in parameters.streams.items()}
        findings += check_topics(topics, survey(seconds), parameters.rows.fps)
    findings += [*_of_task(plan, typed), *_of_computer(plan, typed, looks), *_of_dashboard(plan)]
    return Preflight(findings, looks, references)


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print a line for each finding."""
    width = max(len(each.subject) for each in findings) + 2
    if console.is_terminal:
        table = Table.grid()
        for each in findings:
            table.add_row(
                Text(f"{each.level:<9}", _COLOURS[each.level]), f"{each.subject}  ", Text(each.text)
            )
        console.print(table, soft_wrap=False)
        return
    for each in findings:
        console.print(Text(f"{each.level:<9}{each.subject:<{width}}{each.text}"))


def keep_findings(done: Preflight, root: Path, known: Container[str] = ()) -> None:
    """Keep what was found and seen beside the dataset, for the dashboard and the next session.

    Args:
        done: what was checked
        root: the dataset's directory
        known: cameras that are compared with what they showed before, as until now

    Raises:
        RecorderError: it cannot be written
    """
    sheet = sheet_file(root)
    with _writing(sheet.parent):
        save_findings(root, done.findings, has_pictures=bool(done.looks))
        save_references(root, {name: each for name, each in done.pictures().items() if name not in known})
    if done.looks:
        _write_sheet(done, sheet)


def refuse_faults(done: Preflight) -> None:
    """Refuse to record with a fault.

    Raises:
        RecorderError: there is one
    """
    faults = done.faults
    if not faults:
        return
    named = f"{faults[0].subject}: {faults[0].text}"
    if len(faults) > 1:
        named = f"{', '.join(each.subject for each in faults)} have faults"
    if any(each.subject in ("parameters", "dataset") for each in faults):  # the nodes would refuse it, too
        raise RecorderError(f"{named}. Nothing was started")
    raise RecorderError(f"{named}. Correct this, or record nevertheless with --no-preflight")


def _write_sheet(done: Preflight, path: Path) -> None:
    pictures = {name: look.picture for name, look in done.looks.items()}
    drawn = draw_sheet(pictures, done.references, done.findings)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1]
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, encoded.tobytes())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecorderError(f"{path} cannot be written: {error.strerror or error}") from error


# Arms and cameras


def _look(
    hardware: Mapping[str, Any], cameras: Sequence[CameraSettings], seconds: float
) -> tuple[list[Finding], dict[str, CameraLook]]:
    """Look at all arms and cameras at the same time, as the hardware node uses them."""
    roles = [role for role in ("follower", "leader") if hardware.get(f"{role}.port")]
    with ExitStack() as simulations, ThreadPoolExecutor(len(roles) + len(cameras) or 1) as pool:
        arms = [
            pool.submit(_arm_finding, cast("Role", role), hardware, seconds, simulations) for role in roles
        ]
        looks = {
            each.name: pool.submit(
                look_at, each, seconds, SimulatedCamera if each.source == SIMULATED_SOURCE else None
            )
            for each in cameras
        }
        return [each.result() for each in arms], {name: each.result() for name, each in looks.items()}


def _arm_finding(role: Role, hardware: Mapping[str, Any], seconds: float, simulations: ExitStack) -> Finding:
    port = str(hardware[f"{role}.port"])
    is_simulated = port == SIMULATED_SOURCE
    name = str(hardware.get(f"{role}.calibration") or (SIMULATED_SOURCE if is_simulated else ""))
    try:
        calibration = load_calibration(name, role)
    except CalibrationError as error:
        make = f"lerobot-recorder calibrate --role {role} --port {port} --id {name or 'NAME'}"
        return Finding(role, FAULT, f"{error} (here: {make})")
    simulation = simulated_arm(role, calibration) if is_simulated else None
    if simulation is not None:
        simulations.callback(simulation.close)
    arm = ArmToCheck(
        role=role,
        port=simulation.port if simulation is not None else port,
        shown=port,
        name=name,
        calibration=calibration,
        write_calibration=bool(hardware.get(f"{role}.write_calibration", False)),
        rate_hz=float(hardware.get("rate_hz", 100.0)),
        timeout_s=_SIMULATED_TIMEOUT_S if is_simulated else None,
    )
    return check_arm(arm, seconds)


# Disk, dataset and clock


class _Types:
    """Message types that are known without ROS."""

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name.

        Raises:
            ConfigError: the type is unknown
        """
        if message_type not in _FIELDS:
            raise ConfigError(f"{message_type} is known only with ROS")
        return _FIELDS[message_type]


def _of_computer(plan: Plan, typed: TypedPlan, looks: Mapping[str, CameraLook]) -> Iterator[Finding]:
    if (parameters := typed.recorder) is not None:
        sizes = _sizes(typed.cameras, looks)
        yield check_disk(
            plan.root,
            pixels=sum(width * height for width, height in sizes.values()),
            fps=parameters.rows.fps,
            episode_time_s=parameters.recorder.episode_time_s,
            num_episodes=typed.num_episodes,
            batch=parameters.batch.video_encoding_batch_size,
        )
        yield from _of_dataset(plan, parameters, sizes)
    yield check_clock(plan.root)


def _of_options(options: RecordingOptions, place: DatasetPlace) -> Iterator[Finding]:
    try:
        check_claims(options, place)
    except RecorderError as error:
        yield Finding("options", FAULT, str(error))


def _of_task(plan: Plan, typed: TypedPlan) -> Iterator[Finding]:
    if typed.recorder is None or typed.recorder.recorder.task or plan.given["recorder"].get("task_topic"):
        return
    yield Finding(
        "task", WARNING, "there is none: give --task, set task in the parameter file, or type one with T"
    )


def _of_dashboard(plan: Plan) -> Iterator[Finding]:
    if "dashboard" not in plan.given:
        return
    try:
        check_dashboard(plan.given["dashboard"])
    except ConfigError as error:
        yield Finding("dashboard", FAULT, str(error))
    else:
        yield Finding("dashboard", FINE, "its address and port can be used")


def _sizes(cameras: Sequence[CameraSettings], looks: Mapping[str, CameraLook]) -> dict[str, tuple[int, int]]:
    """Return width and height of each camera's images: as they are, else as they are asked for."""
    sizes = {each.name: each.size for each in cameras if each.size is not None}
    seen = {name: look.picture.shape for name, look in looks.items() if look.picture is not None}
    return sizes | {name: (width, height) for name, (height, width, *_) in seen.items()}


def _of_dataset(
    plan: Plan, parameters: ImportParameters, sizes: Mapping[str, tuple[int, int]]
) -> Iterator[Finding]:
    try:
        bindings = [
            binding_of(name, settings, parameters.rows.image_format, _Types())
            for name, settings in parameters.streams.items()
        ]
    except ConfigError:
        return  # the recorder knows all types, and refuses what is wrong
    by_stream = {
        binding.stream.spec.name: sizes[camera]
        for binding in bindings
        if (camera := _camera_of(binding.topic)) in sizes
    }
    streams = [binding.stream for binding in bindings]
    yield check_dataset(
        plan.root,
        parameters.rows.fps,
        streams,
        by_stream,
        parameters.recorder,
        is_so_arm="hardware" in plan.given,
    )


def _camera_of(topic: str) -> str:
    """Return the camera of the hardware node that publishes a topic; empty if none does."""
    parts = topic.split("/")
    return parts[1] if parts[0] == "cameras" and len(parts) > 2 else ""
