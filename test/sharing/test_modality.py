"""How the values of a dataset are grouped for GR00T."""

from __future__ import annotations

import pytest

from lerobot_recorder.sharing.modality import modality

ARM = ("shoulder_pan.pos", "wrist_roll.pos", "gripper.pos")


def groups(names: list[str] | None, size: int) -> dict[str, tuple[int, int]]:
    feature = {"dtype": "float32", "shape": [size], "names": names}
    return {
        name: (each["start"], each["end"]) for name, each in modality({"action": feature})["action"].items()
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([*ARM], {"single_arm": (0, 2), "gripper": (2, 3)}),
        (
            [f"{side}_{name}" for side in ("left", "right") for name in ARM],
            {"left_arm": (0, 2), "left_gripper": (2, 3), "right_arm": (3, 5), "right_gripper": (5, 6)},
        ),
        (["a", "gripper", "b"], {"single_arm": (0, 1), "gripper": (1, 2), "single_arm_2": (2, 3)}),
        (None, {"single_arm": (0, 7)}),
    ],
)
def test_joints_and_grippers_are_groups(names, expected):
    assert groups(names, 7 if names is None else len(names)) == expected


def test_other_observations_are_part_of_the_state():
    features = {
        "observation.state": {"dtype": "float32", "shape": [2], "names": ["x", "gripper"]},
        "observation.effort": {"dtype": "float32", "shape": [2], "names": ["x", "gripper"]},
        "observation.note": {"dtype": "string", "shape": [1], "names": None},
        "next.success": {"dtype": "bool", "shape": [1], "names": None},
    }
    state = modality(features)["state"]
    assert list(state) == ["single_arm", "gripper", "effort"]
    assert state["effort"] == {"start": 0, "end": 2, "original_key": "observation.effort"}
