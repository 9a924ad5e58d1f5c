from __future__ import annotations

import os
import sys

from lerobot_recorder.cli.processes import node_environment
from lerobot_recorder.recording import TERMINAL_VARIABLE


def test_nodes_know_the_terminal_whose_bell_rings(monkeypatch):
    controller, terminal = os.openpty()
    name = os.ttyname(terminal)
    with os.fdopen(terminal, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert node_environment(isolated=False)[TERMINAL_VARIABLE] == name
    os.close(controller)


def test_without_a_terminal_they_know_none(monkeypatch, tmp_path):
    monkeypatch.delenv(TERMINAL_VARIABLE, raising=False)
    with (tmp_path / "log").open("w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert TERMINAL_VARIABLE not in node_environment(isolated=False)
