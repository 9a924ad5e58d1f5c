"""``batch-demo``: record the same episodes with several batch sizes, and compare the cost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lerobot_recorder.cli.batch_trial import CAMERAS, HEIGHT, WIDTH, Cost, Frame, Plan, Trial, draw
from lerobot_recorder.cli.contact_sheet import INSTALL_HINT, can_draw
from lerobot_recorder.cli.terminal import plain_table
from lerobot_recorder.dataset import thinning
from lerobot_recorder.errors import ConfigError

_SPARE = 1.2
COLUMNS = ("waited s", "longest", "encoded s", "last", "disk MB", "CPU s", "late")
_DISTURBED = 0.02
"""If the share of late ticks is this much above the best size's, encoding disturbs the recording."""

_PANELS: tuple[tuple[str, Callable[[Cost], float], str], ...] = (
    ("waited per episode [s]", lambda cost: cost.wait_s, "{:.2f}"),
    ("in the dataset after [s]", lambda cost: cost.encoded_s, "{:.1f}"),
    ("most disk held [MB]", lambda cost: cost.peak_bytes / 1e6, "{:.0f}"),
    ("CPU per second recorded [s]", lambda cost: cost.cpu_s / cost.recorded_s, "{:.2f}"),
)


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


def table(costs: Sequence[Cost]) -> Table:
    """Return a table of the trials; waiting and encoding are per episode, the rest is the total."""
    found = plain_table("", *COLUMNS)
    for column in found.columns:
        column.no_wrap = True
    for column in found.columns[1:]:
        column.justify = "right"
    for cost in costs:
        found.add_row(
            cost.name,
            f"{cost.wait_s:.3f}",
            f"{cost.longest_wait_s:.3f}",
            f"{cost.encoded_s:.1f}",
            f"{cost.encoded_last_s:.1f}",
            f"{cost.peak_bytes / 1e6:.0f}",
            f"{cost.cpu_s:.1f}",
            f"{cost.late:.1%}",
        )
    return found


def advice(costs: Sequence[Cost], cores: int) -> str:
    """Recommend a batch size for this machine, and explain when another one is better.

    Args:
        costs: of the trials of several sizes, all of the same episodes
        cores: number of cores that the trials could use
    """
    best = best_size(costs)
    largest = max(costs, key=lambda cost: cost.batch_size)
    load = best.cpu_s / best.recorded_s
    sentences = [
        f"Use batch size {best.batch_size} on a machine like this one ({cores} cores): "
        f"an episode was in the dataset {best.encoded_s:.0f} s after its end, "
        f"and at most {best.peak_bytes / 1e6:.0f} MB of disk were held.",
        _why(best, costs, load, cores),
    ]
    if largest is not best and largest.peak_bytes > best.peak_bytes:
        sentences.append(f"Batch size {largest.batch_size} held {largest.peak_bytes / 1e6:.0f} MB.")
    return " ".join(sentences)


def best_size(costs: Sequence[Cost]) -> Cost:
    """Return the smallest size whose encoding does not disturb the recording."""
    calmest = min(cost.late for cost in costs)
    undisturbed = [cost for cost in costs if cost.late <= calmest + _DISTURBED]
    return min(undisturbed, key=lambda cost: cost.batch_size)


def _why(best: Cost, costs: Sequence[Cost], load: float, cores: int) -> str:
    """Return why smaller sizes are worse, or when larger ones are better."""
    smaller = [cost for cost in costs if cost.batch_size < best.batch_size]
    if smaller:
        worst = max(smaller, key=lambda cost: cost.late)
        return (
            f"With batch size {worst.batch_size}, encoding disturbed the recording: "
            f"{worst.late:.0%} of the ticks were late."
        )
    rule = (
        f"Recording and encoding take {load:.1f} cores here. Where fewer are free, for example with more "
        "cameras, take the largest size that the disk has room for, and let it encode in the breaks."
    )
    return rule if load <= cores else f"Encoding is slower than recording here. {rule}"


def draw_chart(costs: Sequence[Cost], title: str, path: Path) -> None:
    """Draw a panel for each kind of cost, with a bar for each trial, into a PNG.

    Raises:
        OSError: the file cannot be written
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 0.9 + 0.4 * len(costs)), layout="constrained")
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for panel, (name, value, form) in zip(panels, _PANELS, strict=True):
        bars = panel.barh([cost.name for cost in costs], [value(cost) for cost in costs], color="#2a6f97")
        panel.bar_label(bars, [form.format(value(cost)) for cost in costs], padding=3)
        panel.set_title(name, fontsize="medium")
        panel.margins(x=0.2)
        panel.xaxis.set_visible(False)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(left=False)
    panels[0].invert_yaxis()
    figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
    figure.savefig(path, dpi=150, format="png")
