"""Record in trouble for a given time, and check that nothing is lost.

Design. Devices in a process of their own show the number of the moment, 30 a second: the poses of two
simulated arms on pseudo-terminals, and the pictures of two network cameras. The three nodes run as users run
them, in processes, on loopback in a ROS domain of their own; the hardware node reads the devices, the
recorder takes its topics (raw and JPEG), the encoder makes h264, which leaves the numbers sharp.

A round has its own dataset and one kind of trouble: kills of any node by SIGKILL, SIGTERM, SIGINT; EIO,
a failing fsync, a full and a slow disk, by a preloaded library; power cuts, which take away what was not
synced; hostile messages to every topic; damaged copies of spool and dataset. Meanwhile an operator starts,
saves, discards, marks, deletes and accepts at random, and a ledger keeps what was acknowledged. Then the
trouble ends, all is encoded, and the dataset is read with pyarrow and PyAV: each acknowledged episode once,
none that was removed, every row and picture with the number of its time, nothing that ``check --deep``
finds. Nodes that hang, end by themselves, or leave processes or open files behind count as stuck.

Where anything is lost, doubled, damaged or stuck, the exit status is 1, and the round's directory is kept
with its dataset, its promises and the nodes' logs. The same seed and round repeat its plan, not its moments.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.setdefault("ROS_LOCALHOST_ONLY", "1")

from chaos.faults import build_library
from chaos.nodes import NAMES
from chaos.operator import Operator
from chaos.rounds import KINDS, Result, Round, World
from rich.console import Console
from rich.table import Table

from lerobot_recorder.cli.processes import node_environment

COLUMNS = ("lost", "doubled", "damaged", "stuck")
WITHOUT_LIBRARY = ("kills", "fuzz", "damage")
CONSOLE = Console(width=120, highlight=False, soft_wrap=True)


def main() -> int:
    args = parse_arguments()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # shows where it hangs, if it ever does
    environment = node_environment(isolated=True)
    os.environ["ROS_DOMAIN_ID"] = environment["ROS_DOMAIN_ID"]
    place = Path(tempfile.mkdtemp(prefix="chaos-", dir=args.directory))
    library = build_library(place)
    if library is None:
        CONSOLE.print("No C compiler: no faults of the disk, and no power cuts.")
    kinds = [kind for kind in args.kinds or KINDS if library or kind in WITHOUT_LIBRARY]
    results = {kind: Result() for kind in kinds}
    world, operator, began_s = World(place / "world"), Operator(), time.monotonic()
    try:
        for number in itertools.count(args.first_round):
            if is_over(args, number - args.first_round, time.monotonic() - began_s):
                break
            kind, directory = kinds[number % len(kinds)], place / f"round{number}"
            directory.mkdir()
            parts = {"world": world, "operator": operator, "environment": environment, "library": library}
            played = Round(kind, f"{args.seed} {number}", directory, **parts)
            played.run(args.round_s)
            report(args, number, kind, played.result, directory)
            results[kind].add(played.result)
    finally:
        operator.close()
        world.close()
    return summarise(args, results, (time.monotonic() - began_s) / 60, place)


def is_over(args: argparse.Namespace, rounds: int, seconds: float) -> bool:
    return rounds >= args.rounds if args.rounds else seconds >= args.minutes * 60


def report(args: argparse.Namespace, number: int, kind: str, found: Result, directory: Path) -> None:
    """Print what came of a round, and keep its directory if something is wrong."""
    details = ", ".join(f"{what} ({count})" for what, count in found.faults.items())
    CONSOLE.print(
        f"round {number}, {kind}: {found.saved} saved, {found.episodes} episodes with {found.rows} rows "
        f"verified, {found.kills.total()} kills{'; ' if details else ''}{details}"
    )
    if not found.wrong:
        shutil.rmtree(directory)
        return
    for column in COLUMNS:
        for line in getattr(found, column):
            CONSOLE.print(f"  {column}: {line}", style="red", markup=False)
    kinds = " ".join(f"'{each}'" for each in args.kinds or ())
    again = f"--seed {args.seed} --first-round {number} --rounds 1 --round-s {args.round_s:g}"
    CONSOLE.print(f"  kept in {directory}; again: {again}{' --kinds ' if kinds else ''}{kinds}", markup=False)


def summarise(args: argparse.Namespace, results: dict[str, Result], minutes: float, place: Path) -> int:
    """Print the table, and return the exit status."""
    total = Result()
    for result in results.values():
        total.add(result)
    table = Table("trouble", "rounds", *NAMES, "saved", "verified", "rows", *COLUMNS)
    for name, result in (*results.items(), ("all", total)):
        killed = [sum(count for (each, _), count in result.kills.items() if each == node) for node in NAMES]
        counts = [result.rounds.total(), *killed, result.saved, result.episodes, result.rows]
        table.add_row(name, *map(str, counts), *(str(len(getattr(result, column))) for column in COLUMNS))
    CONSOLE.print(
        "Kills of each node, episodes whose save was acknowledged, episodes and rows that were verified:"
    )
    CONSOLE.print(table)
    for what, count in sorted(total.faults.items()):
        CONSOLE.print(f"{what}: {count}")
    wrong = ", ".join(f"{len(getattr(total, column))} {column}" for column in COLUMNS)
    verdict = "failed" if total.wrong else "passed"
    CONSOLE.print(
        f"{verdict}: {total.rounds.total()} rounds in {minutes:.1f} minutes, seed {args.seed}: {wrong}"
    )
    if not total.wrong:
        shutil.rmtree(place)
    return int(bool(total.wrong))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no round after this time")
    parser.add_argument(
        "--rounds", type=int, default=0, help="number of rounds; 0: as many as fit in the time"
    )
    parser.add_argument("--first-round", type=int, default=0, help="number of the first round")
    parser.add_argument("--round-s", type=float, default=20.0, help="seconds of trouble in a round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, help="only these kinds of trouble")
    parser.add_argument("--directory", type=Path, help="where to work; a temporary directory")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
