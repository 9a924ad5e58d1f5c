"""``record``: start the nodes, show their progress, and end with a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from lerobot_recorder.arms import Role, load_calibration
from lerobot_recorder.cli.controls import key_aliases
from lerobot_recorder.cli.options import (
    BatchSizeOption,
    ConfigOption,
    EpisodeTimeOption,
    FpsOption,
    HardwareOption,
    KeyOption,
    NamespaceOption,
    NumEpisodesOption,
    ParameterOption,
    RepoIdOption,
    RobotIdOption,
    RobotPortOption,
    RootOption,
    TaskOption,
    TeleopIdOption,
    TeleopPortOption,
    option,
)
from lerobot_recorder.cli.plan import plan_recording
from lerobot_recorder.cli.preflight import (
    QUICK_S,
    keep_findings,
    print_findings,
    refuse_faults,
    run_preflight,
)
from lerobot_recorder.cli.processes import node_environment, require_ros
from lerobot_recorder.cli.push import PrivateOption, TagOption, upload
from lerobot_recorder.cli.session import Session
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.cli.summary import in_dataset, next_steps, summarise
from lerobot_recorder.cli.typed_plan import checked_settings
from lerobot_recorder.dashboard import DashboardSettings, Server
from lerobot_recorder.dataset import DatasetPlace, check_appendable, dataset_name, load_info
from lerobot_recorder.encoding import CommittedEpisode
from lerobot_recorder.errors import CalibrationError, ConfigError, RecorderError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.launching import OPTIONS
from lerobot_recorder.sharing import check_names
from lerobot_recorder.spool import Spool


def record(
    *,
    hardware: HardwareOption = OPTIONS["hardware"].default,
    config: ConfigOption = None,
    repo_id: RepoIdOption = None,
    root: RootOption = None,
    task: TaskOption = None,
    num_episodes: NumEpisodesOption = None,
    fps: FpsOption = None,
    episode_time_s: EpisodeTimeOption = None,
    reset_time_s: Annotated[float | None, option(OPTIONS["reset_time_s"])] = None,
    video_encoding_batch_size: BatchSizeOption = None,
    robot_port: RobotPortOption = None,
    robot_id: RobotIdOption = None,
    teleop_port: TeleopPortOption = None,
    teleop_id: TeleopIdOption = None,
    namespace: NamespaceOption = OPTIONS["namespace"].default,
    dashboard: Annotated[bool, typer.Option("--dashboard", help=OPTIONS["dashboard"].help)] = False,
    dashboard_address: Annotated[str | None, option(OPTIONS["dashboard_address"])] = None,
    dashboard_port: Annotated[int | None, option(OPTIONS["dashboard_port"])] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--no-resume",
            help="Require that the dataset exists, or that it does not; by default one that exists is "
            "continued.",
        ),
    ] = None,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            "--push-to-hub",
            metavar="LICENCE",
            help="Upload the dataset afterwards, under this licence, for example apache-2.0.",
        ),
    ] = None,
    private: PrivateOption = False,
    tag: TagOption = None,
    key: KeyOption = None,
    preflight: Annotated[
        bool,
        typer.Option(
            "--preflight/--no-preflight", help="Check arms, cameras, disk, dataset and clock before."
        ),
    ] = True,
    parameter: ParameterOption = None,
) -> None:
    """Record episodes, encode them in the background, and show the dataset.

    Ctrl-C ends the recording and encodes the remaining episodes; Ctrl-C meanwhile leaves them for the next
    start. The exit status is 0 if everything that was asked for was recorded and is in the dataset: as many
    episodes as --num-episodes, or, if you start each, all but rejected takes that you have recorded again.
    The flags of lerobot-record are accepted, too, for example --robot.port and --dataset.repo_id.
    """
    require_ros()
    console = Console(highlight=False, soft_wrap=True)
    options = {
        "repo_id": repo_id,
        "root": root,
        "task": task,
        "fps": fps,
        "num_episodes": num_episodes,
        "episode_time_s": episode_time_s,
        "reset_time_s": reset_time_s,
        "video_encoding_batch_size": video_encoding_batch_size,
        "follower_port": robot_port,
        "follower_id": robot_id,
        "leader_port": teleop_port,
        "leader_id": teleop_id,
        "dashboard_address": dashboard_address,
        "dashboard_port": dashboard_port,
    }
    aliases = key_aliases(key or ())
    plan = plan_recording(hardware, config, options, parameter or [], namespace, dashboard=dashboard)
    given, arguments, place = plan.given, plan.arguments, plan.place
    check_calibrations(given.get("hardware", {}))
    _refuse_unusable(place.directory, f"{plan.prefix}recorder")
    check_resume(place, resume)
    if dashboard:
        _refuse_unreachable_dashboard(given["dashboard"])
    if push_to_hub:
        check_names(dataset_name(place), push_to_hub)
    console.print(beginning(place))
    if preflight:
        # Simulated arms and cameras have no cables, and the recorder waits for topics of other nodes.
        done = run_preflight(plan, QUICK_S, devices=plan.hardware not in ("sim", "none"))
        print_findings(done.findings, console)
        refuse_faults(done)
        keep_findings(done, place.directory)
    run = Session(arguments, node_environment(isolated=plan.hardware == "sim"), aliases).run()
    committed, faults = conclude(run, place, given.get("hardware"), console)
    left = len(Spool(place.directory).waiting()) if given["encoder"].get("encode_on_exit", True) else 0
    if problems := [*run.problems, *run.missing(left), *faults]:
        raise RecorderError("; ".join(problems))
    if push_to_hub and committed:
        upload(place.directory, dataset_name(place), push_to_hub, private=private, tags=tag or ())
    if run.incidents:
        raise RecorderError("; ".join(run.incidents))


def conclude(
    run: RunStatus, place: DatasetPlace, hardware: Mapping[str, Any] | None, console: Console
) -> tuple[list[CommittedEpisode], list[str]]:
    """Print the summary and what to do next.

    Returns:
        The new episodes in the dataset, and why the summary is incomplete, which must not hide other problems
    """
    committed: list[CommittedEpisode] = []
    faults = []
    try:
        committed = in_dataset(run)
        summarise(run, committed, console)
    except (RecorderError, OSError) as error:
        faults = [f"the summary is incomplete: {error}"]
    if committed:
        for name, command in next_steps(place, committed[-1].episode_index, hardware):
            console.print(f"{name:<15}{command}", markup=False)
    return committed, faults


def check_calibrations(hardware: Mapping[str, Any]) -> None:
    """Check that the arms are calibrated, before anything starts.

    Args:
        hardware: parameters of the hardware node

    Raises:
        CalibrationError: an arm's calibration is missing or cannot be used; the message says how to make it.
    """
    for arm, option_name in (("follower", "--robot-id"), ("leader", "--teleop-id")):
        port, name = (hardware.get(f"{arm}.{key}") for key in ("port", "calibration"))
        if not port or not name:
            continue
        try:
            load_calibration(str(name), cast("Role", arm))
        except CalibrationError as error:
            make = f"lerobot-recorder calibrate --role {arm} --port {port} --id {name}"
            raise CalibrationError(f"{error} (here: {make}, or {option_name})") from error


def _refuse_unusable(place: Path, recorder: str) -> None:
    """Raise an error before the robot moves if nothing can be recorded there.

    Raises:
        DatasetError: the directory holds something else, or a dataset that cannot be continued
        SpoolError: the directory is not writable, or another recorder uses it
    """
    check_appendable(place)  # first, so that no spool is left beside what cannot be used
    spool = Spool(place)
    spool.require()
    spool.lock_recorder(recorder).release()


def _refuse_unreachable_dashboard(parameters: Mapping[str, Any]) -> None:
    """Raise an error before the robot moves if the dashboard could not be reached.

    Raises:
        ConfigError: a parameter is not allowed, the address is that of another computer, or the port is used
    """
    settings = checked_settings(DashboardSettings, parameters)
    Server(settings.address, settings.port).close()


def check_resume(place: DatasetPlace, resume: bool | None) -> None:
    """Check whether a dataset exists as it is expected to.

    Args:
        place: place of the dataset
        resume: whether it has to exist; None: it may

    Raises:
        ConfigError: it exists, or does not, against expectation
    """
    exists = load_info(place.directory) is not None or bool(Spool(place.directory).waiting())
    if resume is not None and resume != exists:
        found, other = ("a dataset exists", "--resume") if exists else ("there is none", "--no-resume")
        expected = "an existing dataset" if resume else "no dataset"
        raise ConfigError(
            f"{place.directory}: expected {expected}, but {found}: give {other}, leave the option out to use "
            "what is there, or give another --repo-id or --root"
        )


def beginning(place: DatasetPlace) -> str:
    """Return a sentence on the dataset: whether it is a new one, and what is in it."""
    root, name = place.directory, dataset_name(place)
    where = "" if name == str(root) else f" in {root}"
    info, waiting = load_info(root), len(Spool(root).waiting())
    if info is None and not waiting:
        return f"new dataset {name}{where}"
    more = f", {waiting} not encoded yet" if waiting else ""
    return f"continuing {name}{where}: {counted(info.total_episodes if info else 0, 'episode')} there{more}"
