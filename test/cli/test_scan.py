from __future__ import annotations

from lerobot_recorder.arms import registers as r


def test_the_servos_of_an_arm_are_listed(invoke, simulated):
    result = invoke("scan", "--port", simulated.port, "--max-id", 8)
    assert result.exit_code == 0
    rows = result.output.splitlines()[1:]
    assert [row.split()[:3] for row in rows] == [
        [str(servo.id), name, "STS3215"] for name, servo in simulated.servos.items()
    ]
    assert "7.4 V" in rows[0]
    assert "28 °C" in rows[0]
    assert "none" in rows[0]


def test_alarms_are_named(invoke, simulated):
    simulated.servos["elbow_flex"].supply_v = 12.0
    result = invoke("scan", "--port", simulated.port, "--max-id", 3)
    assert [row.split()[-1] for row in result.output.splitlines()[1:]] == ["none", "none", "voltage"]


def test_a_servo_that_cannot_be_read_is_listed_among_the_others(invoke, simulated):
    pass_on = simulated.faults.pass_on
    simulated.faults.pass_on = lambda reply: (
        (0, b"") if reply.id == 2 and reply.parameters else pass_on(reply)
    )
    result = invoke("scan", "--port", simulated.port, "--max-id", 3)
    assert result.exit_code == 1
    rows = [line.split() for line in result.output.splitlines()[1:]]
    assert [row[:3] for row in rows[:3]] == [
        ["1", "shoulder_pan", "STS3215"], ["2", "shoulder_lift", "?"], ["3", "elbow_flex", "STS3215"]
    ]  # fmt: skip
    assert "error: read Model_Number: no answer from servo 2 on " in result.output


def test_servos_of_other_speeds_are_found_when_asked_for(invoke, simulated):
    for servo in simulated.servos.values():
        servo.silent = servo.id != 1
    simulated.servos["shoulder_pan"].write(r.BAUD_RATE.address, bytes([r.BAUD_RATES.index(115_200)]))
    without = invoke("scan", "--port", simulated.port, "--max-id", 1)
    assert without.exit_code == 1
    assert "may need --all-baud-rates" in without.output
    found = invoke("scan", "--port", simulated.port, "--max-id", 1, "--all-baud-rates")
    assert found.exit_code == 0
    assert "115200" in found.output


def test_a_bus_without_power_is_one_sentence(invoke, simulated):
    simulated.cut_power()
    result = invoke("scan", "--port", simulated.port, "--max-id", 2)
    assert result.exit_code == 1
    assert result.output.startswith(f"error: no servo answers on {simulated.port}: check the power supply")


def test_a_port_that_does_not_exist_is_one_sentence(invoke):
    result = invoke("scan", "--port", "/dev/no_such_port")
    assert result.exit_code == 1
    assert result.output.startswith("error: port /dev/no_such_port does not exist: plug the arm in")
