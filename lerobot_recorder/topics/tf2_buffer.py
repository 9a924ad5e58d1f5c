"""The buffer of ``tf2``; only ROS installations have it."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from tf2_py import BufferCore, TransformException

from lerobot_recorder.errors import StreamError
from lerobot_recorder.topics.tf_buffer import Path
from lerobot_recorder.topics.transform import Transform

_AUTHORITY = "lerobot_recorder"


class Tf2Buffer:
    """A buffer that leaves everything to ``tf2``."""

    def __init__(self) -> None:
        """Begin without transforms."""
        self._core = BufferCore()

    def set(self, parent: str, child: str, transform: Transform, at_ns: int | None) -> None:
        """Add the pose of a frame in its parent, see `TransformBuffer`."""
        (x, y, z), (rx, ry, rz, rw) = transform
        stamped = TransformStamped(child_frame_id=child)
        stamped.header.frame_id = parent
        stamped.transform.translation = Vector3(x=x, y=y, z=z)
        stamped.transform.rotation = Quaternion(x=rx, y=ry, z=rz, w=rw)
        if at_ns is None:
            self._core.set_transform_static(stamped, _AUTHORITY)
        else:
            stamped.header.stamp = _time(at_ns)
            self._core.set_transform(stamped, _AUTHORITY)

    def lookup(self, path: Path, at_ns: int) -> Transform:
        """Return the pose of a path's child in its parent, see `TransformBuffer`."""
        try:
            found = self._core.lookup_transform_core(path.parent, path.child, _time(at_ns))
        except TransformException as error:
            raise StreamError(f"tf2 cannot give {path.child} in {path.parent}: {error}") from error
        return Transform.of(found.transform)


def _time(at_ns: int) -> Time:
    seconds, nanoseconds = divmod(at_ns, 10**9)
    return Time(sec=seconds, nanosec=nanoseconds)
