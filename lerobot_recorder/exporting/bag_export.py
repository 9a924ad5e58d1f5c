"""Copies episodes of a dataset into a bag: an MCAP file, or a rosbag2 folder."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lerobot_recorder.bags import BagWriter, Storage
from lerobot_recorder.dataset import Source, video_keys
from lerobot_recorder.discovery import TEXT
from lerobot_recorder.durable import replace_file, require_room, why_not_written
from lerobot_recorder.errors import ConfigError, DatasetError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.exporting.cameras import CameraReader, Images
from lerobot_recorder.exporting.messages import DEFINITIONS, VectorTopic, header, vector_topics
from lerobot_recorder.exporting.parameters import import_parameters
from lerobot_recorder.exporting.schedule import Scheduled, schedule
from lerobot_recorder.status import STATUS_VERSION
from lerobot_recorder.topics import ROBOT_FILE
from lerobot_recorder.versions import version_of

Progress = Callable[[int, int], None]

TASK_TOPIC = "/task"
EPISODES_TOPIC = "/episode_completed"
ROBOT_TOPIC = "/robot_description"

_QUALITIES = range(1, 101)
_MARKED = ("success", "verdict", "reasons", "notes", "ended_by")
"""Entries of the provenance that the mark of an episode has, too."""


@dataclass(frozen=True)
class ExportedBag:
    """What was exported.

    Attributes:
        episodes: number of episodes.
        frames: number of rows.
        size_bytes: size of the bag.
        notes: what differs from the dataset, one sentence each.
    """

    episodes: int
    frames: int
    size_bytes: int
    notes: Sequence[str]


def export_bag(
    root: Path | str,
    output: Path | str,
    *,
    episodes: Sequence[int] | None = None,
    images: Images = "jpeg",
    jpeg_quality: int = 95,
    parameters: Path | str | None = None,
    storage: Storage = "mcap",
    progress: Progress = lambda _done, _total: None,
) -> ExportedBag:
    """Write episodes of the dataset at ``root`` into a bag.

    A message's log time is the start of its episode and its row's timestamp; its header has the same stamp.
    The bag is written beside ``output`` and renamed when it is complete. Memory use does not depend on the
    dataset's size.

    Args:
        root: the dataset's directory.
        output: an ``.mcap`` file, or the directory of a rosbag2 bag; it must not exist.
        episodes: numbers of the episodes; all by default.
        images: ``jpeg``: as CompressedImage; ``video``: the video's packets as CompressedVideo of Foxglove;
            ``none``: without images. Depth maps are Images.
        jpeg_quality: quality of JPEGs, 1 to 100.
        parameters: a file to write, with which `import` makes the same rows again; it must not exist.
        storage: how the messages of a directory are stored; an ``.mcap`` file is always ``mcap``.
        progress: called with the numbers of rows done and of all rows.

    Raises:
        ConfigError: an option has an invalid value.
        DatasetError: the dataset cannot be read, or another program has edited it.
        BagError: the bag cannot be written.
        VideoError: a video cannot be read, or messages cannot have its packets.
    """
    root, output = Path(root).expanduser().absolute(), Path(output).expanduser().absolute()
    if jpeg_quality not in _QUALITIES:
        raise ConfigError(f"jpeg_quality: expected 1 to 100, found {jpeg_quality}")
    source = Source(root)
    if output.resolve().is_relative_to(root.resolve()):
        raise DatasetError(f"{output}: lies in the dataset; choose a name outside {root}")
    if not source.info.total_episodes:
        raise DatasetError(f"{root}: it has no episodes yet")
    chosen = range(source.info.total_episodes) if episodes is None else episodes
    require_room(output, _least_bytes(source, chosen), "the export", "free some space or choose another disk")
    export = _Export(source, images, jpeg_quality, schedule(source, chosen))
    if parameters is not None:
        export.require_one_setup()
        text, left_out = import_parameters(source, chosen[0], images)
        export.remarks += [f"{key} cannot be imported again" for key in left_out]
        _check_new(Path(parameters))
    with BagWriter(output, definitions=DEFINITIONS, notes=export.notes(), storage=storage) as bag:
        export.write(bag, progress)
        source.check_unchanged("export")
    if parameters is not None:
        _write_parameters(Path(parameters), text)
    size = sum(path.stat().st_size for path in ([output] if output.is_file() else output.iterdir()))
    return ExportedBag(len(chosen), export.rows, size, export.remarks)


def _check_new(path: Path) -> None:
    if path.exists():
        raise ConfigError(f"{path}: exists already and is not overwritten; choose another name")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: {why_not_written(FileNotFoundError(errno.ENOENT, ''))}")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{path}: {why_not_written(PermissionError(errno.EACCES, ''))}")


def _write_parameters(path: Path, text: str) -> None:
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot write the parameter file: {why_not_written(error)}") from error


def _least_bytes(source: Source, episodes: Sequence[int]) -> int:
    """Estimate the size of a bag from below: JPEGs are larger than the videos that they come from."""
    rows = int(source.dataset.lengths[list(episodes)].sum())
    return sum(size for _, size, _ in source.files.values()) * rows // max(source.info.total_frames, 1)


# What


class _Export:
    """The messages of a bag.

    Attributes:
        rows: number of rows.
        remarks: what differs from the dataset, one sentence each.
    """

    def __init__(
        self, source: Source, images: Images, jpeg_quality: int, episodes: Sequence[Scheduled]
    ) -> None:
        self._source, self._episodes = source, episodes
        self._keys = [] if images == "none" else video_keys(source.info.features)
        self._cameras = CameraReader(source, images, jpeg_quality)
        self._robot = ""
        self.rows = sum(int(source.dataset.lengths[each.number]) for each in episodes)
        self.remarks = list(self._remarks())

    def _remarks(self) -> Iterator[str]:
        if moved := sum(each.is_moved for each in self._episodes):
            yield (
                f"{counted(moved, 'episode')} would overlap with another one in time, and "
                f"{'was' if moved == 1 else 'were'} moved behind it"
            )
        for key, feature in self._source.info.features.items():
            if feature["dtype"] == "image":
                yield f"{key} is left out: its images are not in videos"

    def notes(self) -> dict[str, str]:
        """Return what the metadata of the bag says about the dataset."""
        info = self._source.info
        return {
            "dataset": self._source.root.name,
            "exported_by": f"lerobot_recorder {version_of('lerobot_recorder')}",
            "fps": str(info.fps),
            "robot_type": info.robot_type or "",
            "features": json.dumps(info.features, ensure_ascii=False),
            "units": json.dumps({topic.topic: topic.unit for topic in self._vectors(self._episodes[0])}),
        }

    def _vectors(self, episode: Scheduled) -> list[VectorTopic]:
        return vector_topics(self._source.info.features, self._source.setup(episode.number))

    def require_one_setup(self) -> None:
        """Check that one parameter file can be right for all episodes.

        Raises:
            ConfigError: their values have other units, or arms had other calibrations.
        """
        found = {str(_meaning(self._vectors(each))): each.number for each in self._episodes}
        if len(found) > 1:
            first, second = list(found.values())[:2]
            raise ConfigError(
                f"no parameter file can be right for episodes {first} and {second}, which were recorded with "
                "other joints, units or calibrations: export them into bags of their own"
            )

    def write(self, bag: BagWriter, progress: Progress) -> None:
        """Write all messages, in the order of their times."""
        done = 0
        for episode in self._episodes:
            for _ in self._write_episode(bag, episode):
                done += 1
                progress(done, self.rows)

    def _write_episode(self, bag: BagWriter, episode: Scheduled) -> Iterator[int]:
        """Write an episode; yield the number of each row."""
        number, setup = episode.number, self._source.setup(episode.number)
        columns, vectors = self._source.columns(number), self._vectors(episode)
        tasks = columns["task_index"] if "task_index" in columns else np.zeros(0, np.int64)
        self._describe_robot(bag, episode, setup.get(ROBOT_FILE, ""))
        with ExitStack() as stack:
            cameras = [self._cameras.open(key, number, setup, bag.scratch, stack) for key in self._keys]
            for row in range(int(self._source.dataset.lengths[number])):
                time_ns = episode.row_ns(row)
                if row < len(tasks) and (row == 0 or tasks[row] != tasks[row - 1]):
                    task = {"data": self._source.task(int(tasks[row]))}
                    bag.add(TASK_TOPIC, TEXT, time_ns, task, latched=True)
                for camera in cameras:
                    camera.add(bag, time_ns)
                for vector in vectors:
                    message = vector.make(header(time_ns), columns[vector.feature][row])
                    bag.add(vector.topic, vector.message_type, time_ns, message)
                yield row
        self._mark(bag, episode)

    def _describe_robot(self, bag: BagWriter, episode: Scheduled, description: str) -> None:
        """Write the URDF, unless the episode before had the same."""
        if description and description != self._robot:
            bag.add(ROBOT_TOPIC, TEXT, episode.start_ns, {"data": description}, latched=True)
            self._robot = description

    def _mark(self, bag: BagWriter, episode: Scheduled) -> None:
        """Say what our recorder says when it has saved an episode, so that `import` finds it in the bag."""
        mark = json.dumps(self._completed(episode), ensure_ascii=False)
        bag.add(EPISODES_TOPIC, TEXT, episode.end_ns, {"data": mark}, latched=True)

    def _completed(self, episode: Scheduled) -> dict[str, Any]:
        source, number = self._source, episode.number
        known = source.recordings.get(number, {})
        return {
            "episode_id": known.get("episode_id") or f"episode-{number}",
            "episode_index": number,
            "state": "ready",
            "started_at_ns": episode.start_ns,
            "length": int(source.dataset.lengths[number]),
            "duration_s": source.seconds(number),
            "task": source.dataset.task(number),
            "fps": source.info.fps,
            "version": STATUS_VERSION,
            **{name: known[name] for name in _MARKED if name in known},
        }


def _meaning(vectors: Sequence[VectorTopic]) -> list[Any]:
    """Return what an import must know of the values."""
    return [(part.stream, part.joints, part.unit, part.calibration_text) for v in vectors for part in v.parts]
