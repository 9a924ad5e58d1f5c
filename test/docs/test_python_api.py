from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

DOCUMENT = Path(__file__).parents[2] / "docs" / "python_api.md"


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
    lengths = {"pick_cube": 90, "compressed": 15}
    for name, length in lengths.items():
        data = tmp_path / "datasets" / name / "data/chunk-000/file-000.parquet"
        assert pq.read_metadata(data).num_rows == length
