"""Reports the cost of the trials: as a table, as advice and as a chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table

from lerobot_recorder.cli.batches.trial import Cost
from lerobot_recorder.cli.terminal import plain_table

COLUMNS = ("waited s", "longest", "encoded s", "last", "disk MB", "CPU s", "late")
_DISTURBED = 0.02
"""If the share of late ticks is this much above the best size's, encoding disturbs the recording."""

_PANELS: tuple[tuple[str, Callable[[Cost], float], str], ...] = (
    ("waited per episode [s]", lambda cost: cost.wait_s, "{:.2f}"),
    ("in the dataset after [s]", lambda cost: cost.encoded_s, "{:.1f}"),
    ("most disk held [MB]", lambda cost: cost.peak_bytes / 1e6, "{:.0f}"),
    ("CPU per second recorded [s]", lambda cost: cost.cpu_s / cost.recorded_s, "{:.2f}"),
)


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
