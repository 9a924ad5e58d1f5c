"""Random damage to a dataset: an episode is added nevertheless, or waits and the encoder reports why."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from takes import STATE, a_take, camera_key
from vectors import episodes_in

from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.encoding import BatchEncoder
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import probe

LENGTH = 5
EARLIER = 3
ROUNDS = {"vectors": 60, "videos": 8}
STRANGE = (None, True, -1, 0, 2.5, float("nan"), "", "x", [], ["a"], {}, {"a": 1}, 2**70)


def take(root: Path, kind: str, **changes: Any) -> str:
    """Record an episode whose rows count up; return its identifier."""
    formats = ("raw",) if kind == "videos" else ()
    writer = a_take(Spool(root), *formats, length=LENGTH, width=64, height=48, **changes)
    return writer.save().episode_id


@pytest.fixture(scope="module", params=ROUNDS)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return a kind of dataset, and the directory of one with some episodes and a waiting one."""
    root = tmp_path_factory.mktemp(request.param) / "data"
    for number in range(EARLIER):
        take(root, request.param, task=f"task {number % 2}")
    with BatchEncoder(root, batch_size=EARLIER):
        pass
    take(root, request.param, task="task 0")
    return request.param, root


# Damage


def flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def blank(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + bytes(min(512, len(content) - start)) + content[start + 512 :]


def empty(content: bytes, rng: random.Random) -> bytes:
    return b""


def places(value: Any) -> list[tuple[Any, Any]]:
    """List all containers of a JSON document with each of their keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def mistyped(content: bytes, rng: random.Random) -> bytes:
    """Remove one entry of a JSON document or line, or change its type."""
    lines = content.splitlines() if content.count(b"}\n{") else [content]
    documents = [json.loads(line) for line in lines]
    container, key = rng.choice([place for document in documents for place in places(document)])
    if isinstance(container, dict) and rng.random() < 0.2:
        del container[key]
    else:
        container[key] = rng.choice(STRANGE)
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def retyped_column(path: Path, rng: random.Random) -> None:
    """Write a parquet file again with a column that is missing, empty or text."""
    table = pq.read_table(path)
    index = rng.randrange(table.num_columns)
    changed = table.remove_column(index)
    if rng.random() < 0.7:
        values = rng.choice(([None] * table.num_rows, ["x"] * table.num_rows, [["a"]] * table.num_rows))
        changed = table.set_column(index, table.column_names[index], [values])
    pq.write_table(changed, path)


def damage(root: Path, rng: random.Random) -> Path:
    """Damage one file of a dataset, and return it."""
    path = rng.choice(sorted(each for each in root.rglob("*") if each.is_file()))
    kinds: list[Callable[[bytes, random.Random], bytes]] = [flip, cut, blank, empty]
    kinds += [mistyped] * 8 if path.suffix in (".json", ".jsonl") else []
    if rng.random() < 0.05:
        path.unlink()
    elif path.suffix == ".parquet" and rng.random() < 0.5:
        retyped_column(path, rng)
    else:
        path.write_bytes(rng.choice(kinds)(path.read_bytes(), rng))
    return path


# What must be


def assert_committed(root: Path, kind: str, episode_id: str) -> None:
    """Check that the episode is the last one, with all its rows, images and provenance."""
    info = load_info(root)
    assert info is not None
    assert info.total_episodes == EARLIER + 1
    tables = [pq.read_table(path).to_pylist() for path in sorted(root.glob("data/*/*.parquet"))]
    rows = [row for table in tables for row in table if row["episode_index"] == EARLIER]
    np.testing.assert_array_equal([row[STATE][0] for row in rows], np.arange(LENGTH))
    assert [row["frame_index"] for row in rows] == list(range(LENGTH))
    recordings = [path.read_bytes() for path in root.glob("meta/recordings/**/*") if path.is_file()]
    assert any(episode_id.encode() in content for content in recordings)
    if kind == "videos":
        found = sorted(root.glob(f"videos/{camera_key('raw')}/*/*.mp4"))
        assert probe(found[-1]).frames in (LENGTH, LENGTH * (EARLIER + 1))


def encode(root: Path, spoil: Callable[[], object]) -> BatchEncoder:
    """Encode the waiting episodes after the dataset was changed."""
    with BatchEncoder(root, batch_size=2) as encoder:
        spoil()
        encoder.retry_failed()
    return encoder


def test_damage_to_a_dataset_loses_no_episode_and_is_reported(sound, tmp_path):
    kind, original = sound
    for seed in range(ROUNDS[kind]):
        root = tmp_path / str(seed) / "data"
        shutil.copytree(original.parent, root.parent)
        run_round(kind, root, original, seed)
        shutil.rmtree(root.parent)


def run_round(kind: str, root: Path, original: Path, seed: int) -> None:
    (episode_id,) = (each.episode_id for each in Spool(root).ready())
    damaged: list[Path] = []
    encoder = encode(root, lambda: damaged.append(damage(root, random.Random(seed))))
    try:
        if encoder.failure is None:
            assert_committed(root, kind, episode_id)
        else:
            assert_waiting_and_mended(root, kind, episode_id, damaged[0], original)
    except Exception as error:
        raise AssertionError(f"seed {seed}, {damaged[0].relative_to(root)}: {encoder.failure}") from error


def assert_waiting_and_mended(root: Path, kind: str, episode_id: str, damaged: Path, original: Path) -> None:
    """Check that the episode still waits, and is encoded once the dataset is restored."""
    spool = Spool(root)
    found = [each for state in ("ready", "committing") for each in episodes_in(spool, state)]
    assert [each.episode_id for each in found] == [episode_id]
    shutil.copy(original / damaged.relative_to(root), damaged)
    assert encode(root, lambda: None).failure is None
    assert_committed(root, kind, episode_id)
