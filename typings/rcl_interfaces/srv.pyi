from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import ParameterValue, SetParametersResult

class GetParameters:
    class Request:
        names: Sequence[str]
        def __init__(self, *, names: Sequence[str] = ...) -> None: ...

    class Response:
        values: Sequence[ParameterValue]
        def __init__(self, *, values: Sequence[ParameterValue] = ...) -> None: ...

class SetParameters:
    class Request:
        def __init__(self, *, parameters: Sequence[Any] = ...) -> None: ...

    class Response:
        results: Sequence[SetParametersResult]
