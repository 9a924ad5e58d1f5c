"""What colcon installs is all that is needed, and package.xml names what is imported."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
COLCON = shutil.which("colcon", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
SHIPPED = (
    "setup.py",
    "setup.cfg",
    "package.xml",
    "README.md",
    "LICENSE",
    "resource",
    "launch",
    "config",
    "executables",
)
ROS_TOOLS = {"rclpy", "launch", "launch_ros", "ament_index_python", "cv_bridge", "tf2_py"}
ROSDEP_KEYS = {
    "cv2": "python3-opencv",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "rich": "python3-rich",
    "serial": "python3-serial",
    "yaml": "python3-yaml",
}
FROM_PIP = {"av", "pyarrow", "typer"}
OPTIONAL = {
    *("httpx", "huggingface_hub", "ray", "rerun"),
    *("lz4", "mcap", "rosbags", "zstandard"),
    *("segno", "starlette", "uvicorn"),
}
"""Imported by the commands that say how to install them."""
EXECUTABLES = (
    "hardware_node",
    "recorder_node",
    "encoder_node",
    "dashboard_node",
    "replay_node",
    "batch_demo",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "lerobot_recorder"
    package.mkdir(parents=True)
    for name in (*SHIPPED, "lerobot_recorder"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, package / name)
    return tmp_path


def colcon(workspace: Path, *arguments: str) -> str:
    assert COLCON is not None
    ran = subprocess.run([COLCON, *arguments], cwd=workspace, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.skipif(COLCON is None, reason="colcon is not installed")
@pytest.mark.parametrize("options", [[], ["--symlink-install"]], ids=["copied", "linked"])
def test_colcon_installs_the_package(workspace, options):
    assert colcon(workspace, "list").split()[::2] == ["lerobot_recorder", "(ros.ament_python)"]
    setup = workspace / "src" / "lerobot_recorder" / "setup.cfg"
    setup.write_text(re.sub(r"^version = .*", "version = 9.8.7", setup.read_text(), flags=re.MULTILINE))
    colcon(workspace, "build", *options)
    installed = workspace / "install" / "lerobot_recorder"
    assert all(os.access(installed / "lib" / "lerobot_recorder" / name, os.X_OK) for name in EXECUTABLES)
    share = installed / "share" / "lerobot_recorder"
    for directory in ("launch", "config"):
        assert {path.name for path in (share / directory).iterdir()} == {
            path.name for path in (ROOT / directory).iterdir() if path.is_file()
        }
    assert (installed / "share/ament_index/resource_index/packages/lerobot_recorder").is_file()
    assert (installed / "bin" / "lerobot-recorder").is_file()
    if not options:
        (modules,) = installed.glob("lib/python3*/site-packages/lerobot_recorder")
        assert sources(modules) == sources(ROOT / "lerobot_recorder")
        assert printed_version(installed / "bin" / "lerobot-recorder", modules.parent) == "9.8.7"


def printed_version(script: Path, modules: Path) -> str:
    return subprocess.run(
        [sys.executable, script, "--version"],
        env={**os.environ, "PYTHONPATH": str(modules)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[-1]


def sources(package: Path) -> set[str]:
    return {str(path.relative_to(package)) for path in package.rglob("*.py")}


def imported(directory: Path) -> Iterator[str]:
    for path in directory.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def test_package_xml_names_the_ros_packages_that_are_imported():
    named = set(re.findall(r"<exec_depend>(\w+)</exec_depend>", (ROOT / "package.xml").read_text()))
    used = {*imported(ROOT / "lerobot_recorder"), *imported(ROOT / "launch")}
    ros = {name for name in used if name.endswith(("_msgs", "_srvs", "_interfaces")) or name in ROS_TOOLS}
    assert ros - named == set()


def test_package_xml_or_pip_brings_every_other_package_that_is_imported():
    named = set(re.findall(r"<exec_depend>(python3-\w+)</exec_depend>", (ROOT / "package.xml").read_text()))
    assert named == set(ROSDEP_KEYS.values())
    ours = {path.stem for path in (ROOT / "lerobot_recorder").iterdir()} | {"lerobot_recorder"}
    used = {
        name for name in imported(ROOT / "lerobot_recorder") if name not in sys.stdlib_module_names | ours
    }
    ros = {name for name in used if name.endswith(("_msgs", "_srvs", "_interfaces"))} | ROS_TOOLS
    assert used - ros - OPTIONAL == ROSDEP_KEYS.keys() | FROM_PIP


def test_package_xml_is_valid_and_names_the_project():
    package = pytest.importorskip("catkin_pkg.package")
    warnings: list[str] = []
    parsed = package.parse_package(str(ROOT / "package.xml"), warnings=warnings)
    parsed.validate(warnings=warnings)
    assert warnings == []
    assert parsed.get_build_type() == "ament_python"
    assert {url.type for url in parsed.urls} == {"website", "repository", "bugtracker"}
    assert parsed.licenses == ["Apache-2.0"]
    assert "cv_bridge" in {depend.name for depend in parsed.exec_depends}


def requirements(*extras: str) -> dict[str, Requirement]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = [
        setup["options"]["install_requires"],
        *(setup["options.extras_require"][extra] for extra in extras),
    ]
    found = (Requirement(line) for line in "\n".join(lines).splitlines() if line)
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def constraints(name: str) -> dict[str, Version]:
    lines = (ROOT / "constraints" / name).read_text().splitlines()
    pins = (Requirement(line) for line in lines if not line.startswith("#"))
    return {canonicalize_name(pin.name): Version(str(pin.specifier).removeprefix("==")) for pin in pins}


def test_the_lowest_dependencies_are_the_declared_bounds():
    lowest = constraints("lowest.txt")
    for name, requirement in requirements("test").items():
        bounds = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
        assert lowest[name].release[: len(bounds[0].release)] == bounds[0].release, name


def test_what_pip_adds_on_ubuntu_24_04_is_in_the_declared_range():
    pinned = constraints("ubuntu-24.04.txt")
    declared = requirements("test")
    assert all(version in declared[name].specifier for name, version in pinned.items())
    assert pinned["numpy"] < Version("2")  # what its ROS packages are built for
    assert pinned["pyarrow"] < Version("26")  # the first that needs NumPy 2
    assert pinned.keys() >= FROM_PIP


def test_the_newest_dependencies_are_in_the_declared_range():
    newest = constraints("newest.txt")
    for name, requirement in requirements("ros", "test", "docs", "dev").items():
        assert name not in newest or newest[name] in requirement.specifier
    assert requirements().keys() <= newest.keys()
