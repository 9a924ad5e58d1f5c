"""A simulated SO-100 on a pseudo-terminal, which a driver opens like a USB port."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import struct
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from lerobot_recorder.arms import JOINTS, SIMULATED, Arm, Calibration, Effort, Role, Vector
from lerobot_recorder.errors import PortError
from lerobot_recorder.simulation.leader import PickAndPlace, home
from lerobot_recorder.simulation.line import Faults, ServoLine
from lerobot_recorder.simulation.servo import SimulatedServo

_TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("4I 20s 2I")
_CHUNK = 4096
_SETTLING_S = 5.0
"""Longest time that is simulated between two requests."""

_ANSWER_TIMEOUT_S = 0.1
"""Longer than for real servos: a busy computer delays simulated ones."""

_REST_S = 2.0
"""Time for which the hand rests at the start: about the start time of the nodes that record it."""


class SimulatedArm:
    """Six servos on a pseudo-terminal, in this process.

    Attributes:
        port: the path to open, a link to the present pseudo-terminal
        servos: the servos by joint; their attributes may be changed at any time
        faults: faults on the wire
    """

    def __init__(
        self,
        link: Path | None = None,
        *,
        calibration: Calibration = SIMULATED,
        hand: Callable[[float], Vector] | None = None,
    ) -> None:
        """Create the arm in its home pose and connect it.

        Args:
            link: the path to create for ``port``; None: in a temporary directory
            calibration: calibration of the servos
            hand: returns the pose, (6,) rad, in which a hand holds the arm at a time in s; ignored by powered
                joints

        Raises:
            PortError: ``link`` exists and is not a link.
        """
        self.faults = Faults()
        ticks = calibration.to_ticks(calibration.clip(hand(0.0) if hand else home()))
        self.servos = {
            name: SimulatedServo(joint, float(angle))
            for (name, joint), angle in zip(calibration.joints.items(), ticks, strict=True)
        }
        self._calibration = calibration
        self._hand = hand
        self._line = ServoLine(list(self.servos.values()))
        self._lock = threading.Lock()
        self._started = self._now = time.monotonic()
        self._directory = None if link else tempfile.mkdtemp(prefix="so100-")
        self.port = str(link or Path(str(self._directory)) / "port")
        self._thread: threading.Thread | None = None
        self.replug()

    def __enter__(self) -> SimulatedArm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unplug the arm permanently."""
        self.unplug()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def pose(self) -> dict[str, float]:
        """Return the present joint angles in rad, by name."""
        with self._lock:
            self._advance()
            angles = np.array([servo.angle for servo in self.servos.values()])
        return dict(zip(JOINTS, self._calibration.to_rad(angles).tolist(), strict=True))

    def unplug(self) -> None:
        """Pull the cable: an open port is lost."""
        if self._thread is None:
            return
        os.write(self._stop, b"x")
        self._thread.join()
        self._thread = None
        Path(self.port).unlink(missing_ok=True)

    def replug(self) -> None:
        """Reconnect the cable.

        Raises:
            PortError: the path exists and is not a link.
        """
        if self._thread is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        _link(Path(self.port), os.ttyname(slave))
        stopped, self._stop = os.pipe()
        self._thread = threading.Thread(
            target=self._serve, args=(master, slave, stopped, self._stop), name="simulated-arm", daemon=True
        )
        self._thread.start()

    def cut_power(self) -> None:
        """Switch the servos' power off; the port stays."""
        self.faults.silent = True

    def restore_power(self) -> None:
        """Switch the servos' power on; values outside their EEPROM are lost."""
        with self._lock:
            for servo in self.servos.values():
                servo.power_cycle()
        self.faults.silent = False

    def _serve(self, master: int, slave: int, stopped: int, stop: int) -> None:
        """Answer requests until ``stop`` is written; the open slave keeps the port alive between users."""
        try:
            while stopped not in (ready := select.select([master, stopped], [], [])[0]):
                if ready:
                    self._answer(master, os.read(master, _CHUNK))
        finally:
            for descriptor in (master, slave, stopped, stop):
                os.close(descriptor)

    def _answer(self, master: int, data: bytes) -> None:
        with self._lock:
            self._advance()
            replies = list(self._line.receive(self.faults.deliver(data), _baud_rate(master)))
        ready = b""
        for reply in [] if self.faults.silent else replies:
            delay, answer = self.faults.pass_on(reply)
            if delay:
                _write(master, ready)
                time.sleep(delay)
                ready = b""
            ready += answer
        _write(master, ready)

    def _advance(self) -> None:
        now = time.monotonic()
        elapsed, self._now = min(now - self._now, _SETTLING_S), now
        for servo, hand in zip(self.servos.values(), self._hands(now - self._started), strict=True):
            servo.hand = hand
            servo.advance(elapsed)

    def _hands(self, time_s: float) -> list[float] | list[None]:
        if self._hand is None:
            return [None] * len(JOINTS)
        ticks: list[float] = self._calibration.to_ticks(self._hand(time_s)).tolist()
        return ticks


class ArmOnSimulation(Arm):
    """An arm whose servos are simulated in this process until it is closed.

    Attributes:
        simulation: the simulated servos
    """

    def __init__(
        self,
        role: Role,
        calibration: Calibration = SIMULATED,
        *,
        write_calibration: bool = False,
        effort: Effort = "none",
    ) -> None:
        self.simulation = simulated_arm(role, calibration)
        super().__init__(
            role,
            self.simulation.port,
            calibration,
            write_calibration=write_calibration,
            timeout_s=_ANSWER_TIMEOUT_S,
            can_fall=False,
            effort=effort,
        )

    def close(self) -> None:
        """Close the port and end its simulated servos."""
        super().close()
        self.simulation.close()


def simulated_arm(role: str, calibration: Calibration = SIMULATED) -> SimulatedArm:
    """Create a simulated arm: a leader moved by ``PickAndPlace``, or a follower."""
    if role != "leader":
        return SimulatedArm(calibration=calibration)
    demonstration = PickAndPlace()
    return SimulatedArm(calibration=calibration, hand=lambda time_s: demonstration(time_s - _REST_S))


def _link(path: Path, target: str) -> None:
    if path.is_symlink():
        path.unlink()
    try:
        path.symlink_to(target)
    except OSError as error:
        raise PortError(
            f"cannot create the simulated arm's port {path}: {error.strerror or error}"
        ) from error


def _baud_rate(descriptor: int) -> int:
    """Return the baud rate of the port, including non-standard ones."""
    settings = fcntl.ioctl(descriptor, _TCGETS2, bytes(_TERMIOS2.size))
    return int(_TERMIOS2.unpack(settings)[-1])


def _write(descriptor: int, data: bytes) -> None:
    """Write to the port; data that does not fit in its buffer is lost."""
    if data:
        with suppress(BlockingIOError):
            os.write(descriptor, data)
