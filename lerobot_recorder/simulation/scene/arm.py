"""The SO-100 and the cube as solids: printed parts, servos and horns, with their real sizes."""

from __future__ import annotations

from collections.abc import Iterator

from lerobot_recorder.simulation.scene.solids import Assembly, Solid, box, cylinder, prism
from lerobot_recorder.simulation.tabletop import CUBE_SIDE

PRINTED = (243, 178, 38)
SERVO = (38, 39, 42)
HORN = (120, 122, 126)
BOARD = (28, 74, 60)
CUBE = (38, 96, 190)

_SIDES = ((-0.0245, -0.0195), (0.0195, 0.0245))  # the two plates of a bracket, in y


def build() -> Assembly:
    """Return everything that is drawn: the links as named by ``kinematics.forward``, and ``cube``."""
    half = CUBE_SIDE / 2
    cube = box("cube", CUBE, (-half, -half, -half), (half, half, half))
    return Assembly(
        [*_base(), *_shoulder(), *_upper_arm(), *_forearm(), *_wrist(), *_gripper(), *_jaw(), cube]
    )


def _base() -> Iterator[Solid]:
    yield box("base", PRINTED, (-0.085, -0.048, 0.0), (0.028, 0.048, 0.010))
    yield box("base", PRINTED, (-0.044, -0.020, 0.010), (0.020, 0.020, 0.050))
    yield box("base", SERVO, (-0.035, -0.0124, 0.050), (0.0105, 0.0124, 0.060))
    yield box("base", PRINTED, (-0.080, -0.034, 0.010), (-0.074, 0.034, 0.062))
    yield box("base", BOARD, (-0.074, -0.030, 0.014), (-0.071, 0.030, 0.058))


def _shoulder() -> Iterator[Solid]:
    yield cylinder("shoulder", HORN, "z", (0.0, 0.0, 0.0105), (0.060, 0.064))
    yield box("shoulder", PRINTED, (-0.022, -0.024, 0.064), (0.046, 0.024, 0.074))
    yield box("shoulder", PRINTED, (0.012, -0.0225, 0.074), (0.048, 0.0225, 0.100))
    yield box("shoulder", SERVO, (0.018, -0.0175, 0.084), (0.0428, 0.0175, 0.128))


def _upper_arm() -> Iterator[Solid]:
    yield from _horns("upper_arm")
    plate = [(-0.015, -0.006), (0.0, -0.015), (0.015, -0.006), (0.026, 0.088), (-0.006, 0.092)]
    holder = [(-0.010, 0.086), (0.032, 0.086), (0.026, 0.103), (-0.010, 0.125)]
    for span in _SIDES:
        yield prism("upper_arm", PRINTED, "y", plate, span)
    yield box("upper_arm", PRINTED, (-0.010, -0.0195, 0.034), (0.018, 0.0195, 0.060))
    yield prism("upper_arm", PRINTED, "y", holder, (-0.0225, 0.0225))
    yield box("upper_arm", SERVO, (-0.0071, -0.0175, 0.1002), (0.0381, 0.0175, 0.1250))


def _forearm() -> Iterator[Solid]:
    yield from _horns("forearm")
    plate = [(-0.006, 0.015), (-0.015, 0.0), (-0.006, -0.015), (0.078, -0.014), (0.078, 0.018)]
    for span in _SIDES:
        yield prism("forearm", PRINTED, "y", plate, span)
    yield box("forearm", PRINTED, (0.036, -0.0195, -0.012), (0.062, 0.0195, 0.016))
    yield box("forearm", PRINTED, (0.074, -0.0225, -0.013), (0.112, 0.0225, 0.022))
    yield box("forearm", SERVO, (0.0998, -0.0175, -0.0072), (0.1450, 0.0175, 0.0176))


def _wrist() -> Iterator[Solid]:
    yield from _horns("wrist")
    plate = [(-0.006, 0.013), (-0.013, 0.0), (-0.006, -0.013), (0.030, -0.015), (0.030, 0.015)]
    for span in _SIDES:
        yield prism("wrist", PRINTED, "y", plate, span)
    yield box("wrist", PRINTED, (0.022, -0.0245, -0.018), (0.030, 0.0245, 0.018))
    yield box("wrist", SERVO, (0.030, -0.0124, -0.030), (0.0575, 0.0124, 0.0152))


def _gripper() -> Iterator[Solid]:
    yield cylinder("gripper", HORN, "x", (0.0, 0.0, 0.0105), (-0.0036, 0.0))
    yield box("gripper", PRINTED, (0.0, -0.024, -0.026), (0.008, 0.024, 0.024))
    yield box("gripper", SERVO, (0.0110, -0.0175, -0.0149), (0.0358, 0.0175, 0.0303))
    yield box("gripper", PRINTED, (0.008, -0.022, -0.026), (0.044, 0.022, -0.0149))
    finger = [(0.040, -0.026), (0.040, -0.011), (0.060, -0.0065), (0.0985, -0.006), (0.0985, -0.0105)]
    yield prism("gripper", PRINTED, "y", finger, (-0.011, 0.011))


def _jaw() -> Iterator[Solid]:
    yield cylinder("jaw", HORN, "y", (0.0, 0.0, 0.0105), (-0.0215, 0.0215))
    plate = [(-0.011, -0.006), (-0.008, 0.011), (0.030, 0.012), (0.030, -0.008)]
    for span in _SIDES:
        yield prism("jaw", PRINTED, "y", plate, span)
    heel = [(0.022, 0.012), (0.022, -0.006), (0.050, -0.002), (0.050, 0.007)]
    finger = [(0.045, 0.008), (0.080, -0.0065), (0.0785, -0.0128), (0.045, -0.003)]
    yield prism("jaw", PRINTED, "y", heel, (-0.0195, 0.0195))
    yield prism("jaw", PRINTED, "y", finger, (-0.011, 0.011))


def _horns(link: str) -> Iterator[Solid]:
    """The discs with which the servo of the joint before turns this link."""
    for span in ((-0.0265, -0.0245), (0.0245, 0.0265)):
        yield cylinder(link, HORN, "y", (0.0, 0.0, 0.0105), span)
