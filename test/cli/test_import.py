from __future__ import annotations

import os
import resource
import shutil

import pytest

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

from bagged import START_NS, write_bag, write_config

from lerobot_recorder.dataset import load_info
from lerobot_recorder.importing.bag_import import BagReport
from lerobot_recorder.importing.session import ImportSession
from lerobot_recorder.spool import Spool


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path / "robot.yaml", encoder={"crf": 40})


def test_a_dry_run_shows_and_draws_the_episodes_and_writes_nothing(invoke, tmp_path, config):
    bag = write_bag(tmp_path / "bag.mcap", 3, silent=[(2, 2.7)])
    root = tmp_path / "data"
    ranges = ("--range", "0,1,Wipe", "--range", "1.5,")
    result = invoke("import", bag, "--config", config, "--root", root, "--dry-run", *ranges)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.strip()]
    columns = ("bag", "episode", "start (UTC)", "at s", "length s", "rows", "verdict", "task")
    assert lines[0].split() == " ".join(columns).split()
    assert "good" in lines[1]
    assert lines[1].split()[-1] == "Wipe"
    assert "bad" in lines[2]
    drawn = next(line for line in lines if line.endswith("bag.mcap, 3.0 s"))
    assert [mark for mark in "█▒" if mark in drawn] == ["█", "▒"]
    assert drawn.index("█") < drawn.index("▒")
    assert "episode 1: state: " in result.output
    assert "had no sample within 0.5 s" in result.output
    assert not root.exists()
    assert not Spool(root).path.exists()


def test_a_table_keeps_its_numbers_beside_a_long_name_and_task(invoke, tmp_path, config, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    bag = write_bag(tmp_path / "rosbag2_2026_09_21-14_14_01_kitchen", 1)
    task = "Put all of the cutlery into the upper drawer and close it"
    where = ("--config", config, "--root", tmp_path / "data", "--task", task)
    result = invoke("import", bag, *where, "--dry-run")
    (row,) = (line for line in result.output.splitlines() if "good" in line)
    assert row.startswith(f"{bag.name}  0 ")
    assert row.rstrip().endswith(task)
    assert "…" not in result.output


def test_bags_become_a_dataset_with_the_encoder_of_the_file(invoke, tmp_path, config):
    bags = [write_bag(tmp_path / f"{n}.mcap", 1.5, start_ns=START_NS + n * 10**10) for n in range(2)]
    root = tmp_path / "data"
    arguments = (
        "import",
        *bags,
        "--config",
        config,
        "--root",
        root,
        "--task",
        "Wipe",
        "-p",
        "recorder.fps=10",
    )
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    info = load_info(root)
    assert (info.total_episodes, info.fps) == (2, 10)
    assert info.features["observation.images.cam"]["info"]["video.crf"] == 40
    assert Spool(root).waiting() == []
    again = invoke(*arguments)
    assert again.exit_code == 0
    assert again.output.count("imported already: 1 episode (0)") == 2
    assert load_info(root).total_episodes == 2
    shown = invoke("show", root, "1")
    assert f"imported from  {bags[1]}" in " ".join(shown.output.split(" ")), shown.output


def test_headers_of_another_clock_are_told_although_they_are_not_used(invoke, tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 1, camera_ahead_s=9)
    config = write_config(tmp_path / "robot.yaml", "receive")
    result = invoke("import", bag, "--config", config, "--root", tmp_path / "data", "--dry-run")
    assert result.exit_code == 0
    assert "cam: the headers are 8.96 s ahead of the log times (median), and are not used" in result.output


def test_a_bag_without_an_episode_has_a_line_and_what_is_missing_of_it_too(invoke, tmp_path, config):
    large = {"sizes": {0: (640, 480)}}  # in several chunks
    bags = [write_bag(tmp_path / f"{n}.mcap", 3, start_ns=START_NS + n * 10**10, **large) for n in range(2)]
    os.truncate(bags[1], bags[1].stat().st_size * 3 // 4)
    (tmp_path / "cuts.csv").write_text("start,end,task,bag\n0,1,Wipe,0.mcap\n")
    where = ("--config", config, "--root", tmp_path / "data", "--dry-run", "--csv", tmp_path / "cuts.csv")
    result = invoke("import", *bags, *where)
    assert result.exit_code == 3, result.output
    after = " ".join(result.output.split("  1.mcap, ")[1].split())
    assert "no episode: no mark or time range is for this bag" in after
    assert "1.mcap has no end" in after


def test_an_interrupted_dry_run_fails_and_does_not_call_bags_empty(invoke, tmp_path, config, monkeypatch):
    bag = write_bag(tmp_path / "bag.mcap", 0.2)

    def interrupted(session, *_):
        session.reports.append(BagReport(bag))
        return False

    monkeypatch.setattr(ImportSession, "run", interrupted)
    result = invoke("import", bag, "--config", config, "--root", tmp_path / "data", "--dry-run")
    assert result.exit_code == 1
    assert "interrupted" in result.output
    assert "no episode" not in result.output


@pytest.fixture
def small_files():
    """Let no file grow beyond 60 kB: writing more fails as on a full disk, in worker processes, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_an_import_with_one_sentence_and_whole_episodes_stay(
    invoke, tmp_path, config, request
):
    bag, root = write_bag(tmp_path / "bag.mcap", 5), tmp_path / "data"
    request.getfixturevalue("small_files")
    ranges = ("--range", "0,0.5", "--range", "0.6,", "--no-encode")
    result = invoke("import", bag, "--config", config, "--root", root, *ranges)
    assert result.exit_code == 1
    (sentence,) = (line for line in result.output.splitlines() if line.startswith("error: "))
    assert "no space left on the disk" in sentence
    assert "run the same command again" in sentence
    spool = Spool(root)
    assert [each.manifest.source["number"] for each in spool.ready()] == [0]
    assert not spool.paths("recording")


def test_a_bag_that_is_cut_short_is_imported_with_a_status_of_its_own(invoke, tmp_path, config):
    bag = write_bag(tmp_path / "bag.mcap", 3, sizes={0: (320, 240)})
    os.truncate(bag, bag.stat().st_size * 3 // 4)
    result = invoke("import", bag, "--config", config, "--root", tmp_path / "data", "--no-encode")
    assert result.exit_code == 3
    assert "bag.mcap has no end, because its recorder was killed" in result.output
    assert len(Spool(tmp_path / "data").ready()) == 1
    os.truncate(bag, 4000)
    result = invoke("import", bag, "--config", config, "--root", tmp_path / "data", "--no-encode")
    assert result.exit_code == 1
    assert "there is nothing to import: bag.mcap has no end" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--gap", "1", "--from-recorder"), "--from-recorder and --gap: give only one of them"),
        (("--marks", "/joy:a"), "expected TOPIC or TOPIC:BUTTON"),
        (("--range", "3"), "expected START,END"),
        (("-p", "recorder.fsp=3"), "recorder has no parameter 'fsp' (did you mean 'fps'?)"),
        (("--csv", "none.csv"), "cannot read none.csv: it does not exist: check the path"),
        (("--csv", "/"), "cannot read /: it is a directory: give the path of a CSV file"),
        (("--range", "nan,2"), "error: --range nan,2: 'nan' is no time: expected seconds"),
        (("--gap", "inf"), "error: --gap inf: expected a number of seconds"),
    ],
)
def test_options_that_cannot_be_are_refused(invoke, tmp_path, config, options, reason):
    bag = write_bag(tmp_path / "bag.mcap", 0.2)
    result = invoke("import", bag, "--config", config, "--root", tmp_path / "data", *options)
    assert result.exit_code == 1
    assert reason in " ".join(result.output.split())


def test_a_line_for_a_bag_that_is_not_given_fails_and_the_others_are_imported(invoke, tmp_path, config):
    bag, csv = write_bag(tmp_path / "monday.mcap", 1), tmp_path / "cuts.csv"
    csv.write_text("start,end,task,bag\n0,0.5,,monday\n0,1,,mnday\n0.6,1,,mnday\n,,,sunday\n")
    where = ("--config", config, "--root", tmp_path / "data", "--no-encode")
    result = invoke("import", bag, *where, "--csv", csv)
    assert result.exit_code == 1
    assert len(Spool(tmp_path / "data").ready()) == 1
    output = " ".join(result.output.split())
    assert f"error: {csv}:3, 4: no bag is named 'mnday': expected monday.mcap" in output
    assert f"error: {csv}:5: no bag is named 'sunday': expected monday.mcap" in output


def test_a_line_for_a_copy_of_another_bag_is_not_lost_without_a_word(invoke, tmp_path, config):
    bag, csv = write_bag(tmp_path / "monday.mcap", 1), tmp_path / "cuts.csv"
    copy = shutil.copy(bag, tmp_path / "copy.mcap")
    csv.write_text("start,end,task,bag\n0,0.5,,monday\n0.6,1,,copy\n")
    where = ("--config", config, "--root", tmp_path / "data", "--dry-run")
    result = invoke("import", bag, copy, *where, "--csv", csv)
    assert result.exit_code == 1
    assert f"error: {csv}:3: no bag is named 'copy': expected monday.mcap" in result.output


def test_what_a_bag_lacks_of_a_time_range_has_a_line_and_a_status(invoke, tmp_path, config):
    bag = write_bag(tmp_path / "bag.mcap", 3)
    where = ("--config", config, "--root", tmp_path / "data", "--dry-run")
    result = invoke("import", bag, *where, "--range", "2,9")
    assert result.exit_code == 3, result.output
    ends = "episode 0: the bag ends at 2.99 s, 6.01 s before the end of the time range"
    assert ends in " ".join(result.output.split())
    result = invoke("import", bag, *where, "--range", "2,3.03")
    assert result.exit_code == 0, result.output
    assert "before the end" not in result.output


def test_episodes_without_a_task_are_counted(invoke, tmp_path):
    bag = write_bag(tmp_path / "bag.mcap", 1)
    where = ("--config", write_config(tmp_path / "r.yaml", task=""), "--root", tmp_path / "data", "--dry-run")
    assert "without a task: 1 episode (--task" in invoke("import", bag, *where).output
    assert "without a task" not in invoke("import", bag, *where, "--task", "Wipe").output


def test_a_second_import_at_the_same_time_is_refused_in_one_sentence(invoke, tmp_path, config):
    bag, root = write_bag(tmp_path / "bag.mcap", 0.5), tmp_path / "data"
    spool = Spool(root)
    spool.require()
    lock = spool.lock_import()
    result = invoke("import", bag, "--config", config, "--root", root)
    lock.release()
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert f"error: {root}: another import into this dataset is running (process {os.getpid()})" in output
    assert output.endswith("try again when it has finished")
    assert "recorder" not in output.partition("another import")[2]


def test_a_bag_that_cannot_be_imported_does_not_stop_the_others(invoke, tmp_path, config):
    far = write_bag(tmp_path / "far.mcap", 1, camera_ahead_s=9)
    bags = [far, tmp_path / "none", write_bag(tmp_path / "b.mcap", 1)]
    result = invoke("import", *bags, "--config", config, "--root", tmp_path / "data", "--no-encode")
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert "the headers of cam differ from the log times" in output
    problems = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert [("far.mcap" in line, "none" in line) for line in problems] == [(False, True), (True, False)]
    assert "1 episode waits: lerobot-recorder encode" in output
    assert len(Spool(tmp_path / "data").ready()) == 1
