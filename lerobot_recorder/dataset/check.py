"""Finds what is wrong with a dataset.

While a commit is unfinished, the dataset is looked at as LeRobot does: as far as ``info.json`` counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lerobot_recorder.dataset import faults
from lerobot_recorder.dataset.counted import CountedDataset, read_counted
from lerobot_recorder.dataset.faults import Probe, ProbedVideo
from lerobot_recorder.dataset.features import video_keys
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.journal import Journal, journal_path, read_journal
from lerobot_recorder.errors import DatasetError

__all__ = ["Probe", "ProbedVideo", "check"]


def check(root: Path, probe: Probe) -> Iterator[str]:
    """Look for faults in the dataset at ``root``.

    Args:
        root: The dataset's directory.
        probe: Reads what is in a video file.

    Yields:
        A sentence per fault, which names the file and the numbers; nothing if all is well.
    """
    try:
        yield from _check(Path(root), probe)
    except DatasetError as error:
        yield str(error)


def _check(root: Path, probe: Probe) -> Iterator[str]:
    journal = read_journal(root)
    if journal:
        yield _unfinished(root, journal)
    info = load_info(root)
    if info:
        yield from _check_dataset(read_counted(root, info, journal), probe)
    elif not journal:
        yield f"{root}: no dataset, there is no meta/info.json."


def _unfinished(root: Path, journal: Journal) -> str:
    return (
        f"{journal_path(root)}: a commit of {len(journal.episodes)} episodes is unfinished. "
        f"Start the encoder or run `lerobot-recorder encode {root}` to finish it."
    )


def _check_dataset(dataset: CountedDataset, probe: Probe) -> Iterator[str]:
    yield from faults.totals(dataset)
    if dataset.episodes:
        yield from faults.episodes(dataset)
        yield from faults.stats(dataset)
        yield from faults.data(dataset)
        for key in video_keys(dataset.info.features):
            yield from faults.videos(dataset, key, probe)
    yield from faults.provenance(dataset)
    yield from faults.strays(dataset)
