from __future__ import annotations

import cv2
import numpy as np
import pytest

from lerobot_recorder.cli.contact_sheet import SheetEpisode, draw_contact_sheet, write_contact_sheet


def an_episode(rows: int = 30, cameras: int = 2, **changes: object) -> SheetEpisode:
    curves = np.linspace(-90, 90, rows * 2, dtype=np.float32).reshape(rows, 2)
    frames = [np.full((48, 64, 3), 40 * shade, np.uint8) for shade in range(6)]
    values = {
        "title": "Episode 0",
        "seconds": rows / 30,
        "frames": {f"camera {number}": frames for number in range(cameras)},
        "names": ["pan", "gripper"],
        "states": curves,
        "actions": curves + 5,
    }
    return SheetEpisode(**{**values, **changes})  # type: ignore[arg-type]


def contains(sheet: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((sheet == colour).all(axis=2).any())


def test_frames_of_every_camera_are_shown():
    sheet = draw_contact_sheet([an_episode()])
    assert all(contains(sheet, (40 * shade,) * 3) for shade in range(6))
    assert sheet.shape[0] > draw_contact_sheet([an_episode(cameras=1)]).shape[0]


def test_each_joint_has_a_curve_of_its_own_colour():
    sheet = draw_contact_sheet([an_episode(cameras=0)])
    assert contains(sheet, (0, 114, 178))
    assert contains(sheet, (213, 94, 0))


def test_episodes_stand_below_each_other():
    one, two = (draw_contact_sheet([an_episode()] * count).shape[0] for count in (1, 2))
    assert two > 1.8 * (one - 32)


@pytest.mark.parametrize("values", [np.full((5, 2), 3.0), np.full((5, 2), np.nan), np.zeros((1, 2))])
def test_odd_values_are_drawn_too(values: np.ndarray):
    draw_contact_sheet([an_episode(states=values.astype(np.float32), actions=np.zeros((0, 2), np.float32))])


def test_a_title_in_any_script_is_drawn():
    draw_contact_sheet([an_episode(title="Würfel 拿起")])


def test_it_is_written_as_a_png(tmp_path):
    write_contact_sheet([an_episode()], tmp_path / "new" / "sheet.png")
    assert cv2.imread(str(tmp_path / "new" / "sheet.png")).ndim == 3
