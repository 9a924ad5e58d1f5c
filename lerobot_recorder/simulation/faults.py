"""Faults on the simulated wire; every value may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from lerobot_recorder.arms import Packet


@dataclass
class Faults:
    """Probabilities from 0 to 1, for each reply or for each piece of the instructions.

    Attributes:
        unheard: an instruction is lost
        corrupt: a bit of the reply is flipped
        missing: the reply is not sent
        wrong_id: the reply has the ID of another servo
        late: the reply, and all data after it, is delayed by ``late_s``
        merged: the reply is sent together with the next one
        silent: no servo answers, as without power
        late_s: delay of a late reply
        random: random number generator
    """

    unheard: float = 0.0
    corrupt: float = 0.0
    missing: float = 0.0
    wrong_id: float = 0.0
    late: float = 0.0
    merged: float = 0.0
    silent: bool = False
    late_s: float = 0.05
    random: Random = field(default_factory=lambda: Random(0))
    _kept: bytes = b""

    def hear(self, data: bytes) -> bytes:
        """Return the part of an instruction that the servos receive."""
        return b"" if self._occurs(self.unheard) else data

    def pass_on(self, reply: Packet) -> tuple[float, bytes]:
        """Return the delay of a reply in s, and the bytes that are then sent."""
        delay = self.late_s if self._occurs(self.late) else 0.0
        if self._occurs(self.missing):
            return delay, b""
        if self._occurs(self.wrong_id):
            reply = Packet(reply.id % 250 + 1, reply.code, reply.parameters)
        data = bytearray(self._kept + reply.encode())
        self._kept = b""
        if self._occurs(self.corrupt):
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        if self._occurs(self.merged):
            self._kept = bytes(data)
            return delay, b""
        return delay, bytes(data)

    def _occurs(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance
