"""Writes a report about a dataset or an episode: one HTML file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from lerobot_recorder.cli.contact_sheet import contact_sheet, read_sheet_episode
from lerobot_recorder.cli.terminal import file_progress

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #212529; margin: 2rem auto; max-width: 88rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { text-align: left; padding: .15rem 1.2rem .15rem 0; vertical-align: top }
th { color: #6c757d; font-weight: 600 }
img { max-width: 100%; display: block; margin: 1rem 0 }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def facts(lines: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and texts."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in lines)
    return f"<table>{rows}</table>"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with a header."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def sheets(root: Path, episodes: Sequence[int]) -> str:
    """Return the contact sheets of episodes as pictures that are part of the file.

    Raises:
        ConfigError: matplotlib is not installed
        DatasetError: an episode cannot be read
        VideoError: a video cannot be read
    """
    pictures = []
    with file_progress("Drawing") as progress:
        for count, index in enumerate(episodes):
            progress(count, len(episodes))
            image = contact_sheet([read_sheet_episode(root, index)], "jpeg")
            data = base64.b64encode(image).decode()
            pictures.append(f'<img alt="episode {index}" src="data:image/jpeg;base64,{data}">')
    return "".join(pictures)


def write_report(output: Path, title: str, *parts: str) -> None:
    """Write a report.

    Args:
        output: the file
        title: its heading
        parts: HTML, from the functions above

    Raises:
        OSError: the file cannot be written
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    body = f"<h1>{escape(title)}</h1>{''.join(parts)}"
    output.write_text(
        f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n', encoding="utf-8"
    )
