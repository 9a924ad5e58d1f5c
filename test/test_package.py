from __future__ import annotations

import subprocess
import sys

import pytest

import lerobot_recorder


def test_the_api_is_at_the_top():
    assert lerobot_recorder.BatchEncoder.__module__ == "lerobot_recorder.encoding.encoder"
    assert lerobot_recorder.EpisodeRecorder.__module__ == "lerobot_recorder.recording.api"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        lerobot_recorder.Nothing  # noqa: B018


def test_importing_a_module_does_not_import_the_others():
    program = "import sys, lerobot_recorder.errors; print({'av', 'numpy', 'pyarrow'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
