"""The encoder node: turns spooled episodes into a dataset, in batches."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from std_msgs.msg import String

from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import (
    ENCODER_PARAMETERS,
    VIDEO_PARAMETERS,
    BatchEncoder,
    BatchSettings,
    EncoderStatus,
    ExecutorSettings,
    RayCluster,
    encoder_settings,
)
from lerobot_recorder.errors import EpisodeStateError
from lerobot_recorder.excerpt import counted
from lerobot_recorder.launching import READY
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.events import Diagnostic, Diagnostics, StatusTopic, latched, parent_events
from lerobot_recorder.nodes.lifetime import ManagedNode, run
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.services import accepted, finished
from lerobot_recorder.status import to_json
from lerobot_recorder.video import DepthSettings

_NAME = "encoder"
_STATUS_S = 0.5


class EncoderNode(ManagedNode):
    """Reads parameters and publishes the status; `BatchEncoder` does the work."""

    def __init__(self) -> None:
        super().__init__(_NAME)
        self._announced = 0
        self._params = Parameters(self)
        self._params.declare(ENCODER_PARAMETERS)
        self._params.refuse_unknown()
        batch = self._params.settings(BatchSettings)
        executor = self._params.settings(ExecutorSettings)
        self._cluster: RayCluster | None = None
        if executor.executor == "ray":
            self._cluster = RayCluster(executor.ray_address, batch.parallel_encodings)
        self._encoder = BatchEncoder(
            self._params.settings(DatasetPlace).directory,
            batch.video_encoding_batch_size,
            encoder_settings(self._params.group("")),
            depth=self._params.settings(DepthSettings),
            parallel_encodings=batch.parallel_encodings,
            nice=batch.nice,
            encode_on_exit=batch.encode_on_exit,
            encode_while_recording=batch.encode_while_recording,
            cluster=self._cluster,
        )
        self._encoder.paused = batch.paused
        self._params.on_change(self._change)
        self._status = StatusTopic(self, "~/status", 1)
        self._diagnostics = Diagnostics(self)
        self.create_subscription(String, "episode_completed", lambda _: self._encoder.notify(), latched(100))
        self.own_services.trigger("encode_pending", self._encode_pending, accepted)
        self.own_services.trigger("retry_failed", self._retry_failed, accepted)
        steady_timer(self, _STATUS_S, self._publish_status)
        if parent_events() is None:
            self.get_logger().info(f"{READY[_NAME]} {self._encoder.root}")

    def stop(self) -> None:
        """Encode the remaining episodes if ``encode_on_exit`` is set."""
        if not self._encoder.encode_on_exit:
            self._encoder.abort()
            return
        status = self._encoder.status()
        if left := status.waiting + (status.encoding.episodes if status.encoding else 0):
            more = counted(left, "more episode")
            self.get_logger().info(f"encoding {more}; Ctrl-C leaves the rest for the next start")
        self._encoder.finish()

    def stop_now(self) -> None:
        """Leave the remaining episodes for the next start."""
        self.get_logger().info("ending; episodes that are not encoded yet wait for the next start")
        self._encoder.abort()

    def stopped(self) -> bool:
        """Return whether the encoder has ended, and keep its failure."""
        ended = self._encoder.join(0)
        self.failure = self._encoder.failure
        return ended

    def close(self) -> None:
        """Stop at once if it still runs, and publish the last status."""
        self._encoder.abort()
        if self._cluster is not None:
            self._cluster.close()
        self._encoder.join()
        self._publish_status()
        self._status.deliver()

    def _change(self, changes: Mapping[str, Any]) -> None:
        batch = {field.name for field in dataclasses.fields(BatchSettings)}
        wanted = {name: value for name, value in changes.items() if name in batch}
        if VIDEO_PARAMETERS & changes.keys():
            wanted["settings"] = encoder_settings({**self._params.group(""), **changes})
        self._encoder.configure(**wanted)

    def _encode_pending(self) -> Future[str]:
        waiting = self._encoder.status().waiting
        try:
            self._encoder.encode_pending()
        except EpisodeStateError as error:
            raise EpisodeStateError(f"{error}; {counted(waiting, 'episode', 'wait')}") from error
        return finished(f"encoding {counted(waiting, 'waiting episode')}" if waiting else "no episode waits")

    def _retry_failed(self) -> Future[str]:
        failed = self._encoder.status().retryable
        self._encoder.retry_failed()
        if not failed:
            return finished("no episode has failed")
        paused = "; they wait until paused is false" if self._encoder.paused else ""
        return finished(f"trying {counted(failed, 'failed episode')} again{paused}")

    def _publish_status(self) -> None:
        status = self._encoder.status()
        self._status.publish(status)
        self._announce_committed()
        self._diagnostics.publish([diagnostic(status)])

    def _announce_committed(self) -> None:
        """Send each committed episode once to the parent process."""
        committed, events = self._encoder.committed, parent_events()
        if events and len(committed) > self._announced:
            episodes = [to_json(episode) for episode in committed[self._announced :]]
            events.write(self.get_name(), "committed", {"episodes": episodes})
        self._announced = len(committed)


def diagnostic(status: EncoderStatus) -> Diagnostic:
    """Return the diagnostic of an encoder."""
    values = {
        "state": status.state,
        "waiting episodes": status.waiting,
        "waiting seconds": f"{status.waiting_s:.1f}",
        "waiting bytes": status.waiting_bytes,
        "seconds to clear": "unknown" if status.eta_s is None else f"{status.eta_s:.0f}",
        "committed": status.committed,
        "failed": status.failed,
        "in failed/": status.retryable,
    }
    waiting = counted(status.waiting, "episode", "wait")
    level, message = 0, f"{status.state}, {waiting}"
    if status.message:
        level, message = 2, status.message
    elif status.warning:
        level, message = 1, status.warning
    elif status.waiting > 2 * status.batch_size:
        level, message = 1, f"falls behind: {waiting}"
    return "episodes", level, message, values


def main() -> int:
    """Run the node."""
    return run(EncoderNode, _NAME)


if __name__ == "__main__":
    sys.exit(main())
