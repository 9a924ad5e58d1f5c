"""Finds what is wrong with a dataset.

During an unfinished commit the dataset is checked as LeRobot reads it: up to the counts in ``info.json``.

Every fault is reported as a sentence, and a part that cannot be checked is a fault too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from lerobot_recorder.dataset import faults, loading, stat_faults, video_faults
from lerobot_recorder.dataset.features import video_keys
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.journal import journal_path, read_journal
from lerobot_recorder.dataset.reader import CountedDataset, read_counted
from lerobot_recorder.dataset.video_faults import Decoder, Probe, ProbedVideo
from lerobot_recorder.errors import RecorderError
from lerobot_recorder.excerpt import counted

__all__ = ["Decoder", "Probe", "ProbedVideo", "check"]

SHOWN_OF_A_KIND = 5
"""Faults of one kind that are listed; the others are counted."""

Progress = Callable[[int, int], None]
"""Receives how many bytes of the files have been read, and how many there are."""


def check(
    root: Path | str,
    probe: Probe,
    *,
    decoder: Decoder | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Iterator[str]:
    """Look for faults in the dataset at ``root``.

    Args:
        root: the dataset's directory.
        probe: reads the properties of a video file.
        decoder: decodes video files; None: do not decode them.
        progress: receives how many bytes of the files have been read, and how many there are.

    Yields:
        A sentence per fault, with the file and the numbers; nothing if the dataset is sound.
    """
    root = Path(root)
    yield from _few_of_each_kind(_attempt(root, _check(root, probe, decoder, progress)))


def _attempt(what: Path, part: Iterator[str]) -> Iterator[str]:
    """Report an error that stops a part of the check as a fault of that part."""
    try:
        yield from part
    except RecorderError as error:
        yield f"{error}."
    except Exception as error:
        yield f"{what}: check stopped here: {type(error).__name__}: {error}."


def _few_of_each_kind(found: Iterator[str]) -> Iterator[str]:
    """Drop faults that differ from several others in numbers only, and count them."""
    seen: Counter[str] = Counter()
    firsts: dict[str, str] = {}
    for fault in found:
        kind = re.sub(r"\d+", "0", fault)
        seen[kind] += 1
        firsts.setdefault(kind, fault)
        if seen[kind] <= SHOWN_OF_A_KIND:
            yield fault
    for kind, count in seen.items():
        if count > SHOWN_OF_A_KIND:
            yield f"{count - SHOWN_OF_A_KIND} more faults like: {firsts[kind]}"


def _check(root: Path, probe: Probe, decoder: Decoder | None, progress: Progress) -> Iterator[str]:
    journal = read_journal(root)
    if journal:
        yield (
            f"{journal_path(root)}: a commit of {counted(len(journal.episodes), 'episode')} is unfinished. "
            f"Start the encoder or run `lerobot-recorder encode {root}` to finish it."
        )
    info = load_info(root)
    if info is None:
        if not journal:
            yield f"{root}: no dataset, there is no meta/info.json."
        return
    wrong = list(loading.declarations(info, root / "meta/info.json"))
    wrong = wrong or list(_attempt(root / "meta/episodes", loading.episode_columns(root)))
    yield from wrong
    if not wrong:
        yield from _check_dataset(read_counted(root, info, journal), probe, decoder, progress)


def _check_dataset(
    dataset: CountedDataset, probe: Probe, decoder: Decoder | None, progress: Progress
) -> Iterator[str]:
    layout, reading = dataset.layout, Reading(_files(dataset), progress)
    yield from _attempt(layout.info, faults.totals(dataset))
    if dataset.episodes:
        yield from _attempt(layout.tasks, loading.tasks(layout.tasks))
        yield from _attempt(layout.root / "meta/episodes", faults.episodes(dataset))
        yield from _attempt(layout.stats, stat_faults.stats(dataset))
        yield from _attempt(layout.root / "data", faults.data(dataset, reading.reached))
        for key in video_keys(dataset.info.features):
            folder, reached = layout.root / "videos" / key, None if decoder else reading.reached
            yield from _attempt(folder, video_faults.videos(dataset, key, probe, reached))
            if decoder is not None:
                yield from _attempt(folder, video_faults.pictures(dataset, key, decoder, reading.reached))
    else:
        yield f"{layout.root}: it has no episodes yet; LeRobot can load it from the first one on."
    yield from _attempt(layout.root / "meta/recordings", faults.provenance(dataset))
    yield from _attempt(layout.root, faults.strays(dataset))
    yield from _attempt(layout.root, faults.flipped_bits(dataset))


def _files(dataset: CountedDataset) -> list[Path]:
    """List the files that a check reads."""
    videos = [path for key in video_keys(dataset.info.features) for path in dataset.members(f"videos/{key}")]
    return [*dataset.layout.data_files(), *videos] if dataset.episodes else []


class Reading:
    """Counts the bytes of the files that a check has read.

    Args:
        files: all files that it will read.
        progress: called whenever it has read more.
    """

    def __init__(self, files: list[Path], progress: Progress) -> None:
        self._sizes = {path: path.stat().st_size for path in files if path.is_file()}
        self._total = sum(self._sizes.values())
        self._done = 0
        self._progress = progress

    def reached(self, path: Path, share: float) -> None:
        """Note how much of a file has been read; 1: all of it."""
        size = self._sizes.get(path, 0)
        if share >= 1:
            self._done += self._sizes.pop(path, 0)
        self._progress(self._done + (int(size * share) if share < 1 else 0), self._total)
