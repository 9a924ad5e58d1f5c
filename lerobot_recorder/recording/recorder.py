"""The recorder of one dataset: start, save, discard, and the operator's other commands."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from lerobot_recorder.dataset import SUCCESS_FEATURE, SetupFiles, counted_ids
from lerobot_recorder.errors import (
    ConfigError,
    EpisodeDeletedError,
    EpisodeStateError,
    RecorderError,
    SpoolError,
    StreamError,
)
from lerobot_recorder.excerpt import counted
from lerobot_recorder.recording.clock import Clock, SystemClock, grid_start_ns
from lerobot_recorder.recording.committed import CommittedEpisodes
from lerobot_recorder.recording.disk import DiskMonitor, typical_bytes
from lerobot_recorder.recording.opening import (
    check_continues,
    check_fps,
    fitting_features,
    probe_cameras,
    take_settings,
)
from lerobot_recorder.recording.quality import check_rates, slow_source
from lerobot_recorder.recording.rows import check_specs
from lerobot_recorder.recording.status import (
    Ending,
    LastEpisode,
    Outcome,
    RecorderSettings,
    RecorderStatus,
)
from lerobot_recorder.recording.streams import Stream, StreamStatus
from lerobot_recorder.recording.take import Take
from lerobot_recorder.spool import (
    CameraSpool,
    EpisodeHeader,
    EpisodeWriter,
    Spool,
    SpooledEpisode,
    TakeFiles,
    keep_setup,
)

logger = logging.getLogger(__name__)

_LEAD_S = 0.05
"""From the start command to the first row: time to create the files."""

_SHORTEST_FIT_S = 5.0
_FEW_S = 30.0
"""A take that the disk ends within this time gets a warning."""

_ACCEPT = "accept_episode"
_SAVED = ("ready", "claimed", "committing", "failed")
_NO_TASK = (
    "the episode has no task: policies that follow instructions need one; set the parameter task to a "
    "sentence that describes what the episodes show"
)
_LONG_WAIT_S = 1.0
_COMMIT_S, _COMMIT_LOOK_S = 5.0, 0.02
"""How long a command waits while the encoder adds its episode to the dataset, and how often it looks."""


class Deleted(NamedTuple):
    """An episode that was deleted.

    Attributes:
        episode_id: its identifier
        was_saved: whether this recorder had counted it as saved
        number: the number that it had in the dataset; None if it was not there yet
    """

    episode_id: str
    was_saved: bool
    number: int | None = None


class Marked(NamedTuple):
    """An episode that was marked.

    Attributes:
        episode_id: its identifier
        number: its number in the dataset; None if it is not there yet
    """

    episode_id: str
    number: int | None = None


class Restored(NamedTuple):
    """A deleted episode or discarded take that was brought back.

    Attributes:
        episode_id: its identifier
        state: its state now: ``ready`` or ``rejected``; ``ready`` also if it is in the dataset
        counts: whether this recorder counts it as saved again
        number: its number in the dataset; None if it is in the spool
    """

    episode_id: str
    state: str
    counts: bool
    number: int | None = None


class Recorder:
    """Records episodes from streams into the spool of a dataset.

    No method waits for the disk: a thread does that work, and a ``Future`` has the result.

    Attributes:
        root: the dataset's directory
        fps: rows per second
        streams: the recorded streams
        settings: settings of the next episode
    """

    def __init__(
        self,
        root: Path | str,
        fps: int,
        streams: Sequence[Stream],
        settings: RecorderSettings | None = None,
        *,
        name: str = "",
        clock: Clock | None = None,
        on_end: Callable[[Outcome], None] = lambda _outcome: None,
        committed: CommittedEpisodes | None = None,
        setup: Callable[[], SetupFiles] = dict,
    ) -> None:
        """Recover interrupted takes, and get ready for ``start``.

        Args:
            root: the dataset's directory; its spool is beside it
            fps: rows per second
            streams: the recorded streams, in the order of their features
            settings: settings of the next episode
            name: the recorder's name; only one recorder per name can record into a dataset
            clock: clock of samples and ticks; by default the system's
            on_end: called with each outcome, by the thread that wrote the episode
            committed: edits episodes that are in the dataset already; without it, that is refused
            setup: returns the files that describe the set-up, by name, at the start of each episode

        Raises:
            ConfigError: fps or the streams cannot be used.
            SpoolError: the spool cannot be created beside that directory, or another recorder of that name
                uses it.
        """
        if fps < 1:
            raise ConfigError(f"fps: expected at least 1, found {fps}")
        check_specs([stream.spec for stream in streams])
        if any(stream.spec.is_image for stream in streams):
            check_fps(fps)
        check_rates([stream.spec for stream in streams], fps)
        self.root = Path(root).expanduser().absolute()
        self.fps = fps
        self.streams = list(streams)
        self.settings = settings or RecorderSettings()
        self._clock = clock or SystemClock()
        self._on_end = on_end
        self._committed = committed
        self._setup = setup
        self._lock = threading.Lock()
        self._take: Take | None = None
        self._unended: dict[str, Take] = {}
        """Takes that are recorded or saved; they are not counted yet."""
        self._leaving: dict[str, tuple[Take, int]] = {}
        """Takes that are safe on the disk and counted, but not in their place yet, with their numbers."""
        self._starting = False
        self._states: dict[str, str] = {}
        """States of the episodes that count, or would count again after ``undo_delete``, by identifier."""
        self._next_index = 0
        self._counted: set[str] = set()
        self._kept_setup: tuple[SetupFiles, str] = {}, ""
        """The last set-up that was written to the spool, and its identifier."""
        self._last: Outcome | None = None
        self._last_index: int | None = None
        self._last_mark: tuple[str, bool | None] = ("", None)
        self._message = self._offer = ""
        self._warned: Take | None = None
        self._spool = Spool(self.root)
        self._spool.require()
        self._only_one = self._spool.lock_recorder(name)
        self._disk = ThreadPoolExecutor(1, "recorder-disk")
        self._prepared: TakeFiles | None = None
        """Files of the next take; only for the disk's thread."""
        self._disk.submit(self._recover)
        self._watch = DiskMonitor(
            self._spool,
            self._bytes_per_s,
            lambda: self._stop("disk_full"),
            lambda: _seconds_needed(self.settings),
            self._note_disk,
        )

    def check_dataset(self) -> None:
        """Check that episodes of these streams fit the dataset, as far as that is known without images.

        Raises:
            ConfigError: no dataset can have such features.
            DatasetError: they do not fit the dataset, or the episodes that wait for it.
        """
        check_continues(self._spool, self.fps, self.streams, self.settings)

    # Commands

    def start(self) -> Future[str]:
        """Start an episode.

        Returns:
            The episode's identifier, once its files exist; or the error that prevents the recording.

        Raises:
            EpisodeStateError: an episode is being recorded.
            StreamError: some streams bring no samples; the message names all of them.
            DiskFullError: the episode does not fit on the disk.
        """
        with self._lock:
            if self.recording:
                raise EpisodeStateError("an episode is being recorded already: save or discard it first")
            if missing := self.missing():
                raise StreamError("the episode cannot start: " + "; ".join(missing.values()))
            self._watch.require(_seconds_needed(self.settings))
            self._starting = True
        return self._disk.submit(self._open)

    def save(self) -> Future[Outcome]:
        """End the present episode and keep it; the result arrives when it is in its place in the spool.

        Raises:
            EpisodeStateError: no episode is being recorded.
        """
        return self._end("save").result

    def save_early(self) -> Future[Outcome]:
        """Do what ``save`` does, but the result arrives as soon as the episode is safe from a power cut.

        It reaches ``ready/`` a few milliseconds later, or at the next start if this process is killed before.

        Raises:
            EpisodeStateError: no episode is being recorded.
        """
        return self._end("save").safe

    def discard(self) -> Future[Outcome]:
        """End the present episode and remove it; ``undo_delete`` can bring back the last few.

        Raises:
            EpisodeStateError: no episode is being recorded.
        """
        return self._end("discard").result

    def accept(self) -> Future[str]:
        """Accept the most recently rejected episode. Resolves to its identifier."""
        return self._disk.submit(self._accept)

    def delete_last(self) -> Future[Deleted]:
        """Delete the last saved episode: from the spool, or from the dataset if this recorder has saved it.

        ``undo_delete`` can bring it back while there is room for it.
        """
        return self._disk.submit(self._delete_last)

    def undo_delete(self) -> Future[Restored]:
        """Bring back the last deleted episode or discarded take."""
        return self._disk.submit(self._undo_delete)

    def recount(self) -> Future[int]:
        """Count the episodes that others have deleted, accepted or brought back.

        Resolves to the change in the number of saved episodes.
        """
        return self._disk.submit(self._recount)

    def mark_success(self, success: bool) -> Future[Marked]:
        """Mark the present episode, or else the last one, as a success or a failure.

        Fails if there is none, or if it is in the dataset and that cannot be edited.
        """
        take = self._current
        if take is not None and take.mark_success(success):
            marked: Future[Marked] = Future()
            self._note_mark(take.header.episode_id, success, self._index_of_next(take))
            marked.set_result(Marked(take.header.episode_id))
            return marked
        return self._disk.submit(self._mark_last, success)

    def start_afresh(self) -> None:
        """Forget all samples and set a running take aside, because the clock has jumped."""
        self._stop("clock")
        for stream in self.streams:
            stream.reset()

    def finish(self) -> None:
        """End a running take as ``close`` does; return at once."""
        self._stop("interrupted")

    def close(self) -> None:
        """Stop; save a running take, or set it aside if it is bad. Wait for all saves to finish."""
        self._disk.shutdown(wait=True)
        self._drop_prepared()
        self.finish()
        for take in self._open_takes():
            take.result.result()
        self._watch.stop()
        self._spool.close()
        self._only_one.release()

    # State

    def missing(self) -> dict[Stream, str]:
        """Return the streams that cannot be recorded now, and why."""
        now_ns = self._clock.now_ns()
        return {stream: line for stream in self.streams if (line := stream.missing(now_ns))}

    @property
    def _current(self) -> Take | None:
        """The take that is being recorded."""
        take = self._take
        return take if take is not None and not take.over else None

    def _stop(self, how: Ending) -> None:
        if (take := self._current) is not None:
            take.end(how)

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded or about to start."""
        return self._starting or self._current is not None

    @property
    def busy(self) -> bool:
        """Whether an episode is being recorded, about to start, or being saved, including ``on_end``."""
        take = self._take
        return self.recording or bool(self._open_takes()) or (take is not None and not take.result.done())

    def status(self, missing: Sequence[str] = ()) -> RecorderStatus:
        """Return a snapshot of its state; reads no disk.

        Args:
            missing: a sentence for each stream that delivers nothing, which begins with its name
        """
        now_ns, take, disk = self._clock.now_ns(), self._current, self._watch.forecast
        problem = self._problem()
        status = RecorderStatus(
            state="recording" if self._starting or take else "saving" if self._open_takes() else "idle",
            root=str(self.root),
            task=self.settings.task,
            next_task=self.settings.task,
            tasks=self.settings.tasks,
            episode_index=self._index_of_next(take),
            episode_time_s=self.settings.episode_time_s,
            saved=len(self._in("ready")),
            rejected=len(self._in("rejected")),
            last=self._last_episode(),
            wait_s=self._last.wait_s if self._last else None,
            message=problem,
            offer=self._offer if problem == self._message else "",
            is_blocked=bool(self._no_start()),
            missing=tuple(missing),
            streams={
                each.spec.name: self._stream_status(each, take, now_ns, missing) for each in self.streams
            },
            free_bytes=disk.free_bytes,
            seconds_left=disk.seconds_left,
        )
        return status if take is None else replace(status, **take.status(now_ns))

    def _last_episode(self) -> LastEpisode | None:
        with self._lock:
            last, index, (marked, success) = self._last, self._last_index, self._last_mark
        if last is None:
            return None
        return LastEpisode(
            episode_id=last.episode_id,
            episode_index=index if last.state in ("ready", "deleted") else None,
            state=last.state,
            frames=last.length,
            duration_s=last.duration_s,
            verdict=last.verdict,
            reasons=last.reasons,
            notes=last.notes,
            success=success if marked == last.episode_id else None,
        )

    def _in(self, state: str) -> set[str]:
        """Return the identifiers of the counted episodes in a state."""
        return {episode_id for episode_id, each in list(self._states.items()) if each == state}

    def _index_of_next(self, current: Take | None) -> int:
        """Return the number in the dataset that the current or else the next take gets, if all are saved."""
        return self._next_index + sum(take is not current for take in list(self._unended.values()))

    def _stream_status(
        self, stream: Stream, take: Take | None, now_ns: int, missing: Sequence[str]
    ) -> StreamStatus:
        status, spec = stream.status(now_ns), stream.spec
        absent = [line for line in missing if line.startswith(f"{spec.name}:")] or stream.silent(now_ns)
        trouble = [f"{spec.name}: {status.trouble}"] if status.trouble else []
        if take is None:
            wrong = [*(absent or slow_source(stream, status.rate_hz, self.fps)), *trouble]
            return replace(status, silent=bool(absent), wrong="; ".join(wrong))
        quality = take.quality[spec.name]
        wrong = [*(absent or quality.notes()), *quality.reasons(take.settings.rules), *trouble]
        wrong = list(dict.fromkeys(wrong))
        return replace(status, **quality.figures(), silent=bool(absent), wrong="; ".join(wrong))

    def _problem(self) -> str:
        """Return what is wrong. A failed take is reported at once, not only when it is closed."""
        failed = (
            f"the take has failed: {take.trouble}" for take in list(self._unended.values()) if take.trouble
        )
        take, why = self._current, self._no_start()
        shortage = self._hardly_fits(take) if take else f"no episode can start: {why}" if why else ""
        return next(failed, shortage or self._message or self._watch.problem)

    def _no_start(self) -> str:
        """Return why the next episode cannot start, whatever the streams deliver; empty if it can."""
        return "" if self.recording else self._watch.shortage(_seconds_needed(self.settings))

    def _hardly_fits(self, take: Take) -> str:
        """Return that few seconds of a take still fit; empty if it will end before."""
        left_s = self._watch.forecast.seconds_left
        if left_s is None or left_s >= min(_FEW_S, take.remaining_s):
            return ""
        return f"the disk is full in {int(left_s)} s, which ends this take; {self._watch.remedy}"

    def _note_disk(self) -> None:
        """Log once per take that few seconds still fit."""
        take = self._current
        if take is not None and take is not self._warned and (warning := self._hardly_fits(take)):
            self._warned = take
            logger.warning("episode %d: %s", self._index_of_next(take), warning)

    # Starting

    def _open(self) -> str:
        try:
            take = self._take_of(self.settings)
            self._message = self._offer = ""
            with contextlib.suppress(RuntimeError):  # the recorder is being closed
                self._disk.submit(self._follow_up, take, self._index_of_next(take))
            return take.header.episode_id
        except BaseException:
            for stream in self.streams:
                stream.keep_from(None)
            raise
        finally:
            self._starting = False

    def _take_of(self, settings: RecorderSettings) -> Take:
        cameras = probe_cameras(self.streams)
        self._watch.require(_seconds_needed(settings), self._rate_of(cameras))
        header = self._header(settings, cameras)
        writer = EpisodeWriter(self._spool, header, self._prepared_for(cameras))
        try:
            limits = replace(take_settings(writer.header, settings, self.streams), setup=self._setup_at_end)
            with self._lock:  # a take that ends at once waits here until it is registered
                take = Take(
                    writer,
                    self.streams,
                    self._clock,
                    limits,
                    on_end=self._note_end,
                    on_safe=self._note_safe,
                )
                self._take = self._unended[take.header.episode_id] = take
        except BaseException:
            with contextlib.suppress(EpisodeStateError):  # the take's own thread has discarded it
                writer.discard()
            raise
        return take

    def _prepared_for(self, cameras: dict[str, CameraSpool]) -> TakeFiles | None:
        """Return the prepared files if these cameras can use them, and remove them otherwise."""
        if self._prepared is not None and not self._prepared.fit(cameras):
            self._drop_prepared()
        files, self._prepared = self._prepared, None
        return files

    def _follow_up(self, take: Take, index: int) -> None:
        """Do what a start need not wait for: create the files of the next take, with the same cameras."""
        logger.info("recording episode %d", index)
        if not take.header.task and self._last is None:
            logger.warning(_NO_TASK)
        try:
            self._spool.note_id()
            self._prepared = TakeFiles(self._spool, take.header.cameras)
        except (RecorderError, OSError) as error:  # if it lasts, the next start reports it
            logger.debug("the files of the next take cannot be created yet: %s", error)

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.remove()
        self._prepared = None

    def _header(self, settings: RecorderSettings, cameras: dict[str, CameraSpool]) -> EpisodeHeader:
        features = fitting_features(self._spool, self.fps, self.streams, cameras, settings)
        setup = self._keep_setup()
        episode_id = self._spool.quick_id()  # `_follow_up` notes it
        images = (stream.recent_ns() for stream in self.streams if stream.spec.is_image)
        started_at_ns = grid_start_ns(
            self._clock.now_ns() + int(_LEAD_S * 1e9), 1_000_000_000 // self.fps, chain.from_iterable(images)
        )
        for stream in self.streams:
            stream.keep_from(started_at_ns)
        return EpisodeHeader(
            episode_id=episode_id,
            fps=self.fps,
            features=features,
            cameras=cameras,
            task=settings.task,
            robot_type=settings.robot_type or None,
            started_at_ns=started_at_ns,
            setup=setup,
            clock=self._clock.name,
            record_success=SUCCESS_FEATURE in features,
            sampled=tuple(stream.spec.name for stream in self.streams),
        )

    def _keep_setup(self) -> str:
        """Write what is known of the set-up to the spool; return its identifier."""
        files = dict(self._setup())
        identifier = keep_setup(self._spool.path, files)
        self._kept_setup = files, identifier
        return identifier

    def _setup_at_end(self) -> str:
        """Return the identifier of what is known of the set-up when a take ends."""
        files, identifier = self._kept_setup
        return identifier if files == self._setup() else self._keep_setup()

    # Ending

    def _end(self, how: Ending) -> Take:
        take = self._current
        if take is None:
            why = f" ({problem})" if (problem := self._message or self._problem()) else ""
            raise EpisodeStateError(f"no episode is being recorded: nothing to {how}{why}")
        take.end(how)
        return take

    def _note_safe(self, outcome: Outcome) -> None:
        """Count a take that no power cut can change any more."""
        with self._lock:
            if self._last is None or outcome.episode_id >= self._last.episode_id:
                self._last, self._last_index = outcome, self._next_index
            if outcome.state != "recording" and outcome.length:
                self._states[outcome.episode_id] = outcome.state
            index = self._next_index
            self._leaving[outcome.episode_id] = self._unended.pop(outcome.episode_id), index
            self._next_index += outcome.state == "ready" and outcome.episode_id not in self._counted
        self._report(index, outcome)

    def _note_end(self, outcome: Outcome) -> None:
        episode_id = outcome.episode_id
        if episode_id in self._unended:
            self._note_safe(outcome)
        with self._lock:
            _, index = self._leaving[episode_id]
            if self._last is not None and self._last.episode_id == episode_id:
                self._last = outcome
        if outcome.state == "recording":
            self._report(index, outcome)
        with self._lock:
            if not self.recording:  # checked under the lock, or it would undo the request of a start
                for stream in self.streams:
                    stream.keep_from(None)
        self._log(index, outcome)
        try:
            self._on_end(outcome)
        finally:  # only now, because `close` waits until then
            with self._lock:
                del self._leaving[episode_id]

    def _report(self, index: int, outcome: Outcome) -> None:
        """Let the status have what is wrong with a take, until the next one starts."""
        if fault := self._fault_of(index, outcome):
            self._message, self._offer = fault, ""

    def _log(self, index: int, outcome: Outcome) -> None:
        if fault := self._fault_of(index, outcome):
            logger.warning("%s", fault)
        else:
            self._log_good(index, outcome)

    def _fault_of(self, index: int, outcome: Outcome) -> str:
        """Describe what is wrong with a take; empty if nothing is."""
        if outcome.reasons:
            return self._failure(index, outcome)
        if outcome.ended_by != "disk_full":
            return ""
        return (
            f"no space left on the disk of {self.root.parent}: episode {index} is saved up to its last "
            f"whole frame, {_frames(outcome)}; {self._watch.remedy}"
        )

    def _failure(self, index: int, outcome: Outcome) -> str:
        """Describe a take that is bad, or could not be saved."""
        reasons = "; ".join(outcome.reasons)
        if outcome.state == "ready":
            return f"episode {index} is saved, although {reasons}"
        where = "left to the next start, which recovers it" if outcome.state == "recording" else outcome.state
        kept = ""
        if outcome.ended_by == "interrupted" and outcome.state == "rejected":
            kept = f"; lerobot-recorder accept {self.root} keeps it"
        return f"the take of episode {index} is {where}: {reasons}{kept}"

    def _log_good(self, index: int, outcome: Outcome) -> None:
        frames = _frames(outcome)
        if outcome.state != "ready":
            logger.info("the take of episode %d is %s: %s", index, outcome.state, frames)
            return
        cut = ", cut short by the end of the recorder" if outcome.ended_by == "interrupted" else ""
        wait = f"; written {outcome.wait_s:.1f} s after its end" if outcome.wait_s >= _LONG_WAIT_S else ""
        logger.info("episode %d is saved: %s%s%s", index, frames, cut, wait)
        if outcome.notes:
            logger.warning("episode %d: %s", index, "; ".join(outcome.notes))

    def _last_kept(self) -> Outcome | None:
        """Wait for the last take to be closed; return its outcome, None if it was discarded.

        Only for the disk's thread.
        """
        for take in self._open_takes():
            if take.over:
                take.result.result()
        last = self._last
        return last if last is not None and last.state != "discarded" else None

    def _open_takes(self) -> list[Take]:
        """Return the takes that have not ended, or are not in their place yet."""
        with self._lock:
            return [*self._unended.values(), *(take for take, _ in self._leaving.values())]

    # The disk

    def _count(self) -> None:
        """Count the episodes before the next one. A dataset that cannot be read is reported elsewhere."""
        with self._lock:
            saved = self._in("ready")
        try:
            waiting = self._spool.waiting()
            index, counted = self._spool.next_index(waiting), {episode.episode_id for episode in waiting}
        except (RecorderError, OSError):
            return
        with self._lock:
            self._counted = counted
            self._next_index = index + len(self._in("ready") - saved - counted)

    def _recount(self) -> int:
        self._last_kept()  # a take that is counted already may still be on its way
        with self._lock:
            known = dict(self._states)
        try:
            with self._spool.moving():  # so that none is missed while it changes its state
                spooled = {path.name for state in _SAVED for path in self._spool.paths(state)}
            present = spooled | counted_ids(self.root)
        except (RecorderError, OSError) as error:  # reported elsewhere
            logger.debug("the saved episodes cannot be counted: %s", error)
            return 0
        changed = [each for each, state in known.items() if (state == "ready") != (each in present)]
        self._count()
        with self._lock:
            for each in changed:
                self._note_state(each, "ready" if each in present else "deleted")
        return sum(1 if each in present else -1 for each in changed)

    def _recover(self) -> None:
        try:
            for episode in self._spool.recover():
                seconds = f"{episode.manifest.duration_s:.1f} s"
                self._message, self._offer = f"a take was interrupted after {seconds} and set aside", _ACCEPT
                logger.warning("%s: rejected/%s", self._message, episode.episode_id)
        except (RecorderError, OSError) as error:
            self._message = str(error)
            logger.error("cannot clean up the spool: %s", error)
        self._count()

    def _accept(self) -> str:
        episode_id = self._spool.accept().episode_id
        self._count()
        logger.info("accepted the take: it is episode %d", self._next_index - 1)
        with self._lock:
            self._note_state(episode_id, "ready")
            if self._offer == _ACCEPT:
                self._message = self._offer = ""
        return episode_id

    def _delete_last(self) -> Deleted:
        last, number = self._last_kept(), None
        try:
            episode_id = self._spool.delete_last(last.episode_id if last else None)
        except SpoolError:
            if self._committed is None or not (episode_id := self._in_dataset(last)):
                raise
            _, number = self._committed.delete(episode_id, self._spool.new_episode_id())
        self._count()
        with self._lock:
            was_saved = self._states.get(episode_id) == "ready"
            self._note_state(episode_id, "deleted", counts=was_saved)
        if number is not None:
            logger.info("deleted episode %d from the dataset", number)
        else:
            deleted = f"episode {self._next_index}" if was_saved else f"the take {episode_id}"
            logger.info("deleted %s", deleted)
        return Deleted(episode_id, was_saved, number)

    def _in_dataset(self, last: Outcome | None) -> str:
        """Return the identifier of the last saved episode if that can only be in the dataset, else empty.

        Episodes of earlier runs are left alone: a key that is pressed once too often must not reach them.

        Raises:
            EpisodeDeletedError: it was deleted from the dataset.
        """
        if last and last.state == "deleted" and self._spool.find(last.episode_id) is None:
            raise EpisodeDeletedError("the episode is deleted")
        saved = [episode_id for episode_id, state in list(self._states.items()) if state == "ready"]
        wanted = last.episode_id if last else next(reversed(saved), "")
        found = self._after_commit(wanted) if wanted in saved else None
        is_elsewhere = found is not None and found.state != "committing"
        return wanted if wanted in saved and not is_elsewhere else ""

    def _after_commit(self, episode_id: str) -> SpooledEpisode | None:
        """Find an episode in the spool, once the encoder has added it to the dataset if it is doing so."""
        deadline = time.monotonic() + _COMMIT_S
        while (found := self._spool.find(episode_id)) is not None and found.state == "committing":
            if time.monotonic() > deadline:  # the encoder has died; an edit finishes what it has begun
                break
            time.sleep(_COMMIT_LOOK_S)
        return found

    def _undo_delete(self) -> Restored:
        self._last_kept()  # wait for a take that is just being discarded: it is the one to bring back
        if self._committed is not None and self._committed.last_deleted() > self._spool.last_removed():
            return self._undo_edit(self._committed)
        episode = self._spool.undo_delete()
        episode_id, state = episode.episode_id, episode.state
        self._count()
        with self._lock:
            counts = state == "ready" and self._states.get(episode_id) in ("deleted", "discarded")
            self._note_state(episode_id, state, counts=counts or state == "rejected")
        if state == "ready":
            logger.info("restored episode %d", self._next_index - 1)
        else:
            logger.info("restored the take %s; it is rejected, and can be accepted", episode_id)
        return Restored(episode_id, state, counts)

    def _undo_edit(self, committed: CommittedEpisodes) -> Restored:
        episode_id, number = committed.undo_delete()
        self._count()
        with self._lock:
            counts = self._states.get(episode_id) == "deleted"
            self._note_state(episode_id, "ready", counts=counts)
        logger.info("restored episode %d of the dataset", number)
        return Restored(episode_id, "ready", counts, number)

    def _note_state(self, episode_id: str, state: str, *, counts: bool = True) -> None:
        self._states.pop(episode_id, None)
        if counts:
            self._states[episode_id] = state
        if self._last is not None and self._last.episode_id == episode_id:
            self._last = replace(self._last, state=state)
            if state == "ready":
                self._last_index = self._next_index - 1

    def _mark_last(self, success: bool) -> Marked:
        last = self._last_kept()
        try:
            marked = Marked(self._spool.mark_success(success, last.episode_id if last else None))
        except SpoolError:
            if self._committed is None or not (episode_id := self._in_dataset(last)):
                raise
            marked = Marked(*self._committed.mark_success(episode_id, success))
        is_last = last is not None and last.episode_id == marked.episode_id
        self._note_mark(marked.episode_id, success, self._last_index if is_last else marked.number)
        return marked

    def _note_mark(self, episode_id: str, success: bool, index: int | None) -> None:
        with self._lock:
            self._last_mark = episode_id, success
        name = f"the take {episode_id}" if index is None else f"episode {index}"
        logger.info("%s is marked as a %s", name, "success" if success else "failure")

    def _bytes_per_s(self) -> float:
        """Return what the last take wrote per second, or else an estimate for such images."""
        return self._rate_of(None)

    def _rate_of(self, cameras: dict[str, CameraSpool] | None) -> float:
        take = self._take
        if take is not None and (measured := take.bytes_per_s):
            return measured
        known = probe_cameras(self.streams) if cameras is None else cameras
        return typical_bytes(known.values()) * self.fps


def _frames(outcome: Outcome) -> str:
    return f"{counted(outcome.length, 'frame')} ({outcome.duration_s:.1f} s)"


def _seconds_needed(settings: RecorderSettings) -> float:
    return settings.episode_time_s or _SHORTEST_FIT_S
