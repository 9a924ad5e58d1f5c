"""Reads an episode of a dataset: its vectors row by row, and what is known of its recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from lerobot_recorder.dataset import recordings, tables
from lerobot_recorder.dataset.counted import CountedDataset, read_counted
from lerobot_recorder.dataset.episode import StreamAges
from lerobot_recorder.dataset.features import AGE_SUFFIX, AGES_FEATURE, FeatureDict
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.journal import read_journal
from lerobot_recorder.errors import DatasetError


@dataclass(frozen=True)
class RecordedVectors:
    """The values of one feature in one episode.

    Attributes:
        names: Of the values, as the dataset calls them; empty where it does not.
        rows: Float64, (rows, values).
    """

    names: tuple[str, ...]
    rows: npt.NDArray[np.float64]


class RecordedEpisode:
    """One episode of the dataset at ``root``.

    Attributes:
        fps: Its rows per second.
        length: Its rows.
        task: What it shows.
        recording: What the recorder knew of it: when it was started, its verdict with reasons and notes, the
            mark of success, figures on each stream. Empty for episodes that others have recorded.
    """

    def __init__(self, root: Path | str, index: int) -> None:
        """Look the episode up.

        Raises:
            DatasetError: There is no such dataset or episode, or it cannot be read.
        """
        self._dataset = dataset = open_dataset(Path(root))
        count = dataset.info.total_episodes
        if not 0 <= index < count:
            raise DatasetError(
                f"{root}: no episode {index}, it has {f'0 to {count - 1}' if count else 'none'}."
            )
        self._index = index
        self.fps = dataset.info.fps
        self.length = int(dataset.lengths[index])
        self.task = dataset.task(index)
        file = dataset.layout.recordings_file(dataset.files("meta/episodes")[index])
        self.recording = recordings.recording_of(file, index)

    def has(self, key: str) -> bool:
        """Tell whether there is such a feature."""
        return key in self._dataset.info.features

    def vectors(self, key: str) -> RecordedVectors:
        """Read a feature.

        Raises:
            DatasetError: There is none of this name, or it cannot be read.
        """
        features = self._dataset.info.features
        if key not in features:
            raise DatasetError(
                f"{self._dataset.layout.root}: no feature {key}, there are {', '.join(features)}."
            )
        path = self._dataset.layout.data_file(self._dataset.files("data")[self._index])
        table = tables.read_table(path, ["episode_index", key])
        rows = table.filter(pc.equal(table["episode_index"], self._index))[key].to_pylist()
        if len(rows) != self.length:
            raise DatasetError(
                f"{path}: expected {self.length} rows of episode {self._index}, found {len(rows)}."
            )
        return RecordedVectors(_names(features[key]), np.array(rows, np.float64).reshape(len(rows), -1))

    def ages(self) -> dict[str, StreamAges]:
        """Read how old the sample of each stream was in each row, by the stream's name.

        Empty where that is not known. Datasets of earlier versions have it as the feature ``stream_ages``,
        without the stamps of sources.

        Raises:
            DatasetError: It cannot be read, or is not known for every row.
        """
        path = self._dataset.layout.ages_file(recordings.ages_index(self._index))
        ages = recordings.read_ages(path, self._index) or self._ages_of_feature()
        for name, stream in ages.items():
            if len(stream.age_s) != self.length:
                raise DatasetError(
                    f"{path}: expected {self.length} ages of {name} in episode {self._index}, "
                    f"found {len(stream.age_s)}."
                )
        return ages

    def _ages_of_feature(self) -> dict[str, StreamAges]:
        if not self.has(AGES_FEATURE):
            return {}
        ages, unknown = self.vectors(AGES_FEATURE), np.zeros(self.length, np.int64)
        return {
            name.removesuffix(AGE_SUFFIX): StreamAges(ages.rows[:, number].astype(np.float32), unknown)
            for number, name in enumerate(ages.names)
        }


def open_dataset(root: Path) -> CountedDataset:
    """Read what is known of the episodes of the dataset at ``root``, as far as ``info.json`` counts.

    Raises:
        DatasetError: There is no dataset, or it cannot be read.
    """
    info = load_info(root)
    if info is None:
        raise DatasetError(f"{root}: no dataset, there is no meta/info.json.")
    return read_counted(root, info, read_journal(root))


def _names(feature: FeatureDict) -> tuple[str, ...]:
    """Return a feature's names; older datasets have them one level deeper, as ``{"motors": [...]}``."""
    names = feature.get("names") or ()
    if isinstance(names, dict):
        names = next((value for value in names.values() if isinstance(value, Sequence)), ())
    return tuple(map(str, names))
