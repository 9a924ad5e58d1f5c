"""The hardware node: publishes the joint states of SO-100 or SO-101 arms and the images of cameras."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from rclpy.time import Time
from sensor_msgs.msg import JointState

from lerobot_recorder.answers import Answer
from lerobot_recorder.arms import (
    JOINTS,
    Arm,
    JointSample,
    Role,
    TeleopLoop,
    TeleopSettings,
    load_calibration,
)
from lerobot_recorder.cameras import CameraSettings
from lerobot_recorder.errors import ConfigError, DeviceError
from lerobot_recorder.hardware_settings import (
    ARM_PARAMETERS,
    CAMERA_PARAMETERS,
    PARAMETERS,
    teleop_settings,
)
from lerobot_recorder.nodes.cameras import CameraTopics
from lerobot_recorder.nodes.clock import steady_timer
from lerobot_recorder.nodes.events import Diagnostic, Diagnostics
from lerobot_recorder.nodes.lifetime import ManagedNode, run
from lerobot_recorder.nodes.parameters import Parameters
from lerobot_recorder.nodes.process import wake_early
from lerobot_recorder.simulation import (
    SIMULATED_SOURCE,
    ArmOnSimulation,
    SimulatedCamera,
    simulated_calibration,
)
from lerobot_recorder.topics import header_ns

_NAME = "hardware"
_LOOK_S = 0.2
_PUBLISH_S = 1.0
"""Period of the diagnostics while nothing changes."""


class HardwareNode(ManagedNode):
    """Publishes joint states and images, receives commands; `TeleopLoop` and `Camera` do the work."""

    def __init__(self) -> None:
        super().__init__(_NAME)
        self._params = parameters = Parameters(self)
        parameters.declare(PARAMETERS)
        for role in ("follower", "leader"):
            parameters.declare(ARM_PARAMETERS, f"{role}.")
        self._camera_names = parameters["cameras"]
        for name in self._camera_names:
            parameters.declare(CAMERA_PARAMETERS, f"{name}.")
        parameters.refuse_unknown("cameras", CAMERA_PARAMETERS)
        self._levels: list[int] = []
        self._published_s = -math.inf
        self._cameras: list[CameraTopics] = []
        self._arms: dict[str, Arm] = {}
        self._loop: TeleopLoop | None = None
        self._threads = ThreadPoolExecutor(1, "hardware-requests")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        parameters = self._params
        self._arms = {role: arm for role in ("follower", "leader") if (arm := self._open(role)) is not None}
        if not self._arms and not self._camera_names:
            raise ConfigError("nothing to publish: give follower.port, leader.port or cameras")
        topics = {role: f"{role}/joint_states" for role in self._arms}
        if "follower" in self._arms:
            topics["target"] = "follower/joint_target"
        self._joints = {
            source: self.create_publisher(JointState, topic, 50) for source, topic in topics.items()
        }
        for name in self._camera_names:
            values = parameters.group(f"{name}.")
            simulated = values["source"] == SIMULATED_SOURCE
            known = (self._open_simulated, simulated_calibration) if simulated else ()
            camera = CameraTopics(self, name, values, *known)
            self._cameras.append(camera)
            self._offer_calibration(camera)
            camera.start()
        if self._arms:  # nothing moves before everything else works
            self._start_loop()
        parameters.on_change(self._change)
        self._diagnostics = Diagnostics(self, self._devices())
        steady_timer(self, _LOOK_S, self._look)
        arms = ", ".join(f"{role} on {arm.port}" for role, arm in self._arms.items()) or "no arm"
        self.get_logger().info(f"{arms}; cameras {', '.join(self._camera_names) or 'none'}")

    def _open(self, role: Role) -> Arm | None:
        settings = self._params.group(f"{role}.")
        if not settings["port"]:
            return None
        name = settings["calibration"] or (SIMULATED_SOURCE if settings["port"] == SIMULATED_SOURCE else "")
        calibration = load_calibration(name, role)
        options = {"write_calibration": settings["write_calibration"], "effort": settings["effort"]}
        if settings["port"] == SIMULATED_SOURCE:
            return ArmOnSimulation(role, calibration, **options).open()
        return Arm(role, settings["port"], calibration, **options).open()

    def _start_loop(self) -> None:
        self._loop = TeleopLoop(
            self._arms.get("follower"), self._arms.get("leader"), self._settings({}), self._publish
        )
        self._loop.start()
        for name, switch in (("torque", self._loop.enable_torque), ("teleop", self._loop.enable_teleop)):
            self.own_services.set_bool(
                f"enable_{name}", partial(self._switch, switch), partial(_switched, name)
            )
        if "follower" in self._arms:
            self.create_subscription(JointState, "follower/joint_commands", self._command, 10)

    # Lifetime

    def finished(self) -> bool:
        """Return whether the arms can no longer be driven."""
        if self._loop is not None and self._loop.crash:
            self.failure = DeviceError(self._loop.crash)
        return self.failure is not None

    def close(self) -> None:
        """Set the torque according to ``torque_on_exit`` and close all devices."""
        if self._loop is not None:
            self._loop.stop()
        for camera in self._cameras:
            camera.stop()
        for arm in self._arms.values():
            arm.close()
        self._threads.shutdown()

    # Joints

    def _publish(self, sample: JointSample) -> None:
        message = JointState(name=list(JOINTS))
        message.header.stamp = Time(nanoseconds=sample.stamp_ns).to_msg()
        message.position = sample.position_rad.tolist()
        message.velocity = sample.velocity_rad_s.tolist()
        message.effort = sample.effort.tolist()
        self._joints[sample.source].publish(message)

    def _command(self, message: JointState) -> None:
        stamp_ns = header_ns(message)
        age_s = (self.get_clock().now().nanoseconds - stamp_ns) / 1e9 if stamp_ns else 0.0
        if self._loop is not None:
            self._loop.command(message.name, message.position, age_s)

    def _switch(self, switch: Callable[[bool], None], enabled: bool) -> Future[None]:
        return self._threads.submit(switch, enabled)

    def _offer_calibration(self, camera: CameraTopics) -> None:
        """Offer the service that tools such as ``camera_calibration`` call with a result."""
        self.own_services.set_camera_info(
            f"cameras/{camera.name}",
            lambda info: self._threads.submit(camera.save_calibration, info),
            lambda file: Answer(True, f"the calibration is saved in {file}"),
        )

    def _open_simulated(self, settings: CameraSettings) -> SimulatedCamera:
        """Open a camera that sees the simulated arm, or an arm at rest if none is simulated."""
        simulated = (arm for arm in self._arms.values() if isinstance(arm, ArmOnSimulation))
        return SimulatedCamera(settings, next((arm.simulation.pose for arm in simulated), None))

    # Parameters and diagnostics

    def _settings(self, changes: Mapping[str, Any]) -> TeleopSettings:
        return teleop_settings({**self._params.group(""), **changes})

    def _change(self, changes: Mapping[str, Any]) -> None:
        settings = self._settings(changes)
        if self._loop is not None:
            self._loop.settings = settings

    def _look(self) -> None:
        """Publish the state of the devices: regularly, and at once when one gets worse or better."""
        diagnostics = self._device_diagnostics()
        levels = [level for _, level, *_ in diagnostics]
        if levels != self._levels or time.monotonic() - self._published_s >= _PUBLISH_S:
            self._levels, self._published_s = levels, time.monotonic()
            self._diagnostics.publish(diagnostics)

    def _devices(self) -> dict[str, str]:
        """Return the devices of the parts that have diagnostics."""
        cameras = {camera.part: camera.device for camera in self._cameras}
        return {"arms": ", ".join(arm.port for arm in self._arms.values()), **cameras}

    def _device_diagnostics(self) -> list[Diagnostic]:
        cameras: list[Diagnostic] = [camera.diagnostic() for camera in self._cameras]
        if self._loop is None:
            return cameras
        status = self._loop.status()
        return [("arms", status.level, status.message, status.values), *cameras]


def _switched(name: str, _: None) -> Answer:
    return Answer(True, f"{name} is as asked")


def main() -> int:
    """Run the node."""
    wake_early()
    return run(HardwareNode, _NAME)


if __name__ == "__main__":
    sys.exit(main())
