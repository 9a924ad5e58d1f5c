"""Record from your own Python loop: frames in, a spooled episode out."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from lerobot_recorder.dataset import (
    FeatureDict,
    SetupFiles,
    check_appendable,
    check_fits,
    is_depth,
    is_video,
    setup_id,
    validate_features,
)
from lerobot_recorder.errors import ConfigError, EpisodeStateError, RecorderError, SpoolError
from lerobot_recorder.recording.opening import check_videos
from lerobot_recorder.recording.pacing import ticks
from lerobot_recorder.recording.row_queue import RowQueue
from lerobot_recorder.recording.status import require_text
from lerobot_recorder.spool import (
    CameraSpool,
    EpisodeHeader,
    EpisodeWriter,
    PreparedRow,
    Spool,
    check_sizes,
    keep_setup,
)
from lerobot_recorder.video import depth_unit

logger = logging.getLogger(__name__)

Frame = Mapping[str, Any]


class Episode:
    """An episode being recorded; add its frames in order, then save or discard it.

    Attributes:
        episode_id: the episode's identifier
        is_over: whether it was saved, discarded or set aside
    """

    def __init__(self, episode_id: str, begin: Callable[[str, Frame], EpisodeWriter]) -> None:
        self.episode_id = episode_id
        self._begin = begin
        self._writer: EpisodeWriter | None = None
        self._rows: RowQueue[PreparedRow] | None = None
        self._length = 0
        self.is_over = False

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._length

    def add(self, frame: Frame) -> None:
        """Add a frame. A thread writes it to the disk; up to 60 frames may wait, then this call waits.

        The caller may change the frame's arrays afterwards.

        Args:
            frame: a value for every feature: vectors as arrays of the declared shape; images as RGB, uint8,
                (height, width, 3), or as ``EncodedImage``; depth as uint16 (mm) or float32 (m; NaN for no
                value), (height, width).

        Raises:
            SpoolError: a value is missing, unknown, not finite (NaN, infinity), or has the wrong shape or
                kind; the frame is not added. Or an earlier frame could not be written.
            DiskFullError: the disk is full; an earlier frame could not be written.
            DatasetMismatchError: depth has another unit than in the dataset.
            EpisodeStateError: the episode is over.
        """
        self._require_open()
        if "task" in frame:
            raise SpoolError("the frame has a task: pass it to episode() or start(), once for all frames")
        if self._writer is None or self._rows is None:
            self._writer = self._begin(self.episode_id, frame)
            self._rows = RowQueue(self._writer.write)
        self._rows.put(self._writer.prepare(frame))
        self._length += 1

    def save(self) -> None:
        """Save the episode: it is on disk when this returns. One without frames leaves nothing.

        Raises:
            SpoolError: a frame could not be written. The take stays in the spool.
            EpisodeStateError: the episode is over.
        """
        self._require_open()
        try:
            if self._rows is not None:
                self._rows.stop()
                self._rows.raise_failure()
        except BaseException as error:
            self._set_aside(interruption(error))
            raise
        self.is_over = True
        self._end(EpisodeWriter.save)

    def discard(self) -> None:
        """End the episode without saving it; ``Spool(root).undo_delete()`` brings back the last few.

        Raises:
            SpoolError: it cannot be moved.
            EpisodeStateError: the episode is over.
        """
        self._require_open()
        self.is_over = True
        if self._rows is not None:
            self._rows.stop()
        self._end(EpisodeWriter.discard)

    def _require_open(self) -> None:
        if self.is_over:
            raise EpisodeStateError("the episode is over: start another one")

    def _set_aside(self, reason: str) -> None:
        """Keep the whole rows; if that fails, leave the take to the next start, which recovers it."""
        self.is_over = True
        if self._rows is not None:
            self._rows.stop()
        try:
            self._end(lambda writer: writer.reject(reason, ended_by="interrupted"))
        except RecorderError as failure:
            logger.error("cannot set aside the take %s: %s", self.episode_id, failure)

    def _end(self, keep: Callable[[EpisodeWriter], object]) -> None:
        if self._writer is not None:
            (keep if self._writer.length else EpisodeWriter.discard)(self._writer)


def interruption(error: BaseException) -> str:
    """Return the reason for which an exception rejects a take."""
    return f"interrupted by {type(error).__name__}: {error}"


class EpisodeRecorder:
    """Records episodes into the spool of a dataset, frame by frame.

    Attributes:
        root: the dataset's directory; its spool is beside it
    """

    def __init__(
        self,
        root: Path | str,
        features: Mapping[str, Any],
        fps: float,
        *,
        robot_type: str | None = None,
        image_format: str = "raw",
        name: str = "",
        setup: SetupFiles | None = None,
    ) -> None:
        """Check that the recording fits the dataset, and recover interrupted takes.

        Args:
            root: the dataset's directory; it need not exist yet
            features: as LeRobot declares them, without the default ones. Depth has ``info``
                ``{"is_depth_map": True}``; its ``depth_unit`` is ``mm`` (uint16) or ``m`` (float32), by
                default that of the first frame.
            fps: frames per second, a whole number
            robot_type: kept in the dataset
            image_format: format of color images: ``raw``, ``png``, or ``jpeg`` for ``EncodedImage``
            name: the recorder's name; only one recorder per name can record into a dataset
            setup: texts that describe the set-up, by file name, such as the robot's URDF; kept in
                ``meta/recordings/setup``

        Raises:
            ConfigError: a feature cannot be recorded, not in that image format, or not by the encoder that
                runs; or another argument has the wrong type.
            DatasetError: the directory holds another dataset or something else, or a dataset that cannot be
                appended to.
            SpoolError: the spool cannot be created beside that directory, or another recorder of that name
                uses it.
        """
        self.root = Path(root).expanduser().absolute()
        self._features: dict[str, Any] = {key: dict(feature) for key, feature in features.items()}
        validate_features(self._features)
        if robot_type is not None:
            require_text("robot_type", robot_type)
        fps = _whole(fps)
        check_videos(self._features, fps)
        check_appendable(self.root)
        check_fits(self.root, self._features, fps, robot_type)
        self._fps = fps
        self._robot_type = robot_type
        self._image_format = image_format
        _cameras(self._features, image_format)
        self._setup = dict(setup or {})
        setup_id(self._setup)
        self._spool = Spool(self.root)
        check_sizes(self._spool.path, self._features)
        self._spool.require()
        self._only_one = self._spool.lock_recorder(name)
        self._current: Episode | None = None
        self._recover()

    def __enter__(self) -> EpisodeRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; another recorder of that name may start. An episode that was not saved is set aside."""
        if self._current is not None and not self._current.is_over:
            self._current._set_aside("interrupted: the recorder was closed before the episode was saved")
        self._spool.close()
        self._only_one.release()

    @contextlib.contextmanager
    def episode(self, task: str) -> Iterator[Episode]:
        """Record an episode in a ``with`` block.

        The end of the block saves it, unless it was discarded. After an exception it is complete in
        ``rejected/``.

        Args:
            task: the sentence that describes what the episode shows

        Raises:
            ConfigError: the task is not a text.
            EpisodeStateError: another episode is being recorded.
            SpoolError: the spool cannot be written.
        """
        episode = self.start(task)
        try:
            yield episode
        except BaseException as error:
            if not episode.is_over:
                episode._set_aside(interruption(error))
            raise
        if not episode.is_over:
            episode.save()

    def start(self, task: str) -> Episode:
        """Start an episode, where a ``with`` block does not fit; end it with ``save`` or ``discard``.

        Args:
            task: the sentence that describes what the episode shows

        Raises:
            ConfigError: the task is not a text, or the encoder that runs refuses the size of a camera.
            EpisodeStateError: another episode is being recorded.
        """
        require_text("task", task)
        if self._current is not None and not self._current.is_over:
            raise EpisodeStateError("an episode is being recorded: save or discard it first")
        check_sizes(self._spool.path, self._features)
        self._current = Episode(self._spool.new_episode_id(), partial(self._begin, task))
        return self._current

    def ticks(self, seconds: float | None = None) -> Iterator[int]:
        """Yield the numbers of frames, each when it is due: a loop over them runs at fps, without drift.

        Args:
            seconds: how long; None: until the loop is left
        """
        return ticks(self._fps, seconds)

    def _recover(self) -> None:
        """Recover and report interrupted takes; if that fails, they wait for the next start."""
        try:
            for take in self._spool.recover():
                logger.warning(
                    "the take %s was interrupted after %.1f s; it is in %s, and Spool.accept keeps it",
                    take.episode_id,
                    take.manifest.duration_s,
                    take.path.parent,
                )
        except (RecorderError, OSError) as error:
            logger.error("cannot clean up the spool: %s", error)

    def _begin(self, task: str, episode_id: str, frame: Frame) -> EpisodeWriter:
        self._note_units(frame)
        header = EpisodeHeader(
            episode_id=episode_id,
            fps=self._fps,
            features=self._features,
            cameras=_cameras(self._features, self._image_format),
            task=task,
            robot_type=self._robot_type,
            started_at_ns=time.time_ns(),
            setup=keep_setup(self._spool.path, self._setup),
        )
        return EpisodeWriter(self._spool, header)

    def _note_units(self, frame: Frame) -> None:
        """Declare the unit of depth if it is missing, as LeRobot does: by the dtype of the values."""
        noted = {key: _with_unit(feature, frame.get(key)) for key, feature in self._features.items()}
        if noted != self._features:
            check_fits(self.root, cast("dict[str, FeatureDict]", noted), self._fps, self._robot_type)
            self._features = noted


def _whole(fps: float) -> int:
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or fps != fps // 1 or fps < 1:
        raise ConfigError(f"fps: expected a whole number of at least 1, found {fps!r}")
    return int(fps)


def _with_unit(feature: dict[str, Any], image: Any) -> dict[str, Any]:
    info = feature.get("info") or {}
    if not is_depth(cast("FeatureDict", feature)) or info.get("depth_unit") or not hasattr(image, "dtype"):
        return feature
    return {**feature, "info": {**info, "depth_unit": depth_unit(image.dtype)}}


def _cameras(features: Mapping[str, Any], image_format: str) -> dict[str, CameraSpool]:
    return {
        key: _camera(key, feature, image_format) for key, feature in features.items() if is_video(feature)
    }


def _camera(key: str, feature: Any, image_format: str) -> CameraSpool:
    height, width = (int(size) for size in feature["shape"][:2])
    if not is_depth(feature):
        try:
            return CameraSpool(image_format, width, height)
        except SpoolError as error:
            raise ConfigError(f"feature {key!r}: {error}") from error
    unit = (feature.get("info") or {}).get("depth_unit", "mm")
    if unit not in ("mm", "m"):
        raise ConfigError(
            f"feature {key!r}: expected depth_unit 'mm' (uint16) or 'm' (float32), found {unit!r}"
        )
    return CameraSpool("depth16" if unit == "mm" else "depth32", width, height)
