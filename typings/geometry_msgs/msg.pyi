from std_msgs.msg import Header

class Vector3:
    def __init__(self, *, x: float = ..., y: float = ..., z: float = ...) -> None: ...

class Quaternion:
    def __init__(self, *, x: float = ..., y: float = ..., z: float = ..., w: float = ...) -> None: ...

class Transform:
    translation: Vector3
    rotation: Quaternion

class TransformStamped:
    header: Header
    child_frame_id: str
    transform: Transform
    def __init__(self, *, child_frame_id: str = ...) -> None: ...
