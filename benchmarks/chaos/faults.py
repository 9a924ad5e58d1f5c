"""What a disk does wrong, in any process that preloads the library ``faults.c``."""

from __future__ import annotations

import errno
import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from random import Random

FIELDS = (
    "write_errno",
    "write_after",
    "sync_errno",
    "sync_after",
    "change_errno",
    "read_errno",
    "delay_us",
    "hits",
)  # fmt: skip
"""Of the control block, in the order of ``struct control``; each an int32."""

_SOURCE = Path(__file__).with_name("faults.c")
_SIZE = struct.Struct("i")


def build_library(directory: Path) -> Path | None:
    """Compile the library; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = directory / "faults.so"
    subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


class Disk:
    """The disk under a directory, as processes with `environment` see it.

    Attributes:
        environment: what processes need for its faults.
        journal: what has been synced, renamed and removed, see ``faults.c``.
    """

    def __init__(self, library: Path, root: Path, directory: Path) -> None:
        """Make a disk that works.

        Args:
            library: the compiled one.
            root: the directory that is on the disk.
            directory: where the files of the faults may be; not on it.
        """
        control = directory / "control"
        control.write_bytes(bytes(_SIZE.size * len(FIELDS)))
        self.journal = directory / "journal"
        self.journal.touch()
        with control.open("r+b") as file:
            self._block = mmap.mmap(file.fileno(), 0)
        self.environment = {
            "LD_PRELOAD": str(library),
            "CHAOS_CONTROL": str(control),
            "CHAOS_JOURNAL": str(self.journal),
            "CHAOS_ROOT": str(root),
        }

    def set(self, **values: int) -> None:
        """Write fields of the control block."""
        for name, value in values.items():
            _SIZE.pack_into(self._block, FIELDS.index(name) * _SIZE.size, value)

    @property
    def hits(self) -> int:
        """How often something has failed so far."""
        return int(_SIZE.unpack_from(self._block, FIELDS.index("hits") * _SIZE.size)[0])

    def work(self) -> None:
        """Work again."""
        self.set(**{name: 0 for name in FIELDS if name != "hits"})

    def fail_a_sync(self, random: Random) -> str:
        """Fail one of the next syncs with EIO, as Linux reports a failed write; return what is done."""
        self.set(sync_after=random.randint(1, 12), sync_errno=errno.EIO)
        return "one fsync fails"

    def fail(self, random: Random) -> str:
        """Fail writes, reads or changes with EIO until it works again; return what is done."""
        what = random.choice(("write", "write", "read", "change"))
        if what == "write":
            self.set(write_after=random.randint(1, 60), write_errno=errno.EIO)
        else:
            self.set(**{f"{what}_errno": errno.EIO})
        return f"every {what} fails"

    def fill(self, random: Random) -> str:
        """Have no room left, until it works again; return what is done."""
        self.set(write_after=random.randint(1, 60), write_errno=errno.ENOSPC)
        return "the disk is full"

    def dawdle(self, random: Random) -> str:
        """Take long for every write and sync, until it works again; return what is done."""
        delay_s = random.choice((0.005, 0.02, 0.1))
        self.set(delay_us=int(delay_s * 1e6))
        return f"every write takes {delay_s:g} s longer"
