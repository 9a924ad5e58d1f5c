"""Background thread that watches the spool, encodes batches and publishes its status."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from lerobot_recorder.dataset import DatasetWriter, check_appendable
from lerobot_recorder.durable import is_full
from lerobot_recorder.encoding.batch import Batch
from lerobot_recorder.encoding.camera import CameraJob
from lerobot_recorder.encoding.cluster import RayCluster
from lerobot_recorder.encoding.earlier import SeenDataset, codec_change, depth_in_dataset
from lerobot_recorder.encoding.job import Executor
from lerobot_recorder.encoding.live import LiveEncoding
from lerobot_recorder.encoding.pool import WorkerPool, cores
from lerobot_recorder.encoding.progress import OnProgress, progress_bar
from lerobot_recorder.encoding.settings import EncoderConfig
from lerobot_recorder.encoding.starvation import Starvation
from lerobot_recorder.encoding.status import (
    CommittedEpisode,
    EncoderState,
    EncoderStatus,
    EncodingProgress,
    Report,
    WaitingEpisodes,
)
from lerobot_recorder.errors import (
    DatasetError,
    EpisodeStateError,
    RecorderError,
    SpoolError,
    TransientError,
    explained,
)
from lerobot_recorder.excerpt import counted
from lerobot_recorder.spool import EncoderNote, Spool, SpooledEpisode
from lerobot_recorder.video import DepthSettings, EncoderSettings, Mp4Files, depth_encoder

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""How often to look into the spool without a notification."""

_PROGRESS_S = 0.2

RETRY_S = 5.0
"""Delay after a failure, such as a full disk; it doubles with each failure in a row."""

LONGEST_RETRY_S = 300.0
"""Upper limit of the delay."""

T = TypeVar("T")


class _Setting(Generic[T]):
    """A field of `EncoderConfig` as an attribute of the encoder that can be read and assigned."""

    def __init__(self, field: str = "") -> None:
        self._field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self._field = self._field or name

    @overload
    def __get__(self, encoder: None, owner: type) -> _Setting[T]: ...

    @overload
    def __get__(self, encoder: BatchEncoder, owner: type) -> T: ...

    def __get__(self, encoder: BatchEncoder | None, owner: type) -> Any:
        return self if encoder is None else getattr(encoder.config, self._field)

    def __set__(self, encoder: BatchEncoder, value: T) -> None:
        encoder.configure(**{self._field: value})


@dataclass
class _Requests:
    """What other threads asked the encoder's thread to do.

    Attributes:
        look: look into the spool now.
        encode: encode what waits, even if it is less than a batch.
        again: the same, because the last attempt failed.
        retry_failed: try failed episodes again.
        finish: encode what remains, then end.
        abort: end at once.
    """

    look: bool = False
    encode: bool = False
    again: bool = False
    retry_failed: bool = False
    finish: bool = False
    abort: bool = False


class BatchEncoder:
    """Encodes the spooled episodes of a dataset in batches and commits them, in its own thread.

    When `batch_size` episodes wait, all waiting episodes are encoded, oldest first. Every setting can be
    changed while it runs, by assignment or with `configure`; new video settings apply to the next batch.
    As a context manager it encodes what remains when the block is left, also after an exception.

    Attributes:
        root: the dataset's directory.
    """

    batch_size: _Setting[int] = _Setting("video_encoding_batch_size")
    settings: _Setting[EncoderSettings] = _Setting()
    depth: _Setting[DepthSettings] = _Setting()
    parallel_encodings: _Setting[int] = _Setting()
    nice: _Setting[int] = _Setting()
    encode_on_exit: _Setting[bool] = _Setting()
    paused: _Setting[bool] = _Setting()
    encode_while_recording: _Setting[bool] = _Setting()

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
        encode_while_recording: bool = True,
        cluster: RayCluster | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Start watching the spool.

        Args:
            root: the dataset's directory.
            batch_size: like the other settings, described by `EncoderConfig`.
            settings: of the video encoder.
            depth: how depth is encoded.
            parallel_encodings: number of worker processes; 0: chosen by the number of cores.
            nice: their niceness.
            encode_on_exit: whether `close` encodes what remains.
            encode_while_recording: whether takes are encoded while they are recorded.
            cluster: encodes saved episodes instead of worker processes of this computer; close it afterwards.
            on_progress: called with the status, several times a second, while `close` waits; by default a
                bar shows the progress on a terminal, and the log elsewhere.

        Raises:
            ConfigError: a setting is out of range.
            EncoderUnavailableError: this machine lacks the encoder.
            SpoolError: the spool cannot be created beside that directory.
            DatasetError: the dataset cannot be appended to.
        """
        self.root = Path(root).expanduser().absolute()
        self._config = EncoderConfig(
            video_encoding_batch_size=batch_size,
            settings=(settings or EncoderSettings()).resolved(),
            depth=depth or DepthSettings(),
            parallel_encodings=parallel_encodings,
            nice=nice,
            encode_on_exit=encode_on_exit,
            encode_while_recording=encode_while_recording,
        )
        self._on_progress = on_progress
        self._changed = threading.Condition()
        self._requests = _Requests()
        self._waiting = WaitingEpisodes()
        self._report = Report(self.root)
        self._live = LiveEncoding(self.notify)
        self._failure: RecorderError | None = None
        self._cluster = cluster
        self._pool: Executor | None = None
        self._starvation = Starvation()
        Spool(self.root).require()
        self._seen = _seen_dataset(self.root)
        self._note = EncoderNote(Spool(self.root).path)
        self._note.write(self.settings)
        # Not `Thread.join`: up to Python 3.12, an interrupted join marks the thread as ended.
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="batch-encoder").start()

    def __enter__(self) -> BatchEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Settings and requests

    @property
    def config(self) -> EncoderConfig:
        """The current settings."""
        return self._config

    def configure(self, **changes: Any) -> None:
        """Change settings; all of them, or none if one is refused.

        Args:
            changes: fields of `EncoderConfig`.

        Raises:
            ConfigError: a setting is out of range.
            EncoderUnavailableError: this machine lacks the encoder.
        """
        if "settings" in changes:
            changes["settings"] = changes["settings"].resolved()
        with self._changed:
            self._config = replace(self._config, **changes)
            self._changed.notify_all()
        if "settings" in changes:
            self._note.write(self.settings)
            self._report.codec_warning = ""

    def notify(self) -> None:
        """Look into the spool now: an episode is ready."""
        self._request(look=True)

    def encode_pending(self) -> None:
        """Encode the waiting episodes, even if they are fewer than a batch.

        Raises:
            EpisodeStateError: the encoder is paused.
        """
        if self._config.paused:
            raise EpisodeStateError("the encoder is paused: nothing is encoded until paused is false")
        self._request(encode=True)

    def retry_failed(self) -> None:
        """Move the episodes in `failed/` back to the waiting ones, and encode all; returns at once.

        While the encoder is paused they wait.
        """
        self._request(retry_failed=True)

    def finish(self) -> None:
        """Encode what remains, then end; returns at once."""
        self._request(finish=True)

    def abort(self) -> None:
        """End now and leave what remains for the next start; returns at once."""
        self._request(abort=True)

    def _request(self, **wanted: bool) -> None:
        with self._changed:
            self._requests = replace(self._requests, **wanted)
            self._changed.notify_all()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the thread has ended; return whether it has."""
        return self._ended.wait(timeout_s)

    def close(self) -> None:
        """End; encode what remains before if `encode_on_exit` is set.

        An exception meanwhile, such as Ctrl-C, ends it at once; the next start does the rest.
        """
        try:
            if self._config.encode_on_exit:
                self.finish()
                self._show_progress()
        finally:
            self.abort()
            self.join()

    def _show_progress(self) -> None:
        """Wait until it has ended, and show how far it is."""
        if self._on_progress is not None:
            self.wait(self._on_progress)
        elif not self.join(0):
            with progress_bar(logger.info) as show:
                self.wait(show)

    def wait(self, on_progress: OnProgress) -> None:
        """Wait until the thread has ended, and report the status meanwhile."""
        while not self.join(_PROGRESS_S):
            on_progress(self.status())

    # Results

    def status(self) -> EncoderStatus:
        """Return a snapshot of the encoder's state, without reading the disk."""
        return self._report.status

    @property
    def committed(self) -> tuple[CommittedEpisode, ...]:
        """All episodes that this encoder has added to the dataset, oldest first."""
        return tuple(self._report.committed)

    @property
    def failure(self) -> RecorderError | None:
        """Why it ended before it had done everything it was asked for.

        None while it runs, and if every episode is in the dataset or was left in the spool on request.
        """
        return self._failure

    # The thread

    def _run(self) -> None:
        try:
            with Spool(self.root) as spool:
                self._serve(spool)
        except BaseException as error:  # no caller sees it otherwise
            self._report.fail(error)
        finally:
            self._end()

    def _serve(self, spool: Spool) -> None:
        """Encode until asked to end; an attempt that starts after that request is the last one."""
        writer = DatasetWriter(self.root, Mp4Files(), forget=spool.forget)
        pause_s = RETRY_S
        while True:
            is_last = self._requests.finish
            try:
                self._recover(spool, writer)
                while (episodes := self._next(spool)) is not None:
                    is_last = self._requests.finish
                    self._encode(spool, writer, episodes)
                    pause_s = RETRY_S
                return
            except Exception as error:
                self._stop_workers()  # before their episodes are released
                self._report.fail(error)
                if is_full(error):
                    _make_room(spool)
            if is_last or not self._pause(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    def _recover(self, spool: Spool, writer: DatasetWriter) -> None:
        spool.close()  # releases claims that an earlier attempt could not give back
        spool.create()
        self._report.add_committed(
            [CommittedEpisode(each.episode_id, each.episode_index, each.length) for each in writer.recover()]
        )
        spool.recover(cut_short=False)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt; return whether to make one."""
        with self._changed:
            self._requests = replace(self._requests, encode=False, again=True)
            self._changed.wait_for(
                lambda: self._requests.encode or self._requests.finish or self._requests.abort, seconds
            )
            return not self._requests.abort

    def _next(self, spool: Spool) -> list[SpooledEpisode] | None:
        """Wait for a batch; None when it is time to end."""
        while True:
            with self._changed:
                asked, config = self._requests, self._config
                self._requests = replace(
                    asked, look=False, encode=False, again=asked.again and config.paused, retry_failed=False
                )
            if asked.abort:
                return None
            encode = asked.encode or asked.again
            if asked.retry_failed and self._bring_back_failed(spool):
                encode = True
                self._request(again=config.paused)
            ready = self._waiting.look(spool)
            if not ready:
                self._report.fault = ""
            if asked.finish and not ready:
                return None
            is_due = not config.paused and (encode or len(ready) >= config.video_encoding_batch_size)
            if ready and (asked.finish or is_due):
                return ready
            self._encode_live(spool)
            self._publish(spool, None, "paused" if config.paused else "idle")
            with self._changed:
                if self._requests in (_Requests(), _Requests(again=True)):
                    self._changed.wait(POLL_S)

    def _encode_live(self, spool: Spool) -> None:
        """Encode what is being recorded, if that is wanted.

        Not on a cluster: files that grow are seen late by other computers.
        """
        config = self._config
        self._live.look(spool)
        is_wanted = config.encode_while_recording and config.video_encoding_batch_size == 1
        if is_wanted and not config.paused and self._cluster is None:
            self._live.submit(self._workers(), self._job_of())
        self._report.measure_speed(self._live.frame_s, self._workers_size)

    def _bring_back_failed(self, spool: Spool) -> bool:
        """Move failed episodes back to the waiting ones; return whether there were any."""
        failed = spool.failed()
        for episode in failed:
            with suppress(SpoolError):  # another process was faster
                spool.retry(episode.episode_id)
            self._report.failed.pop(episode.episode_id, None)
        return bool(failed)

    def _encode(self, spool: Spool, writer: DatasetWriter, episodes: Sequence[SpooledEpisode]) -> None:
        """Encode a batch and commit it.

        Raises:
            TransientError: some episodes wait because of the computer; the others are committed.
            RecorderError: the dataset cannot be written; the episodes wait.
            OSError: the same.
        """
        self._report.warn_of_codec(codec_change(self.root, self._config.settings))
        self._seen.look()
        batch = Batch(
            spool,
            writer,
            self._workers(),
            job_of=self._job_of(),
            jobs_of=self._live.jobs_of,
            seen=self._seen,
        )
        try:
            self._encode_batch(spool, batch, episodes)
        finally:
            if not batch.is_encoded:
                self._stop_workers()
            self._report.add_committed(batch.committed)
            self._report.failed |= batch.failed
            batch.release()
        self._report.fault = ""
        if batch.waiting:
            errors = list(batch.waiting.values())
            reasons = "; ".join(sorted({explained(error) for error in errors}))
            cause = next(filter(is_full, errors), errors[0])
            raise TransientError(f"{counted(len(errors), 'episode', 'wait')}: {reasons}") from cause

    def _encode_batch(self, spool: Spool, batch: Batch, episodes: Sequence[SpooledEpisode]) -> None:
        batch.begin(episodes)
        while not batch.wait(POLL_S / 2) and not self._requests.abort:
            self._report.measure_speed(batch.frame_s, self._workers_size)
            self._look_at_cpu_time()
            self._publish(spool, batch, "encoding")
        self._report.warn_of_starvation(None, self._config.nice)
        if self._requests.abort:
            return
        self._report.measure_speed(batch.frame_s, self._workers_size)
        self._publish(spool, batch, "committing")
        batch.commit()

    def _look_at_cpu_time(self) -> None:
        if self._pool is not None:
            self._starvation.look(self._pool.processes())
            self._report.warn_of_starvation(self._starvation.share, self._pool.nice)

    def _publish(self, spool: Spool, batch: Batch | None, state: EncoderState) -> None:
        progress = EncodingProgress(batch.episodes, batch.frames_done, batch.frames) if batch else None
        current = EncoderStatus(
            state=state,
            batch_size=self._config.video_encoding_batch_size,
            encoding=progress,
            take=self._live.progress,
            retryable=len(spool.failed()),
        )
        self._waiting.look(spool)  # after the claims: an episode of the batch does not wait
        self._report.publish(current, self._waiting)

    def _end(self) -> None:
        """Record how the thread ended, even if something fails now."""
        report = self._report
        try:
            self._stop_workers()
            with Spool(self.root) as spool:
                self._publish(spool, None, "ended")
        except BaseException as error:
            report.fail(error)
        if report.fault and not self._requests.abort:
            self._failure = RecorderError(report.fault)
        elif report.failed:
            self._failure = RecorderError(report.failed_message())
        self._note.release()
        report.status = replace(report.status, state="ended")
        self._ended.set()

    # Workers

    def _job_of(self) -> Callable[[Path, str], CameraJob]:
        settings, depth = self._config.settings, self._config.depth
        lossless = depth_encoder()
        return lambda episode, key: CameraJob(
            episode, key, settings, lossless, depth_in_dataset(self.root, key, depth)
        )

    @property
    def _workers_size(self) -> int:
        if self._cluster is not None and self._pool is not None:
            return self._pool.size
        return self._config.parallel_encodings or cores()

    def _workers(self) -> Executor:
        size, nice = self._workers_size, self._config.nice
        if self._pool is not None and (self._pool.size, self._pool.nice) != (size, nice):
            self._stop_workers()
        if self._pool is None:
            self._pool = self._started(size, nice)
        return self._pool

    def _started(self, size: int, nice: int) -> Executor:
        if self._cluster is not None:
            return self._cluster.executor(Spool(self.root).path, nice)
        return WorkerPool(size, nice)

    def _stop_workers(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _make_room(spool: Spool) -> None:
    """Erase discarded episodes, the oldest first, until those that wait would fit once more."""
    with suppress(SpoolError, OSError):
        needed = sum(episode.size_bytes() for episode in spool.waiting())
        spool.make_room(spool.free_bytes() + needed)


def _seen_dataset(root: Path) -> SeenDataset:
    """Read the dataset as it is now.

    Raises:
        RecorderError: it cannot be appended to.
    """
    try:
        check_appendable(root)
        return SeenDataset(root)
    except RecorderError:
        raise
    except Exception as error:
        raise DatasetError(f"{root}: cannot be appended to: {explained(error)}") from error
