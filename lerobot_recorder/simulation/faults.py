"""What can go wrong on the simulated wire; every switch may be turned while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from lerobot_recorder.arms import Packet


@dataclass
class Faults:
    """Chances from 0 to 1, for each reply by itself, or for each piece of the instructions.

    Attributes:
        unheard: What the servos are told is lost.
        corrupt: One of its bytes is changed.
        missing: It is not sent.
        wrong_id: It says that it is from another servo.
        late: It, and all that comes after it, is held up for `late_s`.
        merged: It is kept back, and sent in one piece with the next one.
        silent: No servo answers, as without power.
        late_s: How late a late reply is.
        random: Where the chances are drawn from.
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
        """Return what comes through of what the servos are told."""
        return b"" if self._strikes(self.unheard) else data

    def pass_on(self, reply: Packet) -> tuple[float, bytes]:
        """Return how long a reply is held up, and what then comes through of it."""
        delay = self.late_s if self._strikes(self.late) else 0.0
        if self._strikes(self.missing):
            return delay, b""
        if self._strikes(self.wrong_id):
            reply = Packet(reply.id % 250 + 1, reply.code, reply.parameters)
        data = bytearray(self._kept + reply.encode())
        self._kept = b""
        if self._strikes(self.corrupt):
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        if self._strikes(self.merged):
            self._kept = bytes(data)
            return delay, b""
        return delay, bytes(data)

    def _strikes(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance
