"""The images of a dataset's cameras as messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lerobot_recorder.bags import BagWriter
from lerobot_recorder.dataset import FeatureDict, SetupFiles, Source, is_depth
from lerobot_recorder.discovery import CAMERA_INFO, COMPRESSED, IMAGE, VIDEO
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.exporting.messages import (
    Message,
    depth_message,
    header,
    jpeg_message,
    topic_of,
    video_message,
)
from lerobot_recorder.exporting.units import stream_of
from lerobot_recorder.topics import camera_info_topic, kept_camera_info
from lerobot_recorder.video import (
    DepthSettings,
    VideoCutter,
    depth_settings,
    packet_codec,
    read_packets,
    restore_depth,
)

Images = Literal["jpeg", "video", "none"]

_IMAGES = "observation.images."


def image_topic(key: str, feature: FeatureDict, images: Images) -> str:
    """Return the topic of a camera."""
    if is_depth(feature):
        return f"{topic_of(key)}/image_raw"
    return f"{topic_of(key)}/{'video' if images == 'video' else 'image_raw/compressed'}"


@dataclass(frozen=True)
class Camera:
    """The images of a camera in one episode.

    Attributes:
        topic: where they are published.
        message_type: type of the messages.
        frame_id: name of the camera in the headers.
        images: what `make` takes, one for each row.
        make: makes a message of a header and an image.
        info: the fields of its CameraInfo; None if it is unknown.
    """

    topic: str
    message_type: str
    frame_id: str
    images: Iterator[Any]
    make: Callable[[Message, Any], Message]
    info: Message | None

    def add(self, bag: BagWriter, time_ns: int) -> None:
        """Write the next image, and the calibration with the same stamp."""
        image = next(self.images, None)
        if image is None:
            raise DatasetError(f"{self.topic}: its video has fewer frames than the episode has rows")
        stamped = header(time_ns, self.frame_id)
        if self.info is not None:
            content = {"header": stamped, **self.info}
            bag.add(camera_info_topic(self.topic), CAMERA_INFO, time_ns, content)
        bag.add(self.topic, self.message_type, time_ns, self.make(stamped, image))


class CameraReader:
    """Reads the images of episodes.

    Args:
        source: the dataset.
        images: how color images are published.
        jpeg_quality: quality of JPEGs, 1 to 100.
    """

    def __init__(self, source: Source, images: Images, jpeg_quality: int) -> None:
        self._source, self._images, self._quality = source, images, jpeg_quality
        self._cutter = VideoCutter(source.info.fps)

    def open(self, key: str, episode: int, setup: SetupFiles, scratch: Path, stack: ExitStack) -> Camera:
        """Return the images of a camera in an episode.

        Args:
            key: the feature.
            episode: number of the episode.
            setup: the files of its set-up.
            scratch: directory for temporary files.
            stack: removes them.

        Raises:
            VideoError: the video cannot be read, or messages cannot have its packets.
        """
        source, feature = self._source, self._source.info.features[key]
        start, length = source.first_frame(key, episode), int(source.dataset.lengths[episode])
        path = source.layout.video_file(key, source.file(f"videos/{key}", episode))
        name = key.removeprefix(_IMAGES)
        topic, info = image_topic(key, feature, self._images), kept_camera_info(setup, stream_of(key, setup))
        if self._images == "video" and not is_depth(feature):
            part = scratch / f"{topic_of(key).strip('/').replace('/', '_')}.mp4"
            stack.callback(part.unlink, missing_ok=True)
            self._cutter.write([(path, start, start + length)], part, feature.get("info") or {})
            make = partial(video_message, codec=packet_codec(part))
            return Camera(topic, VIDEO, name, read_packets(part, source.info.fps), make, info)
        images = self._cutter.images(path, start, range(length))
        if is_depth(feature):
            return Camera(topic, IMAGE, name, images, _depth_maker(feature), info)
        make = partial(jpeg_message, quality=self._quality)
        return Camera(topic, COMPRESSED, name, images, make, info)


def _depth_maker(feature: FeatureDict) -> Callable[[Message, Any], Message]:
    info: Mapping[str, Any] = feature.get("info") or {}
    settings, unit = depth_settings(info, DepthSettings()), str(info.get("depth_unit") or "mm")
    return lambda header, codes: depth_message(header, restore_depth(codes, settings, unit))
