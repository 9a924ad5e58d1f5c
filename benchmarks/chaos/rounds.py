"""What happens in a round: episodes are recorded while something goes wrong, then all must be as promised."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from chaos.damage import damaged_append, damaged_dataset, damaged_spool
from chaos.faults import Disk
from chaos.ledger import Ledger
from chaos.nodes import (
    NAMES,
    NodeProcess,
    StuckError,
    remove_left_memory,
    ros_arguments,
    shared_memory,
    wait_for,
)
from chaos.numbers import ARMS, CAMERAS, RATE_HZ
from chaos.operator import Operator
from chaos.power import cut_power
from chaos.verify import STREAMS, Findings, verify
from lerobot_recorder.answers import Answer
from lerobot_recorder.arms.calibration import JOINTS

KINDS = ("kills", "errors", "full disk", "power cuts", "fuzz", "slow disk", "damage")

START_S = 60.0
"""Within this time a node that was started must report, on a busy machine."""
DRAIN_S = 180.0
"""Within this time all that waits is encoded."""
END_S = 60.0
_SILENT_S = 20.0
"""A node that has reported nothing for this time hangs."""
_ENCODING = ("encoding", "committing")
_FAILING_DISK = ("errors", "full disk")
"""Trouble for which a node may end with status 1 and one sentence."""
_REFUSED_S = 60.0
"""Within this time it must be possible to start an episode again after any trouble."""
_FEWEST_COPIES = 3
_DESCRIPTORS = 12
"""By how many the open files of a node may rise between two moments at which it is idle."""
_UNFINISHED = ("recording", "ready", "claimed", "committing")
_ANY_TIME = (
    "accept_episode",
    "accept_episode",
    "delete_last_episode",
    "undo_delete",
    "mark_success",
    "save_episode",
    "discard_episode",
)
_ENDS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass
class Result:
    """What came of rounds.

    Attributes:
        rounds: by kind.
        kills: by node and signal.
        faults: what else was done, with its number.
        saved: episodes that must be in the dataset.
        episodes: episodes that were verified.
        rows: their rows.
        lost: see `Findings`; likewise `doubled` and `damaged`.
        stuck: what has not come to an end, or has ended by itself.
    """

    rounds: Counter[str] = field(default_factory=Counter)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    saved: int = 0
    episodes: int = 0
    rows: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """All that is wrong."""
        return self.lost + self.doubled + self.damaged + self.stuck

    def add(self, other: Result) -> None:
        """Add what came of other rounds."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def note(self, findings: Findings) -> None:
        """Add what was verified."""
        self.episodes += findings.episodes
        self.rows += findings.rows
        self.lost += findings.lost
        self.doubled += findings.doubled
        self.damaged += findings.damaged


class World:
    """The devices, in a process of their own that outlives all nodes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.epoch_s = time.time() - 1.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.world", str(directory), repr(self.epoch_s)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.places: dict[str, dict[str, str]] = json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=30)


class Round:
    """One dataset, from its first episode to the comparison with what was promised.

    Attributes:
        result: what came of it.
    """

    def __init__(
        self,
        kind: str,
        seed: str,
        directory: Path,
        *,
        world: World,
        operator: Operator,
        environment: dict[str, str],
        library: Path | None,
    ) -> None:
        """Make all ready.

        Args:
            kind: one of `KINDS`.
            seed: of its plan.
            directory: an empty one, for its dataset and the logs of its nodes.
            world: the devices.
            operator: calls the nodes.
            environment: of the nodes.
            library: the faults of the disk, None for a disk that works.
        """
        self.result = Result()
        self._kind = kind
        self._random, self._trouble = Random(seed), Random(f"trouble {seed}")  # one for each thread
        self._directory, self._root = directory, directory / "disk/dataset"
        self._root.parent.mkdir(parents=True)
        self._spool = self._root.with_name("dataset.spool")
        self._world, self._operator = world, operator
        self._disk = Disk(library, self._root.parent, directory) if library else None
        self._environment = {**environment, **(self._disk.environment if self._disk else {})}
        self._ledger = Ledger()
        self._current = ""
        self._nodes: dict[str, NodeProcess] = {}
        self._old: list[NodeProcess] = []
        self._started = Counter[str]()
        self._over = threading.Event()

    # The whole

    def run(self, length_s: float) -> None:
        """Do it; what is wrong is in the result."""
        before = shared_memory()
        try:
            self._play(length_s)
        except StuckError as error:
            self.result.stuck.append(str(error))
        finally:
            self._over.set()
            for process in self._all():
                process.kill_session(signal.SIGKILL)
            self._operator.forget()
            remove_left_memory(before)
            promises = {name: vars(each) for name, each in self._ledger.promises.items()}
            (self._directory / "promises.json").write_text(json.dumps(promises, indent=1))
        self.result.rounds[self._kind] += 1

    def _play(self, length_s: float) -> None:
        for name in NAMES:
            self._start(name)
        self._save_one()
        idle = self._descriptors()
        if self._kind == "damage":
            self._record_and_damage(length_s)
        else:
            self._record_in_trouble(length_s)
        self._settle()
        self._check_descriptors(idle)
        self._end_all()
        self.result.note(verify(self._root, self._ledger, self._world.epoch_s))
        self.result.saved += len(self._ledger.acknowledged)

    def _record_in_trouble(self, length_s: float) -> None:
        """Record while another thread makes trouble."""
        make = {
            "kills": self._make_kills,
            "errors": self._make_errors,
            "full disk": self._make_full_disk,
            "power cuts": self._make_power_cuts,
            "fuzz": self._make_fuzz,
            "slow disk": self._make_slow_disk,
        }[self._kind]
        with ThreadPoolExecutor(1) as thread:
            trouble = thread.submit(make)
            ends_s = time.monotonic() + length_s
            try:
                while time.monotonic() < ends_s and not trouble.done():
                    self._record()
            finally:
                self._over.set()
            trouble.result()

    # The nodes

    def _all(self) -> list[NodeProcess]:
        return [*self._nodes.values(), *self._old]

    def _start(self, name: str) -> NodeProcess:
        self._started[name] += 1
        label = f"{name}_{self._directory.name}_{self._started[name]}"
        arguments = ros_arguments(self._parameters(name))
        process = NodeProcess(name, label, arguments, self._environment, self._directory / "nodes.log")
        if name in self._nodes:
            self._old.append(self._nodes[name])
        self._nodes[name] = process
        return process

    def _parameters(self, name: str) -> dict[str, object]:
        if name == "hardware":
            return hardware_parameters(self._world.places)
        if name == "recorder":
            return recorder_parameters(self._root, mixed=self._kind == "fuzz")
        return encoder_parameters(self._root, batch_size=self._random.choice((1, 1, 2, 3)))

    def _up(self, name: str) -> NodeProcess:
        """Return a node that runs and reports; one that could not start is started again."""
        deadline = time.monotonic() + START_S
        while True:
            process = self._nodes[name]
            if name == "hardware" or process.status:
                return process
            if not process.running and not process.killed:
                self._replace(process)
            if time.monotonic() > deadline:
                raise StuckError(f"{process.label} has not reported within {START_S:g} s")
            time.sleep(0.1)

    def _replace(self, process: NodeProcess) -> None:
        """Start a node again that has ended by itself: it may, where the disk fails, with status 1."""
        if self._kind not in _FAILING_DISK or process.exit_status != 1:
            raise StuckError(f"{process.label} has ended by itself with status {process.exit_status}")
        process.killed = True
        self.result.faults[f"{process.name} ended with a sentence"] += 1
        time.sleep(0.5)
        self._start(process.name)

    def _kill(self, name: str, number: signal.Signals) -> None:
        process = self._nodes[name]
        if not process.running:
            return
        process.kill(number)
        self.result.kills[name, number.name] += 1
        if number != signal.SIGKILL:
            process.join(END_S)

    def _watch(self) -> None:
        """Check that all nodes run and report."""
        for process in list(self._nodes.values()):
            if process.killed:
                continue
            if not process.running:
                self._replace(process)
            elif process.status and (silent_s := time.monotonic() - process.status_s) > _SILENT_S:
                raise StuckError(f"{process.label} has reported nothing for {silent_s:.0f} s")

    def _descriptors(self) -> dict[str, int]:
        return {process.label: process.descriptors() for process in self._nodes.values()}

    def _check_descriptors(self, idle: dict[str, int]) -> None:
        for label, count in self._descriptors().items():
            if label in idle and count > idle[label] + _DESCRIPTORS:
                left = f"{label} had {idle[label]} open files when it was idle, and has {count} now"
                self.result.stuck.append(left)

    def _end_all(self) -> None:
        for process in self._nodes.values():
            process.kill(self._random.choice((signal.SIGINT, signal.SIGTERM)))
        for process in self._all():
            process.join(END_S)
        for process in self._nodes.values():
            if process.exit_status not in ((0, 1) if self._kind in _FAILING_DISK else (0,)):
                ended = f"{process.label} was asked to end, and did so with status {process.exit_status}"
                self.result.stuck.append(ended)

    # The operator

    def _do(self, service: str, data: bool | None = None) -> Answer | None:
        """Call a service of the recorder, and note what it promises."""
        answer = self._operator.call(self._up("recorder"), service, data)
        if answer is None:
            if service == "discard_episode":
                self._ledger.doubt({self._current})
            elif service in ("delete_last_episode", "undo_delete"):
                self._ledger.doubt(set(self._ledger.promises))
        elif not answer.success:
            if service == "save_episode" and answer.offer == "accept_episode":
                self._ledger.rejected(answer.episode_id)
            self._ledger.refused = answer.message
        elif service == "start_episode":
            self._current = answer.episode_id
            self._ledger.of(self._current)
        elif service in ("save_episode", "accept_episode"):
            self._ledger.saved(answer.episode_id)
        elif service in ("discard_episode", "delete_last_episode"):
            self._ledger.gone(answer.episode_id)
        elif service == "undo_delete":
            self._ledger.restored(answer.episode_id, "rejected" if answer.offer else "ready")
        return answer

    def _record(self) -> None:
        """Record an episode, as far as the nodes live, and do something with it or an earlier one."""
        self._watch()
        started = self._do("start_episode")
        if started is None and self._nodes["recorder"].running:  # perhaps it started
            self._do("discard_episode")
        if started is None or not started.success:
            time.sleep(0.2)
            return
        recorder = self._nodes["recorder"]
        ends_s = time.monotonic() + self._random.uniform(0.2, 2.5)
        while time.monotonic() < ends_s and recorder.running:
            time.sleep(0.05)
        if self._random.random() < 0.2:
            self._do("mark_success", self._random.random() < 0.5)
        self._do(self._random.choice((*["save_episode"] * 4, "discard_episode")))
        while self._random.random() < 0.3:
            service = self._random.choice(_ANY_TIME)
            self._do(service, self._random.random() < 0.5 if service == "mark_success" else None)

    def _save_one(self) -> None:
        """Record until an episode is saved: with nodes that nobody disturbs, that takes a moment."""
        before = set(self._ledger.acknowledged)
        deadline = time.monotonic() + _REFUSED_S
        while not set(self._ledger.acknowledged) - before:
            if time.monotonic() > deadline:
                raise StuckError(f"no episode can be saved for {_REFUSED_S:g} s: {self._ledger.refused}")
            self._record()

    # The end

    def _settle(self) -> None:
        """Let all that waits be encoded by nodes that nobody disturbs."""
        if self._disk:
            self._disk.work()
        for name in NAMES:
            if not self._nodes[name].running:
                self._start(name)
        self._save_one()
        if self._waiting("recording"):  # of a disk that failed, for the next start to find
            self._kill("recorder", signal.SIGINT)
            self._start("recorder")
            self._save_one()
        while self._random.random() < 0.8 and (done := self._do("accept_episode")) and done.success:
            pass
        encoder = self._up("encoder")
        deadline = time.monotonic() + DRAIN_S
        while waiting := self._waiting(*_UNFINISHED):
            if time.monotonic() > deadline:
                raise StuckError(f"{', '.join(waiting)} are not encoded: {encoder.status}")
            self._watch()
            self._operator.call(encoder, "encode_pending")
            time.sleep(0.5)
        time.sleep(1.0)  # for the files of the last batch to be closed

    def _waiting(self, *states: str) -> list[str]:
        return [f"{state}/{path.name}" for state in states for path in (self._spool / state).glob("*")]

    # What goes wrong, by kind

    def _pause(self, shortest_s: float, longest_s: float) -> bool:
        """Wait for a random time; False when the round is over."""
        return not self._over.wait(self._trouble.uniform(shortest_s, longest_s))

    def _make_kills(self) -> None:
        while self._pause(0.1, 2.5):
            name = self._trouble.choice(NAMES)
            if name == "encoder" and self._trouble.random() < 0.5:
                self._await_work()
            self._kill_and_start(name)
            if self._trouble.random() < 0.7:  # else it may be killed again while it starts
                for each in NAMES:
                    self._up(each)

    def _await_work(self) -> None:
        """Wait until the encoder works, and a random while longer."""
        encoder, ends_s = self._nodes["encoder"], time.monotonic() + 3.0
        while time.monotonic() < ends_s and not (encoder.status and encoder.status.state in _ENCODING):
            if not self._pause(0.02, 0.02):
                return
        self._pause(0.0, 0.7)

    def _kill_and_start(self, name: str) -> None:
        self._kill(name, self._trouble.choice(_ENDS))
        if self._trouble.random() < 0.3:
            self._kill(self._trouble.choice([other for other in NAMES if other != name]), signal.SIGKILL)
        self._over.wait(self._trouble.choice((0.0, 0.0, 0.5, 1.5)))
        self._start_killed()

    def _start_killed(self) -> None:
        for name in NAMES:
            if self._nodes[name].killed:
                self._start(name)

    def _make_errors(self) -> None:
        self._fault_disk(lambda disk: self._trouble.choice((disk.fail, disk.fail_a_sync))(self._trouble))

    def _make_full_disk(self) -> None:
        self._fault_disk(lambda disk: disk.fill(self._trouble))

    def _make_slow_disk(self) -> None:
        self._fault_disk(lambda disk: disk.dawdle(self._trouble), kills=0.5)

    def _fault_disk(self, begin: Callable[[Disk], str], *, kills: float = 0.2) -> None:
        while self._disk and self._pause(0.3, 3.0):
            self.result.faults[begin(self._disk)] += 1
            self._pause(0.5, 4.0)
            if self._trouble.random() < kills:
                self._kill_and_start(self._trouble.choice(("recorder", "encoder")))
            self._disk.work()

    def _make_power_cuts(self) -> None:
        while self._disk and self._pause(1.0, 6.0):
            self._cut_power(self._disk)

    def _cut_power(self, disk: Disk) -> None:
        """End all nodes at one moment, and take away what was not synced."""
        cut = list(self._nodes.values())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in cut:
                process.kill_session(number)
        for process in cut:
            process.join(END_S)
        lost, undone = cut_power(self._root.parent, disk.journal, self._trouble)
        self._ledger.power_cuts += 1
        self.result.faults["power cuts"] += 1
        self.result.faults["bytes lost in power cuts"] += lost
        self.result.faults["directory changes undone in power cuts"] += undone
        self._start_killed()

    def _make_fuzz(self) -> None:
        hostile = self._operator.hostile(self._trouble)
        try:
            while self._pause(0.0, 0.02):
                hostile.send()
        finally:
            hostile.close()
            self.result.faults["hostile messages"] += hostile.sent

    def _record_and_damage(self, length_s: float) -> None:
        """Record with no encoder there, then damage copies of what waits and of the dataset."""
        self._operator.call(self._up("encoder"), "encode_pending")
        wait_for((self._root / "meta/info.json").exists, DRAIN_S, "the first episode is not encoded")
        self._kill("encoder", signal.SIGINT)
        ends_s = time.monotonic() + length_s
        while time.monotonic() < ends_s - length_s / 2:
            self._record()
        self._save_one()
        spooled = self._directory / "spooled"
        shutil.copytree(self._spool, spooled)
        while time.monotonic() < ends_s or self.result.faults["damaged copies"] < _FEWEST_COPIES:
            trials = (
                lambda: damaged_dataset(self._root, self._directory, self._trouble),
                lambda: damaged_append(self._root, spooled, self._directory, self._trouble),
                lambda: damaged_spool(spooled, self._directory, self._world.epoch_s, self._trouble),
            )
            self.result.damaged += self._trouble.choice(trials)()
            self.result.faults["damaged copies"] += 1


def hardware_parameters(places: dict[str, dict[str, str]]) -> dict[str, object]:
    """Return the parameters of a hardware node with these devices."""
    arms = {f"{arm}.port": places["ports"][arm] for arm in ARMS}
    arms |= {f"{arm}.calibration": "sim" for arm in ARMS}
    cameras = {f"{camera}.source": places["cameras"][camera] for camera in CAMERAS}
    sizes = {f"{camera}.{side}": 0 for camera in CAMERAS for side in ("width", "height")}
    transports = {"top.transport": "raw", "wrist.transport": "compressed"}
    return {
        **arms,
        "cameras": list(CAMERAS),
        **cameras,
        **sizes,
        **transports,
        "teleop": False,
        "torque": False,
    }


def recorder_parameters(root: Path, *, mixed: bool) -> dict[str, object]:
    """Return the parameters of a recorder of that hardware, whose messages others may be mixed with."""
    topics = {
        "state.topic": "follower/joint_states",
        "action.topic": "leader/joint_states",
        "top.topic": "cameras/top/image_raw",
        "wrist.topic": "cameras/wrist/image_raw/compressed",
    }
    of_arms = {"names": list(JOINTS), "unit": "so100", "calibration": "sim"}
    joints = {f"{stream}.{name}": value for stream in ("state", "action") for name, value in of_arms.items()}
    of_streams = {"stamp": "header", "allow_multiple_publishers": mixed}
    stamps = {f"{stream}.{name}": value for stream in STREAMS.values() for name, value in of_streams.items()}
    run = {"root": str(root), "fps": RATE_HZ, "task": "count", "episode_time_s": 0.0}
    return {**run, "streams": list(STREAMS.values()), **topics, **joints, **stamps}


def encoder_parameters(root: Path, batch_size: int) -> dict[str, object]:
    """Return the parameters of an encoder whose pictures stay sharp."""
    codec = {"vcodec": "h264", "crf": 23, "nice": 0}
    return {"root": str(root), **codec, "encode_on_exit": False, "video_encoding_batch_size": batch_size}
