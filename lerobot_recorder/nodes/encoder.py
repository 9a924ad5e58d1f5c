"""The encoder node: turns spooled episodes into a dataset, in batches."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from std_msgs.msg import String
from std_srvs.srv import Trigger

from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import BatchEncoder, BatchSettings
from lerobot_recorder.errors import EpisodeStateError
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.encoder_settings import PARAMETERS, VIDEO_PARAMETERS, encoder_settings
from lerobot_recorder.nodes.encoder_status import committed_json, judged, status_json
from lerobot_recorder.nodes.events import Diagnostics, JsonTopic, latched, parent_news
from lerobot_recorder.nodes.lifetime import ManagedNode, run
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.video import DepthSettings

_STATUS_S = 0.5


class EncoderNode(ManagedNode):
    """Parameters in, status out; `BatchEncoder` does the work."""

    def __init__(self) -> None:
        super().__init__("encoder")
        self._announced = 0
        self._params = Parameters(self)
        self._params.declare(PARAMETERS)
        self._params.refuse_unknown()
        batch = self._params.settings(BatchSettings)
        self._encoder = BatchEncoder(
            self._params.settings(DatasetPlace).directory,
            batch.video_encoding_batch_size,
            encoder_settings(self._params.group("")),
            depth=self._params.settings(DepthSettings),
            parallel_encodings=batch.parallel_encodings,
            nice=batch.nice,
            encode_on_exit=batch.encode_on_exit,
        )
        self._encoder.paused = batch.paused
        self._params.watch(self._change)
        self._status = JsonTopic(self, "~/status", 1)
        self._diagnostics = Diagnostics(self)
        self.create_subscription(String, "episode_completed", lambda _: self._encoder.notify(), latched(100))
        self.create_service(Trigger, "~/encode_pending", self._encode_pending)
        self.create_service(Trigger, "~/retry_failed", self._retry_failed)
        steady_timer(self, _STATUS_S, self._report)
        self.get_logger().info(f"encoding into {self._encoder.root}")

    def stop(self) -> None:
        """Encode what remains, or not, as `encode_on_exit` says."""
        if not self._encoder.encode_on_exit:
            self._encoder.abort()
            return
        status = self._encoder.status()
        if left := status.waiting + status.episodes:
            self.get_logger().info(
                f"encoding {left} more episodes; interrupt again to leave them for the next start"
            )
        self._encoder.finish()

    def stop_now(self) -> None:
        """Leave what remains for the next start."""
        self.get_logger().info("stopping; what is not encoded yet waits for the next start")
        self._encoder.abort()

    def stopped(self) -> bool:
        """Return whether the encoder has ended, and note what it could not do."""
        ended = self._encoder.join(0)
        self.failure = self._encoder.failure
        return ended

    def close(self) -> None:
        """End at once, if it has not ended, and tell the last news."""
        self._encoder.abort()
        self._encoder.join()
        self._report()

    def _change(self, changes: Mapping[str, Any]) -> None:
        batch = {field.name for field in dataclasses.fields(BatchSettings)}
        wanted = {name: value for name, value in changes.items() if name in batch}
        if VIDEO_PARAMETERS & changes.keys():
            wanted["settings"] = encoder_settings({**self._params.group(""), **changes})
        self._encoder.configure(**wanted)

    def _encode_pending(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        waiting = self._encoder.status().waiting
        try:
            self._encoder.encode_pending()
        except EpisodeStateError as error:
            response.message = f"{error}; {waiting} episodes wait"
            return response
        response.success = True
        response.message = f"encoding {waiting} waiting episodes" if waiting else "no episode waits"
        return response

    def _retry_failed(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        failed = self._encoder.status().retryable
        self._encoder.retry_failed()
        response.success = True
        response.message = f"trying {failed} failed episodes again" if failed else "no episode has failed"
        if failed and self._encoder.paused:
            response.message += "; they wait until paused is false"
        return response

    def _report(self) -> None:
        status = self._encoder.status()
        self._status.publish(status_json(status))
        self._announce_committed()
        self._diagnostics.publish([("episodes", *judged(status))])

    def _announce_committed(self) -> None:
        """Name each committed episode once to the process that started the node."""
        committed, news = self._encoder.committed, parent_news()
        if news and len(committed) > self._announced:
            news.tell(self.get_name(), "committed", committed_json(committed[self._announced :]))
        self._announced = len(committed)


def main() -> int:
    """Run the node."""
    return run(EncoderNode)


if __name__ == "__main__":
    sys.exit(main())
