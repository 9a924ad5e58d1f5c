"""Records the foreign robot with what `discover` writes, and the nodes as they are shipped."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from lerobot_recorder.cli.processes import node_environment

HERE = Path(__file__).parent
_CLI = "from lerobot_recorder.cli.app import main; main()"
# Said, as a busy machine may publish too slowly while `discover` looks.
FPS, EPISODES, EPISODE_S = 30, 2, 2.0


def record_foreign_robot(folder: Path) -> Path:
    """Return the dataset; beside it are `robot.yaml`, `sent.npz` and the logs."""
    environment = node_environment(isolated=True)
    root, file = folder / "dataset", folder / "robot.yaml"
    robot = _start([str(HERE / "foreign_robot.py"), str(folder / "sent.npz")], environment, folder / "robot")
    encoder = None
    try:
        _wait_for("steady", robot, folder / "robot.log")
        _run(["-c", _CLI, "discover", str(file)], environment, folder / "discover")
        encoder = _start(_node("encoder", file, root), environment, folder / "encoder")
        unattended = {"fps": FPS, "num_episodes": EPISODES, "episode_time_s": EPISODE_S, "reset_time_s": 0.2}
        _run(_node("recorder", file, root, **unattended), environment, folder / "recorder")
    finally:
        for process in filter(None, (encoder, robot)):
            process.send_signal(2)
            process.wait(60)
    return root


def _node(name: str, file: Path, root: Path, **parameters: float) -> list[str]:
    values = {"root": root, **parameters}
    given = [word for key, value in values.items() for word in ("-p", f"{key}:={value}")]
    return ["-m", f"lerobot_recorder.nodes.{name}", "--ros-args", "--params-file", str(file), *given]


def _start(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen:
    with log.with_suffix(".log").open("w") as output:
        return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, stderr=output)


def _wait_for(word: str, process: subprocess.Popen, log: Path) -> None:
    while word not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)


def _run(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    status = _start(arguments, environment, log).wait(120)
    assert status == 0, log.with_suffix(".log").read_text()
