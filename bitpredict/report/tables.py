"""The report's tables as text, cell by cell: what a template needs and nothing it would have to compute."""

from dataclasses import dataclass

import pandas as pd

from bitpredict.market.horizons import parse_horizon
from bitpredict.report.series import quantile_prices
from bitpredict.report.wording import (
    NOTHING,
    count_text,
    minutes_text,
    number_text,
    p_value_text,
    percent_text,
    price_text,
    skill_text,
    utc_text,
)

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of text under headers; `numeric` says which columns are numbers, the first column names its row."""

    caption: str
    headers: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[Row, ...]


def in_order(frame: pd.DataFrame, *then: str) -> pd.DataFrame:
    """Rows by symbol, horizon from short to long, then the columns `then`."""
    minutes = [parse_horizon(name).minutes for name in frame["horizon"]]
    ordered = frame.assign(_minutes=minutes).sort_values(["symbol", "_minutes", *then], kind="stable")
    return ordered.drop(columns="_minutes")


def forecast_table(forecasts: pd.DataFrame) -> Table:
    """One row a forecast, with the intervals as prices."""
    ordered = in_order(forecasts)
    rows: list[Row] = [
        (
            f"{row['symbol']} {row['horizon']}",
            f"{utc_text(row['origin'])}\n{utc_text(row['target_time'])}",
            f"{price_text(float(row['reference_price']))}\n{price['q50']}",
            f"{price['q25']}\n{price['q75']}",
            f"{price['q05']}\n{price['q95']}",
            percent_text(row["p_up"]),
            str(row["model"]),
            skill_text(row["skill"], row["skill_sample_size"]).replace(" (", "\n("),
            f"{row['kind']}\n{row['provenance']}",
        )
        for row, price in zip(ordered.to_dict("records"), _prices(ordered), strict=True)
    ]
    return _table(
        "Newest forecast of each symbol and horizon. Prices in quote currency, times in UTC.",
        rows,
        "forecast",
        "made at\nfor",
        "#price then\nmedian",
        "#50 % from\nto",
        "#90 % from\nto",
        "#P(up)",
        "model",
        "#skill over\nthe baseline",
        "kind\ninputs",
    )


def in_words(forecast: pd.DataFrame) -> str:
    """One forecast (a frame of one row) as a sentence, for readers who see no table or chart."""
    row, price = forecast.to_dict("records")[0], _prices(forecast)[0]
    return (
        f"{price['q50']} at {utc_text(row['target_time'])}; 50 %: {price['q25']} to {price['q75']}; "
        f"90 %: {price['q05']} to {price['q95']}; P(up) {percent_text(row['p_up'])}; "
        f"{row['model']}, skill: {skill_text(row['skill'], row['skill_sample_size'])}"
    )


def scorecard_table(scorecard: pd.DataFrame) -> Table:
    """One row a symbol, horizon and model, the best QLIKE first; of one kind."""
    rows: list[Row] = [
        (
            f"{row['symbol']} {row['horizon']}",
            str(row["model"]),
            count_text(row["sample_size"]),
            number_text(row["qlike"]),
            number_text(row["qlike_without_worst"]),
            percent_text(row["skill"], signed=True),
            p_value_text(row["p_value"]),
            percent_text(row["pinball_skill"], signed=True),
            percent_text(row["coverage_50"]),
            percent_text(row["coverage_90"]),
            percent_text(row["champion_share"], digits=0),
        )
        for row in in_order(scorecard, "qlike").to_dict("records")
    ]
    span = f"{utc_text(scorecard['scored_from'].min())} to {utc_text(scorecard['scored_to'].max())}"
    return _table(
        f"Outcomes of forecasts, origins from {span} UTC. Lower QLIKE is better.",
        rows,
        "forecast",
        "model",
        "#n",
        "#QLIKE",
        "#without\nworst 1 %",
        "#skill",
        "#p",
        "#pinball\nskill",
        "#inside\n50 %",
        "#inside\n90 %",
        "#served",
    )


def evaluation_table(evaluations: pd.DataFrame) -> Table:
    """One row a symbol, horizon and model of one month, the best QLIKE first: losers stay in."""
    rows: list[Row] = [
        (
            f"{row['symbol']} {row['horizon']}",
            str(row["model"]),
            _verdict(row["model"] == row["baseline"], row["skill"], row["p_value"]),
            count_text(row["sample_size"]),
            count_text(row["folds"]),
            number_text(row["qlike"]),
            number_text(row["qlike_without_worst"]),
            percent_text(row["skill"], signed=True),
            p_value_text(row["p_value"]),
            percent_text(row["coverage_50"]),
            percent_text(row["coverage_90"]),
            " / ".join(percent_text(row[f"coverage_90_{t}"], 0).removesuffix(" %") for t in ("low", "middle", "high")),
        )
        for row in in_order(evaluations, "qlike").to_dict("records")
    ]
    return _table(
        "Purged folds at the end of the training span, before the month that the models serve.",
        rows,
        "forecast",
        "model",
        "against\nthe baseline",
        "#n",
        "#folds",
        "#QLIKE",
        "#without\nworst 1 %",
        "#skill",
        "#p",
        "#inside\n50 %",
        "#inside\n90 %",
        "#90 % in low / middle /\nhigh volatility, %",
    )


def gap_table(gaps: pd.DataFrame) -> Table:
    """One row a gap, the newest first."""
    rows: list[Row] = [
        (
            str(row["symbol"]),
            str(row["source"]),
            utc_text(row["start"]),
            utc_text(row["end"]),
            f"{count_text(row['minutes'])} ({minutes_text(row['minutes'])})",
            str(row["status"]),
            NOTHING if pd.isna(row["repaired_from"]) else str(row["repaired_from"]),
        )
        for row in gaps.sort_values("start", ascending=False).to_dict("records")
    ]
    headers = ("symbol", "source", "from", "to", "#minutes", "status", "repaired from")
    return _table("Missing minutes, from the first to before the last; times in UTC.", rows, *headers)


def _table(caption: str, rows: list[Row], *headers: str) -> Table:
    """A header that starts with `#` belongs to a column of numbers."""
    names = tuple(header.removeprefix("#") for header in headers)
    return Table(caption, names, tuple(header.startswith("#") for header in headers), tuple(rows))


def _prices(forecasts: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {str(name): text for name, text in row.items()}
        for row in quantile_prices(forecasts).map(price_text).to_dict("records")
    ]


def _verdict(is_baseline: bool, skill: float, p_value: float | None) -> str:
    if is_baseline:
        return "is the baseline"
    if skill <= 0:
        return "not better"
    return "better" if p_value is not None and p_value < 0.05 else "better, not proven"
