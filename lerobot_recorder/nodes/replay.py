"""The replay node: sends the follower through the actions of a recorded episode."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean
from typing import Any

import numpy as np
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from lerobot_recorder.arms import (
    ACTION,
    JOINTS,
    STATE,
    Calibration,
    Comparison,
    Movement,
    Player,
    ReplaySettings,
    ReplayStatus,
    load_calibration,
    load_movement,
)
from lerobot_recorder.dataset import DatasetPlace, RecordedEpisode
from lerobot_recorder.errors import DeviceError, RecorderError, StreamError
from lerobot_recorder.nodes.events import StatusTopic
from lerobot_recorder.nodes.lifetime import ManagedNode, run
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.settings import parameters_of
from lerobot_recorder.topics import by_name, header_ns

PARAMETERS = parameters_of(DatasetPlace, ReplaySettings)

_NAME = "replay"
_TIMEOUT_S = 20.0
_FARTHEST_RAD = 10.0


class ReplayNode(ManagedNode):
    """Receives joint states, publishes joint commands; `Player` does the work in its own thread."""

    def __init__(self) -> None:
        super().__init__(_NAME)
        self._params = parameters = Parameters(self)
        parameters.declare(PARAMETERS)
        parameters.refuse_unknown()
        self._episode = RecordedEpisode(parameters.settings(DatasetPlace).directory, parameters["episode"])
        self._status = StatusTopic(self, "~/status", 1)
        self._commands = self.create_publisher(JointState, "follower/joint_commands", 10)
        self.create_subscription(JointState, "follower/joint_states", self._note, 50)
        self._player: Player | None = None
        self._stop_requested = threading.Event()
        self._threads = ThreadPoolExecutor(1, "replay")
        self._done = self._threads.submit(self._work)
        parameters.on_change(lambda _changes: None)

    # Lifetime

    def finished(self) -> bool:
        """Return whether the replay has ended or failed."""
        if self._done.done():
            self._done.result()
        return self._done.done()

    def stop(self) -> None:
        """Send nothing more."""
        self._stop_requested.set()
        if self._player is not None:
            self._player.stop()

    def stopped(self) -> bool:
        """Return whether the replay has ended."""
        return self._stop_requested.is_set() and self._done.done()

    def close(self) -> None:
        """Stop and release everything."""
        self.stop()
        self._threads.shutdown()

    # In the replay's thread

    def _work(self) -> None:
        try:
            self._replay()
        except RecorderError as error:
            if not self._stop_requested.is_set():
                self.failure = error
        except Exception as error:
            self.faults.note("the replay", error)
            self.failure = RecorderError(f"the replay failed: {type(error).__name__}: {error}")

    def _replay(self) -> None:
        movement = self._movement()
        self._switch_teleop_off()
        speed = self._params["approach_speed_rad_s"]
        player = Player(
            movement,
            lambda position_rad: self._command(player, position_rad),
            approach_speed_rad_s=speed,
            changed=lambda: self._publish_status(player),
        )
        self._player = player
        if self._stop_requested.is_set():
            return
        comparison = player.run()
        self._publish_status(player, comparison)
        if comparison is not None:
            self.get_logger().info(summary(comparison))

    def _movement(self) -> Movement:
        episode, calibration = self._episode, self._calibration()
        action = episode.vectors(ACTION)
        state = episode.vectors(STATE) if episode.has(STATE) else None
        unit, prefix = self._params["unit"], self._params["joint_prefix"]
        return load_movement(episode.fps, action, state, calibration, unit, joint_prefix=prefix)

    def _calibration(self) -> Calibration:
        if self._params["calibration"]:
            return load_calibration(self._params["calibration"], "follower")
        names = ("follower.calibration", "follower.port")
        answer = self._ask(GetParameters, "get_parameters", GetParameters.Request(names=names))
        calibration, port = (value.string_value for value in answer.values)
        return load_calibration(calibration or ("sim" if port == "sim" else ""), "follower")

    def _switch_teleop_off(self) -> None:
        answer = self._ask(SetBool, "enable_teleop", SetBool.Request(data=False))
        if not answer.success:
            raise DeviceError(f"teleoperation cannot be switched off: {answer.message}")

    def _ask(self, kind: Any, service: str, request: Any) -> Any:
        client: Client[Any, Any] = self.create_client(kind, f"{self._params['hardware']}/{service}")
        try:
            name = self.resolve_service_name(client.srv_name)
            self._await(client.service_is_ready, f"no node offers {name}: start the hardware node")
            answer = client.call_async(request)
            self._await(answer.done, f"{name} has not answered")
            return answer.result()
        finally:
            self.destroy_client(client)

    def _await(self, condition: Any, failure: str) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while not condition():
            if time.monotonic() > deadline or self._stop_requested.wait(0.05):
                raise DeviceError(failure)

    # Messages

    def _note(self, message: JointState) -> None:
        if self._player is None:
            return
        position = by_name(message.name, message.position, JOINTS, "position")
        stamp_ns = header_ns(message)
        if stamp_ns <= 0 or not (np.abs(position) < _FARTHEST_RAD).all():
            raise StreamError("a joint state has no valid stamp, or impossible positions: it is ignored")
        self._player.note(stamp_ns / 1e9, position)

    def _command(self, player: Player, position_rad: np.ndarray) -> None:
        message = JointState(name=list(JOINTS), position=position_rad.tolist())
        message.header.stamp = self.get_clock().now().to_msg()
        self._commands.publish(message)
        if player.phase == "replaying" and player.rows_sent % self._episode.fps == 0:
            self._publish_status(player)

    def _publish_status(self, player: Player, comparison: Comparison | None = None) -> None:
        self._status.publish(
            ReplayStatus(
                state=player.phase,
                frame=player.rows_sent,
                frames=self._episode.length,
                comparison=comparison,
            )
        )


def summary(comparison: Comparison) -> str:
    """Describe in one sentence how well the recording was reproduced."""
    (mean, largest), (lagged_mean, lagged_largest) = (
        (fmean(errors["mean"].values()), max(errors["largest"].values()))
        for errors in (comparison.at_once, comparison.lagged)
    )
    return (
        f"the follower was {mean:.2f} degrees from the recording on average, {largest:.2f} at most; "
        f"{comparison.lag_s * 1000:.0f} ms later {lagged_mean:.2f} and {lagged_largest:.2f}"
    )


def main() -> int:
    """Run the node."""
    return run(ReplayNode, _NAME)


if __name__ == "__main__":
    sys.exit(main())
