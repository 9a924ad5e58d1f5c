"""Set-ups in the spool."""

from __future__ import annotations

import pytest
from takes import a_take

from lerobot_recorder.dataset import setup_id
from lerobot_recorder.spool import Spool, keep_setup, setup_of

FILES = {"robot.urdf": "<robot/>", "calibrations/follower.json": "{}"}


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "dataset")


def test_an_episode_has_the_set_up_that_it_was_recorded_with(spool):
    setup = keep_setup(spool.path, FILES)
    assert setup == setup_id(FILES)
    assert setup_of(a_take(spool, setup=setup).save()) == FILES
    assert setup_of(a_take(spool, setup=setup).reject("bad")) == FILES
    assert setup_of(a_take(spool).save()) == {}


def test_equal_set_ups_are_kept_once(spool):
    assert keep_setup(spool.path, FILES) == keep_setup(spool.path, FILES)
    assert [path.name for path in (spool.path / "setups").iterdir()] == [f"{setup_id(FILES)}.json"]


def test_without_files_nothing_is_written(spool):
    assert keep_setup(spool.path, {}) == ""
    assert not spool.path.exists()


def test_a_damaged_set_up_is_none_and_is_written_again(spool):
    episode = a_take(spool, setup=keep_setup(spool.path, FILES)).save()
    path = spool.path / "setups" / f"{setup_id(FILES)}.json"
    path.write_text(path.read_text().replace("robot/", "robot"))
    assert setup_of(episode) == {}
    keep_setup(spool.path, FILES)
    assert setup_of(episode) == FILES
