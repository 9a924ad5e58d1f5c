"""What is wrong with a picture: by itself, and compared with that of the last session.

Sharpness is the variance of the Laplacian divided by that of the picture, so that the light does not matter.
Whether a camera was moved follows from the edges in both pictures: phase correlation finds the shift, and the
correlation after the shift shows whether it explains the difference. The thresholds were chosen with pictures
of the simulated cameras: an arm in another pose, noise and dimmed light stay without a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.preflight.finding import FAULT, WARNING
from lerobot_recorder.preflight.reference import Reference

Picture = NDArray[np.uint8]

_SIZE = (160, 120)
_SHARPNESS_SIZE = (320, 240)
_BLACK, _WHITE = 16, 250
_MOST_BLACK, _MOST_WHITE = 0.98, 0.5
_FLAT = 2.0
_BLURRED = 0.4
_LEAST_SHIFT = 0.01
_EXPLAINED, _GAIN, _ALIKE, _UNLIKE = 0.4, 0.15, 0.5, 0.38


@dataclass(frozen=True)
class Match:
    """How far a picture is shifted against another, and how alike they are.

    Attributes:
        shift: fractions of width and height by which the content has moved, to the right and down
        unshifted: correlation of the edges as they are, -1 to 1
        shifted: correlation after the shift is taken back
    """

    shift: tuple[float, float]
    unshifted: float
    shifted: float

    @property
    def has_moved(self) -> bool:
        """Whether a shift explains the difference."""
        is_far = max(map(abs, self.shift)) >= _LEAST_SHIFT
        return is_far and self.shifted >= _EXPLAINED and self.shifted - self.unshifted >= _GAIN

    @property
    def best(self) -> float:
        """The better correlation."""
        return max(self.unshifted, self.shifted)


def problems(name: str, picture: Picture, references: Mapping[str, Reference]) -> Iterator[tuple[str, str]]:
    """Yield level and text of what is wrong with a camera's picture.

    Args:
        name: name of the camera
        picture: RGB, uint8, (height, width, 3)
        references: pictures of the last session by camera
    """
    fault = exposure_fault(picture)
    if fault:
        yield FAULT, fault
        return
    if (reference := references.get(name)) is None:
        return
    if exposure_fault(reference.picture):
        return
    match = compare(picture, reference.picture)
    if match.has_moved:
        height, width, _ = picture.shape
        right, down = round(match.shift[0] * width), round(match.shift[1] * height)
        yield WARNING, f"moved since last time: its picture is shifted by {right}, {down} pixels"
    elif match.best < _UNLIKE:
        yield _unlike(name, picture, references)
    elif (ratio := sharpness(picture) / max(sharpness(reference.picture), 1e-9)) < _BLURRED:
        yield WARNING, f"out of focus: {ratio:.0%} as sharp as last time: clean the lens, set its focus"


def _unlike(name: str, picture: Picture, references: Mapping[str, Reference]) -> tuple[str, str]:
    others = {
        other: compare(picture, each.picture).best for other, each in references.items() if other != name
    }
    alike = max(others, key=lambda other: others[other], default="")
    if alike and others[alike] >= _ALIKE:
        return FAULT, f"shows what {alike} showed last time: swapped?"
    return WARNING, "shows something else than last time: was it moved, or the arm it is mounted on?"


def exposure_fault(picture: Picture) -> str:
    """Return what is wrong with the light in a picture; empty if nothing is."""
    grey = _grey(picture, _SIZE)
    if (grey < _BLACK).mean() >= _MOST_BLACK:
        return "the picture is black: lens cap, light or exposure?"
    if (grey >= _WHITE).mean() >= _MOST_WHITE:
        return f"overexposed: {(grey >= _WHITE).mean():.0%} of the picture is white"
    if grey.std() < _FLAT:
        return "the picture has no content: it is of one colour"
    return ""


def sharpness(picture: Picture) -> float:
    """Return how sharp a picture is; only for comparisons of the same scene."""
    grey = _grey(picture, _SHARPNESS_SIZE)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / max(float(grey.var()), 1e-9))


def compare(picture: Picture, reference: Picture) -> Match:
    """Compare the edges in two pictures."""
    edges, known = _edges(picture), _edges(reference)
    window = cv2.createHanningWindow(_SIZE, cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(known, edges, window)
    back = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
    moved_back = np.asarray(cv2.warpAffine(edges, back, _SIZE), np.float32)
    return Match(
        (right / _SIZE[0], down / _SIZE[1]), _correlation(known, edges), _correlation(known, moved_back)
    )


def _grey(picture: Picture, size: tuple[int, int]) -> NDArray[np.float32]:
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    return grey.astype(np.float32)


def _edges(picture: Picture) -> NDArray[np.float32]:
    grey = cv2.GaussianBlur(_grey(picture, _SIZE), (0, 0), 1.0)
    edges = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return edges.astype(np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = one - one.mean(), other - other.mean()
    return float((first * second).sum() / max(float(np.sqrt((first**2).sum() * (second**2).sum())), 1e-9))
