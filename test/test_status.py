from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from lerobot_recorder.arms import Comparison, ReplayStatus
from lerobot_recorder.encoding import CommittedEpisode, EncoderStatus, EncodingProgress, TakeProgress
from lerobot_recorder.recording import CompletedEpisode, LastEpisode, Outcome, RecorderStatus, StreamStatus
from lerobot_recorder.status import STATUS_VERSION, from_json, to_json

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/status.md"
EACH = {"mean": {"gripper": 0.5}}
DONE = CommittedEpisode("20260101T000000", 7, 450, 6.5, 4_300_000)
STREAM = StreamStatus(rate_hz=30.0, age_s=0.01, faults={"cut short": 2}, stale_ticks=1, wrong="top: dark")
STATUSES = [
    RecorderStatus(),
    RecorderStatus(state="recording", streams={"top": STREAM}, missing=("a: nothing",), free_bytes=5),
    RecorderStatus(last=LastEpisode("20260101T000000", 3, reasons=("late",), success=False)),
    EncoderStatus(),
    EncoderStatus(state="encoding", encoding=EncodingProgress(1, 300, 900), episodes=(DONE,), eta_s=75.4),
    ReplayStatus(state="finished", comparison=Comparison(0.04, EACH, EACH)),
    CompletedEpisode("20260101T000000", "ready", 30, 1.0, "Pick", reasons=("late",), root="/data", fps=30),
]


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: type(status).__name__)
def test_a_status_is_read_as_it_was_written(status):
    content = json.loads(json.dumps(to_json(status)))
    assert content["version"] == STATUS_VERSION
    assert from_json(type(status), content) == status


def test_fields_of_later_versions_are_ignored_and_missing_ones_have_their_defaults():
    assert from_json(EncoderStatus, {"waiting": 3, "color": "blue"}) == EncoderStatus(waiting=3)


def described(kind: type) -> dict[str, str]:
    """Return the text of each field in a dataclass's docstring."""
    _, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    lines = re.sub(r"\n {5,}", " ", inspect.cleandoc(attributes).replace("\n    ", "\n     "))
    return dict(line.split(": ", 1) for line in lines.splitlines() if line)


@pytest.mark.parametrize(
    "kind",
    [
        RecorderStatus,
        StreamStatus,
        LastEpisode,
        CompletedEpisode,
        EncoderStatus,
        EncodingProgress,
        TakeProgress,
        CommittedEpisode,
        ReplayStatus,
        Comparison,
    ],
)
def test_each_field_is_documented(kind):
    texts = described(Outcome) | described(kind) if kind is CompletedEpisode else described(kind)
    assert list(texts) == [each.name for each in fields(kind)]
    section = DOCUMENT.read_text().partition(f"({kind.__name__})")[2].partition("\n## ")[0]
    rows = [f"| `{name}` | {text.replace('``', '`')} |" for name, text in texts.items()]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows
