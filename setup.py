"""Installs the package: by pip, by colcon, by `colcon build --symlink-install`."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent  # through the link that `colcon build --symlink-install` makes
NAME = "lerobot_recorder"
SHARE = f"share/{NAME}"
MATPLOTLIB = "matplotlib>=3.8,<4"
KILTED_OR_JAZZY = (
    "ros-rclpy[fastrtps]>=7.1.6,<10",
    "ros-diagnostic-msgs>=5.3.6,<6",
    "ros-geometry-msgs>=5.3.6,<6",
    "ros-sensor-msgs>=5.3.6,<6",
    "ros-std-msgs>=5.3.6,<6",
    "ros-std-srvs>=5.3.6,<6",
    "ros-trajectory-msgs>=5.3.6,<6",
)


def files(directory: str, pattern: str) -> list[str]:
    """List the files that go along with the package."""
    return sorted(str(path.relative_to(HERE)) for path in (HERE / directory).glob(pattern))


setup(
    name=NAME,
    version="0.1.0",
    description="Records robot demonstrations straight into the LeRobotDataset v3.0 format.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="The lerobot_recorder developers",
    maintainer_email="lerobot-recorder@users.noreply.github.com",
    python_requires=">=3.10",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed"]},
    zip_safe=False,
    install_requires=[
        "av>=15,<19",
        "numpy>=1.26,<3",
        "opencv-python-headless>=4.9,<6",
        "pyarrow>=17,<30",
        "pyserial>=3.5,<4",
        "PyYAML>=6,<7",
        "rich>=13,<16",
        "typer>=0.12,<1",
    ],
    extras_require={
        "ros": list(KILTED_OR_JAZZY),
        "test": [
            "pytest>=8,<10",
            "hypothesis>=6.100,<7",
            "feetech-servo-sdk>=1,<2",
            "sk-video>=1.1.10,<2",
            MATPLOTLIB,
        ],
        "demo": [MATPLOTLIB],
        "dev": ["colcon-common-extensions>=0.3,<1", "import-linter>=2,<3", "mypy>=1.11,<3", "ruff>=0.9,<1"],
    },
    entry_points={"console_scripts": ["lerobot-recorder = lerobot_recorder.cli.app:main"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch", "*.launch.py")),
        (f"{SHARE}/config", files("config", "*")),
        # What `ros2 run` and launch files start; pip ignores the `install_scripts` of setup.cfg.
        (f"lib/{NAME}", files("executables", "*")),
    ],
)
