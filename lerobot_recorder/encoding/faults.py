"""Whose fault an error is, and the sentence that reports it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from lerobot_recorder.errors import RecorderError, TransientError

_NOT_OF_THE_COMPUTER = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG}
"""Numbers of errors that a missing or damaged file causes on a computer that works."""


def is_transient(error: BaseException) -> bool:
    """Return whether the computer, not the data, is at fault: the same can succeed later.

    An error of ours is looked through to the error of the system that it was raised from.
    """
    return any(_is_of_computer(each) for each in _causes(error))


def _is_of_computer(error: BaseException) -> bool:
    if isinstance(error, (TransientError, MemoryError)):
        return True
    # Libraries have numbers of their own beyond those of the system, as PyAV for a damaged stream.
    return isinstance(error, OSError) and error.errno in errno.errorcode.keys() - _NOT_OF_THE_COMPUTER


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def explained(error: BaseException) -> str:
    """Return the sentence that reports an error; of one that nobody expected also its kind."""
    text = str(error)
    if isinstance(error, (RecorderError, OSError)) and text:
        return text
    return f"unexpected {type(error).__name__}: {text}" if text else f"unexpected {type(error).__name__}"
