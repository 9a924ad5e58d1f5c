"""Every error that the package raises on purpose.

::

    RecorderError
    ├── ConfigError (ValueError)               a parameter, feature or setting cannot be used
    ├── DatasetError                           the dataset cannot be read or appended to
    │   └── DatasetMismatchError (ValueError)  an existing dataset does not fit the recording
    ├── SpoolError                             the spool cannot be read or written
    │   ├── EpisodeDeletedError                the episode is deleted, and can be brought back
    │   ├── DiskFullError (TransientError, OSError)  the disk is full
    │   ├── LockError (TransientError, TimeoutError)  another process holds a lock for too long
    │   └── OverrunError                       the disk is too slow for the recording
    ├── BagError (ValueError)                  a bag is damaged, or cannot be read or written
    ├── HubError (OSError)                     the Hugging Face Hub cannot be reached, or refuses a request
    ├── EpisodeStateError (RuntimeError)       not possible now: an episode is being recorded, or none is
    ├── StreamError                            a stream is missing, stale or has the wrong kind
    ├── ImageError (ValueError)                an image is damaged, too large, or has the wrong kind
    ├── VideoError                             a video cannot be encoded, joined or read
    │   ├── EncoderUnavailableError (ValueError)  this computer has no such encoder
    │   ├── PictureError                       a video does not look like its source images
    │   └── WorkerError (TransientError)       an encoding process could not start or failed
    ├── TransientError                         the computer failed, not the data: try again later
    └── DeviceError                            hardware
        ├── PortError (OSError)                a serial port cannot be opened, or disappeared
        ├── BusError                           a servo did not answer correctly
        │   ├── BusTimeoutError (TimeoutError) it did not answer in time
        │   └── PacketError (ValueError)       it answered with a broken packet
        ├── CalibrationError (ValueError)      a calibration is missing or does not fit
        └── CameraError (OSError)              a camera cannot be opened, or stopped

Messages name the device or file, what was expected, what was found and what the user can do.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import ClassVar

_NOT_OF_THE_COMPUTER = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG}
"""Error numbers that a missing or damaged file causes although the computer works."""


class RecorderError(Exception):
    """Base of all errors of this package.

    Attributes:
        offer: the service that helps, one of `lerobot_recorder.answers.OFFERS`; empty if there is none
    """

    offer: ClassVar[str] = ""


class TransientError(RecorderError):
    """The computer failed (disk, memory, descriptors, a killed process), not the data.

    The work is kept and can succeed later, so no episode counts as failed because of it.
    """


class ConfigError(RecorderError, ValueError):
    """A parameter, feature or setting cannot be used."""


class DatasetError(RecorderError):
    """The dataset cannot be read or appended to."""


class DatasetMismatchError(DatasetError, ValueError):
    """An existing dataset does not fit the recording."""


class SpoolError(RecorderError):
    """The spool cannot be read or written."""


class EpisodeDeletedError(SpoolError):
    """The episode is deleted, and can be brought back."""

    offer = "undo_delete"


class DiskFullError(SpoolError, TransientError, OSError):
    """The disk is full."""


class LockError(SpoolError, TransientError, TimeoutError):
    """Another process holds a lock on the spool for too long."""


class OverrunError(SpoolError):
    """The disk is too slow for the recording."""


class BagError(RecorderError, ValueError):
    """A bag is damaged, incomplete or of an unknown kind, or it cannot be written."""


class HubError(RecorderError, OSError):
    """The Hugging Face Hub cannot be reached, or refuses a request."""


class EpisodeStateError(RecorderError, RuntimeError):
    """The call is not possible in the recorder's present state."""


class StreamError(RecorderError):
    """A stream is missing, stale or has the wrong kind."""


class ImageError(RecorderError, ValueError):
    """An image is damaged, too large, or has a kind that cannot be recorded."""


class VideoError(RecorderError):
    """A video cannot be encoded, joined or read."""


class EncoderUnavailableError(VideoError, ValueError):
    """This computer has no such encoder."""


class PictureError(VideoError):
    """A video does not look like its source images."""


class WorkerError(VideoError, TransientError):
    """An encoding process could not start, was killed, or hit a fault of the computer."""


class DeviceError(RecorderError):
    """A device failed."""


class PortError(DeviceError, OSError):
    """A serial port cannot be opened, or disappeared."""


class BusError(DeviceError):
    """A servo did not answer correctly."""


class BusTimeoutError(BusError, TimeoutError):
    """A servo did not answer in time."""


class PacketError(BusError, ValueError):
    """A servo answered with a broken packet."""


class CalibrationError(DeviceError, ValueError):
    """A calibration is missing or does not fit."""


class CameraError(DeviceError, OSError):
    """A camera cannot be opened, or stopped."""


def is_transient(error: BaseException) -> bool:
    """Return whether the computer caused an error, not the data, so that a later attempt can succeed.

    For an error of this package, the system error that it was raised from decides.
    """
    return any(_is_of_computer(each) for each in causes(error))


def _is_of_computer(error: BaseException) -> bool:
    if isinstance(error, (TransientError, MemoryError)):
        return True
    # Libraries use error numbers beyond those of the system; PyAV does for a damaged stream.
    return isinstance(error, OSError) and error.errno in errno.errorcode.keys() - _NOT_OF_THE_COMPUTER


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the error that it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def explained(error: BaseException) -> str:
    """Return the sentence that reports an error; for an unexpected one, with its type."""
    text = str(error)
    if isinstance(error, (RecorderError, OSError)) and text:
        return text
    return f"unexpected {type(error).__name__}: {text}" if text else f"unexpected {type(error).__name__}"
