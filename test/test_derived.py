from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lerobot_recorder.arms import Calibration
from lerobot_recorder.arms.calibration import SIMULATED
from lerobot_recorder.derived import derived_parameters
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.parameter_files import file_parameters

CONFIG = Path(__file__).resolve().parents[1] / "config"
STATE = {"state.topic": "follower/joint_states", "state.unit": "so100"}


def calibration_file(path: Path, gripper_closed: int) -> Path:
    gripper = replace(SIMULATED.joints["gripper"], range_min=gripper_closed)
    Calibration({**SIMULATED.joints, "gripper": gripper}).save(path)
    return path


def derived(hardware: dict[str, Any] | None = None, **others: dict[str, Any]) -> dict[str, dict[str, Any]]:
    given = {"recorder": {}, "encoder": {}, **others}
    return derived_parameters(given if hardware is None else {"hardware": hardware, **given})


def test_a_camera_named_once_is_published_and_recorded():
    recorder = derived({"cameras": ["front", "side"], "side.transport": "compressed"})["recorder"]
    assert recorder == {
        "streams": ["state", "action", "front", "side"],
        "front.topic": "cameras/front/image_raw",
        "side.topic": "cameras/side/image_raw/compressed",
    }


def test_a_camera_that_has_a_stream_gets_no_second_one():
    streams = {"streams": ["state", "view"], "view.topic": "cameras/front/image_raw/compressed"}
    assert derived({"cameras": ["front"]}, recorder=streams)["recorder"] == {}


def test_a_camera_is_only_published_on_request():
    assert derived({"cameras": ["front"], "front.record": False})["recorder"] == {}


def test_no_camera_is_recorded_without_one():
    assert derived({"cameras": [""]})["recorder"] == {}
    assert derived()["recorder"] == {}


def test_a_stream_of_a_camera_that_nobody_publishes_is_refused():
    streams = {"streams": ["top"], "top.topic": "cameras/top/image_raw"}
    with pytest.raises(ConfigError, match=r"hardware\.cameras names no top: expected one of front"):
        derived({"cameras": ["front"]}, recorder=streams)


@pytest.mark.parametrize(("arm", "other"), [("follower", "leader"), ("leader", "follower")])
def test_the_calibration_of_joint_states_is_that_of_their_arm(arm, other):
    hardware = {"cameras": [""], f"{arm}.calibration": "mine", f"{other}.calibration": "another"}
    recorder = {"streams": ["state"], "state.topic": f"{arm}/joint_states", "state.unit": "so100"}
    expected = {"state.calibration": "mine", "state.role": arm}
    assert derived(hardware, recorder=recorder)["recorder"] == expected


def test_a_simulated_arm_has_its_own_calibration():
    recorder = {"streams": ["state"], **STATE}
    found = derived({"cameras": [""], "follower.port": "sim"}, recorder=recorder)["recorder"]
    assert found["state.calibration"] == "sim"


def test_another_calibration_than_that_of_the_arm_is_refused(tmp_path):
    first, second = (calibration_file(tmp_path / f"{closed}.json", closed) for closed in (1500, 1600))
    hardware = {"cameras": [""], "follower.calibration": str(first)}
    recorder = {"streams": ["state"], **STATE, "state.calibration": str(second)}
    with pytest.raises(ConfigError, match=r"follower\.calibration is .* but recorder\.state\.calibration is"):
        derived(hardware, recorder=recorder)
    copy = tmp_path / "copy.json"
    copy.write_bytes(first.read_bytes())
    assert derived(hardware, recorder={**recorder, "state.calibration": str(copy)})["recorder"] == {}


def test_the_encoder_gets_the_dataset_of_the_recorder():
    assert derived(recorder={"repo_id": "me/cube", "root": "/data"})["encoder"] == {
        "repo_id": "me/cube",
        "root": "/data",
    }
    assert derived(recorder={"repo_id": "me/cube"}, encoder={"repo_id": "me/cube"})["encoder"] == {}
    with pytest.raises(
        ConfigError, match=r"recorder\.repo_id is 'me/cube', but encoder\.repo_id is 'me/cup'"
    ):
        derived(recorder={"repo_id": "me/cube"}, encoder={"repo_id": "me/cup"})


@pytest.mark.parametrize("preset", ["so100", "so100_sim"])
def test_our_parameter_files_give_each_fact_once(preset):
    nodes = ("hardware", "recorder", "encoder")
    given = {node: file_parameters(CONFIG / f"{preset}.yaml", f"/{node}") for node in nodes}
    found = derived_parameters(given)
    assert found["recorder"]["streams"] == ["state", "action", "top", "wrist"]
    for stream in ("state", "action"):
        assert found["recorder"][f"{stream}.calibration"] == given["hardware"]["follower.calibration"]
    assert found["encoder"] == {"repo_id": given["recorder"]["repo_id"]}
