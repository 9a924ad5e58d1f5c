"""Uploads to a stand-in of the Hugging Face Hub that keeps the bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from filmed import filmed_dataset
from hub import Hub, local_hub

from lerobot_recorder.dataset import spool_path
from lerobot_recorder.editing import DatasetEditor
from lerobot_recorder.errors import ConfigError, DatasetError, HubError
from lerobot_recorder.sharing import Pushed, push, repo_id_of

NAME = "me/pick"

pytestmark = pytest.mark.skipif(
    find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"
)


@pytest.fixture
def hub(monkeypatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with local_hub() as hub:
        yield hub


@pytest.fixture
def root(tmp_path) -> Path:
    return filmed_dataset(tmp_path / "dataset", (4, 5, 6), vcodec="h264")


def upload(hub: Hub, root: Path, **options) -> Pushed:
    return push(root, NAME, "apache-2.0", endpoint=hub.url, token="hf_test", **options)


def local_files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def published(hub: Hub) -> dict[str, bytes]:
    return {name: content for name, content in hub.repos[NAME].files.items() if "/" in name}


def test_the_hub_has_the_same_bytes_a_card_and_the_tag(hub, root):
    seen: list[tuple[int, int]] = []
    done = upload(hub, root, progress=lambda *reached: seen.append(reached))
    repo = hub.repos[NAME]
    assert published(hub) == local_files(root)
    assert repo.tags == {"v3.0": repo.head} == {"v3.0": done.commit}
    header = yaml.safe_load(repo.files["README.md"].decode().split("---\n")[1])
    assert header == {
        "license": "apache-2.0",
        "task_categories": ["robotics"],
        "tags": ["LeRobot"],
        "configs": [{"config_name": "default", "data_files": "data/*/*.parquet"}],
    }
    assert done.url == f"{hub.url}/datasets/{NAME}"
    assert seen[-1] == (done.size_bytes, done.size_bytes)


def test_nothing_is_visible_before_all_files_are_there(hub, root):
    hub.fail_after = 2
    with pytest.raises(HubError, match="run the same command again"):
        upload(hub, root)
    assert published(hub) == {}
    assert hub.repos[NAME].tags == {}


def test_an_interrupted_upload_goes_on_where_it_was(hub, root):
    hub.fail_after = 2
    with pytest.raises(HubError, match=r"the Hub refuses the upload: .*the disk is full"):
        upload(hub, root)
    hub.fail_after = None
    upload(hub, root)
    assert published(hub) == local_files(root)
    assert len(hub.uploads) == len(set(hub.uploads))


def test_a_second_upload_replaces_what_was_edited(hub, root):
    upload(hub, root)
    first = hub.repos[NAME].tags["v3.0"]
    DatasetEditor(root).delete([1])
    (root / "meta/episodes/chunk-000/file-000.parquet").rename(
        root / "meta/episodes/chunk-000/file-001.parquet"
    )
    upload(hub, root, force=True)
    assert published(hub) == local_files(root)
    assert hub.repos[NAME].tags["v3.0"] == hub.repos[NAME].head != first


def test_the_text_of_a_card_and_other_files_stay(hub, root):
    upload(hub, root)
    repo = hub.repos[NAME]
    card = "---\nlicense: mit\ntags:\n- so100\npretty_name: Pick\n---\n# Mine\n\nText --- of mine\n"
    repo.commit({**repo.files, "README.md": card.encode(), "logo.svg": b"logo"}, "edit on the web")
    upload(hub, root)
    header, text = repo.files["README.md"].decode().removeprefix("---\n").split("---\n", 1)
    assert text == "# Mine\n\nText --- of mine\n"
    entries = yaml.safe_load(header)
    assert (entries["license"], entries["tags"], entries["pretty_name"]) == (
        "apache-2.0",
        ["so100", "LeRobot"],
        "Pick",
    )
    assert repo.files["logo.svg"] == b"logo"


def test_a_dataset_with_faults_is_refused_unless_forced(hub, root):
    (root / "data/chunk-000/stray.parquet").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"fault.*--force"):
        upload(hub, root)
    assert hub.repos == {}
    upload(hub, root, force=True)
    assert "data/chunk-000/stray.parquet" in published(hub)


def test_waiting_episodes_are_named(hub, root):
    (spool_path(root) / "ready/20260101-000000").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"1 episode waits .*encode first"):
        upload(hub, root)
    upload(hub, root, force=True)


def test_a_dataset_that_changes_meanwhile_is_not_published(hub, root):
    def change(done: int, total: int) -> None:
        if done == total:
            DatasetEditor(root).delete([0])

    with pytest.raises(DatasetError, match="changed during the upload"):
        upload(hub, root, progress=change)
    assert published(hub) == {}


def test_who_may_not_write_is_told_to_log_in(hub, root):
    hub.forbidden = True
    with pytest.raises(HubError, match="hf auth login"):
        upload(hub, root)


def test_a_hub_that_is_not_there_is_one_sentence(root):
    with pytest.raises(HubError, match="the upload failed"):
        push(root, NAME, "mit", endpoint="http://127.0.0.1:9", token="hf_test", force=True)


@pytest.mark.parametrize(
    ("name", "licence", "fault"),
    [
        ("pick", "mit", "expected user/name"),
        ("a/b/c", "mit", "repo_id"),
        (NAME, "", "license"),
        (NAME, "My own", "license"),
    ],
)
def test_names_are_checked_first(root, name, licence, fault):
    with pytest.raises(ConfigError, match=fault):
        push(root, name, licence, endpoint="http://127.0.0.1:9")


def test_a_dataset_at_home_has_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    assert repo_id_of(tmp_path / "me/pick") == "me/pick"
    with pytest.raises(ConfigError, match="--repo-id"):
        repo_id_of(tmp_path / "elsewhere/me/pick")


def test_the_command_uploads_to_the_hub_of_the_environment(hub, root, tmp_path):
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": "hf_test",
        "NO_PROXY": "127.0.0.1",
    }
    command = [
        sys.executable,
        "-m",
        "lerobot_recorder.cli.app",
        "push",
        root,
        "--repo-id",
        NAME,
        "--license",
        "mit",
    ]
    ran = subprocess.run(map(str, command), env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"{hub.url}/datasets/{NAME}: " in ran.stdout
    assert published(hub) == local_files(root)
