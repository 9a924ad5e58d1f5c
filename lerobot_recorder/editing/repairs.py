"""Repairs damaged datasets; the originals are kept beside them."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.dataset import (
    DatasetWriter,
    Finding,
    History,
    Reconstruction,
    RepairedDataset,
    check,
    file_states,
    has_unfinished_commit,
    link,
    load_info,
    spool_path,
)
from lerobot_recorder.durable import require_room
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import Mp4Files, VideoCutter, look, probe, retime


@dataclass(frozen=True)
class Repair:
    """What is wrong with a dataset, and what a repair does or has done.

    Attributes:
        findings: the faults; none if the dataset is sound.
        episodes: episodes that can be saved.
        frames: their rows.
        is_applied: whether the dataset was repaired.
        aside: directory of the files that were taken out for good; None if there are none.
    """

    findings: Sequence[Finding]
    episodes: int
    frames: int
    is_applied: bool
    aside: Path | None = None

    @property
    def lost(self) -> list[str]:
        """What cannot be saved, once each."""
        return list(dict.fromkeys(finding.lost for finding in self.findings if finding.lost))


def repair(
    root: Path | str,
    apply: bool = False,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Repair:
    """Repair the dataset at ``root``, or find out what a repair would do.

    What can be saved is written beside it as a new dataset, which takes its place at once; the old one is
    kept, and `DatasetEditor.undo` brings it back. Unchanged files are hard links, and videos are not encoded
    again.

    Args:
        root: the dataset's directory.
        apply: whether to repair it.
        progress: called with the numbers of files done and of all files.

    Returns:
        The faults, and what is done about them.

    Raises:
        DatasetError: it is no dataset, nothing of it can be saved, another program writes it, or there is no
            room. Nothing was changed then.
    """
    root = Path(root).expanduser().absolute().resolve()
    if not root.is_dir():
        raise DatasetError(f"{root}: expected the directory of a dataset, found none")
    _refuse_writers(root)
    if not apply:
        if has_unfinished_commit(root):
            raise DatasetError(
                f"{root}: a commit is unfinished. Run `lerobot-recorder encode {root}` to finish it, then "
                "repair the dataset"
            )
        return _found(root)[1]
    with DatasetWriter(root, Mp4Files(), forget=Spool(root).forget).exclusive("repair"):
        states = file_states(root)
        found, report = _found(root)
        if found is None:
            return report
        return _apply(found, report, states, progress)


def _found(root: Path) -> tuple[Reconstruction | None, Repair]:
    """Look for faults; return what can be saved, None if there are none."""
    faults = list(check(root, probe))
    if not faults:
        info = load_info(root)
        assert info is not None, "no dataset is a fault"
        return None, Repair([], info.total_episodes, info.total_frames, False)
    found = Reconstruction(root, look)
    findings = [*found.findings, *found.differences()]
    if not findings:
        findings = [Finding(fault.rstrip("."), "computed or written anew") for fault in faults]
    frames = sum(each.length for each in found.episodes)
    return found, Repair(findings, len(found.episodes), frames, False)


def _apply(
    found: Reconstruction,
    report: Repair,
    states: dict[str, tuple[int, int, int]],
    progress: Callable[[int, int], None],
) -> Repair:
    root = found.evidence.root
    require_room(found.evidence.root, found.changed_bytes(), "the repair")
    history = History(root)
    new = history.begin()
    aside = _set_aside(root, found.evidence.strays)
    try:
        RepairedDataset(new, found, _Videos(found.fps), progress).write()
        if (fault := next(check(new, probe), None)) is not None:
            place = fault.replace(str(new), str(root))
            raise DatasetError(f"{root}: cannot be repaired, this would remain: {place} Nothing was changed")
        if file_states(root) != states:
            raise DatasetError(
                f"{root}: another program has changed the dataset; nothing was repaired. Wait until it has "
                "ended, then try again"
            )
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        history.apply(new, "repair", (len(found.evidence.episodes), len(found.episodes)), now)
    except BaseException:
        if aside is not None:
            shutil.rmtree(aside)
        history.recover()
        raise
    return Repair(report.findings, report.episodes, report.frames, True, aside)


class _Videos(VideoCutter):
    """Writes video files on the frame grid."""

    def __init__(self, fps: int) -> None:
        super().__init__(fps)
        self._rate = fps

    def retime(self, path: Path, output: Path) -> None:
        """Copy the complete frames of a video to the frame grid."""
        retime(path, output, self._rate)


def _set_aside(root: Path, strays: Sequence[Path]) -> Path | None:
    """Keep files that leave the dataset in a directory beside it, also when its edits become final."""
    if not strays:
        return None
    folder = spool_path(root) / "set_aside"
    places = (folder / str(number) for number in itertools.count(1))
    place = next(each for each in places if not each.exists())
    for path in dict.fromkeys(strays):
        target = place / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        link(path, target)
    return place


# Other programs


def _refuse_writers(root: Path) -> None:
    """Refuse a dataset that another process has open for writing, such as a recorder without a lock.

    Raises:
        DatasetError: there is one.
    """
    for pid, path in _open_for_writing(root):
        if pid != os.getpid():
            raise DatasetError(
                f"{path}: process {pid} ({_command(pid)}) is writing it; end that program, then repair the "
                "dataset"
            )


def _open_for_writing(root: Path) -> Iterator[tuple[int, Path]]:
    """Find open files of the dataset, where the system lists them in ``/proc``."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            for entry in (process / "fd").iterdir():
                path = entry.readlink()
                if path.is_relative_to(root) and _is_for_writing(process / "fdinfo" / entry.name):
                    yield int(process.name), path


def _is_for_writing(description: Path) -> bool:
    lines = description.read_text(encoding="utf-8").splitlines()
    flags = next(line for line in lines if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(pid) / "comm").read_text(encoding="utf-8").strip()
    return "unknown"
