"""Command-line options made from parameters."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lerobot_recorder.settings import Parameter

KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="KEY=ACTING_AS",
        help="Let a key, for example that of a pedal, act as another one: b=right, page_down=space. May be "
        "repeated.",
    ),
]


def option(parameter: Parameter, prefix: str = "", **given: Any) -> Any:
    """Return the option for a parameter, with its text and range.

    Args:
        parameter: what the option sets
        prefix: start of the help text
        given: more arguments of `typer.Option`
    """
    text = f"{prefix}{parameter.help}"
    return typer.Option(min=parameter.low, max=parameter.high, help=text, **given)
