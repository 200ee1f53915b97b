"""Arguments and options that several commands share."""

from datetime import date, datetime
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (a list of objects) and nothing else.")]


def parse_day(text: str) -> date:
    """Return the UTC day written as YYYY-MM-DD.

    Raises:
        typer.BadParameter: it is written otherwise or does not exist.
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 a day has no timezone
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise typer.BadParameter(f"{text!r} is not a day; write YYYY-MM-DD, for example 2023-12-31")
    return day


def day_option(*names: str, help_: str) -> typer.models.OptionInfo:
    """An option that takes a UTC day."""
    option: typer.models.OptionInfo = typer.Option(*names, parser=parse_day, metavar="YYYY-MM-DD", help=help_)
    return option


def symbol_list(text: str) -> tuple[str, ...]:
    """The symbols of a comma-separated list.

    Raises:
        UnknownSymbolError: one is no trading pair.
    """
    from bitpredict.market.symbols import parse_symbol

    return tuple(dict.fromkeys(parse_symbol(part) for part in text.split(",") if part.strip()))


def coin_list(text: str) -> tuple[str, ...]:
    """The coins of a comma-separated list, by symbol or id."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def check_order(first: date | None, last: date | None, first_name: str, last_name: str) -> None:
    """Refuse a range that ends before it starts.

    Raises:
        typer.BadParameter: it does.
    """
    if first and last and first > last:
        raise typer.BadParameter(f"{first_name} {first} is after {last_name} {last}")
