"""The pictures of all cameras as one, beside those of the last session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.preflight.finding import FINE, Finding
from lerobot_recorder.preflight.reference import Reference

Picture = NDArray[np.uint8]

_WIDTH, _LINE, _GAP = 480, 26, 4
_FONT, _SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.55
_WHITE, _RED, _BACKGROUND = (235, 235, 235), (255, 110, 90), 24


def draw_sheet(
    pictures: Mapping[str, Picture | None],
    references: Mapping[str, Reference],
    findings: Sequence[Finding],
) -> Picture:
    """Draw a row for each camera: its picture now, and that of the last session.

    Args:
        pictures: RGB by camera; None if it delivered none
        references: those of the last session
        findings: what was found about the cameras

    Returns:
        RGB, uint8
    """
    found = {each.subject: each for each in findings}
    rows = [_row(name, picture, references.get(name), found.get(name)) for name, picture in pictures.items()]
    return np.vstack(rows) if rows else np.full((_LINE, _WIDTH, 3), _BACKGROUND, np.uint8)


def _row(name: str, picture: Picture | None, reference: Reference | None, finding: Finding | None) -> Picture:
    known = reference.picture if reference is not None else None
    shape = next((each.shape for each in (picture, known) if each is not None), (3, 4, 3))
    height = round(_WIDTH * shape[0] / shape[1])
    cells = [_cell(picture, height, "no picture"), _cell(known, height, "no earlier picture")]
    body = np.hstack([cells[0], np.full((height, _GAP, 3), _BACKGROUND, np.uint8), cells[1]])
    level = finding.level if finding is not None else FINE
    title = np.full((_LINE, body.shape[1], 3), _BACKGROUND, np.uint8)
    _write(title, f"{name}: {level}", 8, _WHITE if level == FINE else _RED)
    _write(title, "last session", _WIDTH + _GAP + 8, _WHITE)
    return np.vstack([title, body])


def _cell(picture: Picture | None, height: int, otherwise: str) -> Picture:
    if picture is not None:
        return np.asarray(cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
    cell = np.full((height, _WIDTH, 3), _BACKGROUND * 2, np.uint8)
    cv2.putText(cell, otherwise, (_WIDTH // 2 - 70, height // 2), _FONT, _SIZE, _WHITE, 1, cv2.LINE_AA)
    return cell


def _write(image: Picture, text: str, x: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(image, text, (x, _LINE - 8), _FONT, _SIZE, colour, 1, cv2.LINE_AA)
