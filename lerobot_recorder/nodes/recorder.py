"""The recorder node: subscribes to a robot's topics and writes episodes into the spool."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future as ConcurrentFuture
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.parameter import Parameter

from lerobot_recorder.answers import Answer
from lerobot_recorder.dataset import DatasetPlace, check_appendable
from lerobot_recorder.editing import RecorderEdits
from lerobot_recorder.errors import (
    ConfigError,
    DatasetError,
    DiskFullError,
    EpisodeStateError,
    RecorderError,
    SpoolError,
    StreamError,
)
from lerobot_recorder.launching import READY
from lerobot_recorder.nodes.clock import node_clock, on_jump_back, steady_timer
from lerobot_recorder.nodes.events import Diagnostics, StatusTopic
from lerobot_recorder.nodes.guidance import Guidance
from lerobot_recorder.nodes.joy import JoyButtons
from lerobot_recorder.nodes.lifetime import ManagedNode, run
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.process import wake_early
from lerobot_recorder.nodes.recorder_status import (
    accepted_take,
    deleted,
    diagnostics,
    discarded,
    marked,
    recorder_status,
    restored,
    saved,
    started,
)
from lerobot_recorder.nodes.services import accepted, finished
from lerobot_recorder.nodes.setup import SetupTopics
from lerobot_recorder.nodes.streams import Subscriptions
from lerobot_recorder.nodes.task_topic import TaskTopic
from lerobot_recorder.recording import (
    ButtonSettings,
    ClockSteps,
    CompletedEpisode,
    Cues,
    Deleted,
    Outcome,
    Recorder,
    RecorderSettings,
    RecorderStatus,
    Restored,
    Schedule,
    Stream,
    done_cue,
    end_cue,
    request,
    start_cue,
)
from lerobot_recorder.topics import PARAMETERS, STREAM_PARAMETERS

_NAME = "recorder"
_STEP_S = 0.05
_STATUS_S = 0.5
_RETRY_S = 0.2
_GRACE_S = 10.0
"""How long missing streams are not reported: the robot's nodes may be starting too."""

_MOST_BAD = 5
_SWITCH_S = 0.001
"""How long a thread may run while the tick thread waits for the interpreter; Python's default is 5 ms."""


class RecorderNode(ManagedNode):
    """Reads parameters and messages and publishes the status; `Recorder` and `Schedule` do the work."""

    def __init__(self) -> None:
        super().__init__(_NAME)
        self._params = parameters = Parameters(self)
        parameters.declare(PARAMETERS)
        for name in parameters["streams"]:
            parameters.declare(STREAM_PARAMETERS, f"{name}.")
        parameters.refuse_unknown("streams", STREAM_PARAMETERS)
        clock = node_clock(self)
        self._topics = Subscriptions(self, parameters, clock)
        self._completed = StatusTopic(self, "episode_completed", 100)
        self._status = StatusTopic(self, "~/status", 1)
        self._diagnostics = Diagnostics(self)
        self._schedule = Schedule(parameters["num_episodes"], parameters["reset_time_s"])
        root = parameters.settings(DatasetPlace).directory
        check_appendable(root)
        self._setup = SetupTopics(self, parameters, self._topics)
        self._recorder = Recorder(
            root,
            parameters["fps"],
            self._topics.streams,
            parameters.settings(RecorderSettings),
            name=self.get_fully_qualified_name(),
            clock=clock,
            on_end=self._announce,
            committed=RecorderEdits(root),
            setup=self._setup.files,
        )
        try:
            self._recorder.check_dataset()
        except RecorderError:
            self._recorder.close()
            raise
        parameters.on_change(self._change)
        self._jumps = on_jump_back(self, self._recorder.start_afresh)
        self._clock_steps = ClockSteps(clock)
        self._cues = Cues(enabled=parameters["play_sounds"])
        self._unsaid: Outcome | None = None
        self._not_saved: RecorderError | None = None
        self._recount: ConcurrentFuture[int] | None = None
        self._was_recording = False
        self._is_ending = self._has_ended = False
        self._next_try_s = 0.0
        self._grace_until_s = time.monotonic() + _GRACE_S
        self._refused = self._refused_kind = ""
        self._guidance = Guidance(self, self._topics.unrecorded_cameras)
        self._offer_services()
        self._buttons = JoyButtons(
            self,
            parameters.settings(ButtonSettings),
            lambda action: request(action, recording=self._recorder.recording, paused=self._schedule.paused),
        )
        self._task_topic = TaskTopic(self, parameters["task_topic"])
        steady_timer(self, _STEP_S, self._step)
        steady_timer(self, _STATUS_S, self._publish_status)
        self._guidance.announce(f"{READY[_NAME]} {self._recorder.root}")

    # Lifetime

    def finished(self) -> bool:
        """Return whether the run has failed or is to end, or all its episodes are recorded."""
        return self.failure is not None or self._is_ending or self._is_complete()

    def _is_complete(self) -> bool:
        """Return whether all episodes are recorded, without those that others have deleted meanwhile."""
        if self._schedule.phase(time.monotonic()) != "finished":
            return False
        if self._recount is None:
            self._recount = self._recorder.recount()
        if not self._recount.done():
            return False
        self._schedule.adjust_saved(self._recount.result())
        self._recount = None
        return self._schedule.phase(time.monotonic()) == "finished"

    def stopped(self) -> bool:
        """End the take if a stop was requested; return whether everything is on disk.

        A good take is saved, a bad one is set aside.
        """
        if not self._stopping:
            return False
        self._recorder.finish()
        if self._recorder.busy:
            return False
        self.failure = self.failure or self._not_saved
        return True

    def close(self) -> None:
        """Wait until everything is on disk, and publish the last status."""
        self._topics.close()
        self._recorder.close()
        ended = [] if self._unsaid is None else [end_cue(self._unsaid, resets=False)]
        self._cues.say(". ".join([*ended, done_cue(self._schedule.saved)]))
        self._cues.close()
        self._has_ended = True
        self._publish_status()
        self._status.deliver()

    # Services

    def _offer_services(self) -> None:
        services, recorder = self.own_services, self._recorder
        services.trigger("start_episode", self._start, self._described(started))
        services.trigger("save_episode", recorder.save_early, self._described(saved))
        services.trigger("discard_episode", recorder.discard, discarded)
        services.trigger("delete_last_episode", recorder.delete_last, self._deleted)
        services.trigger("undo_delete", recorder.undo_delete, self._restored)
        services.trigger("accept_episode", recorder.accept, self._accepted)
        services.set_bool("mark_success", recorder.mark_success, self._described(marked))
        services.set_bool("pause", self._pause, accepted)
        services.trigger("next_task", self._next_task, accepted)
        services.trigger("end_recording", self._end_recording, accepted)

    def _start(self) -> ConcurrentFuture[str]:
        if self._is_ending or self._stopping:
            raise EpisodeStateError("the recording is ending: no more episodes are recorded")
        if not self._recorder.recording and (missing := self._missing()):
            raise StreamError("the episode cannot start: " + "; ".join(missing))
        result = self._begin()
        self._schedule.skip_reset()
        if self._schedule.paused:
            self.get_logger().info("one episode is recorded, and the run stays paused")
        return result

    def _pause(self, wanted: bool) -> ConcurrentFuture[str]:
        now_s = time.monotonic()
        if wanted:
            self._schedule.pause(now_s)
        else:
            self._schedule.resume(now_s)
        return self._done("paused: no episode starts by itself" if wanted else "the pause is over")

    def _next_task(self) -> ConcurrentFuture[str]:
        task = self._recorder.settings.following_task
        self.set_parameters_atomically([Parameter("task", value=task)])
        return finished(f"the next episode's task: {task}")

    def _end_recording(self) -> ConcurrentFuture[str]:
        self._is_ending = True
        with suppress(EpisodeStateError):
            self._recorder.save()
        return self._done("the recording ends")

    def _done(self, what: str) -> ConcurrentFuture[str]:
        """Log what a service did, for everyone who watches, and return it as its result."""
        self.get_logger().info(what)
        return finished(what)

    def _described(self, describe: Callable[[Any, RecorderStatus], Answer]) -> Callable[[Any], Answer]:
        return lambda done: describe(done, self._recorder.status())

    def _deleted(self, done: Deleted) -> Answer:
        self._schedule.adjust_saved(-done.was_saved)
        return deleted(done, self._recorder.status())

    def _restored(self, done: Restored) -> Answer:
        self._schedule.adjust_saved(done.counts)
        return restored(done, self._recorder.status())

    def _accepted(self, episode_id: str) -> Answer:
        self._schedule.adjust_saved(1)
        return accepted_take(episode_id, self._recorder.status())

    def _begin(self) -> ConcurrentFuture[str]:
        number = self._recorder.status().episode_index
        result = self._recorder.start()
        self._schedule.note_start()
        self._was_recording = True
        result.add_done_callback(partial(self._note_start, number))
        return result

    # The run

    def _step(self) -> None:
        if by_s := self._clock_steps.since_last_s():
            self._start_afresh(by_s)
        recording = self._recorder.recording
        now_s = time.monotonic()
        if self._was_recording and not recording:
            self._schedule.note_end(now_s)
        self._was_recording = recording
        if not recording:
            self._say_end(now_s)
        if self._stopping:
            return
        if self._schedule.phase(now_s) == "waiting" and now_s >= self._next_try_s:
            self._start_unattended(now_s)

    def _say_end(self, now_s: float) -> None:
        """Say how the last take ended, once the schedule knows what follows."""
        outcome, self._unsaid = self._unsaid, None
        if outcome is not None:
            self._cues.say(end_cue(outcome, resets=self._schedule.phase(now_s) == "resetting"))

    def _start_afresh(self, by_s: float) -> None:
        way = "forward" if by_s > 0 else "back"
        self.get_logger().warning(
            f"the system's clock was set {way} by {abs(by_s):.1f} s: earlier samples are dropped"
        )
        self._recorder.start_afresh()

    def _start_unattended(self, now_s: float) -> None:
        self._next_try_s = now_s + _RETRY_S
        try:
            if not (missing := self._missing()):
                self._begin()
            elif now_s >= self._grace_until_s:
                has_conflict = any(stream.conflict for stream in self._recorder.streams)
                kind = "streams have several publishers" if has_conflict else "waiting for streams"
                raise StreamError(f"{kind}: " + "; ".join(missing))
        except RecorderError as error:
            self._refuse(error)

    def _note_start(self, number: int, result: ConcurrentFuture[str]) -> None:
        error = result.exception()
        self._refuse(error)
        if error is None:
            self._cues.say(start_cue(number))
            return
        self._was_recording = False
        self._schedule.note_refusal()
        if self._schedule.num_episodes and isinstance(error, (DatasetError, ConfigError)):
            self.failure = error

    def _refuse(self, error: BaseException | None) -> None:
        """Note why an episode did not start; None: it did."""
        reason = str(error or "")
        kind = reason.partition(":")[0]
        # Log only the first of its kind: the list of missing streams changes every second.
        if reason and kind != self._refused_kind:
            self.get_logger().warning(reason)
        self._refused_kind = kind
        # The recorder's status has the state of the disk for as long as it is so.
        self._refused = "" if isinstance(error, DiskFullError) else reason

    def _announce(self, outcome: Outcome) -> None:
        self._setup.look_again()
        self._schedule.note_outcome(outcome)
        self._unsaid = outcome
        if self._schedule.num_episodes and self._schedule.bad_in_a_row >= _MOST_BAD:
            self.failure = StreamError(f"{_MOST_BAD} takes in a row were bad; the log above has the reasons")
        if outcome.state == "recording":
            self._not_saved = SpoolError(
                f"episode {outcome.episode_id} could not be saved: {'; '.join(outcome.reasons)}"
            )
        if outcome.state in ("ready", "rejected"):
            root, fps = str(self._recorder.root), self._recorder.fps
            self._completed.publish(CompletedEpisode(**vars(outcome), root=root, fps=fps))

    def _change(self, changes: Mapping[str, Any]) -> None:
        buttons = self._params.settings(ButtonSettings, changes)
        settings = self._params.settings(RecorderSettings, changes)
        if self._recorder.settings.task and not settings.task and not self._params["task_topic"]:
            raise ConfigError("task: expected a sentence, found a blank text: give one, or set tasks first")
        self._recorder.settings = settings
        self._buttons.settings = buttons
        self._cues.enabled = changes.get("play_sounds", self._cues.enabled)
        if "num_episodes" in changes:
            self._schedule.aim(changes["num_episodes"])
        self._schedule.reset_time_s = changes.get("reset_time_s", self._schedule.reset_time_s)
        if "task" in changes:
            self.get_logger().info(f"the next episode's task: {self._recorder.settings.task}")

    # Status

    def _missing(self) -> list[str]:
        missing = self._recorder.missing()
        return [
            line if _is_explained(stream) else f"{line} ({self._topics.hint(stream)})"
            for stream, line in missing.items()
        ]

    def _publish_status(self) -> None:
        missing = self._missing() if not self._recorder.recording else []
        if not self._recorder.busy and (not missing or time.monotonic() >= self._grace_until_s):
            self._guidance.note_streams(missing, by_hand=not self._schedule.num_episodes)
        status = recorder_status(self._recorder, self._schedule, missing, self._refused)
        self._guidance.note_offer(status.offer)
        if self._has_ended:
            status = replace(status, state="ended")
        self._status.publish(status)
        self._diagnostics.publish(diagnostics(status))


def _is_explained(stream: Stream) -> bool:
    """Return whether it is known why a stream cannot be recorded, so that no topic needs to be suggested."""
    return bool(stream.conflict) or stream.recent_arrivals().has_losses


def main() -> int:
    """Run the node."""
    sys.setswitchinterval(_SWITCH_S)
    wake_early()
    return run(RecorderNode, _NAME)


if __name__ == "__main__":
    sys.exit(main())
