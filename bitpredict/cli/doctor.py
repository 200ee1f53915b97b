"""`bitpredict doctor`: what is configured, reachable and missing, and what to do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from bitpredict.cli.options import AsJson

if TYPE_CHECKING:
    from bitpredict.cli.finding import Finding

app = typer.Typer()


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check settings, stores, sources and installed parts, with a remedy for each that is not as it should be."""
    from dataclasses import asdict

    from bitpredict.cli.finding import Status
    from bitpredict.cli.output import console, findings_table
    from bitpredict.cli.records import to_json

    findings = list(_examine())
    failed = sum(finding.status is Status.FAIL for finding in findings)
    if as_json:
        typer.echo(to_json(asdict(finding) for finding in findings))
    else:
        console().print(findings_table(findings))
        warned = sum(finding.status is Status.WARN for finding in findings)
        typer.echo(f"{failed} failed, {warned} warnings")
    if failed:
        raise typer.Exit(1)


def _examine() -> "Iterator[Finding]":
    from bitpredict.cli import checkup, checkup_stores
    from bitpredict.cli.finding import Finding, Status
    from bitpredict.errors import SettingsError
    from bitpredict.settings import load_settings

    yield checkup.versions()
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", Status.FAIL, str(error))
    else:
        yield from checkup.settings_in_force(settings)
        yield from checkup.unknown_settings()
        yield checkup.home(settings.home)
        yield checkup_stores.database(settings)
        yield from checkup_stores.lake(settings)
        yield checkup_stores.backup(settings)
        yield checkup_stores.cache(settings)
        yield checkup_stores.archive(settings)
        yield from checkup_stores.sources(settings)
        yield checkup_stores.mlflow_store(settings)
        yield from checkup.ports(settings)
    yield from checkup.optional_parts()
