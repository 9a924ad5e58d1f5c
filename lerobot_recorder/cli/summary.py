"""What a recording has come to: a table of its episodes, and a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lerobot_recorder.cli.contact_sheet import write_contact_sheet
from lerobot_recorder.cli.news import News
from lerobot_recorder.cli.sheet_source import sheet_episodes
from lerobot_recorder.dataset.layout import spool_path

_COLUMNS = ("episode", "frames", "recorded s", "waited s", "encoded s", "size MB")
_SHEET_EPISODES = 8


def summarise(news: News, console: Console) -> None:
    """Print where the dataset is, its new episodes and their contact sheet, and what is not in it.

    Raises:
        RecorderError: the dataset that was just written cannot be read.
        OSError: the contact sheet cannot be written.
    """
    root = news.root
    if root is None:
        console.print("no episode was saved")
        return
    console.print(episode_table(news))
    _count_left(news, root, console)
    console.print(f"dataset        {root}")
    indices = [episode["episode_index"] for episode in news.committed][-_SHEET_EPISODES:]
    if indices:
        sheet = root.with_name(f"{root.name}_contact_sheet.png")
        write_contact_sheet(sheet_episodes(root, indices), sheet)
        console.print(f"contact sheet  {sheet}")


def episode_table(news: News) -> Table:
    """List the episodes of this run: first those that are in the dataset, then those that wait."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    done = {episode["episode_id"]: episode for episode in news.committed}
    for episode_id, episode in done.items():
        table.add_row(str(episode["episode_index"]), *_cells(news.completed.get(episode_id), episode))
    for episode_id, saved in news.completed.items():
        if saved["state"] == "ready" and episode_id not in done:
            table.add_row("waits", *_cells(saved, None))
    return table


def _cells(saved: dict[str, Any] | None, encoded: dict[str, Any] | None) -> list[str]:
    frames = encoded["frames"] if encoded else saved["length"] if saved else 0
    size = encoded["size_bytes"] if encoded else saved["size_bytes"] if saved else 0
    return [
        str(frames),
        f"{saved['duration_s']:.1f}" if saved else "earlier",
        f"{saved['wait_s']:.3f}" if saved else "",
        f"{encoded['encode_s']:.1f}" if encoded else "",
        f"{size / 1e6:.2f}",
    ]


def _count_left(news: News, root: Path, console: Console) -> None:
    rejected = sum(episode["state"] == "rejected" for episode in news.completed.values())
    if rejected:
        console.print(f"{rejected} rejected takes are in {spool_path(root) / 'rejected'}")
    if news.encoder.get("failed"):
        console.print(
            f"{news.encoder['failed']} episodes could not be encoded, see {spool_path(root) / 'failed'}"
        )
    if news.encoder.get("waiting"):
        console.print(
            f"{news.encoder['waiting']} episodes wait; to encode them: lerobot-recorder encode {root}"
        )
