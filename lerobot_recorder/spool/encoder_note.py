"""What the encoder that runs tells recorders: which codec the episodes will be encoded with.

A codec may refuse a size of images. Thus a recorder can refuse it before an episode is recorded, instead of
the encoder afterwards. The note counts while its writer holds the lock, so that one of a dead encoder is
ignored.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lerobot_recorder import locks
from lerobot_recorder.dataset import is_depth, is_video
from lerobot_recorder.durable import make_private_directory
from lerobot_recorder.errors import ConfigError, LockError
from lerobot_recorder.locks import FileLock
from lerobot_recorder.video import EncoderSettings

_FILE = "encoder.json"
_LOCK_FILE = "encoder.lock"
_FIELDS = ("vcodec", "pix_fmt")


class EncoderNote:
    """The note of a running encoder; of several encoders with one spool, that of the first one counts."""

    def __init__(self, spool: Path) -> None:
        """Get ready to write.

        Args:
            spool: the spool's directory.
        """
        self._path = spool / _FILE
        self._lock: FileLock | None = None
        with contextlib.suppress(OSError, LockError):  # the note is a help only
            make_private_directory(spool)
            self._lock = FileLock(spool / _LOCK_FILE, wait_s=0.2)

    def write(self, settings: EncoderSettings) -> None:
        """Note the settings of the next batch; do nothing if that is not possible."""
        if self._lock is None:
            return
        partial = self._path.with_name(f"{_FILE}.partial")
        with contextlib.suppress(OSError):
            partial.write_text(json.dumps({name: getattr(settings, name) for name in _FIELDS}))
            partial.replace(self._path)

    def release(self) -> None:
        """Remove the note; a second call does nothing."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._lock.release()
            self._lock = None


def check_sizes(spool: Path, features: Mapping[str, Any]) -> None:
    """Refuse image sizes that the codec of the running encoder does not take; without an encoder, none.

    Args:
        spool: the spool's directory.
        features: as LeRobot declares them.

    Raises:
        ConfigError: a camera has such a size.
    """
    if (settings := _noted(spool)) is None:
        return
    for key, feature in features.items():
        if is_video(feature) and not is_depth(feature):
            height, width = feature["shape"][:2]
            try:
                settings.require_size(int(width), int(height))
            except ConfigError as error:
                raise ConfigError(f"{key}: {error}") from error


def _noted(spool: Path) -> EncoderSettings | None:
    """Return the settings of the running encoder; None if none runs, or they cannot be read."""
    try:
        content = json.loads((spool / _FILE).read_bytes())
        with locks.held_unless_taken(spool / _LOCK_FILE) as is_free:
            return None if is_free else EncoderSettings(**{name: content[name] for name in _FIELDS})
    except (OSError, ValueError, TypeError, KeyError, ConfigError):
        return None
