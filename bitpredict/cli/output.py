"""What people see on a terminal: tables of the stores' rows. Pure functions from a frame to a rich table."""

import sys
from collections.abc import Hashable, Iterable, Mapping
from itertools import groupby
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from bitpredict.cli.finding import Finding, Status
from bitpredict.features.lookahead import PrefixResult
from bitpredict.forecasting.recipes import BASELINE
from bitpredict.report.series import quantile_prices
from bitpredict.report.tables import in_order
from bitpredict.report.wording import (
    count_text,
    number_text,
    p_value_text,
    percent_text,
    price_text,
    utc_text,
)

PIPE_WIDTH = 160
"""Columns where no terminal says how wide it is: in files and pipes, lines of a table stay whole."""

FINDING_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
GAP_STYLES = {"open": "yellow", "repaired": "green", "unrepairable": "red"}


def console() -> Console:
    """The console of stdout."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def progress_console() -> Console:
    """The console of stderr for what moves: silent where nobody watches, so that logs hold errors alone."""
    return Console(stderr=True, quiet=not sys.stderr.isatty())


def with_prices(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The ledger's rows with each quantile as a price too: `price_q05` to `price_q95`, quote currency."""
    return forecasts.join(quantile_prices(forecasts).add_prefix("price_"))


def forecast_table(forecasts: pd.DataFrame) -> Table:
    """Forecasts with their intervals as prices. `forecasts` has the ledger's columns."""
    table = _table(
        "symbol\nhorizon\nkind",
        "made at\nfor (UTC)\nfrom candles",
        ">price\nmedian",
        ">50 %\nfrom\nto",
        ">90 %\nfrom\nto",
        ">up",
        "model\nversion\nskill vs baseline",
    )
    for row in with_prices(in_order(forecasts)).to_dict("records"):
        table.add_row(
            f"{row['symbol']}\n{row['horizon']}\n{row['kind']}",
            f"{utc_text(row['origin'])}\n{utc_text(row['target_time'])}\n{row['provenance']}",
            f"{price_text(float(row['reference_price']))}\n{price_text(row['price_q50'])}",
            f"{price_text(row['price_q25'])}\n{price_text(row['price_q75'])}",
            f"{price_text(row['price_q05'])}\n{price_text(row['price_q95'])}",
            percent_text(row["p_up"]),
            Text(f"{row['model']}\n{row['model_version'][:12]}\n") + _proof(row),
        )
        table.add_section()
    return table


def scorecard_table(scorecard: pd.DataFrame) -> Table:
    """How forecasts turned out, backtest and live apart. `scorecard` has the table's columns."""
    table = _table(
        "model",
        ">n",
        ">QLIKE",
        ">without\nworst\n1 %",
        ">skill",
        ">p",
        ">pinball\nskill",
        ">inside\n50 %",
        ">inside\n90 %",
        ">served",
    )
    ordered = in_order(scorecard, "qlike").sort_values("kind", kind="stable").to_dict("records")
    for name, group in groupby(ordered, key=lambda row: f"{row['kind']} {row['symbol']} {row['horizon']}"):
        table.add_row(Text(name, style="bold"))
        for row in group:
            table.add_row(
                row["model"],
                count_text(row["sample_size"]),
                number_text(row["qlike"]),
                number_text(row["qlike_without_worst"]),
                _skill(row["skill"]),
                p_value_text(row["p_value"]),
                _skill(row["pinball_skill"]),
                percent_text(row["coverage_50"]),
                percent_text(row["coverage_90"]),
                percent_text(row["champion_share"], digits=0),
            )
        table.add_section()
    return table


def gaps_table(gaps: pd.DataFrame) -> Table:
    """Missing minutes by symbol and source. `gaps` has the columns of data_gaps."""
    table = _table("symbol", "source", "start (UTC)", "end (UTC)", ">minutes", "status", "repaired from", "first seen")
    for row in gaps.to_dict("records"):
        table.add_row(
            row["symbol"],
            row["source"],
            utc_text(row["start"]),
            utc_text(row["end"]),
            count_text(row["minutes"]),
            Text(row["status"], style=GAP_STYLES.get(row["status"], "")),
            "" if pd.isna(row["repaired_from"]) else row["repaired_from"],
            utc_text(row["first_seen"]),
        )
    return table


def lookahead_table(results: Iterable[PrefixResult]) -> Table:
    """Whether each feature stayed the same when the future was cut off."""
    table = _table("feature", ">rows", ">differ", "verdict", "first difference: with the future, without it")
    for result in results:
        verdict = Text("sees no future", style="green") if result.passed else Text("LOOKS AHEAD", style="bold red")
        found = result.first_difference
        where = f"{found.symbol} {utc_text(found.origin)}: {found.with_future}, {found.without_future}" if found else ""
        table.add_row(
            result.feature, count_text(result.rows_compared), count_text(result.differing_rows), verdict, where
        )
    return table


def topics_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Partitions of the event log, and how far each group is behind."""
    table = _table("topic", ">partition", ">first", ">end", ">messages/s", "retention", "lag")
    for row in rows:
        table.add_row(
            row["topic"],
            str(row["partition"]),
            count_text(row["start"]),
            count_text(row["end"]),
            number_text(row["messages_per_second"]),
            row["retention"],
            "\n".join(f"{group} {count_text(lag)}" for group, lag in row["lag"].items()),
        )
    return table


def findings_table(findings: Iterable[Finding]) -> Table:
    """The doctor's report."""
    table = _table("", "check", "found", "remedy")
    for finding in findings:
        status = Text(finding.status, style=FINDING_STYLES[finding.status])
        table.add_row(status, finding.check, Text(finding.detail), Text(finding.remedy))
    return table


def sources_table(rows: Iterable[Mapping[str, str]]) -> Table:
    """The outside sources with what they bring and where they are."""
    table = _table("source", "brings", "address")
    for row in rows:
        table.add_row(row["source"], row["brings"], Text(row["address"]))
    return table


def cache_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The cache's namespaces: limits, content, and how often a value was there."""
    table = _table("namespace", ">kept for s", ">most keys", ">keys", ">bytes", ">hits", ">misses", ">evictions")
    for row in rows:
        figures = (row[name] for name in ("keys", "size", "hits", "misses", "evictions"))
        limits = (number_text(row["seconds"]), count_text(row["most_keys"]))
        table.add_row(row["namespace"], *limits, *("-" if figure is None else count_text(figure) for figure in figures))
    return table


def versions_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The versions of a lake table, the newest first."""
    table = _table(">version", "made at (UTC)", "by", ">rows added", "")
    for row in rows:
        added = "" if row["rows_added"] is None else count_text(row["rows_added"])
        gone = Text("" if row["readable"] else "its files are gone", style="yellow")
        table.add_row(str(row["version"]), utc_text(row["made_at"]), row["operation"], added, gone)
    return table


def _table(*headers: str) -> Table:
    """An empty table that folds where it is too wide and cuts nothing. `>` starts a header over numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for header in headers:
        justify: JustifyMethod = "right" if header.startswith(">") else "left"
        table.add_column(header.removeprefix(">"), justify=justify, overflow="fold")
    return table


def _skill(share: float) -> Text:
    """Better than the baseline is green, worse red; a nought, rounded as it is shown, is neither."""
    percent = 0.0 if pd.isna(share) else round(100 * share, 1)
    return Text(percent_text(share, signed=True), style="red" if percent < 0 else "green" if percent > 0 else "")


def _proof(row: Mapping[Hashable, Any]) -> Text:
    """Why this model serves: its skill with the number of origins, or that the baseline is not beaten."""
    if row["model"] == BASELINE and row["variant"] == "champion":
        return Text("no proven skill:\nthe baseline serves", style="yellow")
    if row["model"] == BASELINE:
        return Text("is the baseline")
    if pd.isna(row["skill"]):
        return Text("not measured")
    return Text.assemble(_skill(row["skill"]), f" (n = {count_text(row['skill_sample_size'])})")
