"""What the last checks have found, kept beside the pictures: the dashboard shows it before the first take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from lerobot_recorder.durable import make_private_directory, replace_file
from lerobot_recorder.preflight.finding import Finding
from lerobot_recorder.preflight.reference import directory_of

_FILE = "findings.json"


@dataclass(frozen=True)
class LastFindings:
    """What was found last.

    Attributes:
        at: when, in UTC, as in ISO 8601
        findings: a line per subject
        has_pictures: whether the kept picture of all cameras is of these checks
    """

    at: str
    findings: Sequence[Finding]
    has_pictures: bool


def save_findings(root: Path, findings: Sequence[Finding], *, has_pictures: bool) -> None:
    """Keep what was found now.

    Args:
        root: the dataset's directory
        findings: a line per subject
        has_pictures: whether the picture of all cameras was kept, too

    Raises:
        OSError: it cannot be written
    """
    directory = directory_of(root)
    make_private_directory(directory.parent)
    make_private_directory(directory)
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    content = json.dumps(asdict(LastFindings(at, findings, has_pictures)), indent=1)
    replace_file(directory / _FILE, content.encode())


def load_findings(root: Path) -> LastFindings | None:
    """Return what was found last; None if there is nothing, or it cannot be read."""
    try:
        known = json.loads((directory_of(root) / _FILE).read_text(encoding="utf-8"))
        findings = [
            Finding(str(each["subject"]), str(each["level"]), str(each["text"])) for each in known["findings"]
        ]
        return LastFindings(str(known["at"]), findings, bool(known["has_pictures"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
