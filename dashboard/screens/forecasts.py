"""The newest forecast of each symbol and horizon: in numbers, and as a fan over recent candles."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from bitpredict.market.horizons import parse_horizon
from bitpredict.market.time import DAY, MINUTE
from bitpredict.report import charts
from bitpredict.report.series import quantile_prices
from bitpredict.report.tables import in_order
from bitpredict.report.wording import minutes_text, percent_text, price_text, skill_text, utc_text
from bitpredict.settings import Settings
from dashboard import queries
from dashboard.frame import NO_DATA, draw, literal, page, table

_HISTORY = 14 * DAY
_TRACK = {"1m": DAY / 24, "5m": DAY / 4, "1h": 3 * DAY, "1d": 14 * DAY}


def body(settings: Settings) -> None:
    newest = queries.forecasts(settings)
    if newest.empty:
        st.info(NO_DATA)
        return
    newest = in_order(newest)
    there = set(newest["symbol"])
    symbols = [*(symbol for symbol in settings.symbols if symbol in there), *sorted(there - set(settings.symbols))]
    if settings.calendar()[1] is None:
        age = (datetime.now(UTC) - newest["origin"].max()) // MINUTE
        st.caption(f"The newest forecast was made {minutes_text(age)} ago.")
    symbol = st.segmented_control(
        "Symbol", symbols, default=symbols[0], required=True, key="symbol", bind="query-params"
    )
    rows = newest[newest["symbol"] == symbol]
    for column, (_, row) in zip(st.columns(len(rows)), rows.iterrows(), strict=True):
        with column.container(border=True):
            _card(row)
    horizons = list(rows["horizon"])
    middle = horizons[len(horizons) // 2]
    horizon = st.segmented_control(
        "Horizon", horizons, default=middle, required=True, key="horizon", bind="query-params"
    )
    row = rows[rows["horizon"] == horizon]
    if row.empty:
        return
    origin, length = row["origin"].iloc[0].to_pydatetime(), parse_horizon(horizon).length
    candles = queries.candles(settings, symbol, origin - _HISTORY, origin + length)
    label = f"Recent price and forecast of {symbol}, {horizon} ahead"
    draw(charts.fan_chart(candles, row), label, charts.FAN_CAPTION)
    past = queries.served(settings, symbol, horizon, origin - _TRACK[horizon] - length, origin - length + MINUTE)
    if not past.empty:
        st.subheader("Earlier forecasts, and what came", anchor=False)
        label = f"Earlier forecasts of {symbol}, {horizon} ahead, and what came"
        draw(charts.track_chart(candles, past), label, charts.TRACK_CAPTION)
    with st.expander("Every newest forecast as a table"):
        table(_rows(newest))


def _card(row: "pd.Series") -> None:
    price = quantile_prices(row.to_frame().T).map(price_text).iloc[0]
    st.metric(f"Median in {row['horizon']}, at {utc_text(row['target_time'])}", price["q50"])
    st.markdown(f"90 %: {price['q05']} to {price['q95']}  \n50 %: {price['q25']} to {price['q75']}")
    skill = skill_text(row["skill"], row["skill_sample_size"])
    st.caption(
        f"From {price_text(float(row['reference_price']))} at {utc_text(row['origin'])}. "
        f"P(up) {percent_text(row['p_up'])}. Model {literal(row['model'])}, skill: {literal(skill)}. "
        f"{literal(row['kind'].capitalize())}, inputs {literal(row['provenance'])}."
    )


def _rows(newest: pd.DataFrame) -> pd.DataFrame:
    kept = newest[["symbol", "horizon", "origin", "target_time", "reference_price"]]
    rest = newest[["p_up", "model", "model_version", "skill", "skill_sample_size", "kind", "provenance"]]
    return pd.concat([kept, quantile_prices(newest).add_prefix("price_"), rest], axis=1)


page("Forecasts", body)
