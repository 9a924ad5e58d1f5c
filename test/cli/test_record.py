from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from filmed import filmed_dataset
from takes import a_take
from typer.testing import CliRunner

from lerobot_recorder.arms.calibration import SIMULATED
from lerobot_recorder.cli.app import app
from lerobot_recorder.cli.plan import arguments_by_node, parsed_assignments
from lerobot_recorder.cli.record import beginning
from lerobot_recorder.cli.session import Session
from lerobot_recorder.cli.status import RunStatus
from lerobot_recorder.cli.summary import next_steps
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import EncoderStatus
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.recording import LastEpisode, RecorderStatus
from lerobot_recorder.spool import Spool

COMMAND = [sys.executable, "-c", "from lerobot_recorder.cli.app import main; main()"]
SMALL = [f"-phardware.{name}.{side}" for name in ("top", "wrist") for side in ("width=64", "height=48")]
TRAINING = "--policy.type=act --policy.push_to_hub=false"
MARK = "LEROBOT_RECORDER_TEST_RUN"

needs_ros = pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")


def invoke(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_options_go_to_the_nodes_that_know_them():
    options = {"root": "/data/a b", "num_episodes": 3, "video_encoding_batch_size": 2, "task": None}
    arguments = arguments_by_node(Path("some.yaml"), options, ["hardware.follower.port=/dev/ttyUSB0"])
    common = ["--ros-args", "--params-file", "some.yaml"]
    assert arguments == {
        "hardware": [*common, "-p", "follower.port:=/dev/ttyUSB0"],
        "recorder": [*common, "-p", 'root:="/data/a b"', "-p", "num_episodes:=3"],
        "encoder": [*common, "-p", 'root:="/data/a b"', "-p", "video_encoding_batch_size:=2"],
        "dashboard": [*common, "-p", 'root:="/data/a b"'],
    }


@pytest.mark.parametrize("name", ["left", "/left", "left/"])
def test_a_namespace_is_that_of_every_node(name):
    arguments = arguments_by_node(Path("f"), {}, [], name)
    assert {tuple(each[:3]) for each in arguments.values()} == {("--ros-args", "-r", "__ns:=/left")}


@pytest.mark.parametrize("name", ["two words", "1st", "a//b", "a-b", "$x"])
def test_what_is_no_namespace_is_refused(name):
    with pytest.raises(ConfigError, match=r"--namespace .*: expected letters, digits and _"):
        arguments_by_node(Path("f"), {}, [], name)


@pytest.mark.parametrize("text", ["5", "true", 'say "hi": now', "Würfel 拿起"])
def test_a_task_stays_a_text(text):
    yaml = pytest.importorskip("yaml")
    recorder = arguments_by_node(Path("f"), {"task": text}, [])["recorder"]
    assert yaml.safe_load(recorder[-1].removeprefix("task:=")) == text


@pytest.mark.parametrize("assignment", ["crf=25", "camera.fps=30", "encoder.crf", "encoder.=3"])
def test_a_parameter_needs_node_name_and_value(assignment):
    with pytest.raises(ConfigError, match=r"NODE\.NAME=VALUE"):
        arguments_by_node(Path("f"), {}, [assignment])


def test_a_value_that_is_no_yaml_is_refused_with_its_parameter():
    with pytest.raises(ConfigError, match=r"recorder\.tasks: '\[Push, Pull' is no YAML value: expected "):
        parsed_assignments(["recorder.tasks=[Push, Pull"])


@pytest.mark.parametrize(
    ("text", "value", "as_ros_reads"),
    [
        ("[0:pause, 1:resume]", ["0:pause", "1:resume"], '["0:pause", "1:resume"]'),
        ("[1, 2.5]", [1.0, 2.5], "[1.0, 2.5]"),
        ("", "", '""'),
        ("Würfel, rot", "Würfel, rot", "Würfel, rot"),
    ],
)
def test_values_reach_the_node_as_ros_reads_them(text, value, as_ros_reads):
    assert parsed_assignments([f"recorder.it={text}"]) == {"recorder": {"it": value}}
    given = arguments_by_node(Path("f"), {}, [f"recorder.it={text}"])["recorder"][-1]
    assert given == f"it:={as_ros_reads}"


@pytest.mark.parametrize("text", ["[0: pause]", "{0: pause}", "Pick: red", "[0:pause, 1]", "[[1], [2]]"])
def test_a_value_that_no_parameter_can_hold_is_refused_with_what_to_write(text):
    with pytest.raises(ConfigError, match=r"recorder\.joy_buttons: expected .* quotes"):
        arguments_by_node(Path("f"), {}, [f"recorder.joy_buttons={text}"])


def test_without_ros_it_is_an_error(monkeypatch):
    monkeypatch.setattr("lerobot_recorder.cli.processes.find_spec", lambda name: None)
    result = invoke("record")
    assert result.exit_code == 1
    assert "error: this Python has no ROS 2" in result.output


@pytest.mark.parametrize("names", [("robot", "teleop"), ("follower", "leader")])
@needs_ros
def test_arms_are_described_by_options_in_lerobots_words_and_ours(monkeypatch, tmp_path, names):
    seen = {}

    class Seen(Session):
        def __init__(self, arguments, environment, aliases) -> None:
            seen.update(arguments)
            raise ConfigError("seen")

    monkeypatch.setattr("lerobot_recorder.cli.record.Session", Seen)
    monkeypatch.setattr("lerobot_recorder.cli.record.load_calibration", lambda name, arm: SIMULATED)
    robot, teleop = names
    options = [
        f"--{robot}-id=mine",
        f"--{robot}-port=/dev/a",
        f"--{teleop}-id=its",
        f"--{teleop}-port=/dev/b",
    ]
    place = ["--root", str(tmp_path / "d"), "--fps", "15", "--no-preflight"]
    result = invoke("record", "--hardware", "so101", *place, *options)
    assert "seen" in result.output, result.output
    hardware, recorder = " ".join(seen["hardware"]), " ".join(seen["recorder"])
    for part in ('follower.calibration:="mine"', 'follower.port:="/dev/a"', 'leader.calibration:="its"'):
        assert part in hardware
    assert 'state.calibration:="mine"' in recorder
    assert "fps:=15" in recorder


@needs_ros
@pytest.mark.parametrize(("arm", "flag"), [("follower", "--robot-id"), ("leader", "--teleop-id")])
def test_an_arm_that_is_not_calibrated_is_refused_with_the_command(tmp_path, monkeypatch, arm, flag):
    monkeypatch.setenv("HF_LEROBOT_CALIBRATION", str(tmp_path))
    (tmp_path / "robots/so_follower").mkdir(parents=True)
    SIMULATED.save(tmp_path / "robots/so_follower/mine.json")
    ids = ["--robot-id", "mine" if arm == "leader" else "other", "--teleop-id", "other"]
    result = invoke("record", "--root", str(tmp_path / "d"), *ids)
    assert result.exit_code == 1
    assert f"error: no calibration of the {arm} 'other' at {tmp_path}" in result.output
    assert f"lerobot-recorder calibrate --role {arm} --port /dev/ttyACM" in result.output
    assert flag in result.output
    assert not (tmp_path / "d.spool").exists()


@needs_ros
def test_a_contradiction_is_refused_before_anything_starts(tmp_path):
    wrong = ["-p", "recorder.state.calibration=other", "--robot-id", "mine"]
    result = invoke("record", "--root", str(tmp_path / "d"), *wrong)
    assert result.exit_code == 1
    assert (
        "hardware.follower.calibration is 'mine', but recorder.state.calibration is 'other'" in result.output
    )


def test_the_beginning_tells_a_new_dataset_from_one_that_is_continued(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    place = DatasetPlace("me/cube")
    assert beginning(place) == f"new dataset me/cube in {tmp_path}/me/cube"
    filmed_dataset(tmp_path / "me/cube")
    a_take(Spool(tmp_path / "me/cube")).save()
    expected = f"continuing me/cube in {tmp_path}/me/cube: 3 episodes there, 1 not encoded yet"
    assert beginning(place) == expected
    assert beginning(DatasetPlace("me/other", str(tmp_path / "x"))) == f"new dataset {tmp_path}/x"


def test_the_end_names_what_can_be_done_next(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    arm = {"follower.port": "/dev/ttyACM0", "follower.calibration": "mine"}
    assert dict(next_steps(DatasetPlace("me/cube"), 7, arm)) == {
        "to look at it": "lerobot-recorder show me/cube 7",
        "to replay it": "lerobot-recorder replay me/cube --episode 7 --port /dev/ttyACM0 --calibration mine",
        "to upload it": "lerobot-recorder push me/cube --license apache-2.0",
        "to train on it": f"lerobot-train --dataset.repo_id=me/cube {TRAINING}",
    }
    elsewhere = dict(next_steps(DatasetPlace("me/cube", "/data/my cube"), 7, None))
    assert elsewhere["to look at it"] == "lerobot-recorder show '/data/my cube' 7"
    assert "--dataset.repo_id=me/cube --dataset.root='/data/my cube'" in elsewhere["to train on it"]
    assert elsewhere["to upload it"].endswith("push '/data/my cube' --license apache-2.0 --repo-id me/cube")
    local = dict(next_steps(DatasetPlace("local/so100_sim", "/data/my cube"), 7, None))
    assert local["to upload it"].endswith("--repo-id USER/NAME")
    assert "to replay it" not in elsewhere


@pytest.mark.parametrize(
    ("saved", "asked", "waiting", "missing"),
    [
        (3, 3, 0, []),
        (2, 3, 0, ["2 of 3 episodes were recorded"]),
        (5, 0, 0, []),
        (3, 3, 2, ["episodes that are not in the dataset yet: 2"]),
    ],
)
def test_what_was_asked_for_and_is_missing_makes_the_exit_status_1(saved, asked, waiting, missing):
    run = RunStatus(RecorderStatus(episode=saved + 1, num_episodes=asked))
    assert run.missing(waiting) == missing


@pytest.mark.parametrize(
    ("state", "asked", "is_missing"),
    [
        ("rejected", 0, True),
        ("ready", 0, False),  # accepted, or another one after it
        ("discarded", 0, False),
        ("deleted", 0, False),
        ("rejected", 2, False),  # recorded again until there are 2
    ],
)
def test_a_last_take_that_stays_rejected_makes_the_exit_status_1(tmp_path, state, asked, is_missing):
    root = str(tmp_path / "data")
    last = LastEpisode("7", state=state, reasons=("state: too old",))
    run = RunStatus(RecorderStatus(root=root, episode=3, num_episodes=asked, last=last))
    sentence = f"the last take was rejected (state: too old); to keep it: lerobot-recorder accept {root}"
    assert run.missing(0) == [sentence] * is_missing


def test_a_take_that_was_accepted_elsewhere_is_not_missing(tmp_path):
    root = tmp_path / "data"
    rejected = a_take(Spool(root)).reject("state: too old")
    run = RunStatus(RecorderStatus(root=str(root), last=LastEpisode(rejected.episode_id, state="rejected")))
    assert len(run.missing(0)) == 1
    Spool(root).accept()
    assert run.missing(0) == []


def test_episodes_that_cannot_be_encoded_are_missing():
    run = RunStatus(RecorderStatus(), EncoderStatus(failed=1))
    assert run.missing(0) == ["1 episode could not be encoded"]


@needs_ros
def test_a_missing_parameter_file_is_named():
    result = invoke("record", "--config", "/nowhere/robot.yaml")
    assert result.exit_code == 1
    assert "parameter file /nowhere/robot.yaml does not exist" in result.output


@needs_ros
def test_a_directory_with_something_else_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "thesis.tex").touch()
    result = invoke("record", "--hardware", "sim", "--root", str(tmp_path))
    assert result.exit_code == 1
    assert f"error: {tmp_path}: expected a dataset or an empty directory, found thesis.tex" in result.output
    assert "Traceback" not in result.output


# With the real nodes


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    given = ["record", "--hardware", "sim", "--root", str(root), "--reset-time-s", "0", *SMALL, *arguments]
    environment = {**os.environ, MARK: str(root)}
    return subprocess.Popen(
        [*COMMAND, *given],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    read = []
    for line in process.stdout:
        read.append(line)
        if text in line:
            watchdog.cancel()
            return
    raise AssertionError(f"{text!r} did not come: {''.join(read)}")


def await_rows(root: Path) -> None:
    """Wait until an episode is being recorded, with rows on disk."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        sizes = [rows.stat().st_size for rows in Spool(root).directory("recording").glob("*/rows.bin")]
        if any(sizes):
            return
        time.sleep(0.05)
    raise AssertionError("no row was recorded")


def still_running(root: Path) -> list[str]:
    """The command lines of all processes that came of a recording."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={root}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found


@needs_ros
def test_episodes_become_a_dataset_and_nothing_is_left_running(tmp_path):
    root = tmp_path / "dataset"
    process = start(root, "--num-episodes", "2", "--episode-time-s", "1", "--task", "Pick: it up")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "encoding s" in output
    assert f"new dataset {root}" in output.splitlines()[0]
    assert f"dataset        {root}" in output
    assert f"lerobot-recorder replay {root} --episode 1 --port sim" in output
    assert (tmp_path / "dataset_contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    checked = invoke("check", str(root))
    assert (checked.exit_code, checked.output) == (0, f"{root}: no faults in 2 episodes, 60 frames\n")
    assert still_running(root) == []


@needs_ros
def test_a_dashboard_shows_its_code_and_ends_with_the_recording(tmp_path):
    pytest.importorskip("starlette")
    root, served = tmp_path / "dataset", ("--dashboard-address", "0.0.0.0", "--dashboard-port", "0")
    process = start(root, "--num-episodes", "1", "--episode-time-s", "1", "--dashboard", *served)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "/login?token=" in output
    assert "▀▄" in output
    assert still_running(root) == []


@needs_ros
def test_a_dashboard_that_cannot_be_reached_is_refused_before_anything_starts(monkeypatch, tmp_path):
    pytest.importorskip("starlette")
    monkeypatch.setattr("lerobot_recorder.cli.record.Session", None)
    options = ["record", "--hardware", "sim", "--root", str(tmp_path / "data"), "--dashboard"]
    elsewhere = invoke(*options, "--dashboard-address", "192.0.2.99")
    with socket.create_server(("127.0.0.1", 0)) as other:
        used = invoke(*options, "--dashboard-port", str(other.getsockname()[1]))
    secret = invoke(*options, "-pdashboard.token=short")
    assert [each.exit_code for each in (elsewhere, used, secret)] == [1, 1, 1]
    assert "error: the dashboard cannot listen on 192.0.2.99" in elsewhere.output
    assert "error: the dashboard cannot listen on 127.0.0.1, port" in used.output
    assert "error: token: expected at least 16 characters" in secret.output


@needs_ros
def test_a_missing_extra_is_refused_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setattr("lerobot_recorder.dashboard.extra.find_spec", lambda name: None)
    result = invoke("record", "--hardware", "sim", "--root", str(tmp_path / "data"), "--dashboard")
    assert result.exit_code == 1
    assert "error: the dashboard needs starlette, uvicorn, segno: pip install" in result.output


@needs_ros
@pytest.mark.parametrize("parameter", ["encoder.vcodec=h265x", "recorder.fps=0", "recorder.topic=x"])
def test_a_wrong_parameter_is_refused_before_the_arm_moves(tmp_path, parameter):
    process = start(tmp_path / "dataset", "--num-episodes", "1", "-p", parameter)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert parameter.partition(".")[2].partition("=")[0] in output.splitlines()[-1]
    assert "follow" not in output.lower()


@needs_ros
def test_a_run_that_ends_early_does_not_end_with_status_0(tmp_path):
    process = start(tmp_path / "dataset", "--num-episodes", "3", "--episode-time-s", "1")
    wait_for(process, "is saved")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    assert "of 3 episodes were recorded" in output.splitlines()[-1]


@needs_ros
def test_ctrl_c_saves_the_episode_under_way_and_encodes_it(tmp_path):
    root = tmp_path / "dataset"
    process = start(root, "--num-episodes", "2", "--episode-time-s", "2", "--video-encoding-batch-size", "50")
    wait_for(process, "is saved")
    await_rows(root)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "cut short by the end of the recorder" in output
    assert "no faults in 2 episodes" in invoke("check", str(root)).output
    assert not Spool(root).rejected()
    assert still_running(root) == []


@needs_ros
def test_two_robots_record_side_by_side_each_in_its_namespace(tmp_path, monkeypatch):
    import random

    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.randint(1, 101)))
    runs = {name: tmp_path / name for name in ("left", "right")}
    run = ("--num-episodes", "1", "--episode-time-s", "1", "--task", "Pick")
    processes = [start(root, *run, "--namespace", name) for name, root in runs.items()]
    for process, root in zip(processes, runs.values(), strict=True):
        output = process.communicate(timeout=180)[0]
        assert process.returncode == 0, output
        assert invoke("check", str(root)).output == f"{root}: no faults in 1 episode, 30 frames\n"


@needs_ros
def test_two_robots_in_one_namespace_record_nothing_and_say_so(tmp_path, monkeypatch):
    import random

    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.randint(1, 101)))
    run = ("--num-episodes", "1", "--episode-time-s", "20")
    processes = [start(tmp_path / name, *run) for name in ("one", "two")]
    try:
        for process in processes:
            wait_for(process, "has 2 publishers, whose messages would be mixed: nodes /hardware, /hardware")
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
    for process in processes:
        process.communicate(timeout=120)
    assert not any(Spool(tmp_path / name).ready() for name in ("one", "two"))


@needs_ros
def test_an_error_of_a_node_is_one_sentence(tmp_path):
    process = start(tmp_path / "dataset", "-phardware.follower.port=/dev/no_such_port")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith("error: the hardware node ended:")
    assert "/dev/no_such_port" in last
    assert "Traceback" not in output
    assert still_running(tmp_path / "dataset") == []
