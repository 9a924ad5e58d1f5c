"""A simulated STS3215: its memory, and a shaft that follows the goal like a real one."""

from __future__ import annotations

from lerobot_recorder.arms import Alarm, JointCalibration, Register
from lerobot_recorder.arms import registers as r

MAX_SPEED = 3000.0
"""Ticks per second without load, at 7.4 V: 60 degrees in 0.22 s."""
ROOM_TEMPERATURE = 28.0

_ACCELERATION = 25_000.0
_LAG_S = 0.05
_SPEED_FILTER_S = 0.02
_LOAD_PER_TICK = 3.0
_WARMING = 25.0
_WARMING_TIME_S = 60.0
_OVERHEATING_PER_S = 25.0
_OVERHEATED = 85.0
_STEP_S = 0.005
_OVERTRAVEL = 20
_WRITABLE = {*range(r.ID.address, r.PRESENT_POSITION.address), *range(80, r.MEMORY_SIZE)}

_FACTORY = {
    r.FIRMWARE_MAJOR: 3,
    r.FIRMWARE_MINOR: 10,
    r.MODEL_NUMBER: r.MODEL_STS3215,
    r.RETURN_DELAY_TIME: 250,
    r.RESPONSE_STATUS_LEVEL: 1,
    r.MAX_POSITION_LIMIT: 4095,
    r.MAX_TEMPERATURE_LIMIT: 70,
    r.MAX_VOLTAGE_LIMIT: 80,
    r.MIN_VOLTAGE_LIMIT: 40,
    r.MAX_TORQUE_LIMIT: 1000,
    r.PHASE: 12,
    r.P_COEFFICIENT: 32,
    r.D_COEFFICIENT: 32,
    r.PROTECTION_CURRENT: 500,
    r.PROTECTIVE_TORQUE: 20,
    r.PROTECTION_TIME: 200,
    r.OVERLOAD_TORQUE: 80,
    r.MAXIMUM_ACCELERATION: 254,
}


class SimulatedServo:
    """One servo: its memory, and the motion of its shaft and motor.

    Attributes:
        angle: position of the shaft, in ticks of the calibration that it was built with
        hand: position in which a hand holds the shaft, in the same ticks; ignored while the torque is on
        supply_v: supply voltage
        stalled: whether the shaft is blocked
        overheating: whether the motor heats up regardless of its load
        silent: whether it does not answer
    """

    def __init__(self, built: JointCalibration, angle: float) -> None:
        """Create a servo with a calibration, its shaft at an angle in ticks."""
        self.angle = angle
        self.hand: float | None = None
        self.supply_v = 7.4
        self.stalled = self.overheating = self.silent = False
        self._built = built
        self._speed = self._load = self._overload_s = 0.0
        self._temperature = ROOM_TEMPERATURE
        self._overloaded = False
        self._memory = bytearray(256)
        for register, value in _FACTORY.items():
            self._set(register, value)
        self._set(r.ID, built.id)
        self._set(r.HOMING_OFFSET, built.homing_offset)
        self._set(r.MIN_POSITION_LIMIT, built.range_min)
        self._set(r.MAX_POSITION_LIMIT, built.range_max)
        self._eeprom = self._memory[: r.EEPROM_END]
        self.power_cycle()

    @property
    def id(self) -> int:
        """The ID that it answers to."""
        return self.get(r.ID)

    @property
    def baud_rate(self) -> int:
        """The baud rate at which it receives instructions."""
        return r.BAUD_RATES[min(self.get(r.BAUD_RATE), len(r.BAUD_RATES) - 1)]

    def get(self, register: Register) -> int:
        """Return the value in a register."""
        return register.decode(self._memory[register.address : register.address + register.size])

    def power_cycle(self) -> None:
        """Restore the memory from the EEPROM, as after a power cut."""
        self._memory[:] = self._eeprom.ljust(256, b"\0")
        self._set(r.TORQUE_LIMIT, self.get(r.MAX_TORQUE_LIMIT))
        self._set(r.LOCK, 1)
        self._set(r.GOAL_POSITION, self._present())
        self._overloaded = False
        self._sense()

    def read(self, address: int, size: int) -> bytes:
        """Return bytes of the memory."""
        return bytes(self._memory[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Store bytes in the writable part of the memory; in the EEPROM only while it is unlocked."""
        for place, value in enumerate(data, address):
            if place in _WRITABLE:
                self._memory[place] = value
                if place < r.EEPROM_END and not self.get(r.LOCK):
                    self._eeprom[place] = value
        if address <= r.TORQUE_ENABLE.address < address + len(data):
            self._overloaded, self._overload_s, self._speed = False, 0.0, 0.0
        self._sense()

    def advance(self, seconds: float) -> None:
        """Advance the simulation by a time in s."""
        if not self._drives():
            self._follow_hand(seconds)
        while seconds > 0:
            self._step(min(seconds, _STEP_S))
            seconds -= _STEP_S
        self._sense()

    def alarm(self) -> Alarm:
        """Return its error flags."""
        alarm = Alarm(0)
        if not self.get(r.MIN_VOLTAGE_LIMIT) <= round(self.supply_v * 10) <= self.get(r.MAX_VOLTAGE_LIMIT):
            alarm |= Alarm.VOLTAGE
        if self._temperature > self.get(r.MAX_TEMPERATURE_LIMIT):
            alarm |= Alarm.OVERHEAT
        if self._overloaded:
            alarm |= Alarm.OVERLOAD
        return alarm

    def _step(self, seconds: float) -> None:
        if self._drives():
            self._follow_goal(seconds)
        self._protect(seconds)
        self._warm(seconds)

    def _drives(self) -> bool:
        return self.get(r.TORQUE_ENABLE) == 1 and not self.alarm() & Alarm.OVERHEAT

    def _follow_goal(self, seconds: float) -> None:
        error = self._error()
        top = min(abs(self.get(r.GOAL_VELOCITY)) or MAX_SPEED, MAX_SPEED)
        wanted = max(-top, min(top, error / _LAG_S))
        change = _ACCELERATION * seconds
        self._speed += max(-change, min(change, wanted - self._speed))
        if self.stalled or self._overloaded:
            self._speed = 0.0
        self._turn(self._speed * seconds)
        limit = self.get(r.PROTECTIVE_TORQUE) * 10 if self._overloaded else self.get(r.TORQUE_LIMIT)
        self._load = max(-limit, min(limit, error * _LOAD_PER_TICK))

    def _follow_hand(self, seconds: float) -> None:
        self._load = 0.0
        moved = 0.0 if self.hand is None or self.stalled else self.hand - self.angle
        self._turn(moved)
        if seconds > 0:
            self._speed += (moved / seconds - self._speed) * min(1.0, seconds / _SPEED_FILTER_S)

    def _turn(self, ticks: float) -> None:
        lowest, highest = self._built.range_min - _OVERTRAVEL, self._built.range_max + _OVERTRAVEL
        self.angle = max(lowest, min(highest, self.angle + ticks))

    def _error(self) -> float:
        lowest, highest = self.get(r.MIN_POSITION_LIMIT), self.get(r.MAX_POSITION_LIMIT)
        goal = max(lowest, min(highest, self.get(r.GOAL_POSITION)))
        return goal - (self._encoder() - self.get(r.HOMING_OFFSET)) % r.TICKS_PER_TURN

    def _encoder(self) -> float:
        return self.angle + self._built.homing_offset

    def _present(self) -> int:
        return round(self._encoder() - self.get(r.HOMING_OFFSET)) % r.TICKS_PER_TURN

    def _protect(self, seconds: float) -> None:
        """Reduce the torque after ``PROTECTION_TIME`` above ``OVERLOAD_TORQUE``, until the goal is near."""
        threshold = self.get(r.OVERLOAD_TORQUE) * 10
        strained = self._drives() and abs(self._error()) * _LOAD_PER_TICK > threshold
        self._overload_s = self._overload_s + seconds if strained else 0.0
        self._overloaded = strained and (
            self._overloaded or self._overload_s > self.get(r.PROTECTION_TIME) * 0.01
        )

    def _warm(self, seconds: float) -> None:
        if self.overheating:
            self._temperature = min(_OVERHEATED, self._temperature + _OVERHEATING_PER_S * seconds)
        else:
            final = ROOM_TEMPERATURE + _WARMING * abs(self._load) / 1000
            self._temperature += (final - self._temperature) * seconds / _WARMING_TIME_S

    def _sense(self) -> None:
        """Write the sensor values to the memory."""
        self._set(r.PRESENT_POSITION, self._present())
        self._set(r.PRESENT_VELOCITY, round(max(-32767, min(32767, self._speed))))
        self._set(r.PRESENT_LOAD, round(max(-1000, min(1000, self._load))))
        self._set(r.PRESENT_VOLTAGE, round(self.supply_v * 10 - abs(self._load) / 500))
        self._set(r.PRESENT_TEMPERATURE, round(self._temperature))
        self._set(r.PRESENT_CURRENT, round(self._load / 5))
        self._set(r.MOVING, int(abs(self._speed) > 5))
        self._set(r.STATUS, self.alarm())

    def _set(self, register: Register, value: int) -> None:
        self._memory[register.address : register.address + register.size] = register.encode(value)
