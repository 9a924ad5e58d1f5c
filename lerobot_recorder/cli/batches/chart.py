"""The chart of what the trials cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from lerobot_recorder.cli.batches.trial import Cost

NEEDED = "matplotlib"
_PANELS: tuple[tuple[str, Callable[[Cost], float], str], ...] = (
    ("waited per episode [s]", lambda cost: cost.wait_s, "{:.2f}"),
    ("in the dataset after [s]", lambda cost: cost.encoded_s if not cost.error else 0.0, "{:.1f}"),
    ("disk held at most [MB]", lambda cost: cost.peak_bytes / 1e6, "{:.0f}"),
    ("CPU per second recorded [s]", lambda cost: cost.cpu_s / cost.recorded_s, "{:.2f}"),
)
_OURS, _THEIRS = "#2a6f97", "#b0b0b0"


def can_draw() -> bool:
    """Tell whether the library for charts is installed."""
    return find_spec(NEEDED) is not None


def draw_chart(costs: Sequence[Cost], title: str, path: Path) -> None:
    """Draw a bar for each trial, in a panel for each kind of cost, as a PNG.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 0.9 + 0.4 * len(costs)), layout="constrained")
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for panel, (name, value, form) in zip(panels, _PANELS, strict=True):
        colours = [_OURS if cost.batch_size else _THEIRS for cost in costs]
        bars = panel.barh([cost.name for cost in costs], [value(cost) for cost in costs], color=colours)
        labels = [form.format(value(cost)) if value(cost) else "never" for cost in costs]
        panel.bar_label(bars, labels, padding=3)
        panel.set_title(name, fontsize="medium")
        panel.margins(x=0.2)
        panel.xaxis.set_visible(False)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(left=False)
    panels[0].invert_yaxis()
    figure.suptitle(title, fontsize="medium", x=0.01, ha="left")
    figure.savefig(path, dpi=150, format="png")
