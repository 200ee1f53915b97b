"""The `bitpredict` command: its own commands, those that other packages bring, and how failures end.

Commands import what they need when they run, so that `bitpredict --help` answers at once.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from bitpredict.errors import BitPredictError

COMMAND_MODULES = (
    "forecast",
    "explain",
    "gaps",
    "scorecard",
    "lookahead",
    "export",
    "doctor",
    "db",
    "data",
    "restore",
    "cache",
    "sources",
    "sentiment",
    "coins",
    "replay",
    "topics",
    "collect",
    "predict",
)


class CommandLine(TyperGroup):
    """Ends every expected failure with one line on stderr: 2 for wrong usage, 1 for the rest, 130 for Ctrl-C."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        def run_it() -> Any:
            return super(CommandLine, self).main(args, prog_name, complete_var, False, windows_expand_args, **extra)

        if not standalone_mode:
            return run_it()
        try:
            code = run_it()
        except typer.TyperException as error:
            _complain(error.format_message(), _help_hint(error))
            code = error.exit_code
        except BitPredictError as error:
            _complain(str(error))
            code = 1
        except typer.Abort:
            code = 1
        sys.exit(code)


def build() -> typer.Typer:
    """Assemble the whole command line."""
    found, absent = _more_commands()
    app = typer.Typer(
        cls=CommandLine,
        name="bitpredict",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        epilog=escape("  ".join(absent)) or None,
    )
    app.callback()(_root)
    for name in COMMAND_MODULES:
        app.add_typer(import_module(f"bitpredict.cli.{name}").app)
    for more in found:
        app.add_typer(more)
    return app


def run() -> None:
    """The console script."""
    build()()


def _more_commands() -> tuple[list[typer.Typer], list[str]]:
    """The commands of the entry-point group `bitpredict.commands`, and a hint for each part that is not installed."""
    found, absent = [], []
    for entry in entry_points(group="bitpredict.commands"):
        try:
            found.append(entry.load())
        except ModuleNotFoundError as error:
            absent.append(f"The {entry.name}'s commands are absent ({error}): pip install 'bitpredict[{entry.name}]'")
    return found, absent


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=lambda on: _show_version(on))
    ] = False,
) -> None:
    """Own crypto market data, know what it is worth, and get forecasts that say how far to trust them."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bitpredict {version('bitpredict')}")
        raise typer.Exit


def _help_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f" (see `{context.command_path} --help`)" if context else ""


def _complain(message: str, hint: str = "") -> None:
    if line := " ".join(message.split()):
        typer.echo(f"error: {line}{hint}", err=True)
