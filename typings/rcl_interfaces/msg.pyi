from collections.abc import Sequence

class FloatingPointRange:
    def __init__(self, *, from_value: float = ..., to_value: float = ..., step: float = ...) -> None: ...

class IntegerRange:
    def __init__(self, *, from_value: int = ..., to_value: int = ..., step: int = ...) -> None: ...

class Log:
    level: int
    name: str
    msg: str

class ParameterDescriptor:
    name: str
    description: str
    floating_point_range: Sequence[FloatingPointRange]
    integer_range: Sequence[IntegerRange]
    def __init__(self, *, name: str = ..., description: str = ..., read_only: bool = ...) -> None: ...

class ParameterValue:
    string_value: str
    string_array_value: Sequence[str]

class SetParametersResult:
    successful: bool
    reason: str
    def __init__(self, *, successful: bool = ..., reason: str = ...) -> None: ...
