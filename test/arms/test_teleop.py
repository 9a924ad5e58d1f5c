from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from arms import FOLDED, UPRIGHT, FakeArm, FakeClock, eventually

from lerobot_recorder.arms import registers as r
from lerobot_recorder.arms.arm import Arm
from lerobot_recorder.arms.calibration import GRIPPER, JOINTS, SIMULATED, Calibration
from lerobot_recorder.arms.protocol import Alarm
from lerobot_recorder.arms.settings import JointSample, TeleopSettings
from lerobot_recorder.arms.teleop import TeleopLoop
from lerobot_recorder.errors import ConfigError, DeviceError, PortError
from lerobot_recorder.simulation import ArmOnSimulation, SimulatedArm
from lerobot_recorder.simulation.servo import SimulatedServo

TICK_S = 0.01


class Bench:
    """A loop over fake arms, ticked by hand."""

    def __init__(self, *, leader: bool = True, follower: bool = True, **settings: Any) -> None:
        self.clock = FakeClock()
        self.leader, self.follower = FakeArm("leader"), FakeArm("follower")
        self.samples: list[JointSample] = []
        self.loop = TeleopLoop(
            self.follower if follower else None,
            self.leader if leader else None,
            TeleopSettings(**{"torque_off_warning_s": 0, **settings}),
            self.samples.append,
            clock=self.clock,
        )

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.pass_s(TICK_S)
            self.loop.step()


def states(samples: list[JointSample]) -> list[JointSample]:
    return [sample for sample in samples if sample.source != "target"]


def targets(samples: list[JointSample]) -> list[JointSample]:
    return [sample for sample in samples if sample.source == "target"]


def test_the_follower_follows_the_leader() -> None:
    bench = Bench()
    bench.leader.position = UPRIGHT.copy()
    bench.tick(300)
    assert bench.follower.position == pytest.approx(UPRIGHT)
    assert bench.loop.status().message == "following the leader"


def test_both_arms_are_published_in_every_tick() -> None:
    bench = Bench()
    before = time.time_ns()
    bench.tick(2)
    assert [sample.source for sample in states(bench.samples)] == ["leader", "follower"] * 2
    assert all(before <= sample.stamp_ns <= time.time_ns() for sample in bench.samples)
    assert (bench.samples[0].position_rad == FOLDED).all()


def test_no_target_is_published_before_the_follower_follows() -> None:
    bench = Bench(teleop_start="match")
    bench.leader.position = UPRIGHT.copy()
    bench.tick(10)
    assert targets(bench.samples) == []
    bench.leader.position = FOLDED + 0.1
    bench.samples.clear()
    bench.tick(3)
    told, led = targets(bench.samples), bench.samples[::3]
    assert [sample.stamp_ns for sample in told] == [sample.stamp_ns for sample in led]
    assert told[0].position_rad == pytest.approx(FOLDED + 0.1)


def test_no_target_is_published_during_an_approach() -> None:
    bench = Bench()
    bench.leader.position = UPRIGHT.copy()
    bench.tick(300)
    first = targets(bench.samples)[0]
    before = next(sample for sample in reversed(states(bench.samples)) if sample.stamp_ns < first.stamp_ns)
    assert before.position_rad == pytest.approx(UPRIGHT, abs=0.05)


def test_a_command_is_published_once_with_all_joints_as_requested() -> None:
    bench = Bench(leader=False)
    bench.tick(1)
    before = time.time_ns()
    bench.loop.command(["wrist_roll"], [0.01], age_s=0.1)
    bench.tick(5)
    (told,) = targets(bench.samples)
    assert told.position_rad == pytest.approx([*FOLDED[:4], 0.01, FOLDED[GRIPPER]])
    assert -1e8 <= told.stamp_ns - before <= time.time_ns() - before


def test_the_gripper_opens_in_proportion() -> None:
    wide = Calibration(
        {**SIMULATED.joints, "gripper": dataclasses.replace(SIMULATED.joints["gripper"], range_max=4000)}
    )
    bench = Bench()
    bench.leader.calibration = wide  # type: ignore[misc]
    bench.leader.position = FOLDED.copy()
    bench.leader.position[GRIPPER] = wide.limits_rad[GRIPPER, 1] / 2
    bench.tick(300)
    assert bench.follower.position[GRIPPER] == pytest.approx(SIMULATED.limits_rad[GRIPPER, 1] / 2)


def test_when_the_leader_is_lost_the_follower_holds_and_is_still_published() -> None:
    bench = Bench(command_timeout_s=0.1)
    bench.tick(2)
    bench.leader.failure = PortError("the cable is gone")
    bench.tick(20)
    goals = len(bench.follower.goals)
    bench.samples.clear()
    bench.tick(3)
    assert len(bench.follower.goals) == goals
    assert [sample.source for sample in bench.samples] == ["follower"] * 3
    status = bench.loop.status()
    assert (status.level, status.message) == (2, "the leader is lost: the cable is gone")
    assert status.values["leader.connected"] == "false"


def test_a_leader_whose_position_is_unknown_is_not_followed() -> None:
    bench = Bench(command_timeout_s=0.1)
    bench.tick(2)
    bench.leader.alarms["elbow_flex"] = Alarm.ENCODER
    bench.leader.position = UPRIGHT.copy()
    bench.tick(20)
    assert bench.follower.position == pytest.approx(FOLDED)
    status = bench.loop.status()
    assert status.level == 1
    assert status.message.startswith("the leader's elbow_flex: its position sensor has failed")


def test_a_returned_leader_is_approached() -> None:
    bench = Bench(command_timeout_s=0.1)
    bench.tick(2)
    bench.leader.failure = PortError("the cable is gone")
    bench.tick(40)
    bench.leader.failure, bench.leader.position = None, UPRIGHT.copy()
    bench.clock.pass_s(0.5)
    bench.tick(1)
    assert np.abs(bench.follower.position - FOLDED).max() < 0.1
    bench.tick(300)
    assert bench.follower.position == pytest.approx(UPRIGHT)


def test_nothing_is_published_while_an_arm_cannot_be_read() -> None:
    bench = Bench(leader=False)
    bench.tick(1)
    bench.follower.failure = PortError("the cable is gone")
    bench.samples.clear()
    bench.tick(50)
    assert bench.samples == []


def test_waiting_for_a_match_is_in_the_status() -> None:
    bench = Bench(teleop_start="match")
    bench.leader.position = UPRIGHT.copy()
    bench.tick(10)
    assert bench.follower.goals[-1] == pytest.approx(FOLDED)
    status = bench.loop.status()
    assert status.level == 1
    assert (
        "waiting for both arms to have the same pose: shoulder_lift differs by 97 degrees" in status.message
    )


def test_commands_drive_a_follower_without_a_leader() -> None:
    bench = Bench(leader=False)
    bench.tick(1)
    for _ in range(300):
        bench.loop.command(JOINTS, UPRIGHT.tolist())
        bench.tick(1)
    assert bench.follower.position == pytest.approx(UPRIGHT)
    assert bench.loop.status().message == "following commands"


def test_after_the_last_command_it_holds() -> None:
    bench = Bench(leader=False)
    bench.tick(1)
    bench.loop.command(["wrist_roll"], [1.0])
    bench.tick(60)
    goals = len(bench.follower.goals)
    bench.tick(10)
    assert len(bench.follower.goals) == goals
    assert bench.loop.status().message == "holding"


def test_a_leader_alone_is_read() -> None:
    bench = Bench(follower=False)
    bench.tick(2)
    bench.loop.command(["wrist_roll"], [1.0])
    assert [sample.source for sample in bench.samples] == ["leader"] * 2
    assert bench.loop.status().message == "reading the leader"


def test_a_loop_without_arms_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither a follower nor a leader"):
        TeleopLoop(None, None, TeleopSettings(), lambda sample: None)


@pytest.mark.parametrize(
    ("settings", "alarm", "kind"),
    [
        ({}, Alarm(0), "teleoperation"),
        ({"teleop": False, "torque": False}, Alarm(0), "torque"),
        ({"teleop": False}, Alarm.OVERHEAT, "danger"),
    ],
)
def test_commands_are_refused_and_counted(settings: dict[str, Any], alarm: Alarm, kind: str) -> None:
    bench = Bench(**settings)
    bench.follower.alarms["elbow_flex"] = alarm
    bench.tick(50)
    bench.loop.command(["wrist_roll"], [1.0])
    assert bench.loop.status().values[f"commands_refused.{kind}"] == "1"


def test_settings_take_effect_at_once() -> None:
    bench = Bench(leader=False)
    bench.tick(1)
    bench.loop.settings = TeleopSettings(command_timeout_s=0.05)
    bench.loop.command(["wrist_roll"], [1.0])
    bench.tick(10)
    assert bench.loop.status().message == "holding"


def test_the_status_names_faults() -> None:
    bench = Bench()
    bench.follower.alarms["gripper"] = Alarm.OVERLOAD
    bench.tick(2)
    assert bench.loop.status().level == 1
    bench.follower.alarms["elbow_flex"] = Alarm.OVERHEAT
    bench.tick(50)
    status = bench.loop.status()
    assert (status.level, status.message) == (
        2,
        "the follower is held: elbow_flex: it is too hot: let it cool down",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"rate_hz": 0},
        {"rate_hz": float("nan")},
        {"teleop_start": "jump"},
        {"torque_on_exit": ""},
        {"max_relative_target": 0.0},
        {"max_relative_target": {"elbow": 5.0}},
        {"max_relative_target": {"elbow_flex": float("nan")}},
        {"largest_jump_rad": float("inf")},
        {"command_timeout_s": -1},
        {"torque_off_warning_s": -1},
    ],
)
def test_invalid_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        TeleopSettings(**change)


@pytest.fixture
def arms() -> Iterator[tuple[Arm, Arm]]:
    with ArmOnSimulation("follower").open() as follower, ArmOnSimulation("leader").open() as leader:
        yield follower, leader


@pytest.fixture
def start(arms: tuple[Arm, Arm]) -> Iterator[Callable[..., tuple[TeleopLoop, list[JointSample]]]]:
    """Start a loop over simulated arms, in its own thread."""
    loops: list[TeleopLoop] = []

    def start(**settings: Any) -> tuple[TeleopLoop, list[JointSample]]:
        samples: list[JointSample] = []
        loops.append(
            TeleopLoop(*arms, TeleopSettings(**{"torque_off_warning_s": 0, **settings}), samples.append)
        )
        loops[0].start()
        eventually(lambda: len(samples) > 2)
        return loops[0], samples

    yield start
    for loop in loops:
        loop.stop()


def simulated(arm: Arm) -> SimulatedArm:
    assert isinstance(arm, ArmOnSimulation)
    return arm.simulation


def follower_samples(samples: list[JointSample]) -> list[JointSample]:
    return [sample for sample in samples if sample.source == "follower"]


def test_the_simulated_follower_follows_the_script(arms, start) -> None:
    loop, _ = start()
    eventually(lambda: loop.status().message == "following the leader")

    def agree() -> bool:
        leader, follower = simulated(arms[1]).pose(), simulated(arms[0]).pose()
        return all(abs(leader[name] - follower[name]) < 0.2 for name in JOINTS)

    eventually(agree)


def test_a_noisy_wire_ends_nothing(arms, start) -> None:
    loop, samples = start()
    for arm in arms:
        faults = simulated(arm).faults
        faults.corrupt = faults.missing = faults.wrong_id = faults.unheard = 0.01
    eventually(lambda: sum(errors.total for arm in arms for errors in arm.errors.values()) > 20)
    count = len(samples)
    eventually(lambda: len(samples) > count + 20)
    status = loop.status()
    assert status.values["follower.connections"] == status.values["leader.connections"] == "1"
    assert any(
        value != "0" for name, value in status.values.items() if name.endswith((".timeouts", ".corrupt"))
    )


@pytest.mark.parametrize(("fault", "mend"), [("unplug", "replug"), ("cut_power", "restore_power")])
def test_a_follower_that_is_lost_is_in_the_status_and_reconnects(fault: str, mend: str, arms, start) -> None:
    loop, samples = start()
    getattr(simulated(arms[0]), fault)()
    eventually(lambda: loop.status().level == 2)
    assert "the follower is lost" in loop.status().message
    last = follower_samples(samples)[-1]
    count = len(samples)
    eventually(lambda: len(samples) > count + 5)
    assert follower_samples(samples)[-1] is last
    getattr(simulated(arms[0]), mend)()
    eventually(lambda: follower_samples(samples)[-1] is not last)
    eventually(lambda: all(servo.get(r.TORQUE_ENABLE) for servo in simulated(arms[0]).servos.values()))


def test_every_sample_is_new(arms, start) -> None:
    _, samples = start(rate_hz=200)
    eventually(lambda: len(follower_samples(samples)) > 50)
    stamps = [sample.stamp_ns for sample in follower_samples(samples)]
    assert len(set(stamps)) == len(stamps)
    assert stamps == sorted(stamps)


def stall(servo: SimulatedServo, hurt: bool) -> None:
    servo.write(r.PROTECTION_TIME.address, b"\x0a")
    servo.stalled = hurt


def heat(servo: SimulatedServo, hurt: bool) -> None:
    servo.write(r.MAX_TEMPERATURE_LIMIT.address, bytes([40 if hurt else 100]))
    servo.overheating = hurt


def starve(servo: SimulatedServo, hurt: bool) -> None:
    servo.supply_v = 3.6 if hurt else 7.4


def dip(servo: SimulatedServo, hurt: bool) -> None:
    if hurt:
        servo.power_cycle()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (stall, "it is overloaded"),
        (heat, "it is too hot"),
        (starve, "its supply voltage is out of range"),
        (dip, "torque lost, perhaps by a voltage drop"),
    ],
)
def test_an_overloaded_joint_holds_the_arm_until_it_is_driven_again(harm, reason: str, arms, start) -> None:
    loop, _ = start()
    elbow = simulated(arms[0]).servos["elbow_flex"]
    harm(elbow, True)
    eventually(lambda: f"the follower is held: elbow_flex: {reason}" in loop.status().message)
    harm(elbow, False)
    eventually(lambda: _enabled(loop))
    eventually(lambda: loop.status().level == 0)
    assert (elbow.get(r.TORQUE_ENABLE), elbow.get(r.ACCELERATION)) == (1, 254)


def _enabled(loop: TeleopLoop) -> bool:
    try:
        loop.enable_teleop(True)
    except DeviceError as error:
        if "elbow_flex" not in str(error):
            raise
        return False
    return True


def test_torque_is_switched_by_other_threads(arms, start) -> None:
    loop, _ = start(teleop=False)
    loop.enable_torque(False)
    assert not any(servo.get(r.TORQUE_ENABLE) for servo in simulated(arms[0]).servos.values())
    with pytest.raises(DeviceError, match="torque is off: switch it on first"):
        loop.enable_teleop(True)
    loop.enable_torque(True)
    loop.enable_teleop(True)
    eventually(lambda: loop.status().message == "following the leader")
    loop.enable_teleop(False)
    assert loop.status().message == "holding"


def test_a_switch_that_fails_gives_the_reason(arms) -> None:
    loop = TeleopLoop(None, arms[1], TeleopSettings(), lambda sample: None)
    with pytest.raises(DeviceError, match="is not running: start it first"):
        loop.enable_torque(True)
    loop.start()
    with pytest.raises(DeviceError, match="there is no follower"):
        loop.enable_torque(True)
    with pytest.raises(DeviceError, match="needs a leader and a follower"):
        loop.enable_teleop(True)
    loop.stop()


@pytest.mark.parametrize(("on_exit", "powered"), [("off", 0), ("hold", 6)])
def test_the_end_leaves_the_torque_as_requested(on_exit: str, powered: int, arms, start) -> None:
    loop, _ = start(torque_on_exit=on_exit)
    servos = simulated(arms[0]).servos.values()
    eventually(lambda: all(servo.get(r.TORQUE_ENABLE) for servo in servos))
    loop.stop()
    assert sum(servo.get(r.TORQUE_ENABLE) for servo in servos) == powered


def test_a_failure_of_the_loop_releases_the_arm(arms, caplog) -> None:
    def publish(sample: JointSample) -> None:
        if all(servo.get(r.TORQUE_ENABLE) for servo in simulated(arms[0]).servos.values()):
            raise RuntimeError("nobody listens")

    loop = TeleopLoop(*arms, TeleopSettings(torque_off_warning_s=0), publish)
    loop.start()
    eventually(lambda: loop.status().level == 2)
    loop.stop()
    assert "nobody listens" in loop.status().message
    assert not any(servo.get(r.TORQUE_ENABLE) for servo in simulated(arms[0]).servos.values())
