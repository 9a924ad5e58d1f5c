from __future__ import annotations

from pathlib import Path

import pytest
from takes import a_take
from typer.testing import CliRunner

from lerobot_recorder.cli.app import app
from lerobot_recorder.spool import Spool


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "dataset")


def test_a_rejected_take_is_accepted_and_encoded_when_no_recorder_runs(spool):
    take = a_take(spool, "raw", length=6, width=64, height=48).reject("the wrist camera froze")
    accepted = invoke("accept", spool.root)
    assert accepted.exit_code == 0, accepted.output
    assert f"accepted episode {take.episode_id}, 6 frames, despite: the wrist camera froze" in accepted.output
    assert f"lerobot-recorder encode {spool.root}" in accepted.output
    assert "1 episode added" in invoke("encode", spool.root).output


def test_a_take_that_a_crash_has_cut_short_is_accepted_at_once(spool):
    a_take(spool).abandon()
    assert "5 frames, despite: interrupted" in invoke("accept", spool.root).output
    assert len(spool.ready()) == 1


def test_a_named_take_is_accepted(spool):
    first, _ = (a_take(spool).reject("bad") for _ in range(2))
    assert invoke("accept", spool.root, "--episode", first.episode_id).exit_code == 0
    assert [episode.episode_id for episode in spool.ready()] == [first.episode_id]


@pytest.mark.parametrize("end", ["delete", "reject", "discard"])
def test_what_was_removed_is_brought_back(spool, end):
    take = a_take(spool)
    if end == "discard":
        take.discard()
    else:
        spool.delete_last((take.save() if end == "delete" else take.reject("bad")).episode_id)
    result = invoke("undo-delete", spool.root)
    assert result.exit_code == 0, result.output
    assert f"restored episode {take.header.episode_id}, 5 frames" in result.output
    assert ("lerobot-recorder accept" in result.output) == (end == "reject")


@pytest.mark.parametrize(
    ("command", "error"), [("accept", "no rejected take"), ("undo-delete", "nothing to")]
)
def test_what_cannot_be_done_is_one_sentence(spool, command, error):
    nothing = invoke(command, spool.root)
    assert (nothing.exit_code, f"error: {spool.root}: expected a dataset" in nothing.output) == (1, True)
    spool.create()
    refused = invoke(command, spool.root)
    assert refused.exit_code == 1
    assert error in refused.output
