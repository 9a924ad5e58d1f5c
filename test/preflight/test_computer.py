from __future__ import annotations

import os
from collections import namedtuple

import pytest
from filmed import FILMED_FEATURES, filmed_dataset

from lerobot_recorder.arms import JOINTS
from lerobot_recorder.preflight import check_clock, check_dataset, check_disk
from lerobot_recorder.recording import RecorderSettings, Stream, StreamSpec

SO_ARM = RecorderSettings(robot_type="so_follower")
DISK = {"pixels": 640 * 480, "fps": 30, "episode_time_s": 60.0, "num_episodes": 10, "batch": 1}


def streams(*names: str) -> list[Stream]:
    state = StreamSpec("state", "observation.state", names=tuple(f"{name}.pos" for name in names))
    action = StreamSpec("action", "action", names=tuple(f"{name}.pos" for name in names))
    top = StreamSpec("top", "observation.images.top", is_image=True)
    return [Stream(state), Stream(action), Stream(top)]


def checked(root, names=JOINTS, settings=SO_ARM, fps=30):
    return check_dataset(root, fps, streams(*names), {"top": (640, 480)}, settings, is_so_arm=True)


@pytest.fixture
def free(monkeypatch):
    def free(size: int) -> None:
        monkeypatch.setattr("lerobot_recorder.spool.Spool.free_bytes", lambda self: size)

    return free


@pytest.mark.parametrize(
    ("gigabytes", "level"), [(100, "ok"), (1.5, "warning"), (0.5, "fault"), (0.001, "fault")]
)
def test_the_disk_must_have_room_for_one_and_should_for_all(tmp_path, free, gigabytes, level):
    free(int(gigabytes * 1e9))
    found = check_disk(tmp_path / "d", **DISK)
    assert found.level == level, found.text
    assert "10 episodes of 60 s need about 1.9 GB while the encoder keeps up" in found.text
    assert "of images that wait to be encoded" in found.text
    assert "episodes of" not in check_disk(tmp_path / "d", **{**DISK, "num_episodes": 0}).text
    assert "-" not in found.text


def test_a_new_dataset_suits_lerobot(tmp_path):
    found = checked(tmp_path / "d")
    assert (found.level, found.text) == (
        "ok",
        f"{tmp_path}/d: a new dataset; LeRobot can resume and merge it",
    )


def test_what_the_dataset_does_not_accept_is_a_fault(tmp_path):
    root = filmed_dataset(tmp_path / "d")
    found = checked(root)
    assert found.level == "fault"
    assert "cannot be appended to" in found.text
    assert set(FILMED_FEATURES) > {"next.success"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            RecorderSettings(robot_type="so_follower", record_ages=True),
            "only with others that have stream_ages",
        ),
        (RecorderSettings(robot_type="so_follower", record_success=True), "(set by record_success)"),
        (RecorderSettings(robot_type="my_arm"), "robot_type is my_arm, there it is so_follower"),
    ],
)
def test_what_lerobot_would_refuse_is_a_warning(tmp_path, settings, sentence):
    found = checked(tmp_path / "d", settings=settings)
    assert found.level == "warning"
    assert "lerobot-record --resume" in found.text
    assert sentence in found.text


Clock = namedtuple("Clock", "now_s level sentence")


@pytest.mark.parametrize(
    "clock",
    [
        Clock(1_800_000_000, "ok", "2027-01-15"),
        Clock(100, "fault", "1970-01-01 00:01 UTC: this is long ago"),
        Clock(1_760_000_000, "fault", "but the dataset was changed at 2027-01-15"),
    ],
    ids=lambda clock: clock.sentence,
)
def test_the_clock_must_be_later_than_the_dataset(tmp_path, clock):
    info = tmp_path / "meta/info.json"
    info.parent.mkdir()
    info.touch()
    os.utime(info, (1_800_000_000, 1_800_000_000))
    found = check_clock(tmp_path, lambda: clock.now_s)
    assert found.level == clock.level
    assert clock.sentence in found.text
