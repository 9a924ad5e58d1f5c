"""``record`` takes the flags of ``lerobot-record``."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from lerobot_recorder.cli.app import app
from lerobot_recorder.cli.lerobot_flags import FLAGS, translated
from lerobot_recorder.cli.session import Session
from lerobot_recorder.errors import ConfigError

needs_ros = pytest.mark.skipif(find_spec("rclpy") is None, reason="no ROS 2 in this Python")


def made(line: str) -> list[str]:
    return translated(shlex.split(line)).arguments


@pytest.mark.parametrize("form", ["--dataset.repo_id=me/x", "--dataset.repo_id me/x"])
def test_a_value_follows_an_equals_sign_or_a_space(form):
    assert made(f"{form} --num-episodes 3") == ["--repo-id", "me/x", "--num-episodes", "3"]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("--dataset.single_task='Pick up: the cube'", ["--task", "Pick up: the cube"]),
        ("--dataset.root null", []),
        ("--dataset.video_encoding_batch_size 5", ["--video-encoding-batch-size", "5"]),
        ("--dataset.streaming_encoding=false", ["-p", "encoder.encode_while_recording=false"]),
        ("--dataset.rgb_encoder.vcodec=h264", ["-p", 'encoder.vcodec="h264"']),
        ("--dataset.rgb_encoder.extra_options={}", []),
        ("--dataset.depth_encoder.depth_max=4", ["-p", "encoder.depth_max=4"]),
        ("--dataset.push_to_hub=True", ["--push-to-hub", "apache-2.0"]),
        ("--dataset.push_to_hub=false", []),
        ("--dataset.tags=[a,b]", ["--tag", "a", "--tag", "b"]),
        ("--resume", ["--resume"]),
        ("--display_data=true", ["--dashboard"]),
        ("--resume --dataset.fps 15", ["--fps", "15", "--resume"]),
        ("--resume=false", ["--no-resume"]),
        ("--robot.type=so101_follower --teleop.type=so100_leader", ["--hardware", "so101"]),
        ("--robot.port=/dev/a --teleop.port /dev/b", ["--robot-port", "/dev/a", "--teleop-port", "/dev/b"]),
        ("--robot.calibration_dir=/c/ --robot.id=k", ["--robot-id", "k", "--robot-id", "/c/k.json"]),
        ("--robot.max_relative_target=10", ["-p", "hardware.max_relative_target=10"]),
        (
            "--robot.max_relative_target='{gripper: 5}'",
            ["-p", "hardware.max_relative_target_by_joint.gripper=5"],
        ),
        ("--robot.cameras={}", ["-p", 'hardware.cameras=[""]']),
        ("--robot.type=so100_follower --hardware sim", ["--hardware", "so100", "--hardware", "sim"]),
        ("-p encoder.crf=25 --task a.b_c", ["-p", "encoder.crf=25", "--task", "a.b_c"]),
    ],
)
def test_flags_become_options_of_ours(line, arguments):
    assert made(line) == arguments


@pytest.mark.parametrize(
    "cameras",
    [
        "{top: {type: opencv, index_or_path: 0, width: 640, height: 480, fps: 30, fourcc: MJPG}}",
        '{"top": {"type": "opencv", "index_or_path": 0, "width": 640, "height": 480, "fps": 30, '
        '"fourcc": "MJPG", "warmup_s": 2, "rotation": 0}}',
    ],
)
def test_cameras_are_read_as_yaml_and_as_json(cameras):
    assert translated([f"--robot.cameras={cameras}"]).arguments[1::2] == [
        'hardware.cameras=["top"]',
        'hardware.top.source="0"',
        "hardware.top.width=640",
        "hardware.top.height=480",
        "hardware.top.fps=30",
        'hardware.top.pixel_format="mjpeg"',
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--dataset.repo=me/x", "there is no flag --dataset.repo (did you mean --dataset.repo_id?)"),
        ("--num_episodes=3", "there is no flag --num_episodes (did you mean --dataset.num_episodes?)"),
        ("--robot.type=koch_follower", "expected so100_follower or so101_follower, found koch_follower"),
        ("--teleop.type=phone", "expected so100_leader or so101_leader, found phone"),
        ("--robot.left_arm_config.port=/dev/a", "has no counterpart here: record drives one follower"),
        ("--robot.use_degrees=false", "expected true, found false"),
        ("--dataset.video=false", "images are stored as videos"),
        ("--dataset.no_stamp=false", "put a date into the name yourself"),
        ("--config_path=a.yaml", "LeRobot's configuration files are not read"),
        ("--robot.calibration_dir=/c", "expected the arm's id as well"),
        ("--robot.cameras='[top]'", "expected cameras by name"),
        ("--robot.cameras='{top: {type: intelrealsense}}'", "expected the type opencv"),
        ("--robot.cameras='{top: {index_or_path: 0, rotation: 90}}'", "rotation 90 has no counterpart"),
        ("--robot.cameras='{top: {index_or_path: 0, zoom: 2}}'", "found zoom"),
        ("--robot.cameras='{top'", "expected YAML or JSON"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_a_sentence(line, sentence):
    with pytest.raises(ConfigError) as error:
        made(line)
    assert sentence in str(error.value)
    assert "`" not in str(error.value)


def test_a_flag_without_effect_is_reported():
    done = translated(["--dataset.num_image_writer_processes=2"])
    assert done.arguments == []
    assert done.remarks == [
        "--dataset.num_image_writer_processes has no effect here: images wait as they are received, so no "
        "PNG files are written"
    ]


@pytest.mark.parametrize(
    "words", [["--dataset.repo_id"], ["--dataset.repo_id="], ["--robot.port", "--resume"]]
)
def test_a_flag_that_needs_a_value_is_refused_without_one(words):
    with pytest.raises(
        ConfigError, match=r"^--[a-z_.]+: expected a value, as in --[a-z_.]+=VALUE, found none$"
    ):
        translated(words)


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (
            ["--dataset.num_episodes=-1"],
            "--dataset.num_episodes: expected a whole number, at least 0, found -1",
        ),
        (["--num-episodes=-1"], "--num-episodes: expected a whole number, at least 0, found -1"),
        (["--dataset.fps", "fast"], "--dataset.fps: expected a whole number, 1 to 1000, found fast"),
    ],
)
@pytest.mark.parametrize("command", ["record", "preflight"])
def test_a_value_that_is_not_allowed_is_one_sentence_that_names_the_flag_as_typed(command, words, start):
    result = CliRunner().invoke(app, [command, *words])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {start}")
    assert len(result.stderr.splitlines()) == 1


def test_cameras_that_are_no_yaml_are_one_sentence_with_the_place():
    with pytest.raises(
        ConfigError, match=r"^--robot.cameras: expected YAML or JSON at line 1, column \d+, "
    ) as error:
        translated(["--robot.cameras={top: {type: opencv"])
    assert "\n" not in str(error.value)


def test_preflight_accepts_every_option_of_record():
    group = typer.main.get_command(app)
    options = {
        name: {each for param in group.commands[name].params for each in (*param.opts, *param.secondary_opts)}
        for name in ("record", "preflight")
    }
    assert {"--hardware", "--robot-port", "--tag", "--no-preflight"} <= options["record"]
    assert options["record"] <= options["preflight"]


def test_every_flag_can_be_given_without_a_crash():
    for flag in FLAGS:
        try:
            made(f"--{flag.name.replace('*', 'left')}=1")
        except ConfigError:
            continue


@needs_ros
def test_record_takes_a_command_line_of_lerobot_record(monkeypatch, tmp_path):
    seen = {}

    class Seen(Session):
        def __init__(self, arguments, environment, aliases) -> None:
            seen.update(arguments)
            raise ConfigError("seen")

    monkeypatch.setattr("lerobot_recorder.cli.record.Session", Seen)
    line = f"""record --robot.type=so101_follower --robot.port=sim --robot.id=sim --teleop.type=so101_leader
        --teleop.port=sim --teleop.id=sim --dataset.root={tmp_path / "d"} --dataset.num_episodes=2
        --play_sounds=false --dataset.single_task='Grab it'
        --robot.cameras='{{front: {{type: opencv, index_or_path: sim}}}}'"""
    result = CliRunner().invoke(app, shlex.split(line))
    assert "seen" in result.output, result.output
    hardware, recorder = " ".join(seen["hardware"]), " ".join(seen["recorder"])
    assert 'cameras:=["front"]' in hardware
    assert "num_episodes:=2" in recorder
    assert 'task:="Grab it"' in recorder
    assert 'streams:=["state", "action", "front"]' in recorder


@needs_ros
@pytest.mark.parametrize("exists", [False, True])
def test_resume_is_a_claim_that_is_checked(tmp_path, exists):
    if exists:
        (tmp_path / "d.spool/ready/20260101T000000_000000000_ab").mkdir(parents=True)
    flag, sentence = (
        ("--resume=false", "but a dataset exists") if exists else ("--resume", "but there is none")
    )
    result = CliRunner().invoke(app, ["record", "--hardware=sim", f"--root={tmp_path / 'd'}", flag])
    assert result.exit_code == 1
    assert sentence in result.output, result.output


def test_an_error_says_where_all_flags_are_listed():
    result = CliRunner().invoke(app, ["record", "--robot.prt=/dev/a"])
    assert result.exit_code == 1
    assert "docs/from_lerobot_record.md" in result.output
    assert (Path(__file__).parents[2] / "docs/from_lerobot_record.md").is_file()
