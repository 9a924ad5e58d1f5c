"""Every error that the package raises on purpose.

::

    RecorderError
    ├── ConfigError (ValueError)               a parameter, feature or setting that cannot be used
    ├── DatasetError                           the dataset directory is not what it must be
    │   └── DatasetMismatchError (ValueError)  an existing dataset that does not fit what is recorded
    ├── SpoolError                             the spool cannot be read or written
    │   ├── DiskFullError (TransientError, OSError)  no room left on the device
    │   ├── LockError (TransientError, TimeoutError)  another process holds a lock for too long
    │   └── OverrunError                       the disk was slower than the recording for too long
    ├── EpisodeStateError (RuntimeError)       not possible now: nothing is recorded, or something is
    ├── StreamError                            a stream is missing, stale or of the wrong kind
    ├── ImageError (ValueError)                an image is damaged, too large, or of the wrong kind
    ├── VideoError                             a video cannot be encoded, joined or read
    │   ├── EncoderUnavailableError (ValueError)  this machine has no such encoder
    │   ├── PictureError                       a video does not look like the images that it was made of
    │   └── WorkerError (TransientError)       an encoding process could not start or do its work
    ├── TransientError                         the computer failed, not the data: wait and try again
    └── DeviceError                            hardware
        ├── PortError (OSError)                a serial port cannot be opened, or went away
        ├── BusError                           a servo did not answer as it should
        │   ├── BusTimeoutError (TimeoutError) it did not answer in time
        │   └── PacketError (ValueError)       it answered with a broken packet
        ├── CalibrationError (ValueError)      a calibration that is missing or does not fit
        └── CameraError (OSError)              a camera cannot be opened, or stopped

A message names the thing, what was expected, what was found and what the user can do.
"""

from __future__ import annotations


class RecorderError(Exception):
    """Base of all errors of this package."""


class TransientError(RecorderError):
    """The computer failed (disk, memory, descriptors, a killed process), not the data.

    What was to be done is kept and can succeed later, so nothing counts as failed because of it.
    """


class ConfigError(RecorderError, ValueError):
    """A parameter, feature or setting cannot be used."""


class DatasetError(RecorderError):
    """The dataset directory is not what it must be."""


class DatasetMismatchError(DatasetError, ValueError):
    """An existing dataset does not fit what is to be recorded."""


class SpoolError(RecorderError):
    """The spool cannot be read or written."""


class DiskFullError(SpoolError, TransientError, OSError):
    """No room is left on the device."""


class LockError(SpoolError, TransientError, TimeoutError):
    """Another process holds a lock on the spool for too long."""


class OverrunError(SpoolError):
    """The disk was slower than the recording for too long."""


class EpisodeStateError(RecorderError, RuntimeError):
    """The call is not possible in the recorder's present state."""


class StreamError(RecorderError):
    """A stream is missing, stale or of the wrong kind."""


class ImageError(RecorderError, ValueError):
    """An image is damaged, too large, or of a kind that cannot be recorded."""


class VideoError(RecorderError):
    """A video cannot be encoded, joined or read."""


class EncoderUnavailableError(VideoError, ValueError):
    """This machine has no such encoder."""


class PictureError(VideoError):
    """A video does not look like the images that it was made of."""


class WorkerError(VideoError, TransientError):
    """An encoding process cannot be started, was killed, or met a fault of the computer."""


class DeviceError(RecorderError):
    """A device failed."""


class PortError(DeviceError, OSError):
    """A serial port cannot be opened, or went away."""


class BusError(DeviceError):
    """A servo did not answer as it should."""


class BusTimeoutError(BusError, TimeoutError):
    """A servo did not answer in time."""


class PacketError(BusError, ValueError):
    """A servo answered with a broken packet."""


class CalibrationError(DeviceError, ValueError):
    """A calibration is missing or does not fit."""


class CameraError(DeviceError, OSError):
    """A camera cannot be opened, or stopped."""
