from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lerobot_recorder.cli import contact_sheet as module
from lerobot_recorder.cli.contact_sheet import SheetEpisode, write_contact_sheet
from lerobot_recorder.errors import ConfigError

pytest.importorskip("matplotlib")


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


def drawn(tmp_path: Path, *episodes: SheetEpisode) -> np.ndarray:
    """Return a sheet as RGB."""
    write_contact_sheet(episodes, tmp_path / "new" / "sheet.png")
    return cv2.imread(str(tmp_path / "new" / "sheet.png"))[..., ::-1]


def contains(sheet: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((sheet == color).all(axis=2).any())


def test_frames_of_every_camera_are_shown(tmp_path):
    sheet = drawn(tmp_path, an_episode())
    assert all(contains(sheet, (40 * shade,) * 3) for shade in range(6))
    assert sheet.shape[0] > drawn(tmp_path, an_episode(cameras=1)).shape[0]


def test_each_joint_has_a_curve_of_its_own_color(tmp_path):
    sheet = drawn(tmp_path, an_episode(cameras=0))
    assert contains(sheet, (0, 114, 178))
    assert contains(sheet, (213, 94, 0))


def test_episodes_stand_below_each_other(tmp_path):
    one, two = (drawn(tmp_path, *[an_episode()] * count).shape[0] for count in (1, 2))
    assert two > 1.8 * (one - 32)


@pytest.mark.parametrize("values", [np.full((5, 2), 3.0), np.full((5, 2), np.nan), np.zeros((1, 2))])
def test_odd_values_are_drawn_too(tmp_path, values: np.ndarray):
    no_actions = np.zeros((0, 2), np.float32)
    drawn(tmp_path, an_episode(states=values.astype(np.float32), actions=no_actions))


@pytest.mark.parametrize("text", ["Würfel 拿起", "costs $5 or $6", r"$\broken", "_private"])
def test_any_text_is_drawn(tmp_path, text):
    frames = {text: [np.zeros((48, 64, 3), np.uint8)] * 6}
    drawn(tmp_path, an_episode(title=text, names=[text, "b"], frames=frames))


def test_many_joints_have_a_legend_of_several_lines(tmp_path):
    states = np.zeros((30, 20), np.float32)
    many = an_episode(states=states, actions=states, names=[f"joint {n}" for n in range(20)])
    assert drawn(tmp_path, many).shape[0] > drawn(tmp_path, an_episode()).shape[0]


def test_without_matplotlib_the_error_explains_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIBRARY", "no_such_library")
    with pytest.raises(ConfigError, match=r"pip install matplotlib"):
        write_contact_sheet([an_episode()], tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []
