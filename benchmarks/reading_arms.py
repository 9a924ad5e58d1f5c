"""Measure what the effort of the joints costs: the time to read a simulated arm over a wire of 1 Mbit/s."""

from __future__ import annotations

import argparse
import time
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from lerobot_recorder.arms import Effort, Packet
from lerobot_recorder.simulation import ArmOnSimulation
from lerobot_recorder.simulation.line import Faults

BITS_PER_BYTE = 10
BAUD_RATE = 1_000_000


class Wire(Faults):
    """A wire without faults; each byte takes its time."""

    due = 0.0
    sent = 0

    def pass_on(self, reply: Packet) -> tuple[float, bytes]:
        data = reply.encode()
        now = time.perf_counter()
        self.due = max(self.due, now) + len(data) * BITS_PER_BYTE / BAUD_RATE
        self.sent += len(data)
        return self.due - now, data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=1000)
    reads = parser.parse_args().reads
    table = Table("effort", "bytes of replies", "on the wire ms", "read ms p50", "p99", box=None)
    for effort in get_args(Effort):
        with ArmOnSimulation("follower", effort=effort).open() as arm:
            wire = arm.simulation.faults = Wire()
            times_ms = []
            for _ in range(reads):
                started = time.perf_counter()
                arm.read()
                times_ms.append(1000 * (time.perf_counter() - started))
        replies = wire.sent / reads
        figures = (replies * BITS_PER_BYTE / BAUD_RATE * 1000, *np.percentile(times_ms, (50, 99)))
        table.add_row(effort, f"{replies:.0f}", *(f"{figure:.2f}" for figure in figures))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
