"""Reads a robot's name and its sliding joints from its URDF."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree


def described(descriptions: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the first robot's name, and the joints of all robots that are measured in metres.

    Texts that are not a URDF are skipped.
    """
    robots = [robot for text in descriptions if (robot := _parsed(text)) is not None]
    name = next((robot.get("name", "") for robot in robots), "")
    joints = (joint for robot in robots for joint in robot.iter("joint"))
    return name, tuple(joint.get("name", "") for joint in joints if joint.get("type") == "prismatic")


def _parsed(text: str) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
