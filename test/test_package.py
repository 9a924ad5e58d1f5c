from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import lerobot_recorder
from lerobot_recorder.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PRINT_VERSION = "import lerobot_recorder; print(lerobot_recorder.__version__)"


def declared_version() -> str:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["metadata"]["version"]


def printed_version(directory: Path, *options: str) -> str:
    python = [sys.executable, *options, "-c", PRINT_VERSION]
    ran = subprocess.run(python, cwd=directory, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_the_api_is_at_the_top():
    assert lerobot_recorder.BatchEncoder.__module__ == "lerobot_recorder.encoding.encoder"
    assert lerobot_recorder.EpisodeRecorder.__module__ == "lerobot_recorder.recording.api"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        lerobot_recorder.Nothing  # noqa: B018


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("errors", ("numpy", "pyarrow", "av", "cv2", "serial", "rclpy")),
        ("discovery", ("numpy", "pyarrow", "av", "cv2", "serial", "rclpy")),
        ("dataset", ("av", "cv2", "serial", "rclpy")),
        ("arms", ("pyarrow", "av", "cv2", "rclpy")),
        ("recording", ("serial", "rclpy")),
        ("encoding", ("serial", "rclpy")),
        ("encoding.encoder", ("cv2", "serial", "rclpy")),
        ("encoding.worker", ("pyarrow", "cv2", "serial", "rclpy")),
        ("encoding.camera", ("pyarrow", "cv2", "serial", "rclpy")),
    ],
)
def test_importing_a_package_imports_only_what_it_needs(module, heavy):
    program = f"import sys, lerobot_recorder.{module}; print(*({set(heavy)} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_each_message_type_is_written_out_once():
    written = Counter(
        node.value
        for path in (ROOT / "lerobot_recorder").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and re.fullmatch(r"\w+/msg/\w+", str(node.value))
    )
    assert written["sensor_msgs/msg/Image"] == 1
    assert [name for name, count in written.items() if count > 1] == []


def test_setup_cfg_package_xml_and_changelog_name_one_version():
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == declared_version()
    released = re.findall(r"^(\d+\.\d+\.\d+) \(.*\)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert released[:1] in ([], [declared_version()])


def test_the_version_is_printed():
    assert lerobot_recorder.__version__ == declared_version()
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"lerobot-recorder {declared_version()}\n")


def test_a_checkout_knows_its_version_without_installation(tmp_path):
    shutil.copytree(ROOT / "lerobot_recorder", tmp_path / "lerobot_recorder")
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    assert printed_version(tmp_path, "-S") == declared_version()  # no site-packages: no metadata


def test_an_installed_package_knows_its_version(tmp_path):
    shutil.copytree(ROOT / "lerobot_recorder", tmp_path / "lerobot_recorder")
    metadata = tmp_path / "lerobot_recorder-1.2.3.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: lerobot_recorder\nVersion: 1.2.3\n")
    assert printed_version(tmp_path) == "1.2.3"


def test_completion_offers_the_python_api_before_it_is_imported():
    program = "import lerobot_recorder; print(*dir(lerobot_recorder))"
    listed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert {"BatchEncoder", "EpisodeRecorder", "__version__"} <= set(listed.split())
