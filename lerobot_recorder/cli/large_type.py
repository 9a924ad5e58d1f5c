"""Large type for a terminal: characters of 5 by 7 dots, two dots above each other in each cell."""

from __future__ import annotations

from collections.abc import Mapping

WIDTH = 6
"""Columns of a character, with the gap after it."""

HEIGHT = 4
"""Lines of a character."""

_BLOCKS = " ▀▄█"
_COLUMNS = 5
# The columns of each character from left to right; the lowest bit is the top dot.
_DOTS: Mapping[str, str] = {
    "0": "3e5149453e",
    "1": "00427f4000",
    "2": "4261514946",
    "3": "2141454b31",
    "4": "1814127f10",
    "5": "2745454539",
    "6": "3c4a494930",
    "7": "0171090503",
    "8": "3649494936",
    "9": "064949291e",
    ":": "0036360000",
    ".": "0060600000",
    "A": "7e1111117e",
    "B": "7f49494936",
    "C": "3e41414122",
    "D": "7f4141221c",
    "E": "7f49494941",
    "F": "7f09090901",
    "G": "3e4149497a",
    "H": "7f0808087f",
    "I": "00417f4100",
    "J": "2040413f01",
    "K": "7f08142241",
    "L": "7f40404040",
    "M": "7f020c027f",
    "N": "7f0408107f",
    "O": "3e4141413e",
    "P": "7f09090906",
    "Q": "3e4151215e",
    "R": "7f09192946",
    "S": "4649494931",
    "T": "01017f0101",
    "U": "3f4040403f",
    "V": "1f2040201f",
    "W": "3f4038403f",
    "X": "6314081463",
    "Y": "0708700807",
    "Z": "6151494543",
}


def large(text: str) -> list[str]:
    """Return the lines of a text of capital letters, digits, ``:`` and ``.``; others are blank."""
    columns = [
        dots for character in text for dots in (*bytes.fromhex(_DOTS.get(character, "00" * _COLUMNS)), 0)
    ]
    return ["".join(_cell(dots, 2 * line) for dots in columns).rstrip() for line in range(HEIGHT)]


def _cell(dots: int, row: int) -> str:
    return _BLOCKS[(dots >> row) & 3]
