"""``edit``: change recorded episodes in place; every edit can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from lerobot_recorder.cli.check import DatasetArgument
from lerobot_recorder.dataset import find_dataset, parse_episodes
from lerobot_recorder.editing import Change, DatasetEditor, Selection
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import counted, size_of

EpisodesArgument = Annotated[
    str | None,
    typer.Argument(metavar="[EPISODES]", help="Numbers and ranges, such as 3,7-9.", show_default=False),
]
VerdictOption = Annotated[
    str | None, typer.Option(metavar="good|bad", help="Only episodes with this verdict.", show_default=False)
]
FailedOption = Annotated[bool, typer.Option("--failed", help="Only episodes that are marked as failures.")]
ShorterOption = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Only shorter episodes.", show_default=False)
]
TaskOption = Annotated[
    str | None, typer.Option("--task", help="Only episodes with this task.", show_default=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")]
KeyFramesOption = Annotated[
    bool,
    typer.Option(
        "--at-key-frames", help="Cut at the next key frame of all cameras, so that no frame is encoded again."
    ),
]

edit = typer.Typer(
    help="Change recorded episodes in place, also while others are recorded. Every edit can be undone.",
    no_args_is_help=True,
)


@edit.command()
def delete(
    dataset: DatasetArgument,
    episodes: EpisodesArgument = None,
    *,
    verdict: VerdictOption = None,
    failed: FailedOption = False,
    shorter_than: ShorterOption = None,
    task: TaskOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Remove episodes."""
    chosen = selection_of(episodes, verdict, failed, shorter_than, task)
    with _Edit(dataset, dry_run) as editor:
        _print(editor, editor.delete(chosen))


@edit.command()
def keep(
    dataset: DatasetArgument,
    episodes: EpisodesArgument = None,
    *,
    verdict: VerdictOption = None,
    failed: FailedOption = False,
    shorter_than: ShorterOption = None,
    task: TaskOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Remove all other episodes."""
    chosen = selection_of(episodes, verdict, failed, shorter_than, task)
    with _Edit(dataset, dry_run) as editor:
        _print(editor, editor.keep(chosen))


@edit.command()
def trim(
    dataset: DatasetArgument,
    episode: Annotated[int, typer.Argument(help="Number of the episode.", show_default=False)],
    *,
    start: Annotated[float, typer.Option("--from", metavar="SECONDS", help="New start.")] = 0.0,
    stop: Annotated[
        float | None, typer.Option("--to", metavar="SECONDS", help="New end.", show_default="its end")
    ] = None,
    at_key_frames: KeyFramesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Remove the start and the end of an episode."""
    with _Edit(dataset, dry_run, at_key_frames) as editor:
        _print(editor, editor.trim(episode, start, stop))


@edit.command()
def split(
    dataset: DatasetArgument,
    episode: Annotated[int, typer.Argument(help="Number of the episode.", show_default=False)],
    *,
    at: Annotated[float, typer.Option(metavar="SECONDS", help="Start of the second episode.")],
    at_key_frames: KeyFramesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make two episodes of one."""
    with _Edit(dataset, dry_run, at_key_frames) as editor:
        _print(editor, editor.split(episode, at))


@edit.command("task")
def set_task(
    dataset: DatasetArgument,
    episodes: Annotated[
        str, typer.Argument(help="Numbers and ranges, such as 3,7-9; or all.", show_default=False)
    ],
    task: Annotated[str, typer.Argument(help="The new task, a sentence.", show_default=False)],
    *,
    verdict: VerdictOption = None,
    failed: FailedOption = False,
    shorter_than: ShorterOption = None,
    with_task: TaskOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Give episodes another task."""
    chosen = selection_of(episodes, verdict, failed, shorter_than, with_task)
    with _Edit(dataset, dry_run) as editor:
        _print(editor, editor.set_task(chosen, task))


@edit.command("success")
def set_success(
    dataset: DatasetArgument,
    episodes: Annotated[
        str, typer.Argument(help="Numbers and ranges, such as 3,7-9; or all.", show_default=False)
    ],
    success: Annotated[str, typer.Argument(metavar="yes|no", help="The mark.", show_default=False)],
    *,
    verdict: VerdictOption = None,
    failed: FailedOption = False,
    shorter_than: ShorterOption = None,
    task: TaskOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Mark episodes as successes or failures."""
    if success not in ("yes", "no"):
        raise ConfigError(f"success: expected yes or no, found {success!r}")
    chosen = selection_of(episodes, verdict, failed, shorter_than, task)
    with _Edit(dataset, dry_run) as editor:
        _print(editor, editor.set_success(chosen, success == "yes"))


@edit.command()
def merge(
    dataset: DatasetArgument,
    others: Annotated[
        list[str], typer.Argument(help="Datasets whose episodes are added; they stay.", show_default=False)
    ],
    *,
    dry_run: DryRunOption = False,
) -> None:
    """Add all episodes of other datasets."""
    with _Edit(dataset, dry_run) as editor:
        _print(editor, editor.merge([find_dataset(other) for other in others]))


@edit.command()
def undo(dataset: DatasetArgument, *, dry_run: DryRunOption = False) -> None:
    """Take the last edit back; episodes that were recorded since stay."""
    with _Edit(dataset, dry_run) as editor:
        undone = editor.undo()
    verb = "would undo" if dry_run else "undid"
    counts = f": {counted(undone.episodes, 'episode')} had become {undone.episodes_after}"
    is_same = undone.episodes == undone.episodes_after
    typer.echo(f"{verb}: {undone.what} ({undone.at}){'' if is_same else counts}")


@edit.command()
def forget(dataset: DatasetArgument, *, dry_run: DryRunOption = False) -> None:
    """Make all edits final, and free the disk space that undoing them needs."""
    editor = DatasetEditor(dataset, dry_run=dry_run)
    if not (count := len(editor.edits())):
        typer.echo("all edits are final already")
        return
    size = editor.forget()
    verb, effect = ("would make", "would be") if dry_run else ("made", "are")
    typer.echo(f"{verb} {counted(count, 'edit')} final: {size_of(size)} {effect} free")


class _Edit:
    """Shows the progress of an edit on a terminal, and what became of an edit that was interrupted."""

    def __init__(self, dataset: Path, dry_run: bool, at_key_frames: bool = False) -> None:
        self._bar = Progress(
            TextColumn("Editing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("edit", total=None)
        self._editor = DatasetEditor(
            dataset, dry_run=dry_run, at_key_frames=at_key_frames, progress=self._advance
        )

    def _advance(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> DatasetEditor:
        self._version = self._editor.version()
        if self._bar.console.is_terminal:
            self._bar.start()
        return self._editor

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar.console.is_terminal:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            is_done = self._editor.version() != self._version
            typer.echo(f"interrupted: {'the edit was made' if is_done else 'nothing was changed'}", err=True)


def selection_of(
    episodes: str | None, verdict: str | None, failed: bool, shorter_than: float | None, task: str | None
) -> Selection:
    """Return the selection that the options of a command describe.

    Raises:
        ConfigError: an option has an invalid value.
    """
    if verdict not in (None, "good", "bad"):
        raise ConfigError(f"--verdict: expected good or bad, found {verdict!r}")
    is_all = episodes == "all"
    numbers = parse_episodes(episodes) if episodes and not is_all else None
    return Selection(numbers, verdict, failed, shorter_than, task, everything=is_all)


def _print(editor: DatasetEditor, changes: Sequence[Change]) -> None:
    console = Console(highlight=False)
    if not changes:
        console.print("nothing to change: the episodes are like that already")
        return
    table = Table("episode", "edit", "length", "task", "becomes", box=None, header_style="bold")
    for change in changes:
        after = "" if change.becomes is None else f"{change.becomes} ({change.seconds_after:.2f} s)"
        cells = (str(change.episode), change.what, f"{change.seconds:.2f} s", change.task, after)
        table.add_row(*map(Text, cells))
    console.print(table)
    if editor.renumbered:
        console.print(_renumbered(editor.renumbered))
    if editor.dry_run:
        console.print("nothing was changed")
    else:
        console.print(f"{counted(len(changes), 'change')}; undo it with `edit undo`")


def _renumbered(numbers: Mapping[int, int]) -> str:
    """Return which episodes get other numbers, the first and the last."""
    first, *_, last = *numbers.items(), *numbers.items()
    shown = dict.fromkeys(f"{before} becomes {after}" for before, after in (first, last))
    return f"{counted(len(numbers), 'other episode', 'get')} another number: {', ..., '.join(shown)}"
