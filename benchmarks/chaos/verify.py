"""Whether a dataset and its spool keep what the nodes have promised.

The dataset is read with pyarrow and PyAV alone, so that no fault of the package's own readers is shared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from chaos.ledger import Ledger, Promise
from chaos.numbers import ARMS, CAMERAS, RATE_HZ, read_picture, read_units
from lerobot_recorder.dataset import check
from lerobot_recorder.video import VideoDecoder, probe

KEYS = {"follower": "observation.state", "leader": "action"}
STREAMS = {"follower": "state", "leader": "action", "top": "top", "wrist": "wrist"}
"""The recorder's stream of each device."""

_EARLIEST = -0.1
_LATEST = {"arm": 0.5 * RATE_HZ, "camera": 1.0 * RATE_HZ}
"""How many numbers before that of its stamp a sample may show. A camera's stamps are as late as the shortest
delay that was seen, which is long when the node has just started on a busy machine."""
_NOTHING_LEFT = ("but the images of the first are damaged", "but the first row is damaged")
_SLIP = 0.5
"""By how many numbers the delay of a camera may rise from one row to the next: half a picture."""
_GAP = 3
"""A camera that has skipped this many numbers may have been reopened, with another delay."""


@dataclass
class Findings:
    """What is wrong with a dataset, one sentence each.

    Attributes:
        lost: promised episodes that are nowhere.
        doubled: episodes that are there twice, or although they were removed.
        damaged: rows or pictures that are not what was shown, and what ``check`` finds.
        episodes: episodes that were looked at.
        rows: their rows.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    episodes: int = 0
    rows: int = 0

    @property
    def faults(self) -> list[str]:
        """All of them."""
        return self.lost + self.doubled + self.damaged


class Dataset:
    """What is in a dataset.

    Attributes:
        features: as in ``meta/info.json``.
        fps: rows per second.
        episodes: a row per episode.
        recordings: what the recorder noted of each episode.
    """

    def __init__(self, root: Path) -> None:
        info = json.loads((root / "meta/info.json").read_text())
        self.features, self.fps = info["features"], info["fps"]
        self._root, self._info = root, info
        self.episodes = _read(root / "meta/episodes").to_pylist()
        lines = [
            path.read_text().splitlines() for path in sorted((root / "meta/recordings").glob("*/*.jsonl"))
        ]
        self.recordings: list[dict[str, Any]] = [json.loads(line) for each in lines for line in each]
        self._frames, self._ages = _read(root / "data"), _read(root / "meta/recordings/ages")
        self._images: dict[Path, list[npt.NDArray[np.uint8]]] = {}

    def rows(self, index: int, key: str) -> npt.NDArray[np.float64]:
        """Return the rows of a vector in an episode."""
        frames = self._frames.filter(pa.compute.equal(self._frames["episode_index"], index))
        return np.array(frames[key].to_pylist(), float).reshape(frames.num_rows, -1)

    def ages_s(self, index: int, stream: str) -> npt.NDArray[np.float64]:
        """Return how old a stream's sample was in each row of an episode."""
        ages = self._ages.filter(pa.compute.equal(self._ages["episode_index"], index))
        return np.array(ages[f"{stream}.age_s"].to_pylist(), float)

    def pictures(self, index: int, camera: str) -> list[npt.NDArray[np.uint8]]:
        """Return the pictures of an episode, grey; the file is decoded once, from its beginning."""
        key = f"observation.images.{camera}"
        episode = self.episodes[index]
        place = {part: episode[f"videos/{key}/{part}"] for part in ("chunk_index", "file_index")}
        path = self._root / self._info["video_path"].format(video_key=key, **place)
        if path not in self._images:
            with av.open(str(path)) as container:
                self._images[path] = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        begin = round(episode[f"videos/{key}/from_timestamp"] * self.fps)
        return self._images[path][begin : begin + episode["length"]]


def _read(directory: Path) -> pa.Table:
    tables = [pq.read_table(path) for path in sorted(directory.glob("*/*.parquet"))]
    return pa.concat_tables(tables, promote_options="permissive")


def verify(root: Path, ledger: Ledger, epoch_s: float) -> Findings:
    """Compare a dataset, in whose spool nothing waits, with the promises and with what the devices showed."""
    findings = Findings()
    if not (root / "meta/info.json").exists():
        _check_promises(root, ledger, [], findings)
        return findings
    findings.damaged += check(root, probe, decoder=VideoDecoder())
    try:
        _check_dataset(root, Dataset(root), ledger, epoch_s, findings)
    except (OSError, ValueError, KeyError, IndexError, av.FFmpegError) as error:  # pyarrow's are among them
        findings.damaged.append(f"{root} cannot be read: {type(error).__name__}: {error}")
    return findings


def _check_dataset(root: Path, dataset: Dataset, ledger: Ledger, epoch_s: float, findings: Findings) -> None:
    _check_promises(root, ledger, [each["episode_id"] for each in dataset.recordings], findings)
    for index, episode in enumerate(dataset.episodes):
        findings.episodes += 1
        findings.rows += episode["length"]
        name = f"episode {index} ({dataset.recordings[index]['episode_id']})"
        findings.damaged += [f"{name}: {what}" for what in _check_episode(dataset, index, epoch_s)]


def _check_promises(root: Path, ledger: Ledger, found: list[str], findings: Findings) -> None:
    spool = root.with_name(f"{root.name}.spool")
    rejected, failed = ({path.name for path in (spool / state).glob("*")} for state in ("rejected", "failed"))
    for name in sorted(failed):
        error = spool / "failed" / name / "error.txt"
        reason = error.read_text().strip() if error.exists() else "no reason"
        promise = ledger.promises.get(name, Promise())
        # After a power cut, a take that was never saved may have no whole row: nothing can be recovered.
        is_empty = ledger.power_cuts and reason.endswith(_NOTHING_LEFT)
        if promise.saved or promise.rejected or not is_empty:
            findings.damaged.append(f"{name} is in failed/: {reason}")
    for name, number in Counter(found).items():
        if number > 1:
            findings.doubled.append(f"{name} is in the dataset {number} times")
        if name in rejected | failed:
            findings.doubled.append(f"{name} is in the dataset and in the spool")
    for name, promise in ledger.promises.items():
        if promise.doubtful:
            continue
        if promise.gone and name in found:
            findings.doubled.append(f"{name} was removed, and is in the dataset")
        if name in failed or name in found:
            continue
        if promise.saved:
            findings.lost.append(f"{name} was saved, and is not in the dataset")
        if promise.rejected and name not in rejected:
            findings.lost.append(f"{name} was set aside, and is not in rejected/")


def _check_episode(dataset: Dataset, index: int, epoch_s: float) -> Iterator[str]:
    length, recording = dataset.episodes[index]["length"], dataset.recordings[index]
    ticks_s = recording["started_at_ns"] / 1e9 - epoch_s + np.arange(length) / dataset.fps
    for device in (*ARMS, *CAMERAS):
        numbers = _numbers(dataset, index, device)
        if len(numbers) != length:
            yield f"{device}: {len(numbers)} for {length} rows"
        elif None in numbers:
            yield f"{device}: row {numbers.index(None)} shows no number, so it is damaged"
        else:
            yield from _check_times(
                device, np.array(numbers), ticks_s - dataset.ages_s(index, STREAMS[device])
            )


def _numbers(dataset: Dataset, index: int, device: str) -> list[int | None]:
    if device in CAMERAS:
        return [read_picture(grey, device) for grey in dataset.pictures(index, device)]
    return [read_units(row, device) for row in dataset.rows(index, KEYS[device])]


def _check_times(
    device: str, numbers: npt.NDArray[np.int64], stamps_s: npt.NDArray[np.float64]
) -> Iterator[str]:
    """Check that each row has the number of its sample's time, and none is before its predecessor's."""
    steps, late = np.diff(numbers), stamps_s * RATE_HZ - numbers
    if (steps < 0).any():
        yield f"{device}: the numbers go back after row {int(np.argmin(steps))}"
    latest = _LATEST["camera" if device in CAMERAS else "arm"]
    if late.min() < _EARLIEST or late.max() > latest:
        found = f"{late.min():.2f} to {late.max():.2f}"
        yield f"{device}: the rows are {found} numbers late, expected 0 to {latest:g}"
    slips = (np.diff(late) > _SLIP) & (steps < _GAP)
    if device in CAMERAS and slips.any():
        row = int(np.argmax(slips)) + 1
        yield f"{device}: row {row} shows {numbers[row]}, which is {late[row]:.2f} numbers late: a slip"
