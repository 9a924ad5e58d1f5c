"""Copies of a dataset and its spool with a damaged file, and what the command line makes of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from chaos.ledger import Ledger
from chaos.verify import verify

_CLI = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()"]
_ENCODE = ["--vcodec", "h264", "--nice", "0"]
_LONGEST_S = 120.0


def damage_file(directory: Path, random: Random) -> str:
    """Flip a bit of a random file, or cut it short; return what was done."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.stat().st_size)
    path = random.choice(paths)
    data = bytearray(path.read_bytes())
    place = random.randrange(len(data))
    if random.random() < 0.7:
        data[place] ^= 1 << random.randrange(8)
        path.write_bytes(data)
        return f"a bit of byte {place} of {path} was flipped"
    path.write_bytes(data[:place])
    return f"{path} was cut to {place} bytes"


def _run(*arguments: object) -> tuple[int | None, str]:
    """Run a command; None for one that does not end."""
    try:
        done = subprocess.run(
            [*_CLI, *map(str, arguments)], capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, "it does not end"
    return done.returncode, done.stdout + done.stderr


def damaged_dataset(root: Path, place: Path, random: Random) -> Iterator[str]:
    """Damage a copy of a dataset, check it; yield what is wrong with how that ended."""
    copy = place / "damaged"
    shutil.copytree(root, copy)
    what = damage_file(copy, random)
    status, text = _run("check", "--deep", copy)
    if status not in (0, 1) or "Traceback" in text:
        yield f"check ended with {status} after {what}: {text[-2000:]}"
    shutil.rmtree(copy)


def damaged_append(root: Path, spooled: Path, place: Path, random: Random) -> Iterator[str]:
    """Damage a copy of a dataset, and append what waits to it; yield the episodes that are nowhere then."""
    copy, spool = place / "damaged", place / "damaged.spool"
    shutil.copytree(root, copy)
    shutil.copytree(spooled, spool)
    ready = {path.name for path in (spool / "ready").iterdir()}
    what = damage_file(copy, random)
    status, text = _run("encode", copy, *_ENCODE)
    if status not in (0, 1) or "Traceback" in text:
        yield f"encode ended with {status} after {what}: {text[-2000:]}"
    kept = {path.parent.name for path in spool.glob("*/*/manifest.json")}
    recorded = b"".join(path.read_bytes() for path in (copy / "meta/recordings").rglob("*.jsonl"))
    yield from (f"{name} is nowhere after {what}" for name in ready - kept if name.encode() not in recorded)
    shutil.rmtree(spool)
    shutil.rmtree(copy)


def damaged_spool(spooled: Path, place: Path, epoch_s: float, random: Random) -> Iterator[str]:
    """Damage an episode in a copy of a spool, and encode it; yield what is wrong with how that ended.

    The episode must be in the dataset as it was recorded, or in the spool with a reason.
    """
    root, spool = place / "encoded", place / "encoded.spool"
    shutil.copytree(spooled, spool)
    ready = {path.name for path in (spool / "ready").iterdir()}
    what = damage_file(spool / "ready", random)
    status, text = _run("encode", root, *_ENCODE)
    if status not in (0, 1) or "Traceback" in text:
        yield f"encode ended with {status} after {what}: {text[-2000:]}"
    failed = {path.name for path in (spool / "failed").glob("*")}
    waiting = {
        path.name for state in ("ready", "claimed", "committing") for path in (spool / state).glob("*")
    }
    ledger = Ledger()
    for name in ready - failed - waiting:
        ledger.saved(name)
    findings = verify(root, ledger, epoch_s)
    faults = (
        findings.lost + findings.doubled + [each for each in findings.damaged if "is in failed/" not in each]
    )
    yield from (f"after {what}: {fault}" for fault in faults)
    if (failed | waiting) and status == 0:
        yield f"encode does not report what it could not use after {what}: {text[-2000:]}"
    shutil.rmtree(spool)
    shutil.rmtree(root, ignore_errors=True)
