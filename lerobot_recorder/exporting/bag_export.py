"""Copies episodes of a dataset into a bag: an MCAP file, or a rosbag2 folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lerobot_recorder.bags import BagWriter
from lerobot_recorder.dataset import FeatureDict, Source, is_depth, video_keys
from lerobot_recorder.durable import require_room
from lerobot_recorder.errors import ConfigError, DatasetError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.exporting.messages import (
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    DEFINITIONS,
    IMAGE,
    STRING,
    Message,
    depth_message,
    header,
    jpeg_message,
    topic_of,
    vector_topics,
    video_message,
)
from lerobot_recorder.status import STATUS_VERSION
from lerobot_recorder.versions import version_of
from lerobot_recorder.video import (
    DepthSettings,
    VideoCutter,
    depth_settings,
    packet_codec,
    read_packets,
    restore_depth,
)

Images = Literal["jpeg", "video", "none"]
Progress = Callable[[int, int], None]

TASK_TOPIC = "/task"
EPISODES_TOPIC = "/episode_completed"

_SECOND_NS = 1_000_000_000
_FIRST_NS = _SECOND_NS
"""Start of the first episode if it is unknown; 0 stands for no time in ROS."""

_PAUSE_NS = _SECOND_NS
"""Between an episode whose start is unknown and the one before."""

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
            ``none``: without images. Depth maps are Images in any case.
        jpeg_quality: quality of JPEGs, 1 to 100.
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
    with BagWriter(output, definitions=DEFINITIONS, notes=export.notes()) as bag:
        export.write(bag, progress)
        source.check_unchanged("export")
    size = sum(path.stat().st_size for path in ([output] if output.is_file() else output.iterdir()))
    return ExportedBag(len(chosen), export.rows, size, export.remarks)


def _least_bytes(source: Source, episodes: Sequence[int]) -> int:
    """Estimate the size of a bag from below: JPEGs are larger than the videos that they come from."""
    rows = int(source.dataset.lengths[list(episodes)].sum())
    return sum(size for _, size, _ in source.files.values()) * rows // max(source.info.total_frames, 1)


# When


@dataclass(frozen=True)
class Scheduled:
    """An episode and the time of its first row.

    Attributes:
        number: its number in the dataset.
        start_ns: time of its first row, in nanoseconds.
        is_moved: whether it was recorded at another time, which overlaps with an episode before it.
    """

    number: int
    start_ns: int
    is_moved: bool


def schedule(source: Source, episodes: Iterable[int]) -> list[Scheduled]:
    """Order episodes by time; one of which it is unknown follows the one before it in the dataset."""
    started, after_ns = [], _FIRST_NS
    for number in episodes:
        known_ns = source.recordings.get(number, {}).get("started_at_ns")
        start_ns = known_ns if isinstance(known_ns, int) and known_ns > 0 else after_ns
        after_ns = start_ns + _length_ns(source, number) + _PAUSE_NS
        started.append((start_ns, number))
    scheduled, free_ns = [], 0
    for start_ns, number in sorted(started):
        scheduled.append(Scheduled(number, max(start_ns, free_ns), start_ns < free_ns))
        free_ns = scheduled[-1].start_ns + _length_ns(source, number)
    return scheduled


def _length_ns(source: Source, episode: int) -> int:
    return int(source.dataset.lengths[episode]) * _SECOND_NS // source.info.fps


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
        self._source, self._images, self._quality, self._episodes = source, images, jpeg_quality, episodes
        self._vectors = vector_topics(source.info.features)
        self._cutter = VideoCutter(source.info.fps)
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
            "topics": json.dumps({each.topic: each.feature for each in self._vectors}),
        }

    def write(self, bag: BagWriter, progress: Progress) -> None:
        """Write all messages, in the order of their times."""
        done = 0
        for episode in self._episodes:
            for _ in self._write_episode(bag, episode):
                done += 1
                progress(done, self.rows)

    def _write_episode(self, bag: BagWriter, episode: Scheduled) -> Iterator[int]:
        """Write an episode; yield the number of each row."""
        columns, fps = self._source.columns(episode.number), self._source.info.fps
        tasks = columns["task_index"] if "task_index" in columns else np.zeros(0, np.int64)
        with ExitStack() as stack:
            cameras = [self._camera(key, episode.number, bag.scratch, stack) for key in self._camera_keys()]
            for row in range(int(self._source.dataset.lengths[episode.number])):
                time_ns = episode.start_ns + row * _SECOND_NS // fps
                if row < len(tasks) and (row == 0 or tasks[row] != tasks[row - 1]):
                    task = self._source.task(int(tasks[row]))
                    bag.add(TASK_TOPIC, STRING, time_ns, {"data": task}, latched=True)
                for camera in cameras:
                    camera.add(bag, time_ns)
                for vector in self._vectors:
                    message = vector.make(header(time_ns), columns[vector.feature][row])
                    bag.add(vector.topic, vector.message_type, time_ns, message)
                yield row
        self._mark(bag, episode)

    def _mark(self, bag: BagWriter, episode: Scheduled) -> None:
        """Say what our recorder says when it has saved an episode, so that `import` finds it in the bag."""
        end_ns = episode.start_ns + _length_ns(self._source, episode.number)
        mark = json.dumps(self._completed(episode), ensure_ascii=False)
        bag.add(EPISODES_TOPIC, STRING, end_ns, {"data": mark}, latched=True)

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

    # Cameras

    def _camera_keys(self) -> list[str]:
        return [] if self._images == "none" else video_keys(self._source.info.features)

    def _camera(self, key: str, episode: int, scratch: Path, stack: ExitStack) -> _Camera:
        source, feature = self._source, self._source.info.features[key]
        start, length = source.first_frame(key, episode), int(source.dataset.lengths[episode])
        path = source.layout.video_file(key, source.file(f"videos/{key}", episode))
        frame_id = key.rpartition(".")[2]
        if self._images == "video" and not is_depth(feature):
            part = scratch / f"{frame_id}.mp4"
            stack.callback(part.unlink, missing_ok=True)
            self._cutter.write([(path, start, start + length)], part, feature.get("info") or {})
            make = partial(video_message, codec=packet_codec(part))
            return _Camera(
                f"{topic_of(key)}/video",
                COMPRESSED_VIDEO,
                frame_id,
                read_packets(part, source.info.fps),
                make,
            )
        images = self._cutter.images(path, start, range(length))
        if is_depth(feature):
            return _Camera(topic_of(key), IMAGE, frame_id, images, _depth_maker(feature))
        make = partial(jpeg_message, quality=self._quality)
        return _Camera(f"{topic_of(key)}/compressed", COMPRESSED_IMAGE, frame_id, images, make)


@dataclass(frozen=True)
class _Camera:
    """The images of a camera in one episode, as messages.

    Attributes:
        topic: where they are published.
        message_type: type of the messages.
        frame_id: name of the camera in the headers.
        images: what `make` takes, one for each row.
        make: makes a message of a header and an image.
    """

    topic: str
    message_type: str
    frame_id: str
    images: Iterator[Any]
    make: Callable[[Message, Any], Message]

    def add(self, bag: BagWriter, time_ns: int) -> None:
        """Write the next image."""
        image = next(self.images, None)
        if image is None:
            raise DatasetError(f"{self.topic}: its video has fewer frames than the episode has rows")
        bag.add(self.topic, self.message_type, time_ns, self.make(header(time_ns, self.frame_id), image))


def _depth_maker(feature: FeatureDict) -> Callable[[Message, Any], Message]:
    info: Mapping[str, Any] = feature.get("info") or {}
    settings, unit = depth_settings(info, DepthSettings()), str(info.get("depth_unit") or "mm")
    return lambda header, codes: depth_message(header, restore_depth(codes, settings, unit))
