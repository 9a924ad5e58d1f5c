"""What a repair reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A fault of a dataset.

    Attributes:
        what: the fault, with the file and the numbers.
        repair: what the repair does about it.
        lost: what cannot be saved; empty if nothing.
    """

    what: str
    repair: str
    lost: str = ""
