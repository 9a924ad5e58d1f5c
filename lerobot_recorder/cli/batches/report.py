"""What the trials cost, as a table, and the advice that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from lerobot_recorder.cli.batches.trial import Cost

COLUMNS = ("waited s", "longest", "encoded s", "last", "disk MB", "CPU s", "late")
_DISTURBED = 0.02
"""So many more of the ticks late than with the calmest size: encoding disturbs the recording."""


def table(costs: Sequence[Cost]) -> Table:
    """List what each trial cost: the seconds waited and until encoded per episode, the rest in all."""
    found = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    found.add_column("", no_wrap=True)
    for name in COLUMNS:
        found.add_column(name, justify="right", no_wrap=True)
    for cost in costs:
        found.add_row(cost.name, *(_cells(cost) if cost.episodes else ["-"] * len(COLUMNS)))
    return found


def _cells(cost: Cost) -> list[str]:
    return [
        f"{cost.wait_s:.3f}",
        f"{cost.longest_wait_s:.3f}",
        *(["never", ""] if cost.error else [f"{cost.encoded_s:.1f}", f"{cost.encoded_last_s:.1f}"]),
        f"{cost.peak_bytes / 1e6:.0f}",
        f"{cost.cpu_s:.1f}",
        f"{cost.late:.1%}",
    ]


def advice(costs: Sequence[Cost], cores: int) -> str:
    """Say which size suits this machine, and when another one does.

    Args:
        costs: of the trials of several sizes, all of the same episodes.
        cores: that the trials could use.
    """
    best = best_size(costs)
    largest = max(costs, key=lambda cost: cost.batch_size)
    load = best.cpu_s / best.recorded_s
    words = [
        f"Batch size {best.batch_size} suits a machine like this one ({cores} cores): "
        f"an episode was in the dataset {best.encoded_s:.0f} s after its end, "
        f"and {best.peak_bytes / 1e6:.0f} MB of disk were held at most.",
        _why(best, costs, load, cores),
    ]
    if largest is not best and largest.peak_bytes > best.peak_bytes:
        words.append(f"Batch size {largest.batch_size} held {largest.peak_bytes / 1e6:.0f} MB.")
    return " ".join(words)


def best_size(costs: Sequence[Cost]) -> Cost:
    """Choose the smallest size whose encoding does not disturb the recording."""
    calmest = min(cost.late for cost in costs)
    undisturbed = [cost for cost in costs if cost.late <= calmest + _DISTURBED]
    return min(undisturbed, key=lambda cost: cost.batch_size)


def _why(best: Cost, costs: Sequence[Cost], load: float, cores: int) -> str:
    """Tell what speaks against smaller sizes, or when larger ones are better."""
    smaller = [cost for cost in costs if cost.batch_size < best.batch_size]
    if smaller:
        worst = max(smaller, key=lambda cost: cost.late)
        return (
            f"With {worst.batch_size}, encoding took so much of the machine from the recording "
            f"that {worst.late:.0%} of the ticks came late."
        )
    rule = (
        f"Recording and encoding take {load:.1f} cores here; where fewer are free, as with more cameras, "
        "take the largest size that the disk has room for, and let it encode in the breaks."
    )
    return rule if load <= cores else f"Encoding is slower than recording here. {rule}"
