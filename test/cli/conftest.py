from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from lerobot_recorder.cli.app import app
from lerobot_recorder.simulation import SimulatedArm


@pytest.fixture
def invoke() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def simulated() -> Iterator[SimulatedArm]:
    with SimulatedArm() as arm:
        yield arm


class ScriptedEnter:
    """An operator who does something each time before Enter is pressed, or looked at.

    Attributes:
        deeds: What is done, one after the other; what returns False is no Enter yet.
    """

    def __init__(self, *deeds: Callable[[], object]) -> None:
        self.deeds = list(deeds)

    def wait(self) -> None:
        self.pressed()

    def pressed(self, timeout_s: float = 0.0) -> bool:
        return self.deeds.pop(0)() is not False


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a scripted operator in front of a command."""

    def sit_down(command: str, *deeds: Callable[[], object]) -> None:
        monkeypatch.setattr(f"lerobot_recorder.cli.{command}.EnterKey", lambda: ScriptedEnter(*deeds))

    return sit_down
