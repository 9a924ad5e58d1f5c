from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "python_api.md"
CACHE = DOCUMENT.parents[1] / ".mypy_cache"


def examples() -> str:
    """Return the Python of the document, one block after the other."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))


def test_the_examples_run_as_they_are_printed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-"],
        input=examples(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["episode 0: 45 frames", "episode 1: 45 frames"]
    lengths = {"pick_cube": 105, "compressed": 15}
    for name, length in lengths.items():
        data = tmp_path / "datasets" / name / "data/chunk-000/file-000.parquet"
        assert pq.read_metadata(data).num_rows == length


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_the_examples_pass_a_strict_type_check(tmp_path):
    program = tmp_path / "examples.py"
    program.write_text(examples())
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", CACHE, program],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(DOCUMENT.parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert checked.returncode == 0, checked.stdout
