"""``batch-demo``: record the same episodes with several batch sizes, and compare the cost."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lerobot_recorder.cli.batches.pictures import CAMERAS, HEIGHT, WIDTH, Frame, draw
from lerobot_recorder.cli.batches.report import advice, draw_chart, table
from lerobot_recorder.cli.batches.trial import Cost, Plan, Trial
from lerobot_recorder.cli.contact_sheet import INSTALL_HINT, can_draw
from lerobot_recorder.dataset import thinning
from lerobot_recorder.errors import ConfigError

_SPARE = 1.2


def batch_demo(
    *,
    sizes: Annotated[str, typer.Option(help="Batch sizes to try, separated by commas.")] = "1,5,10,50",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to record with each batch size.")] = 50,
    episode_time_s: Annotated[float, typer.Option(min=0.1, help="Length of an episode, in seconds.")] = 3.0,
    reset_time_s: Annotated[float, typer.Option(min=0, help="Pause between episodes, in seconds.")] = 0.0,
    directory: Annotated[Path, typer.Option(help="Directory for temporary files.")] = Path(),
    chart: Annotated[Path, typer.Option(help="PNG file for the chart.")] = Path("batch_demo.png"),
) -> None:
    """Record the same episodes with several batch sizes, and compare the cost of each.

    Records two simulated cameras at real pace, 30 frames per second, and encodes them meanwhile.
    """
    plan = Plan(episodes, episode_time_s, reset_time_s)
    tried = parsed_sizes(sizes)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    _announce(console, plan, tried, directory)
    folder = tempfile.TemporaryDirectory(prefix="batch-demo-", dir=directory)
    with folder as name, _progress() as progress:
        frames = draw(plan.fps)
        costs = [_try_size(Path(name, str(size)), plan, size, frames, progress) for size in tried]
    console.print(table(costs))
    console.print(f"\n{advice(costs, len(os.sched_getaffinity(0)))}")
    if can_draw():
        title = f"{episodes} episodes of {episode_time_s:g} s, two cameras of {WIDTH}x{HEIGHT}"
        draw_chart(costs, title, chart)
        console.print(f"chart  {chart.absolute()}")


def parsed_sizes(text: str) -> list[int]:
    """Parse batch sizes such as ``1,5,10``.

    Raises:
        ConfigError: they are not positive integers separated by commas
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ConfigError(f"--sizes: expected batch sizes such as 1,5,10, found {text!r}")
    return list(dict.fromkeys(map(int, words)))


def spooled_bytes(plan: Plan, size: int) -> int:
    """Estimate the disk use of a trial: waiting episodes, one that is recorded, one that is encoded."""
    step = thinning(HEIGHT, WIDTH)
    frame = WIDTH * HEIGHT * 3 // 2 + (WIDTH // step) * (HEIGHT // step) * 3
    held = min(size + 2, plan.episodes)
    return round(held * plan.episode_time_s * plan.fps * frame * len(CAMERAS))


def _announce(console: Console, plan: Plan, sizes: list[int], directory: Path) -> None:
    """Print how long the trials take and what they need, and check that there is enough disk space."""
    minutes = len(sizes) * plan.episodes * (plan.episode_time_s + plan.reset_time_s) / 60
    needed = max(spooled_bytes(plan, size) for size in sizes)
    console.print(
        f"{plan.episodes} episodes of {plan.episode_time_s:g} s with each of {len(sizes)} batch sizes: "
        f"{minutes:.0f} min of recording, up to {needed / 1e9:.1f} GB of disk"
    )
    if not can_draw():
        console.print(f"no chart will be drawn: {INSTALL_HINT}")
    if not directory.is_dir():
        raise ConfigError(f"no such directory: {directory}")
    free = shutil.disk_usage(directory).free
    if free < needed * _SPARE:
        raise ConfigError(
            f"{directory.absolute()} has {free / 1e9:.1f} GB free, expected {needed * _SPARE / 1e9:.1f} GB: "
            "record fewer or shorter episodes, or use another --directory"
        )


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}")
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))


def _try_size(folder: Path, plan: Plan, size: int, frames: list[Frame], progress: Progress) -> Cost:
    bar = progress.add_task(f"batch size {size}", total=1.0, now="")

    def update(now: str, done: float) -> None:
        progress.update(bar, now=now, completed=done)

    try:
        return Trial(folder / "dataset", plan, size, update).run(frames)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
