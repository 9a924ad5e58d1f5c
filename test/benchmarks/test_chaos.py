"""What chaos relies on: it sees damage, its disk fails as it is told, its power cuts take what they may."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from chaos.faults import Disk, build_library
from chaos.ledger import Ledger
from chaos.numbers import ARMS, CAMERAS, RATE_HZ, picture, pose_rad, read_picture, read_units
from chaos.power import cut_power, read_journal
from chaos.verify import Findings, _check_promises, _check_times, verify

from lerobot_recorder.arms.calibration import SIMULATED

NUMBERS = [0, 1, 29, 1_000, 123_456, 1_105_615, 40**4 - 1]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("camera", CAMERAS)
def test_a_picture_shows_its_number_and_camera_after_compression(number, camera):
    grey = picture(number, camera)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_GRAYSCALE)
    assert read_picture(jpeg, camera) == number
    assert [read_picture(jpeg, other) for other in CAMERAS if other != camera] == [None]


def test_a_lost_block_of_a_picture_is_seen():
    grey = picture(1_105_616, "top")
    grey[:64, :64] = picture(1_000_001, "top")[:64, :64]
    assert read_picture(grey, "top") is None


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("arm", ARMS)
def test_a_pose_stands_for_its_number_and_arm_in_whole_ticks(number, arm):
    ticks = np.rint(SIMULATED.to_ticks(pose_rad(number, arm)))
    units = SIMULATED.lerobot_units(SIMULATED.to_rad(ticks)).astype(np.float32)
    assert read_units(units, arm) == number
    assert [read_units(units, other) for other in ARMS if other != arm] == [None]
    assert read_units(units + np.eye(6)[0] * 2, arm) is None
    assert read_units(np.full(6, np.nan), arm) is None


def test_a_picture_that_comes_a_row_too_late_is_seen():
    numbers, stamps_s = np.arange(100, 160), np.arange(100, 160) / RATE_HZ + 0.002
    assert not list(_check_times("top", numbers, stamps_s))
    slipped = np.concatenate([numbers[:30], numbers[29:-1]])
    assert "slip" in " ".join(_check_times("top", slipped, stamps_s))
    assert "the numbers go back" in " ".join(_check_times("top", numbers[::-1], stamps_s))
    assert "late" in " ".join(_check_times("top", numbers + 1, stamps_s))


def a_spool(root: Path, **states: str) -> None:
    for name, state in states.items():
        (root.with_name(f"{root.name}.spool") / state / name).mkdir(parents=True)


def test_what_was_promised_and_is_not_there_is_lost_or_doubled(tmp_path):
    root, ledger, findings = tmp_path / "dataset", Ledger(), Findings()
    a_spool(root, aside="rejected", twice="rejected", broken="failed")
    for name in ("there", "twice", "nowhere", "perhaps", "broken"):
        ledger.saved(name)
    ledger.doubt({"perhaps"})
    for name in ("aside", "away"):
        ledger.rejected(name)
    for name in ("back", "gone"):
        ledger.gone(name)
    _check_promises(root, ledger, ["there", "twice", "back", "many", "many"], findings)
    assert findings.lost == [
        "nowhere was saved, and is not in the dataset",
        "away was set aside, and is not in rejected/",
    ]
    assert findings.doubled == [
        "twice is in the dataset and in the spool",
        "many is in the dataset 2 times",
        "back was removed, and is in the dataset",
    ]
    assert findings.damaged == ["broken is in failed/: no reason"]


def test_a_dataset_that_never_came_to_be_is_a_loss(tmp_path):
    ledger = Ledger()
    ledger.saved("one")
    assert verify(tmp_path / "dataset", ledger, 0.0).lost


@pytest.fixture
def disk(tmp_path):
    if (library := build_library(tmp_path)) is None:
        pytest.skip("no C compiler")
    (tmp_path / "disk").mkdir()
    return Disk(library, tmp_path / "disk", tmp_path)


def outcome(disk: Disk, code: str) -> str:
    """Run Python on the disk, in whose directory it is."""
    directory = disk.environment["CHAOS_ROOT"]
    done = subprocess.run(
        [sys.executable, "-c", f"import os\n{code}"],
        env={**os.environ, **disk.environment},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).strip().splitlines()[-1] if done.stdout + done.stderr else ""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"write_errno": errno.EIO}, "open('x', 'w', buffering=1).write('a\\n')"),
        (
            {"write_errno": errno.ENOSPC},
            "[os.write(os.open('x', os.O_CREAT | os.O_WRONLY), b'a') for _ in '12']",
        ),
        ({"sync_errno": errno.EIO}, "os.fsync(os.open('x', os.O_CREAT | os.O_WRONLY))"),
        ({"change_errno": errno.EIO}, "os.mkdir(os.path.abspath('x'))"),
        ({"read_errno": errno.EIO}, "os.read(os.open('x', os.O_CREAT | os.O_RDONLY), 1)"),
    ],
)
def test_a_disk_fails_as_it_is_told_and_works_again(disk, fault, code):
    disk.set(**fault)
    assert outcome(disk, code).startswith("OSError")
    assert disk.hits
    disk.work()
    assert not outcome(disk, code)


def test_one_sync_fails_once(disk):
    disk.set(sync_errno=errno.EIO)
    assert outcome(disk, "os.fsync(os.open('x', os.O_CREAT | os.O_WRONLY))").startswith("OSError")
    assert not outcome(disk, "os.fsync(os.open('x', os.O_CREAT | os.O_WRONLY))")


def test_a_full_disk_has_no_room(disk):
    free = f"print(os.statvfs({disk.environment['CHAOS_ROOT']!r}).f_bavail)"
    assert int(outcome(disk, free))
    disk.set(write_errno=errno.ENOSPC)
    assert outcome(disk, free) == "0"


WRITE = """
with open('file', 'wb') as file:
    file.write(b'a' * 100)
    file.flush()
    os.fsync(file.fileno())
    file.write(b'b' * 100)
here = os.getcwd()
os.mkdir(here + '/directory')
os.rename(here + '/file', here + '/directory/file')
"""


def test_a_power_cut_takes_what_was_not_synced_and_nothing_else(disk, tmp_path):
    assert not outcome(disk, WRITE)
    root, left = tmp_path / "disk", set()
    assert len(read_journal(disk.journal).changes) == 2
    saved = disk.journal.read_text()
    for seed in range(40):
        _, undone = cut_power(root, disk.journal, Random(seed))
        path = next(root.rglob("file"))
        content = path.read_bytes()
        assert content[:100] == b"a" * 100
        left.add((len(content), undone, content.endswith(b"\0")))
        disk.journal.write_text(saved)
        path.write_bytes(b"a" * 100 + b"b" * 100)
        (root / "directory").mkdir(exist_ok=True)
        path.rename(root / "directory/file")
    assert {undone for _, undone, _ in left} == {0, 1, 2}
    assert {100, 200} < {size for size, *_ in left}
    assert any(zeros for *_, zeros in left)


def test_what_was_synced_last_survives_every_power_cut(disk, tmp_path):
    assert not outcome(disk, WRITE + "\nos.sync()\nos.fsync(os.open(here, os.O_RDONLY))")
    assert read_journal(disk.journal).changes == []
