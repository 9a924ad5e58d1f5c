from collections.abc import Sequence

from rcl_interfaces.msg import ParameterValue

class GetParameters:
    class Request:
        names: Sequence[str]
        def __init__(self, *, names: Sequence[str] = ...) -> None: ...

    class Response:
        values: Sequence[ParameterValue]
        def __init__(self, *, values: Sequence[ParameterValue] = ...) -> None: ...
