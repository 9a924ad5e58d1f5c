"""Collect the commands into ``lerobot-recorder``."""

from __future__ import annotations

import logging
import re
import signal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

import lerobot_recorder
from lerobot_recorder.answers import with_offer
from lerobot_recorder.cli.batch_demo import batch_demo
from lerobot_recorder.cli.calibrate import calibrate
from lerobot_recorder.cli.cameras import cameras
from lerobot_recorder.cli.check import check
from lerobot_recorder.cli.console import console
from lerobot_recorder.cli.discover import discover
from lerobot_recorder.cli.edit import edit
from lerobot_recorder.cli.encode import encode
from lerobot_recorder.cli.export import export
from lerobot_recorder.cli.find_port import find_port
from lerobot_recorder.cli.import_bags import import_bags
from lerobot_recorder.cli.lerobot_flags import RecordCommand
from lerobot_recorder.cli.preflight import preflight
from lerobot_recorder.cli.push import push
from lerobot_recorder.cli.record import record
from lerobot_recorder.cli.repair import repair
from lerobot_recorder.cli.replay import replay
from lerobot_recorder.cli.scan import scan
from lerobot_recorder.cli.setup_motors import setup_motors
from lerobot_recorder.cli.show import show
from lerobot_recorder.cli.simulate import simulate
from lerobot_recorder.cli.takes import accept, undo_delete
from lerobot_recorder.errors import RecorderError

_OFFER_COMMANDS = {
    "accept_episode": "lerobot-recorder accept",
    "undo_delete": "lerobot-recorder undo-delete",
}
"""The commands that do what an error offers, by the name of the service."""


def _sentence(error: Exception) -> str | None:
    """Return what an expected error means for the user; None for others."""
    if isinstance(error, RecorderError):
        return with_offer(str(error), error.offer, _OFFER_COMMANDS)
    if isinstance(error, OSError):
        return str(error)
    option = getattr(error, "option_name", "")  # what looks like an option to the parser
    return f"expected a number from 0 on, found {option}" if re.fullmatch(r"-\d", option or "") else None


class _Commands(TyperGroup):
    """Command group that prints an expected error as one sentence and exits with status 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and translate the errors that are meant for the user."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if (sentence := _sentence(error)) is None:
                raise
            message = Text.assemble(("error: ", "red"), sentence)
            Console(stderr=True, highlight=False, soft_wrap=True).print(message)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Commands,
    help="Record robot demonstrations straight into LeRobot's dataset format.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lerobot-recorder {lerobot_recorder.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


app.command(cls=RecordCommand)(record)
app.command(cls=RecordCommand)(preflight)
for command in (
    console,
    discover,
    import_bags,
    show,
    check,
    repair,
    encode,
    export,
    push,
    accept,
    undo_delete,
    find_port,
    scan,
    setup_motors,
    calibrate,
    cameras,
    replay,
    simulate,
    batch_demo,
):
    app.command("import" if command is import_bags else None)(command)
app.add_typer(edit, name="edit")


def main() -> None:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except SystemExit as ended:
        if not ended.code:  # Ctrl-C while the interpreter ends must not hide that everything was done
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise


if __name__ == "__main__":
    main()
