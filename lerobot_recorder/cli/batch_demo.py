"""``batch-demo``: the same episodes with several batch sizes, and what each costs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lerobot_recorder.cli.batches.chart import can_draw, draw_chart
from lerobot_recorder.cli.batches.lerobot_trial import LeRobotTrial
from lerobot_recorder.cli.batches.pictures import CAMERAS, HEIGHT, WIDTH, Frame, draw
from lerobot_recorder.cli.batches.report import advice, table
from lerobot_recorder.cli.batches.trial import Cost, Plan, Tell, Trial
from lerobot_recorder.dataset import thinning
from lerobot_recorder.errors import ConfigError

_LEROBOT_EPISODES = 5
_LEROBOT_BATCH = 5
_SPARE = 1.2


def batch_demo(
    *,
    sizes: Annotated[str, typer.Option(help="Batch sizes to try.")] = "1,5,10,50",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to record with each.")] = 50,
    episode_time_s: Annotated[float, typer.Option(min=0.1, help="Length of an episode.")] = 3.0,
    reset_time_s: Annotated[float, typer.Option(min=0, help="Pause between episodes.")] = 0.0,
    directory: Annotated[Path, typer.Option(help="Where to record; nothing is left there.")] = Path(),
    chart: Annotated[Path, typer.Option(help="The chart to draw.")] = Path("batch_demo.png"),
    compare_lerobot: Annotated[
        str | None,
        typer.Option(metavar="PYTHON", help="Record with LeRobot too, run by a Python that has it."),
    ] = None,
) -> None:
    """Record the same episodes with several batch sizes, and compare what each costs.

    Two simulated cameras are recorded at real pace, 30 frames a second, and encoded beside it.
    """
    plan = Plan(episodes, episode_time_s, reset_time_s)
    tried = parsed_sizes(sizes)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    _announce(console, plan, tried, directory)
    with _temporary(directory) as folder, _progress() as progress:
        frames = draw(plan.fps)
        costs = [_tried(folder / str(size), plan, size, frames, progress) for size in tried]
        theirs = list(_lerobot(compare_lerobot, folder, plan, frames, progress)) if compare_lerobot else []
    console.print(table([*costs, *theirs]))
    for cost in theirs:
        if cost.error:
            console.print(f"{cost.name}: crashed after {cost.episodes} episodes: {cost.error}")
    console.print(f"\n{advice(costs, len(os.sched_getaffinity(0)))}")
    _chart(console, [*costs, *theirs], plan, chart)


def parsed_sizes(text: str) -> list[int]:
    """Read batch sizes, as `1,5,10`.

    Raises:
        ConfigError: they are not positive integers with commas between.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ConfigError(f"--sizes: expected batch sizes as in 1,5,10, found {text!r}")
    return list(dict.fromkeys(map(int, words)))


def spooled_bytes(plan: Plan, size: int) -> int:
    """Foresee the disk that a trial holds: the episodes that wait, one being recorded, and one encoded."""
    step = thinning(HEIGHT, WIDTH)
    frame = WIDTH * HEIGHT * 3 // 2 + (WIDTH // step) * (HEIGHT // step) * 3
    held = min(size + 2, plan.episodes)
    return round(held * plan.episode_time_s * plan.fps * frame * len(CAMERAS))


def _announce(console: Console, plan: Plan, sizes: list[int], directory: Path) -> None:
    """Say how long it takes and what it needs, and make sure that this is there."""
    minutes = len(sizes) * plan.episodes * (plan.episode_time_s + plan.reset_time_s) / 60
    needed = max(spooled_bytes(plan, size) for size in sizes)
    console.print(
        f"{plan.episodes} episodes of {plan.episode_time_s:g} s with each of {len(sizes)} batch sizes: "
        f"{minutes:.0f} min of recording, up to {needed / 1e9:.1f} GB of disk"
    )
    if not can_draw():
        console.print("no chart will be drawn: that needs matplotlib, pip install 'lerobot_recorder[demo]'")
    if not directory.is_dir():
        raise ConfigError(f"there is no directory {directory}")
    free = shutil.disk_usage(directory).free
    if free < needed * _SPARE:
        raise ConfigError(
            f"{directory.absolute()} has {free / 1e9:.1f} GB free, {needed * _SPARE / 1e9:.1f} are needed: "
            "record fewer or shorter episodes, or in another --directory"
        )


@contextmanager
def _temporary(directory: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="batch-demo-", dir=directory) as folder:
        yield Path(folder)


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}")
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))


def _telling(progress: Progress, name: str) -> Tell:
    bar = progress.add_task(name, total=1.0, now="")
    return lambda now, done: progress.update(bar, now=now, completed=done)


def _tried(folder: Path, plan: Plan, size: int, frames: list[Frame], progress: Progress) -> Cost:
    try:
        return Trial(folder / "dataset", plan, size, _telling(progress, f"batch size {size}")).run(frames)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lerobot(
    python: str, folder: Path, plan: Plan, frames: list[Frame], progress: Progress
) -> Iterator[Cost]:
    """Record with LeRobot as it is by default, and in batches."""
    few = replace(plan, episodes=min(plan.episodes, _LEROBOT_EPISODES))
    for size in (1, _LEROBOT_BATCH):
        tell = _telling(progress, f"LeRobot, batch size {size}")
        yield LeRobotTrial(python, folder / f"lerobot-{size}", few, size, tell).run(frames)


def _chart(console: Console, costs: list[Cost], plan: Plan, path: Path) -> None:
    if can_draw():
        title = f"{plan.episodes} episodes of {plan.episode_time_s:g} s, two cameras of {WIDTH}x{HEIGHT}"
        draw_chart([cost for cost in costs if cost.episodes], title, path)
        console.print(f"chart  {path.absolute()}")
