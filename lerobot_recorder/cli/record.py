"""``record``: start the nodes, show their progress, and end with a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from lerobot_recorder.arms import Role, load_calibration
from lerobot_recorder.cli.controls import key_aliases
from lerobot_recorder.cli.options import RecordingOptions, takes_recording_options
from lerobot_recorder.cli.plan import plan_recording
from lerobot_recorder.cli.preflight import (
    QUICK_S,
    check_claims,
    check_dashboard,
    keep_findings,
    print_findings,
    refuse_faults,
    run_preflight,
)
from lerobot_recorder.cli.processes import node_environment, require_ros
from lerobot_recorder.cli.push import upload
from lerobot_recorder.cli.session import Session
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.cli.summary import in_dataset, next_steps, summarise
from lerobot_recorder.dataset import DatasetPlace, check_appendable, dataset_name, load_info
from lerobot_recorder.encoding import CommittedEpisode
from lerobot_recorder.errors import CalibrationError, RecorderError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.spool import Spool


@takes_recording_options
def record(
    options: RecordingOptions,
    *,
    preflight: Annotated[
        bool,
        typer.Option(
            "--preflight/--no-preflight", help="Check arms, cameras, disk, dataset and clock before."
        ),
    ] = True,
) -> None:
    """Record episodes, encode them in the background, and show the dataset.

    Ctrl-C ends the recording and encodes the remaining episodes; Ctrl-C meanwhile leaves them for the next
    start. The exit status is 0 if everything that was asked for was recorded and is in the dataset: as many
    episodes as --num-episodes, or, if you start each, all but rejected takes that you have recorded again.
    The flags of lerobot-record are accepted, too, for example --robot.port and --dataset.repo_id.
    """
    require_ros()
    console = Console(highlight=False, soft_wrap=True)
    aliases = key_aliases(options.key or ())
    plan = plan_recording(options)
    given, arguments, place = plan.given, plan.arguments, plan.place
    check_calibrations(given.get("hardware", {}))
    _refuse_unusable(place.directory, f"{plan.prefix}recorder")
    check_claims(options, place)
    if options.dashboard:
        check_dashboard(given["dashboard"])
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
    if options.push_to_hub and committed:
        name, tags = dataset_name(place), options.tag or ()
        upload(place.directory, name, options.push_to_hub, private=options.private, tags=tags)
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


def beginning(place: DatasetPlace) -> str:
    """Return a sentence on the dataset: whether it is a new one, and what is in it."""
    root, name = place.directory, dataset_name(place)
    where = "" if name == str(root) else f" in {root}"
    info, waiting = load_info(root), len(Spool(root).waiting())
    if info is None and not waiting:
        return f"new dataset {name}{where}"
    more = f", {waiting} not encoded yet" if waiting else ""
    return f"continuing {name}{where}: {counted(info.total_episodes if info else 0, 'episode')} there{more}"
