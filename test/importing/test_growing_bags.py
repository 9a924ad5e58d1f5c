"""Bags that another process still writes."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import write_bag, write_config

from lerobot_recorder.importing import Cutting, ImportSession, Range, import_bag, read_parameters
from lerobot_recorder.spool import Spool

APPEND = """
import sys
source, target, position = sys.argv[1], sys.argv[2], int(sys.argv[3])
content = open(source, "rb").read()
with open(target, "ab", buffering=0) as file:
    for line in sys.stdin:
        part = content[position:] if line.strip() == "all" else content[position : position + 500]
        position += file.write(part)
        print(len(content) - position, flush=True)
"""
INSERT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[2], timeout=10)
connection.execute("ATTACH ? AS whole", (sys.argv[1],))
for line in sys.stdin:
    limit = -1 if line.strip() == "all" else 1
    done = connection.execute("SELECT max(id) FROM main.messages").fetchone()[0]
    found = connection.execute("SELECT * FROM whole.messages WHERE id > ? LIMIT ?", (done, limit)).fetchall()
    connection.executemany("INSERT INTO main.messages VALUES (?, ?, ?, ?)", found)
    connection.commit()
    print(len(found), flush=True)
"""
CUT_SQLITE = "DELETE FROM messages WHERE id > (SELECT max(id) / 2 FROM messages)"


class Recorder:
    """A process that goes on writing a bag: a little on demand, and then all."""

    def __init__(self, script, source, target, *arguments):
        command = [sys.executable, "-c", script, source, target, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def write(self, what="a little"):
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline()

    def end(self):
        self.write("all")
        self._process.communicate(timeout=20)


def growing(folder, storage):
    """Return a bag of 3 s of which half is written, and the process that writes the rest."""
    whole = write_bag(
        folder / ("whole.mcap" if storage == "mcap" else "whole"), 3, storage=storage, sizes={0: (320, 240)}
    )
    if storage == "mcap":
        target, half = folder / "bag.mcap", whole.stat().st_size // 2
        target.write_bytes(whole.read_bytes()[:half])
        return target, Recorder(APPEND, whole, target, half)
    import sqlite3

    (source,) = whole.glob("*.db3")
    target = folder / "bag.db3"
    shutil.copy(source, target)
    with sqlite3.connect(target) as connection:
        connection.execute(CUT_SQLITE)
    connection.close()
    return target, Recorder(INSERT, source, target)


def opened(tmp_path, root, bag, cutting=None):
    parameters = read_parameters(write_config(tmp_path / "robot.yaml"))
    made = ImportSession(root, parameters, cutting or Cutting())
    made.open([bag])
    assert not made.problems
    return made.jobs()[0]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_that_grows_while_it_is_read_gives_what_was_there_at_the_start(tmp_path, storage):
    bag, recorder = growing(tmp_path, storage)
    still = shutil.copy(bag, tmp_path / f"still{bag.suffix}")
    size = bag.stat().st_size
    fractions = []

    def go_on(fraction):
        if len(fractions) < 20:
            recorder.write()
        fractions.append(fraction)
        return True

    report = import_bag(opened(tmp_path, tmp_path / "data", bag), go_on)
    assert bag.stat().st_size > size or storage == "sqlite3"
    assert not report.error
    assert ("still recording" in report.damage) == (storage == "mcap")  # sqlite3 files are always whole
    import_bag(opened(tmp_path, tmp_path / "expected", still))
    (found,), (expected,) = (Spool(tmp_path / name).ready() for name in ("data", "expected"))
    assert 15 < found.length == expected.length < 30
    assert (found.rows()["observation.state"] == expected.rows()["observation.state"]).all()

    recorder.end()
    (episode,) = import_bag(opened(tmp_path, tmp_path / "data", bag)).episodes
    assert episode.verdict == "none"  # it is the same bag, and has more now
    assert "import the rest with --range" in episode.reasons[0]
    rest = Cutting("ranges", ranges=(Range("1.6", ""),))
    (episode,) = import_bag(opened(tmp_path, tmp_path / "data", bag, rest)).episodes
    assert (episode.verdict, episode.state) == ("good", "ready")
