"""Installs the package: by pip, colcon or `colcon build --symlink-install`. Metadata lives in setup.cfg."""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent  # through the link that `colcon build --symlink-install` makes
NAME = "lerobot_recorder"
SHARE = f"share/{NAME}"


def files(directory: str, pattern: str) -> list[str]:
    """List the files that go along with the package."""
    return sorted(str(path.relative_to(HERE)) for path in (HERE / directory).glob(pattern))


setup(
    python_requires=">=3.10",  # from setup.cfg, colcon cannot read it
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch", "*.launch.py")),
        (f"{SHARE}/config", files("config", "*")),
        # What `ros2 run` and launch files start; pip ignores an `install_scripts` in setup.cfg.
        (f"lib/{NAME}", files("executables", "*")),
    ],
)
