"""The encoder node: turns spooled episodes into a dataset, in batches."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.dataset.layout import default_root
from lerobot_recorder.encoding import BatchEncoder, EncoderStatus
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.lifetime import run
from lerobot_recorder.nodes.parameters import Parameter, Parameters
from lerobot_recorder.nodes.reports import Diagnostics, JsonTopic, latched
from lerobot_recorder.video import DepthSettings, EncoderSettings
from lerobot_recorder.video.settings import ENCODERS

NOW, NEXT = "at once", "from the next batch"

PARAMETERS = (
    Parameter("repo_id", "", "The dataset's name, user/name; says where it is unless root does"),
    Parameter("root", "", "The dataset's directory"),
    Parameter(
        "video_encoding_batch_size", 1, "Episodes that must wait before all are encoded", "", 1, effect=NOW
    ),
    Parameter("paused", False, "Whether no new batch is begun", effect=NOW),
    Parameter("vcodec", "libsvtav1", "The video codec", choices=("auto", *ENCODERS), effect=NEXT),
    Parameter("pix_fmt", "yuv420p", "The video's pixel format", effect=NEXT),
    Parameter("g", 2, "Frames from key frame to key frame", "frames", 1, effect=NEXT),
    Parameter("crf", 30, "Quality; lower is better and larger", "", 0, 63, effect=NEXT),
    Parameter("preset", 12, "Speed of libsvtav1; higher is faster and larger", "", 0, 13, effect=NEXT),
    Parameter("encoder_threads", 0, "Threads of each codec; 0: its own choice", "", 0, effect=NEXT),
    Parameter("parallel_encodings", 0, "Cameras encoded side by side; 0: one per core", "", 0, effect=NEXT),
    Parameter("nice", 10, "How much encoding yields to other programs", "", 0, 19, effect=NEXT),
    Parameter("encode_on_exit", True, "Whether what waits is encoded before the node ends", effect=NOW),
    Parameter("depth_min", 0.01, "Smallest depth that is told apart", "m", 0),
    Parameter("depth_max", 10.0, "Largest depth that is told apart", "m", 0.001),
    Parameter("depth_shift", 3.5, "Added to depth before the logarithm", "m", 0),
    Parameter("depth_use_log", True, "Whether the steps of depth grow with it"),
)

_STATUS_S = 0.5


class EncoderNode(Node):
    """Parameters in, status out; `BatchEncoder` does the work."""

    def __init__(self) -> None:
        super().__init__("encoder")
        self.failure = None
        self._params = Parameters(self)
        self._params.declare(PARAMETERS)
        self._params.refuse_unknown()
        values = {name: self._params[name] for name in (p.name for p in PARAMETERS)}
        self._encoder = BatchEncoder(
            dataset_root(values),
            values["video_encoding_batch_size"],
            encoder_settings(values),
            depth=DepthSettings(
                values["depth_min"], values["depth_max"], values["depth_shift"], values["depth_use_log"]
            ),
            parallel_encodings=values["parallel_encodings"],
            nice=values["nice"],
            encode_on_exit=values["encode_on_exit"],
        )
        self._encoder.paused = values["paused"]
        self._params.watch(self._change)
        self._status = JsonTopic(self, "~/status", 1)
        self._diagnostics = Diagnostics(self)
        self._reported = 0
        self.create_subscription(String, "episode_completed", lambda _: self._encoder.notify(), latched(100))
        self.create_service(Trigger, "~/encode_pending", self._encode_pending)
        steady_timer(self, _STATUS_S, self._report)
        self.get_logger().info(f"encoding into {self._encoder.root}")

    def finished(self) -> bool:
        """Run until told to end."""
        return False

    def stop(self) -> None:
        """Encode what remains, or not, as `encode_on_exit` says."""
        waiting = self._encoder.status().waiting
        if not self._encoder.encode_on_exit:
            self._encoder.abort()
            return
        if waiting:
            self.get_logger().info(
                f"encoding {waiting} more episodes; interrupt again to leave them for the next start"
            )
        self._encoder.finish()

    def stop_now(self) -> None:
        """Leave what remains for the next start."""
        self.get_logger().info("stopping; what is not encoded yet waits for the next start")
        self._encoder.abort()

    def stopped(self) -> bool:
        """Tell whether the encoder has ended."""
        return self._encoder.join(0)

    def close(self) -> None:
        """End at once, if it has not ended, and tell the last news."""
        self._encoder.abort()
        self._encoder.join()
        self._report()

    def _change(self, changes: Mapping[str, Any]) -> None:
        names = ("vcodec", "pix_fmt", "g", "crf", "preset", "encoder_threads")
        if any(name in changes for name in names):
            values = {name: self._params[name] for name in names}
            self._encoder.settings = encoder_settings({**values, **changes})
        if "video_encoding_batch_size" in changes:
            self._encoder.batch_size = changes["video_encoding_batch_size"]
        for name in ("paused", "parallel_encodings", "nice", "encode_on_exit"):
            if name in changes:
                setattr(self._encoder, name, changes[name])

    def _encode_pending(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        waiting = self._encoder.status().waiting
        self._encoder.encode_pending()
        response.success = True
        response.message = f"encoding {waiting} waiting episodes" if waiting else "no episode waits"
        return response

    def _report(self) -> None:
        status = self._encoder.status()
        self._status.publish(status_json(status))
        self._diagnostics.publish([("episodes", *_judged(status))])
        for episode in status.committed[self._reported :]:
            self.get_logger().info(
                f"episode {episode.episode_index} is in the dataset: {episode.frames} frames, "
                f"{episode.size_bytes / 1e6:.1f} MB of video, encoded in {episode.encode_s:.1f} s"
            )
        self._reported = len(status.committed)


def dataset_root(values: Mapping[str, Any]) -> Path:
    """Return the dataset's directory.

    Raises:
        ConfigError: neither `root` nor `repo_id` is given.
        DatasetError: there is something that is not a dataset.
    """
    if not values["root"] and not values["repo_id"]:
        raise ConfigError("give repo_id (user/name), or root (a directory), so that the dataset has a place")
    root = Path(values["root"]).expanduser().absolute() if values["root"] else default_root(values["repo_id"])
    load_info(root)
    return root


def encoder_settings(values: Mapping[str, Any]) -> EncoderSettings:
    """Return the settings that the parameters describe.

    Raises:
        ConfigError: they are out of range.
        EncoderUnavailableError: this machine lacks the encoder.
    """
    settings = EncoderSettings(
        vcodec=values["vcodec"],
        pix_fmt=values["pix_fmt"],
        g=values["g"],
        crf=values["crf"],
        threads=values["encoder_threads"],
    ).resolved()
    return replace(settings, preset=values["preset"]) if settings.vcodec == "libsvtav1" else settings


def status_json(status: EncoderStatus) -> dict[str, Any]:
    """Return the status as it is published."""
    content = asdict(status)
    content["episodes"] = content.pop("committed")
    batch = {name: content.pop(name) for name in ("frames_done", "frames")}
    count = status.episodes
    content["encoding"] = {"episodes": count, **batch} if count else None
    content["committed"] = len(status.committed)
    return content


def _judged(status: EncoderStatus) -> tuple[int, str, dict[str, Any]]:
    """Return level, message and values for the diagnostics."""
    values = {
        "state": status.state,
        "waiting episodes": status.waiting,
        "waiting seconds": f"{status.waiting_s:.1f}",
        "waiting bytes": status.waiting_bytes,
        "seconds to clear": "unknown" if status.eta_s is None else f"{status.eta_s:.0f}",
        "committed": len(status.committed),
        "failed": status.failed,
    }
    if status.message:
        return 2, status.message, values
    if status.waiting > 2 * status.batch_size:
        return 1, f"falls behind: {status.waiting} episodes wait", values
    return 0, f"{status.state}, {status.waiting} episodes wait", values


def main() -> int:
    """Run the node."""
    return run(EncoderNode)


if __name__ == "__main__":
    sys.exit(main())
