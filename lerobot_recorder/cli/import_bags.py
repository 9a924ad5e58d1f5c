"""``import``: turn bags into episodes of a dataset, with the rows that the recorder takes live."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from lerobot_recorder.cli.encode import NICE, drain, raise_all, report_encoded
from lerobot_recorder.cli.options import (
    NamespaceOption,
    RepoIdOption,
    RootOption,
    TaskOption,
    parameter_option,
)
from lerobot_recorder.cli.plan import parsed_assignments
from lerobot_recorder.cli.terminal import file_progress, operator_console, plain_table, print_whole
from lerobot_recorder.dataset import check_appendable
from lerobot_recorder.encoding import BatchEncoder, cores
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.excerpt import counted, listing
from lerobot_recorder.importing import (
    KNOWN,
    BagReport,
    Cutting,
    ImportedEpisode,
    ImportParameters,
    ImportSession,
    problems_of,
    range_of,
    read_parameters,
    read_ranges,
    unmatched,
)
from lerobot_recorder.launching import OPTIONS
from lerobot_recorder.parameter_files import check_files
from lerobot_recorder.spool import Spool

_DIFFERENT_S = 0.5
"""Difference between headers and log times that is worth a line."""

_INCOMPLETE = 3
"""Exit status if a bag was cut short, is damaged or still growing, or lacks a part of an episode, so that
scripts keep it, as 24 of rsync."""

_LINE = 72
"""Characters of a bag's timeline."""

_MARKS = {"good": ("█", "green"), "bad": ("▒", "red"), "known": ("█", "dim"), "none": ("░", "yellow")}


def import_bags(
    bags: Annotated[
        list[Path],
        typer.Argument(
            help="Bags, in the order of their episodes: rosbag2 folders, .mcap or .db3 files.",
            show_default=False,
        ),
    ],
    *,
    config: Annotated[
        Path,
        typer.Option(
            help="Parameter file, the same as for recording; `discover BAG robot.yaml` writes one.",
            show_default=False,
        ),
    ],
    root: RootOption = None,
    repo_id: RepoIdOption = None,
    task: TaskOption = None,
    task_topic: Annotated[
        str,
        typer.Option(
            metavar="TOPIC",
            help="std_msgs/String with the task that is valid when an episode starts; default: task_topic of "
            "the parameter file.",
        ),
    ] = "",
    from_recorder: Annotated[
        bool,
        typer.Option(
            "--from-recorder", help="Import the episodes that the recorder announced on episode_completed."
        ),
    ] = False,
    marks: Annotated[
        str,
        typer.Option(
            metavar="TOPIC[:BUTTON]",
            help="Topic that marks episodes. std_msgs/Bool: true while one lasts; std_msgs/String: its task "
            "while one lasts, else an empty text; sensor_msgs/Joy: each press of the button starts or ends "
            "one.",
        ),
    ] = "",
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            "--range",
            metavar="START,END[,TASK]",
            help="An episode from START to END: seconds from the start of the bag, seconds since 1970, or "
            "dates such as 2026-11-28T12:30:15.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="File with the columns start,end, and perhaps task and bag: an episode per line."),
    ] = None,
    gap: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="SECONDS", help="A new episode begins after a gap without messages."),
    ] = None,
    namespace: NamespaceOption = OPTIONS["namespace"].default,
    parameter: Annotated[
        list[str] | None,
        parameter_option("Any other parameter of the recorder or the encoder, for example recorder.fps=15."),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=0, help="Number of bags that are read at the same time; 0: one per core.")
    ] = 0,
    encode: Annotated[
        bool,
        typer.Option(
            "--encode/--no-encode", help="Encode the episodes, or leave them in the spool for `encode`."
        ),
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the episodes would be, and write nothing.")
    ] = False,
) -> None:
    """Import bags into a dataset: the same rows as if the recorder had recorded them, without ROS.

    Each bag is an episode, unless an option says where episodes begin and end. Ctrl-C loses nothing that is
    whole: the same command goes on with what is missing, and imports nothing twice. The exit status is 1 if
    something could not be imported, and 3 if all that can be read was imported, but a bag is not complete, or
    lacks a part of an episode.
    """
    cutting = _cutting(
        {
            "--from-recorder": {"by": "recorder"} if from_recorder else None,
            "--marks": _marks(marks) if marks else None,
            "--range": {"by": "ranges", "ranges": tuple(map(range_of, ranges))} if ranges else None,
            "--csv": {"by": "ranges", "ranges": read_ranges(csv)} if csv else None,
            "--gap": {"by": "gaps", "gap_s": gap} if gap is not None else None,
        },
        task_topic,
    )
    options = {"root": root, "repo_id": repo_id, "task": task}
    parameters = _parameters(config, options, parameter or [], namespace)
    console = operator_console()
    session = ImportSession(parameters.place.directory, parameters, cutting)
    paths = [path.expanduser() for path in bags]
    session.open(paths)
    session.problems += unmatched(cutting.ranges, [path for path in paths if path not in session.copies])
    for warning in session.warnings:
        console.print(Text(f"warning: {warning}", "yellow"))
    processes = jobs or cores()
    if session.bags and dry_run:
        with file_progress("Reading") as show:
            is_whole = session.run(session.jobs(is_dry=True), processes, show)
        _print_reports(session.reports, console, is_whole=is_whole)
        if not is_whole:
            raise RecorderError("interrupted: the bags were not read to their ends")
    elif session.bags:
        _import(session, processes, console, encode=encode)
    if problems := [*session.problems, *problems_of(session.reports)]:
        raise RecorderError("\nerror: ".join(problems))
    if any(report.damage or any(each.missing for each in report.episodes) for report in session.reports):
        raise typer.Exit(_INCOMPLETE)


def _cutting(given: Mapping[str, dict[str, Any] | None], task_topic: str) -> Cutting:
    """Return how bags are cut.

    Raises:
        ConfigError: several options say it
    """
    chosen = [name for name, arguments in given.items() if arguments]
    if len(chosen) > 1:
        raise ConfigError(f"{' and '.join(chosen)}: give only one of them")
    return Cutting(**next((each for each in given.values() if each), {}), task_topic=task_topic)


def _marks(text: str) -> dict[str, Any]:
    topic, _, button = text.partition(":")
    if button and not button.isdecimal():
        raise ConfigError(f"--marks {text}: expected TOPIC or TOPIC:BUTTON, such as /joy:3")
    return {"by": "marks", "topic": topic, "button": int(button or 0)}


def _parameters(
    config: Path, options: Mapping[str, Any], assignments: Sequence[str], namespace: str
) -> ImportParameters:
    file = config.expanduser()
    if not file.is_file():
        why = "is a directory: give the path of a file" if file.is_dir() else "does not exist"
        raise ConfigError(f"parameter file {config} {why}")
    prefix = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    check_files([file], [f"{prefix}recorder"])
    changes = parsed_assignments(assignments)
    given = {name: value for name, value in options.items() if value is not None}
    changes["recorder"] = {**given, **changes.get("recorder", {})}
    return read_parameters(file, changes, namespace)


def _import(session: ImportSession, processes: int, console: Console, *, encode: bool) -> None:
    """Import bags in groups, and encode the episodes of each group."""
    check_appendable(session.root)
    spool = Spool(session.root)
    spool.require()
    lock = spool.lock_import()
    try:
        spool.recover()
        while not _import_groups(session, processes, console, encode=encode):
            pass
    finally:
        lock.release()
    if not encode and (waiting := len(spool.ready())):
        console.print(f"{counted(waiting, 'episode', 'wait')}: lerobot-recorder encode {_quoted(session)}")


def _quoted(session: ImportSession) -> str:
    return shlex.quote(str(session.root))


def _import_groups(session: ImportSession, processes: int, console: Console, *, encode: bool) -> bool:
    """Import what is missing; return False if the disk was full, and the encoding has made room for more."""
    for group in session.groups(session.jobs(), processes):
        before = len(session.reports)
        with file_progress("Importing") as show:
            is_whole = session.run(group, processes, show)
        _print_reports(session.reports[before:], console, is_whole=is_whole)
        if not is_whole and not session.is_disk_full:
            raise RecorderError("interrupted: the same command goes on with what is missing")
        if encode:
            _encode(session)
        if not is_whole:
            return not (encode and session.forget_full_disk())
    return True


def _encode(session: ImportSession) -> None:
    if not Spool(session.root).ready():
        return
    parameters = session.parameters
    encoder = BatchEncoder(
        session.root,
        settings=parameters.encoder,
        depth=parameters.depth,
        parallel_encodings=parameters.batch.parallel_encodings,
        nice=NICE,
    )
    is_whole = drain([encoder], None)
    report_encoded(encoder)
    if not is_whole:
        raise RecorderError(f"interrupted: lerobot-recorder encode {_quoted(session)} encodes the rest")
    raise_all([encoder.failure] if encoder.failure is not None else [])


# The table and the timelines


def _print_reports(reports: Sequence[BagReport], console: Console, *, is_whole: bool) -> None:
    table = plain_table("bag", "episode", "start (UTC)", "at s", "length s", "rows", "verdict", "task")
    for column in table.columns:
        column.no_wrap = True
    for report in reports:
        for number, episode in enumerate(report.episodes):
            if episode.verdict != "known":
                table.add_row(report.path.name, str(number), *_cells(report, episode))
    if table.row_count:
        print_whole(console, table)
    for report in (each for each in reports if each.episodes or (is_whole and not each.error)):
        console.print(timeline(report))
        for line in _remarks(report):
            console.print(Text(f"  {line}", "yellow"))
    taken = [
        episode for report in reports for episode in report.episodes if episode.verdict in ("good", "bad")
    ]
    if without := sum(not episode.task for episode in taken):
        hint = "--task, or a task in the parameter file, gives one; `edit task` sets it later"
        console.print(Text(f"without a task: {counted(without, 'episode')} ({hint})", "yellow"))


def _cells(report: BagReport, episode: ImportedEpisode) -> Iterator[Text | str]:
    start_ns = episode.started_at_ns or episode.start_ns
    yield f"{datetime.fromtimestamp(start_ns / 1e9, timezone.utc):%Y-%m-%d %H:%M:%S}"
    yield f"{(start_ns - report.start_ns) / 1e9:.2f}"
    yield f"{episode.duration_s or (episode.end_ns - episode.start_ns) / 1e9:.2f}"
    yield str(episode.rows)
    yield Text(episode.verdict, _MARKS[episode.verdict][1])
    yield episode.task


def timeline(report: BagReport) -> Text:
    """Draw when the episodes of a bag are."""
    span_ns = max(1, report.end_ns - report.start_ns)
    line, styles = ["·"] * _LINE, ["dim"] * _LINE
    for episode in report.episodes:
        times = _times_ns(episode)
        places = ((time_ns - report.start_ns) / span_ns * _LINE for time_ns in times)
        first, last = (min(_LINE - 1, max(0, round(place))) for place in places)
        for place in range(first, last + 1):
            line[place], styles[place] = _MARKS[episode.verdict]
    drawn = Text()
    for mark, style in zip(line, styles, strict=True):
        drawn.append(mark, style)
    return drawn.append(f"  {report.path.name}, {span_ns / 1e9:.1f} s")


def _times_ns(episode: ImportedEpisode) -> tuple[int, int]:
    if not episode.rows:
        return episode.start_ns, episode.end_ns
    return episode.started_at_ns, episode.started_at_ns + int(episode.duration_s * 1e9)


def _remarks(report: BagReport) -> Iterator[str]:
    """Yield what is worth a line: why episodes are not good, and what is wrong with the bag."""
    if not report.episodes:
        yield "no episode: no mark or time range is for this bag"
    known = [number for number, each in enumerate(report.episodes) if each.reasons == (KNOWN,)]
    if known:
        yield f"imported already: {counted(len(known), 'episode')} ({listing(known)})"
    for number, episode in enumerate(report.episodes):
        texts = (*episode.reasons, *episode.notes) if number not in known else ()
        for text in (*texts, *filter(None, [episode.missing])):
            kept = " (lerobot-recorder accept keeps it)" if episode.state == "rejected" else ""
            yield f"episode {number}: {text}{kept}"
    for name, by_s in report.differences_s.items():
        if abs(by_s) > _DIFFERENT_S:
            where = f"{abs(by_s):.2f} s {'ahead of' if by_s > 0 else 'behind'}"
            yield f"{name}: the headers are {where} the log times (median), and are not used"
    if report.damage:
        yield report.damage
