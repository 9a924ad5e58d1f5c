"""Draws a QR code for the terminal."""

from __future__ import annotations

import io

import segno


def qr_lines(text: str) -> list[str]:
    """Return the lines of a QR code, of characters that are half a square high."""
    out = io.StringIO()
    segno.make(text, error="l").terminal(out, compact=True, border=2)
    return out.getvalue().rstrip("\n").split("\n")
