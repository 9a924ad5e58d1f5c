"""When to encode what: the thread that watches the spool, and what is told of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lerobot_recorder.dataset import DatasetWriter
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.encoding.batch import Batch, CommittedEpisode
from lerobot_recorder.encoding.camera import CameraJob
from lerobot_recorder.encoding.pool import WorkerPool, cores
from lerobot_recorder.errors import ConfigError, RecorderError
from lerobot_recorder.spool import Spool, SpooledEpisode
from lerobot_recorder.video import DepthSettings, EncoderSettings, Mp4Files, depth_encoder, depth_settings

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""How often the spool is looked into when nobody says that there is something."""

RETRY_S = 10.0
"""How long to wait after a commit that failed, as on a full disk."""


@dataclass(frozen=True)
class EncoderStatus:
    """What the encoder is at.

    Attributes:
        state: `idle`, `encoding`, `committing`, `paused` or `ended`.
        batch_size: episodes that must wait before encoding begins.
        waiting: episodes that wait in the spool.
        waiting_s: their seconds.
        waiting_bytes: the disk they hold, in bytes.
        eta_s: seconds until all is encoded at the present speed; None when that is unknown.
        episodes: episodes in the present batch.
        frames_done: video frames of the present batch that are encoded, of all cameras.
        frames: video frames of the present batch.
        committed: the episodes that this encoder has added to the dataset.
        failed: episodes that it set aside in `failed/`.
        message: what is wrong, empty when nothing is.
    """

    state: str = "idle"
    batch_size: int = 1
    waiting: int = 0
    waiting_s: float = 0.0
    waiting_bytes: int = 0
    eta_s: float | None = None
    episodes: int = 0
    frames_done: int = 0
    frames: int = 0
    committed: tuple[CommittedEpisode, ...] = ()
    failed: int = 0
    message: str = ""


class BatchEncoder:
    """Encodes the spooled episodes of a dataset in batches and commits them, in a thread of its own.

    Nothing is encoded until `batch_size` episodes wait; then all that wait are, oldest first. All settings
    may be changed while it runs; a change of how videos are encoded holds from the next batch. As a context
    manager it encodes what remains when the block is left, also on an exception.

    Attributes:
        root: the dataset's directory.
        depth: how depth maps are turned into codes, unless the dataset has some already.
        encode_on_exit: whether `close` encodes what remains.
    """

    def __init__(
        self,
        root: Path | str,
        batch_size: int = 1,
        settings: EncoderSettings | None = None,
        *,
        depth: DepthSettings | None = None,
        parallel_encodings: int = 0,
        nice: int = 19,
        encode_on_exit: bool = True,
    ) -> None:
        """Start watching.

        Args:
            root: the dataset's directory; its spool is beside it.
            batch_size: episodes that must wait before encoding begins, at least 1.
            settings: how colour videos are encoded; LeRobot's defaults.
            depth: how depth maps are turned into codes; LeRobot's defaults.
            parallel_encodings: cameras encoded side by side, 0 for as many as there are cores.
            nice: how much the worker processes yield to others, 0 to 19.
            encode_on_exit: whether `close` encodes what remains.

        Raises:
            ConfigError: a setting is out of range.
            EncoderUnavailableError: this machine lacks the encoder.
            SpoolError: no spool can be beside that directory.
        """
        self.root = Path(root).expanduser().absolute()
        self.depth = depth or DepthSettings()
        self.encode_on_exit = encode_on_exit
        self._changed = threading.Condition()
        self._batch_size = _at_least(1, "video_encoding_batch_size", batch_size)
        self._settings = (settings or EncoderSettings()).resolved()
        self._parallel = _at_least(0, "parallel_encodings", parallel_encodings)
        self._nice = _at_least(0, "nice", nice)
        self._paused = False
        self._asked = False
        self._finishing = False
        self._aborted = False
        self._status = EncoderStatus()
        self._committed: list[CommittedEpisode] = []
        self._failed = 0
        self._message = ""
        self._frame_s: float | None = None
        self._pool: WorkerPool | None = None
        Spool(self.root).require()
        # Not `Thread.join`: once interrupted, it takes the thread for ended, up to Python 3.12.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="batch-encoder").start()

    def __enter__(self) -> BatchEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What can be changed while it runs

    @property
    def batch_size(self) -> int:
        """Episodes that must wait before encoding begins."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        self._change(_batch_size=_at_least(1, "video_encoding_batch_size", value))

    @property
    def settings(self) -> EncoderSettings:
        """How colour videos are encoded."""
        return self._settings

    @settings.setter
    def settings(self, value: EncoderSettings) -> None:
        self._change(_settings=value.resolved())

    @property
    def parallel_encodings(self) -> int:
        """Cameras encoded side by side; 0: as many as there are cores."""
        return self._parallel

    @parallel_encodings.setter
    def parallel_encodings(self, value: int) -> None:
        self._change(_parallel=_at_least(0, "parallel_encodings", value))

    @property
    def nice(self) -> int:
        """How much the worker processes yield to others."""
        return self._nice

    @nice.setter
    def nice(self, value: int) -> None:
        self._change(_nice=_at_least(0, "nice", value))

    @property
    def paused(self) -> bool:
        """Whether no new batch is begun."""
        return self._paused

    @paused.setter
    def paused(self, value: bool) -> None:
        self._change(_paused=value)

    # What it can be told

    def notify(self) -> None:
        """Say that an episode is ready, so that it is noticed at once."""
        self._change()

    def encode_pending(self) -> None:
        """Encode what waits now, however little it is."""
        self._change(_asked=True)

    def finish(self) -> None:
        """Encode what remains, then end; returns at once."""
        self._change(_finishing=True)

    def abort(self) -> None:
        """End at once and leave what remains for the next start; returns at once."""
        self._change(_aborted=True)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; tell whether it has come."""
        return self._ended.wait(timeout_s)

    def close(self) -> None:
        """End; before that, encode what remains if `encode_on_exit`.

        Where an exception interrupts that, as Ctrl-C does, it ends at once; the next start does the rest.
        """
        try:
            if self.encode_on_exit:
                self.finish()
                self.join()
        finally:
            self.abort()
            self.join()

    def status(self) -> EncoderStatus:
        """Tell what it is at; reads no disk."""
        return self._status

    # The thread

    def _run(self) -> None:
        try:
            with Spool(self.root) as spool:
                self._run_on(spool)
        finally:
            self._ended.set()

    def _run_on(self, spool: Spool) -> None:
        try:
            self._serve(spool)
        finally:
            self._stop_workers()
            self._publish(spool, None, "ended")

    def _serve(self, spool: Spool) -> None:
        writer = DatasetWriter(self.root, Mp4Files())
        while True:
            try:
                spool.create()
                writer.recover(lambda ids: _forget(spool, ids))
                spool.recover(cut_short=False)
                while (episodes := self._next(spool)) is not None:
                    self._begin(spool, writer, episodes)
                return
            except (RecorderError, OSError) as error:
                if not self._survive(error):
                    return

    def _survive(self, error: Exception) -> bool:
        """Report an error of the disk or the dataset, and tell whether to try again after a while."""
        self._message = str(error)
        logger.error("%s", error)
        self._status = replace(
            self._status, state="idle", episodes=0, frames_done=0, frames=0, message=self._message
        )
        with self._changed:
            if not self._finishing:
                self._changed.wait_for(lambda: self._aborted or self._finishing, RETRY_S)
            return not (self._aborted or self._finishing)

    def _next(self, spool: Spool) -> list[SpooledEpisode] | None:
        """Wait for a batch; None when it is time to end."""
        while True:
            with self._changed:
                ending, asked, needed = self._finishing, self._asked, self._batch_size
                if self._aborted:
                    return None
                self._asked = False
            ready = spool.ready()
            if ending and not ready:
                return None
            if ready and (ending or (not self._paused and (asked or len(ready) >= needed))):
                return ready
            self._publish(spool, None, "paused" if self._paused else "idle", ready)
            with self._changed:
                if not (self._asked or self._finishing or self._aborted):
                    self._changed.wait(POLL_S)

    def _begin(self, spool: Spool, writer: DatasetWriter, episodes: Sequence[SpooledEpisode]) -> None:
        """Encode a batch; one that fails is tried again, however few of its episodes wait by then."""
        try:
            self._encode(spool, writer, episodes)
        except (RecorderError, OSError):
            self._change(_asked=True)
            raise

    def _encode(self, spool: Spool, writer: DatasetWriter, episodes: Sequence[SpooledEpisode]) -> None:
        self._message = ""
        batch = Batch(spool, writer, self._workers(), self._job_of(episodes))
        began, before = time.monotonic(), len(self._committed)
        batch.begin(episodes)
        while not batch.wait(POLL_S / 2) and not self._aborted:
            self._note_speed(batch, began)
            self._publish(spool, batch, "encoding")
        if self._aborted:
            self._stop_workers()
            batch.release()
            return
        self._note_speed(batch, began)
        self._publish(spool, batch, "committing")
        try:
            self._committed.extend(batch.commit(lambda ids: _forget(spool, ids)))
        finally:
            self._failed += len(batch.failed)
            self._message = batch.failed[-1] if batch.failed else self._message
        for episode in self._committed[before:]:
            size = f"{episode.size_bytes / 1e6:.1f} MB of video, encoded in {episode.encode_s:.1f} s"
            logger.info(
                "episode %d is in the dataset: %d frames, %s", episode.episode_index, episode.frames, size
            )
        if batch.no_room is not None:
            raise batch.no_room

    def _job_of(self, episodes: Sequence[SpooledEpisode]) -> Callable[[Path, str], CameraJob]:
        settings, depth = self._settings, self.depth
        lossless = depth_encoder()
        if min(self._workers().size, _cameras(episodes)) >= cores():
            settings = settings.on_one_core()
        return lambda episode, key: CameraJob(
            episode, key, settings, lossless, self._depth_in_dataset(key, depth)
        )

    def _depth_in_dataset(self, key: str, default: DepthSettings) -> DepthSettings:
        """Return how a camera's depth is turned into codes in the dataset, the default if it has none yet."""
        dataset = load_info(self.root)
        if dataset is None or key not in dataset.features:
            return default
        return depth_settings(dataset.features[key].get("info") or {}, default)

    def _workers(self) -> WorkerPool:
        size = self._parallel or cores()
        if self._pool is not None and (self._pool.size, self._pool.nice) != (size, self._nice):
            self._stop_workers()
        self._pool = self._pool or WorkerPool(size, self._nice)
        return self._pool

    def _stop_workers(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _note_speed(self, batch: Batch, began: float) -> None:
        if batch.frames_done:
            self._frame_s = (time.monotonic() - began) / batch.frames_done

    def _publish(
        self, spool: Spool, batch: Batch | None, state: str, ready: Sequence[SpooledEpisode] | None = None
    ) -> None:
        """Renew what `status` tells."""
        waiting = [episode for episode in (spool.ready() if ready is None else ready) if _readable(episode)]
        frames = batch.frames if batch else 0
        done = batch.frames_done if batch else 0
        todo = frames - done + sum(len(episode.manifest.cameras) * episode.length for episode in waiting)
        self._status = EncoderStatus(
            state=state,
            batch_size=self._batch_size,
            waiting=len(waiting),
            waiting_s=sum(episode.manifest.duration_s for episode in waiting),
            waiting_bytes=spool.size_bytes("ready"),
            eta_s=todo * self._frame_s if self._frame_s is not None else None,
            episodes=batch.episodes if batch else 0,
            frames_done=done,
            frames=frames,
            committed=tuple(self._committed),
            failed=self._failed,
            message=self._message,
        )

    def _change(self, **values: object) -> None:
        with self._changed:
            for name, value in values.items():
                setattr(self, name, value)
            self._changed.notify_all()


def _forget(spool: Spool, episode_ids: Sequence[str]) -> None:
    """Remove episodes that are in the dataset from the spool."""
    for episode_id in episode_ids:
        if (episode := spool.find(episode_id)) is not None:
            spool.remove(episode)


def _cameras(episodes: Sequence[SpooledEpisode]) -> int:
    """Count what there is to encode."""
    return sum(len(episode.manifest.cameras) for episode in episodes if _readable(episode))


def _readable(episode: SpooledEpisode) -> bool:
    try:
        return episode.length >= 0
    except RecorderError:
        return False


def _at_least(least: int, name: str, value: int) -> int:
    if value < least:
        raise ConfigError(f"{name}: expected at least {least}, found {value}")
    return value
