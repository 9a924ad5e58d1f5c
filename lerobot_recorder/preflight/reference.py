"""Pictures and devices of the last session's cameras, kept in the spool beside the dataset."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lerobot_recorder.cameras import DeviceIdentity
from lerobot_recorder.dataset import spool_path
from lerobot_recorder.durable import make_private_directory, replace_file

logger = logging.getLogger(__name__)

_DIRECTORY = "preflight"
_FILE = "cameras.json"


@dataclass(frozen=True)
class Reference:
    """What a camera was and showed.

    Attributes:
        identity: its device
        picture: RGB, uint8, (height, width, 3)
    """

    identity: DeviceIdentity
    picture: NDArray[np.uint8]


def directory_of(root: Path) -> Path:
    """Return where the references of a dataset are."""
    return spool_path(root) / _DIRECTORY


def sheet_file(root: Path) -> Path:
    """Return where the picture of all cameras is kept."""
    return directory_of(root) / "cameras.jpg"


def load_references(root: Path) -> dict[str, Reference]:
    """Return the references of a dataset's cameras by name; those that cannot be read are left out."""
    directory = directory_of(root)
    try:
        known = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        identities = {str(name): DeviceIdentity(**values) for name, values in known.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        logger.warning("%s cannot be read, so cameras are not compared: %s", directory / _FILE, error)
        return {}
    found = {}
    for name, identity in identities.items():
        if (picture := _read(directory / f"{name}.png")) is not None:
            found[name] = Reference(identity, picture)
    return found


def save_references(root: Path, references: Mapping[str, Reference]) -> None:
    """Keep references, besides those of other cameras.

    Raises:
        OSError: they cannot be written
    """
    directory = directory_of(root)
    make_private_directory(directory.parent)
    make_private_directory(directory)
    kept = {name: each.identity for name, each in load_references(root).items()}
    for name, reference in references.items():
        encoded = cv2.imencode(".png", cv2.cvtColor(reference.picture, cv2.COLOR_RGB2BGR))[1]
        replace_file(directory / f"{name}.png", encoded.tobytes())
        kept[name] = reference.identity
    content = json.dumps({name: asdict(identity) for name, identity in kept.items()}, indent=1)
    replace_file(directory / _FILE, content.encode())


def _read(path: Path) -> NDArray[np.uint8] | None:
    with suppress(OSError, cv2.error):
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        return None if picture is None else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    return None
