"""What a check has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FINE, WARNING, FAULT = "ok", "warning", "fault"
_ORDER = (FINE, WARNING, FAULT)


@dataclass(frozen=True)
class Finding:
    """What a check has found about one subject.

    Attributes:
        subject: an arm, a camera, ``disk``, ``dataset`` or ``clock``
        level: ``ok``; ``warning`` for what may be intended; ``fault`` for what spoils a recording
        text: what was found, in one line
    """

    subject: str
    level: str
    text: str


def combined(subject: str, parts: Sequence[tuple[str, str]], fine: str) -> Finding:
    """Return one finding of several parts, with the worst level.

    Args:
        subject: what they are about
        parts: level and text of each
        fine: what is said in any case, before them
    """
    level = max((level for level, _ in parts), key=_ORDER.index, default=FINE)
    return Finding(subject, level, "; ".join([fine, *(text for _, text in parts)]))
