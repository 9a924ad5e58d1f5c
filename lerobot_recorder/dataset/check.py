"""Finds what is wrong with a dataset.

While a commit is unfinished, the dataset is looked at as LeRobot does: as far as ``info.json`` counts.

Whatever the files hold, there is a sentence for it: a part that cannot be checked is a fault, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lerobot_recorder.dataset import deep, faults, loading, stat_faults
from lerobot_recorder.dataset.deep import Decoder
from lerobot_recorder.dataset.faults import Probe, ProbedVideo
from lerobot_recorder.dataset.features import video_keys
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.journal import Journal, journal_path, read_journal
from lerobot_recorder.dataset.reader import CountedDataset, read_counted
from lerobot_recorder.dataset.work import Progress, Work
from lerobot_recorder.errors import RecorderError

__all__ = ["Decoder", "Probe", "ProbedVideo", "check"]

SHOWN_OF_A_KIND = 5
"""Faults of one kind that are named; the others are counted."""


def check(
    root: Path,
    probe: Probe,
    *,
    decoder: Decoder | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Iterator[str]:
    """Look for faults in the dataset at ``root``.

    Args:
        root: The dataset's directory.
        probe: Reads what is in a video file.
        decoder: Decodes video files; None looks at their frames without decoding them.
        progress: Called with the bytes of the files that were read, and those of all.

    Yields:
        A sentence per fault, which names the file and the numbers; nothing if all is well.
    """
    root = Path(root)
    yield from _few_of_each_kind(_attempt(root, _check(root, probe, decoder, progress)))


def _attempt(what: Path, part: Iterator[str]) -> Iterator[str]:
    """Name what stops a part of the check, instead of ending with it."""
    try:
        yield from part
    except RecorderError as error:
        yield str(error).removesuffix(".") + "."
    except Exception as error:
        yield f"{what}: check could not look at all of it: {type(error).__name__}: {error}."


def _few_of_each_kind(found: Iterator[str]) -> Iterator[str]:
    """Leave out faults that differ from several others in numbers only, and count them."""
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
        yield _unfinished(root, journal)
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


def _unfinished(root: Path, journal: Journal) -> str:
    return (
        f"{journal_path(root)}: a commit of {len(journal.episodes)} episodes is unfinished. "
        f"Start the encoder or run `lerobot-recorder encode {root}` to finish it."
    )


def _check_dataset(
    dataset: CountedDataset, probe: Probe, decoder: Decoder | None, progress: Progress
) -> Iterator[str]:
    layout, work = dataset.layout, Work(_files(dataset), progress)
    yield from _attempt(layout.info, faults.totals(dataset))
    if dataset.episodes:
        yield from _attempt(layout.tasks, loading.tasks(layout.tasks))
        yield from _attempt(layout.root / "meta/episodes", faults.episodes(dataset))
        yield from _attempt(layout.stats, stat_faults.stats(dataset))
        yield from _attempt(layout.root / "data", faults.data(dataset, work))
        for key in video_keys(dataset.info.features):
            found = _videos(dataset, key, probe, decoder, work)
            yield from _attempt(layout.root / "videos" / key, found)
    else:
        yield f"{layout.root}: there is no episode in it; LeRobot can load it from the first on."
    yield from _attempt(layout.root / "meta/recordings", faults.provenance(dataset))
    yield from _attempt(layout.root, faults.strays(dataset))
    yield from _attempt(layout.root, faults.flipped_bits(dataset))


def _videos(
    dataset: CountedDataset, key: str, probe: Probe, decoder: Decoder | None, work: Work
) -> Iterator[str]:
    yield from faults.videos(dataset, key, probe, None if decoder else work)
    if decoder is not None:
        yield from deep.pictures(dataset, key, decoder, work)


def _files(dataset: CountedDataset) -> list[Path]:
    layout, info = dataset.layout, dataset.info
    if not dataset.episodes:
        return []
    videos = [
        layout.video_file(key, index)
        for key in video_keys(info.features)
        for index in dataset.files(f"videos/{key}")
    ]
    return [*layout.data_files(), *videos]
