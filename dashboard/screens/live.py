"""The live lane as it is now: price and forecast each second, how fast and how late it is, and what runs."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from bitpredict.market.horizons import parse_horizon
from bitpredict.report.live_charts import LIVE_CAPTION, live_chart
from bitpredict.report.series import quantile_prices
from bitpredict.report.tables import in_order
from bitpredict.report.wording import NOTHING, age_text, percent_text, price_text, second_text
from bitpredict.settings import Settings
from bitpredict.streaming.topics import exchange_of
from dashboard import live_queries
from dashboard.following import Source, View, frame_of
from dashboard.frame import literal, page, show_badge

_STALE_SECONDS = 10
_HOLD, _HELD = "live hold", "live held"
_START = (
    "Run `bitpredict up` (or `make up` in a checkout), which starts collector or replay and predictor, or each by its "
    "own command: `bitpredict topics create`, `bitpredict collect` or `bitpredict replay FILE`, `bitpredict predict`."
)
_ICONS = {live_queries.READY: "🟢", live_queries.WAITING: "🟡", live_queries.AWAY: "⚪"}


def body(settings: Settings) -> None:
    if not live_queries.exchanges(settings):
        st.info(
            f"The market `{settings.market}` has no live lane. Set `BITPREDICT_MARKET` to sample, binance, coinbase or "
            "simulated."
        )
        return
    view, now = _looked(settings)
    if view is None:
        st.info(f"There is no event log yet. {_START}")
    elif not view.topics:
        st.info(f"The event log has no topic of the market `{settings.market}` yet. {_START}")
    elif not view.prices and not view.newest:
        st.info(f"Nothing has arrived yet: the topics are there and empty. {_START}")
    else:
        _lane(view, now, settings.symbols)
    _processes(settings)


def _looked(settings: Settings) -> tuple[View | None, datetime]:
    """The lane and when it was looked at: now, or when the page was held."""
    if st.session_state.get(_HOLD) and _HELD in st.session_state:
        held: tuple[View | None, datetime] = st.session_state[_HELD]
        return held
    looked = live_queries.view(settings), datetime.now(UTC)
    st.session_state[_HELD] = looked
    return looked


def _lane(view: View, now: datetime, preferred: Sequence[str]) -> None:
    found = {source.symbol for source in view.prices} | {symbol for symbol, _ in view.newest}
    symbols = [*(symbol for symbol in preferred if symbol in found), *sorted(found.difference(preferred))]
    with st.container(horizontal=True, vertical_alignment="center"):
        symbol = st.segmented_control(
            "Symbol",
            symbols,
            default=symbols[0],
            required=True,
            key="live symbol",
            label_visibility="collapsed",
            width="content",
        )
        st.toggle(
            "Hold",
            key=_HOLD,
            help="Stop for a moment: to read, or to zoom into the chart by wheel and drag.",
            width="content",
        )
    source = next((source for source in view.prices if source.symbol == symbol), None)
    _origin(view, source)
    with st.container():  # its warning comes and goes, and the chart below keeps its place
        _numbers(view, source, now)
    _forecast(view, source, symbol)
    if view.newest:
        st.subheader("Newest forecasts", anchor=False)
        st.dataframe(_newest(view), hide_index=True, width="stretch")
    st.subheader("Topics", anchor=False)
    st.dataframe(_topics(view, now), hide_index=True, width="stretch")
    if view.unreadable:
        st.warning(f"{view.unreadable:,} messages could not be decoded: another program writes to these topics.")


def _origin(view: View, source: Source | None) -> None:
    """Where the symbol's prices come from, and what time it is there."""
    if source is None:
        return
    time = second_text(view.prices[source][-1].time)
    of = literal(source.exchange.capitalize())
    if source in view.simulated:
        show_badge("simulated", f"Invented prices from the simulator, market time {time} UTC.")
    elif source in view.replayed:
        show_badge("replay", f"A recording of {of} is replayed, market time {time} UTC. These forecasts are backtests.")
    else:
        show_badge("live", f"{of}, market time {time} UTC.")


def _numbers(view: View, source: Source | None, now: datetime) -> None:
    feeding = {name: topic for name, topic in view.topics.items() if source and exchange_of(name) == source.exchange}
    newest = max((topic.newest for topic in feeding.values() if topic.newest), default=None)
    age = (now - newest).total_seconds() if newest else None
    behind = [lag for topic in feeding.values() for lag in topic.lag.values()]
    price = view.prices[source][-1].price if source else None
    cells = (
        ("Price", price_text(price) if price else NOTHING, None),
        ("Messages a second", f"{sum(topic.rate for topic in feeding.values()):,.1f}", "Mean of the last 10 seconds."),
        ("Newest message", f"{age_text(age)} ago" if age is not None else NOTHING, "By the moment of receipt."),
        ("Not yet read", f"{max(behind):,}" if behind else NOTHING, "Messages that the predictor has before it."),
        ("Tick to forecast", _latency(view.latency), "Median and 99th percentile of the last 10 seconds."),
    )
    with st.container(horizontal=True):
        for label, value, meaning in cells:
            st.metric(label, value, help=meaning, width="content")
    if age is not None and age > _STALE_SECONDS:
        st.warning(f"Nothing has arrived for {age_text(age)}. See below which process is not running.")


def _latency(seconds: Sequence[float]) -> str:
    if not seconds:
        return NOTHING
    milliseconds = pd.Series(seconds) * 1000
    return f"{milliseconds.median():,.0f} / {milliseconds.quantile(0.99):,.0f} ms"


def _forecast(view: View, source: Source | None, symbol: str) -> None:
    horizons = sorted({parse_horizon(name) for of, name in view.newest if of == symbol})
    if not horizons:
        st.info(f"No forecast of {literal(symbol)} yet. See below whether the predictor is running.")
        return
    names = [horizon.name for horizon in horizons]
    name = st.segmented_control("Horizon", names, default=names[0], required=True, key="live horizon")
    if name not in names:
        return
    held = bool(st.session_state.get(_HOLD))
    chart = live_chart(view.prices[source] if source else (), frame_of(view.earlier[symbol, name]), zoomable=held)
    st.vega_lite_chart(chart, width="stretch", alt=f"Price and newest forecast of {symbol}, {name} ahead")
    st.caption(LIVE_CAPTION)


def _newest(view: View) -> pd.DataFrame:
    newest = in_order(frame_of(list(view.newest.values())))
    price = quantile_prices(newest).map(price_text)
    return pd.DataFrame(
        {
            "symbol": newest["symbol"],
            "horizon": newest["horizon"],
            "median": price["q50"],
            "50 % interval": price["q25"] + " to " + price["q75"],
            "90 % interval": price["q05"] + " to " + price["q95"],
            "P(up)": newest["p_up"].map(percent_text),
            "made at": newest["origin"].map(second_text),
            "for": newest["target_time"].map(second_text),
            "model": newest["model"],
            "version": newest["model_version"],
            "kind": newest["kind"],
            "inputs": newest["provenance"],
            "id": newest["forecast_id"],
        }
    )


def _topics(view: View, now: datetime) -> pd.DataFrame:
    rows = [
        {
            "topic": name,
            "messages a second": f"{topic.rate:,.1f}",
            "newest": f"{age_text((now - topic.newest).total_seconds())} ago" if topic.newest else NOTHING,
            "not yet read by": ", ".join(f"{group}: {lag:,}" for group, lag in sorted(topic.lag.items())) or NOTHING,
        }
        for name, topic in view.topics.items()
    ]
    return pd.DataFrame([*rows, *({"topic": name, "newest": "not made yet"} for name in view.missing)]).fillna(NOTHING)


def _processes(settings: Settings) -> None:
    st.subheader("Processes", anchor=False)
    health = live_queries.health(settings)
    away = health[health["state"] == live_queries.AWAY]
    st.dataframe(
        health.assign(state=[f"{_ICONS[state]} {state}" for state in health["state"]]), hide_index=True, width="stretch"
    )
    if len(away):
        st.caption(f"Not running: {', '.join(away['process'])}. {_START}")
    if (health["state"] == live_queries.WAITING).any():
        st.caption("Waiting: it runs, and what it needs is away; its log in the home's folder `logs` says what.")


page("Live", body, every=1, badged=False)
