"""Background thread that watches the spool, encodes batches and publishes its status."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lerobot_recorder.dataset import DatasetWriter, check_appendable
from lerobot_recorder.encoding.batch import Batch
from lerobot_recorder.encoding.camera import CameraJob
from lerobot_recorder.encoding.earlier import SeenDataset, codec_change, depth_in_dataset
from lerobot_recorder.encoding.faults import explained
from lerobot_recorder.encoding.pool import WorkerPool, cores
from lerobot_recorder.encoding.settings import BatchSettings
from lerobot_recorder.encoding.status import LISTED, CommittedEpisode, EncoderStatus
from lerobot_recorder.encoding.waiting import WaitingEpisodes
from lerobot_recorder.errors import (
    DatasetError,
    EpisodeStateError,
    RecorderError,
    SpoolError,
    TransientError,
)
from lerobot_recorder.settings import parameter
from lerobot_recorder.spool import Spool, SpooledEpisode
from lerobot_recorder.video import DepthSettings, EncoderSettings, Mp4Files, depth_encoder

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""How often the spool is looked into when nobody says that there is something."""

RETRY_S = 5.0
"""How long to wait after a fault, as a full disk, before the next attempt; doubled with each in a row."""

LONGEST_RETRY_S = 300.0
"""How long to wait at most."""


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
            DatasetError: no episode can be added to the dataset as it is.
        """
        self.root = Path(root).expanduser().absolute()
        self.depth = depth or DepthSettings()
        self.encode_on_exit = encode_on_exit
        self._changed = threading.Condition()
        self._batch_size = _checked("video_encoding_batch_size", batch_size)
        self._settings = (settings or EncoderSettings()).resolved()
        self._parallel = _checked("parallel_encodings", parallel_encodings)
        self._nice = _checked("nice", nice)
        self._paused = False
        self._asked = False
        self._again = False  # an attempt failed: the next one needs no full batch
        self._finishing = False
        self._aborted = False
        self._status = EncoderStatus()
        self._waiting = WaitingEpisodes()
        self._committed: list[CommittedEpisode] = []
        self._failed: dict[str, str] = {}
        self._fault = ""
        self._warning = ""
        self._failure: RecorderError | None = None
        self._retry_failed = False
        self._frame_s: float | None = None
        self._pool: WorkerPool | None = None
        Spool(self.root).require()
        self._seen = _seen_dataset(self.root)
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
        self._change(_batch_size=_checked("video_encoding_batch_size", value))

    @property
    def settings(self) -> EncoderSettings:
        """How colour videos are encoded."""
        return self._settings

    @settings.setter
    def settings(self, value: EncoderSettings) -> None:
        self._change(_settings=value.resolved(), _warning="")

    @property
    def parallel_encodings(self) -> int:
        """Cameras encoded side by side; 0: as many as there are cores."""
        return self._parallel

    @parallel_encodings.setter
    def parallel_encodings(self, value: int) -> None:
        self._change(_parallel=_checked("parallel_encodings", value))

    @property
    def nice(self) -> int:
        """How much the worker processes yield to others."""
        return self._nice

    @nice.setter
    def nice(self, value: int) -> None:
        self._change(_nice=_checked("nice", value))

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
        """Encode what waits now, however few they are.

        Raises:
            EpisodeStateError: the encoder is paused; nothing would be encoded.
        """
        if self._paused:
            raise EpisodeStateError("the encoder is paused: nothing is encoded until paused is false")
        self._change(_asked=True)

    def retry_failed(self) -> None:
        """Move the episodes in `failed/` back to those that wait, and encode what waits; returns at once.

        While the encoder is paused they wait.
        """
        self._change(_retry_failed=True)

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
        """Return a snapshot of its state; reads no disk."""
        return self._status

    @property
    def committed(self) -> tuple[CommittedEpisode, ...]:
        """All episodes that it has added to the dataset, oldest first."""
        return tuple(self._committed)

    @property
    def failure(self) -> RecorderError | None:
        """Why it ended before everything that was asked for was done.

        None while it runs, and where all is in the dataset or was left in the spool because it was told to.
        """
        return self._failure

    # The thread

    def _run(self) -> None:
        try:
            with Spool(self.root) as spool:
                self._serve(spool)
        except BaseException as error:  # nobody else would hear of it
            self._note_fault(error)
        finally:
            self._end()

    def _serve(self, spool: Spool) -> None:
        """Encode until it is time to end; an attempt that began when it was is the last."""
        writer = DatasetWriter(self.root, Mp4Files())
        pause_s = RETRY_S
        while True:
            is_last = self._finishing
            try:
                self._recover(spool, writer)
                while (episodes := self._next(spool)) is not None:
                    is_last = self._finishing
                    self._encode(spool, writer, episodes)
                    pause_s = RETRY_S
                return
            except Exception as error:
                self._stop_workers()  # before their episodes are given up
                self._note_fault(error)
            if is_last or not self._pause(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    def _recover(self, spool: Spool, writer: DatasetWriter) -> None:
        spool.close()  # claims that an attempt before could not give back
        spool.create()
        self._note_committed(
            [
                CommittedEpisode(each.episode_id, each.episode_index, each.length)
                for each in writer.recover(spool.forget)
            ]
        )
        spool.recover(cut_short=False)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt; return whether there is to be one."""
        with self._changed:
            self._asked, self._again = False, True
            self._changed.wait_for(lambda: self._asked or self._finishing or self._aborted, seconds)
            return not self._aborted

    def _next(self, spool: Spool) -> list[SpooledEpisode] | None:
        """Wait for a batch; None when it is time to end."""
        while True:
            with self._changed:
                ending, needed = self._finishing, self._batch_size
                asked, self._asked, self._again = (
                    self._asked or self._again,
                    False,
                    self._again and self._paused,
                )
                retry_failed, self._retry_failed = self._retry_failed, False
                if self._aborted:
                    return None
            if retry_failed and self._bring_back_failed(spool):
                asked, self._again = True, self._paused
            ready = self._waiting.look(spool)
            if not ready:
                self._fault = ""
            if ending and not ready:
                return None
            if ready and (ending or (not self._paused and (asked or len(ready) >= needed))):
                return ready
            self._publish(spool, None, "paused" if self._paused else "idle")
            with self._changed:
                if not (self._asked or self._retry_failed or self._finishing or self._aborted):
                    self._changed.wait(POLL_S)

    def _bring_back_failed(self, spool: Spool) -> bool:
        """Move failed episodes to those that wait; return whether there were any."""
        failed = spool.failed()
        for episode in failed:
            with suppress(SpoolError):  # someone else was faster
                spool.retry(episode.episode_id)
            self._failed.pop(episode.episode_id, None)
        return bool(failed)

    def _encode(self, spool: Spool, writer: DatasetWriter, episodes: Sequence[SpooledEpisode]) -> None:
        """Encode a batch and commit it.

        Raises:
            TransientError: episodes wait because of the computer; those that could be are committed.
            RecorderError: the dataset cannot be written; the episodes wait.
            OSError: the same.
        """
        self._warn_of_codec()
        self._seen.look()
        batch = Batch(spool, writer, self._workers(), job_of=self._job_of(), seen=self._seen)
        try:
            self._encode_batch(spool, batch, episodes)
        finally:
            if not batch.is_encoded:
                self._stop_workers()
            self._note_results(batch)
            batch.release()
        self._fault = ""
        if batch.waiting:
            reasons = set(batch.waiting.values())
            raise TransientError(f"{len(batch.waiting)} episodes wait: {'; '.join(sorted(reasons))}")

    def _encode_batch(self, spool: Spool, batch: Batch, episodes: Sequence[SpooledEpisode]) -> None:
        began = time.monotonic()
        batch.begin(episodes)
        while not batch.wait(POLL_S / 2) and not self._aborted:
            self._note_speed(batch, began)
            self._waiting.look(spool)
            self._publish(spool, batch, "encoding")
        if self._aborted:
            return
        self._note_speed(batch, began)
        self._publish(spool, batch, "committing")
        batch.commit(spool.forget)

    # What it notes

    def _note_results(self, batch: Batch) -> None:
        self._note_committed(batch.committed)
        self._failed |= batch.failed

    def _note_committed(self, episodes: Sequence[CommittedEpisode]) -> None:
        self._committed.extend(episodes)
        for episode in episodes:
            size = f"{episode.size_bytes / 1e6:.1f} MB of video, encoded in {episode.encode_s:.1f} s"
            logger.info(
                "episode %d is in the dataset: %d frames, %s", episode.episode_index, episode.frames, size
            )

    def _note_fault(self, error: BaseException) -> None:
        """Report what keeps it from encoding; touches no disk, which may be at fault."""
        self._fault = explained(error)
        expected = isinstance(error, (RecorderError, OSError))
        logger.error("%s", self._fault, exc_info=None if expected else error)
        self._status = replace(
            self._status, state="idle", episodes=0, frames_done=0, frames=0, message=self._fault
        )

    def _end(self) -> None:
        """Note how it ended, whatever fails now."""
        try:
            self._stop_workers()
            with Spool(self.root) as spool:
                self._waiting.look(spool)
                self._publish(spool, None, "ended")
        except BaseException as error:
            self._note_fault(error)
        if self._fault and not self._aborted:
            self._failure = RecorderError(self._fault)
        elif self._failed:
            self._failure = RecorderError(self._failed_message())
        self._status = replace(self._status, state="ended")
        self._ended.set()

    def _failed_message(self) -> str:
        """Say what failed, and the way out; empty where nothing did."""
        if not self._failed:
            return ""
        count = f"{len(self._failed)} episode{'s' if len(self._failed) > 1 else ''}"
        return (
            f"{count} could not be encoded: {list(self._failed.values())[-1]}. Kept in "
            f"{Spool(self.root).directory('failed')}; to try again: lerobot-recorder encode {self.root} "
            "--retry-failed"
        )

    # How it encodes

    def _job_of(self) -> Callable[[Path, str], CameraJob]:
        settings, depth = self._settings, self.depth
        lossless = depth_encoder()
        return lambda episode, key: CameraJob(
            episode, key, settings, lossless, depth_in_dataset(self.root, key, depth)
        )

    def _warn_of_codec(self) -> None:
        """Warn where the next videos get another codec than those in the dataset have."""
        warning = codec_change(self.root, self._settings)
        if warning and warning != self._warning:
            logger.warning("%s", warning)
        # With the first of the next videos the dataset no longer has one codec to compare with.
        self._warning = warning or self._warning

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

    def _publish(self, spool: Spool, batch: Batch | None, state: str) -> None:
        """Renew what `status` returns."""
        waiting = self._waiting
        frames = batch.frames if batch else 0
        done = batch.frames_done if batch else 0
        todo = frames - done + waiting.frames
        self._status = EncoderStatus(
            state=state,
            batch_size=self._batch_size,
            waiting=len(waiting.episodes),
            waiting_s=waiting.duration_s,
            waiting_bytes=waiting.size_bytes,
            eta_s=todo * self._frame_s if self._frame_s is not None else None,
            episodes=batch.episodes if batch else 0,
            frames_done=done,
            frames=frames,
            committed=tuple(self._committed[-LISTED:]),
            committed_total=len(self._committed),
            failed=len(self._failed),
            retryable=len(spool.failed()),
            message=self._fault or self._failed_message(),
            warning=self._warning,
        )

    def _change(self, **values: object) -> None:
        with self._changed:
            for name, value in values.items():
                setattr(self, name, value)
            self._changed.notify_all()


def _seen_dataset(root: Path) -> SeenDataset:
    """Look at a dataset, and refuse one that takes no episodes, expected or not."""
    try:
        check_appendable(root)
        return SeenDataset(root)
    except RecorderError:
        raise
    except Exception as error:
        raise DatasetError(f"{root}: cannot be appended to: {explained(error)}") from error


def _checked(name: str, value: int) -> int:
    parameter(BatchSettings, name).check_limits(value)
    return value
