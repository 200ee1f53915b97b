"""A forecast's lineage as people read it: from what it said back to what it was made from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bitpredict.report.series import quantile_prices
from bitpredict.report.wording import percent_text, price_text, second_text
from bitpredict.streaming.lineage import Lineage

TRADES_SHOWN = 10
"""Trades of the window that are listed at either end; `--json` has all."""


def show(found: Lineage, out: Console) -> None:
    """Print a lineage, section by section; what is missing comes last, with its reason."""
    _pairs(out, "Forecast", _forecast(found))
    _pairs(out, "Model", found.model)
    if found.features:
        _pairs(out, "Features that the model read", found.features)
    if found.bars:
        _pairs(out, "Minutes that the features look back on", found.bars)
        _rows(out, "The newest of them", found.newest_bars)
    if found.window:
        _pairs(out, "Window", found.window)
    if found.trades:
        _trades(out, found.trades)
    if found.trigger:
        _pairs(out, "Message that closed its second", found.trigger)
    for what, same in found.agreement.items():
        verdict = "the same to the last bit" if same else "NOT the same: an input or a setting has changed since"
        out.print(Text(f"{what} computed again from these: {verdict}", style="green" if same else "bold red"))
    for what in found.missing:
        out.print(Text(f"not shown: {what}", style="yellow"))


def _forecast(found: Lineage) -> dict[str, Any]:
    row = found.forecast
    price = quantile_prices(pd.DataFrame([row])).map(price_text).iloc[0]
    return {
        "id": row["forecast_id"],
        "of": f"{row['symbol']}, {row['horizon']} ahead, {row['kind']}, inputs {row['provenance']}",
        "made at": f"{_text(found.instant('origin'))} for {_text(found.instant('target_time'))}",
        "median": f"{price['q50']}, from {price_text(float(row['reference_price']))}",
        "50 %": f"{price['q25']} to {price['q75']}",
        "90 %": f"{price['q05']} to {price['q95']}",
        "P(up)": percent_text(row["p_up"]),
        "made from": row["input"],
        "written at": _text(found.instant("written_at")),
        "found in": ", ".join(found.found_in),
    }


def _trades(out: Console, trades: Sequence[Mapping[str, Any]]) -> None:
    if len(trades) <= 2 * TRADES_SHOWN:
        _rows(out, f"Its {len(trades)} trades", trades)
        return
    _rows(out, f"The first {TRADES_SHOWN} of its {len(trades)} trades", trades[:TRADES_SHOWN])
    _rows(out, f"The last {TRADES_SHOWN}", trades[-TRADES_SHOWN:])


def _pairs(out: Console, title: str, pairs: Mapping[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(Text(name), Text(_text(value)))
    out.print(Text(title, style="bold"), table, "", sep="\n")


def _rows(out: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name, value in rows[0].items():
        table.add_column(name, overflow="fold", justify="right" if isinstance(value, (int, float)) else "left")
    for row in rows:
        table.add_row(*(Text(_text(value)) for value in row.values()))
    out.print(Text(title, style="bold"), table, sep="\n")


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return second_text(value) + (f"{value.microsecond / 1e6:.6f}"[1:] if value.microsecond else "")
    return f"{value:.10g}" if isinstance(value, float) else str(value)
