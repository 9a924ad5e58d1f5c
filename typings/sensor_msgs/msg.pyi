from array import array
from collections.abc import Sequence

from std_msgs.msg import Header

class CameraInfo:
    header: Header
    width: int
    height: int
    distortion_model: str
    d: Sequence[float]
    k: Sequence[float]
    r: Sequence[float]
    p: Sequence[float]
    def __init__(self, *, header: Header = ..., width: int = ..., height: int = ...) -> None: ...

class CompressedImage:
    header: Header
    format: str
    data: array[int]
    def __init__(self, *, header: Header = ..., format: str = ..., data: array[int] = ...) -> None: ...

class Image:
    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: array[int]
    def __init__(
        self,
        *,
        header: Header = ...,
        height: int = ...,
        width: int = ...,
        encoding: str = ...,
        is_bigendian: int = ...,
        step: int = ...,
        data: array[int] = ...,
    ) -> None: ...

class JointState:
    header: Header
    name: Sequence[str]
    position: Sequence[float]
    velocity: Sequence[float]
    effort: Sequence[float]
    def __init__(
        self,
        *,
        header: Header = ...,
        name: Sequence[str] = ...,
        position: Sequence[float] = ...,
        velocity: Sequence[float] = ...,
        effort: Sequence[float] = ...,
    ) -> None: ...

class Joy:
    header: Header
    axes: Sequence[float]
    buttons: Sequence[int]
    def __init__(
        self, *, header: Header = ..., axes: Sequence[float] = ..., buttons: Sequence[int] = ...
    ) -> None: ...
