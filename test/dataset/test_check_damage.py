"""`check` reports every damage that makes LeRobot fail, and nothing else; test/lerobot asks LeRobot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damages import DAMAGES, DATA, EPISODES, HARMLESS, INFO, STATS, TASKS, VIDEO
from filmed import filmed_dataset

from lerobot_recorder.dataset import check
from lerobot_recorder.dataset.files import CHECKSUMS_PATH
from lerobot_recorder.video import VideoDecoder, probe

MUTATIONS = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = filmed_dataset(tmp_path_factory.mktemp("sound") / "dataset")
    (root / CHECKSUMS_PATH).unlink()  # as of another program
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "dataset"))


def faults(root: Path) -> list[str]:
    return list(check(root, probe, decoder=VideoDecoder()))


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named(root: Path, kind: str) -> None:
    DAMAGES[kind](root)
    found = faults(root)
    assert found
    assert not any("check could not" in fault for fault in found)
    assert all(fault.endswith(".") for fault in found)


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_lerobot_reads_the_same_is_no_fault(root: Path, kind: str) -> None:
    HARMLESS[kind](root)
    assert faults(root) == []


def test_faults_that_differ_in_numbers_are_counted(tmp_path: Path) -> None:
    root = filmed_dataset(tmp_path / "dataset", [1] * 20)
    info = json.loads((root / INFO).read_text())
    info["splits"] = {f"part {number}": f"{number}:99" for number in range(20)}
    (root / INFO).write_text(json.dumps(info))
    found = faults(root)
    assert len(found) == 6
    assert found[-1] == f"15 more faults like: {found[0]}"


# Whatever the files hold, check ends with sentences.

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    1.5,
    10**30,
    "",
    "train",
    "{x}",
    "../..",
    [],
    ["a"],
    {},
    {"a": None},
]


def places(content: Any) -> list[tuple[Any, Any]]:
    """List every place in a JSON document, as its container and its key."""
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    found = [(content, key) for key in list(keys)]
    inner = [content[key] for key in list(keys) if isinstance(content[key], (dict, list))]
    return found + [place for each in inner for place in places(each)]


def change_json(path: Path, rng: np.random.Generator) -> None:
    content = json.loads(path.read_text())
    for _ in range(rng.integers(1, 3)):
        candidates = places(content)
        container, key = candidates[rng.integers(len(candidates))]
        if isinstance(container, dict) and rng.random() < 0.3:
            del container[key]
        else:
            container[key] = VALUES[rng.integers(len(VALUES))]
    path.write_text(json.dumps(content))


def change_bytes(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 9)):
        content[rng.integers(len(content))] = rng.integers(256)
    path.write_bytes(content)


def cut(path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content))])


def remove(path: Path, rng: np.random.Generator) -> None:
    path.unlink()
    if rng.random() < 0.5:
        path.mkdir()


CHANGES: list[tuple[Callable[[Path, np.random.Generator], None], list[str]]] = [
    (change_json, [INFO, STATS]),
    (change_bytes, [INFO, STATS, TASKS, EPISODES, DATA, VIDEO]),
    (cut, [INFO, STATS, TASKS, EPISODES, DATA, VIDEO]),
    (remove, [INFO, STATS, TASKS, EPISODES, DATA, VIDEO]),
]


@pytest.mark.parametrize("change", [change for change, _ in CHANGES], ids=lambda change: change.__name__)
def test_no_content_ends_check_in_a_traceback(
    sound: Path, tmp_path: Path, change: Callable[[Path, np.random.Generator], None]
) -> None:
    names = dict(CHANGES)[change]
    for seed in range(MUTATIONS):
        rng = np.random.default_rng(seed)
        root = Path(shutil.copytree(sound, tmp_path / str(seed)))
        change(root / names[rng.integers(len(names))], rng)
        assert all(isinstance(fault, str) for fault in faults(root)), seed


def test_part_that_cannot_be_checked_is_a_fault(root: Path) -> None:
    def broken(path: Path) -> Any:
        raise RuntimeError("no luck")

    (found,) = check(root, broken)
    assert found.endswith("check stopped here: RuntimeError: no luck.")
