"""`bitpredict sources`: the outside sources, and whether they answer."""

from typing import Annotated

import typer

from bitpredict.cli.options import AsJson

app = typer.Typer()
_sources = typer.Typer(no_args_is_help=True, help="The outside sources: what they bring, and whether they answer.")
app.add_typer(_sources, name="sources")


@_sources.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Show each source with what it brings and its address."""
    from bitpredict.cli.output import console, sources_table
    from bitpredict.cli.probes import SOURCES
    from bitpredict.cli.records import to_json
    from bitpredict.masking import masked
    from bitpredict.settings import load_settings

    settings = load_settings()
    rows = [
        {"source": name, "brings": source.brings, "address": masked(source.address(settings))}
        for name, source in SOURCES.items()
    ]
    if as_json:
        typer.echo(to_json(rows))
    else:
        console().print(sources_table(rows))


@_sources.command("test")
def ask_command(
    name: Annotated[str, typer.Argument(help="As `bitpredict sources list` names it.")],
    as_json: AsJson = False,
) -> None:
    """Ask a source once, store nothing, and show what came; exit with 1 when it gave nothing of use."""
    from dataclasses import asdict

    from bitpredict.cli.finding import Status
    from bitpredict.cli.probes import SOURCES
    from bitpredict.cli.records import to_json
    from bitpredict.errors import BitPredictError
    from bitpredict.settings import load_settings

    if name not in SOURCES:
        raise BitPredictError(f"source {name!r} is unknown; choose one of {', '.join(SOURCES)}")
    # Who asks by hand wants to know how it is now.
    found = SOURCES[name].ask(load_settings().model_copy(update={"source_breaker": False}))
    typer.echo(to_json([asdict(found)]) if as_json else f"{found.check}: {found.status.value}, {found.detail}")
    if found.status is Status.FAIL:
        raise typer.Exit(1)
