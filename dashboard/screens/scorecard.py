"""How forecasts turned out, against the baseline. Backtest and live never share a chart or a table."""

import streamlit as st

from bitpredict.report import score_charts
from bitpredict.report.html import KINDS
from bitpredict.report.tables import in_order
from bitpredict.settings import Settings
from dashboard import queries
from dashboard.frame import NO_DATA, draw, literal, page, table

_FIRST = ("symbol", "horizon", "model", "sample_size", "qlike", "qlike_without_worst", "skill", "p_value")


def body(settings: Settings) -> None:
    card = queries.scorecard(settings)
    if card.empty and queries.forecasts(settings).empty:
        st.info(NO_DATA)
        return
    for kind, tab in zip(KINDS, st.tabs([kind.capitalize() for kind in KINDS]), strict=True):
        with tab:
            _kind(settings, kind)
    st.subheader("Which model serves, and why", anchor=False)
    st.caption(
        "Purged folds at the end of each training span, before the month that the models serve. "
        "Every model that was tried, those that lost among them."
    )
    tried = queries.evaluations(settings)
    if tried.empty:
        st.info("No model has been evaluated yet.")
        return
    month = st.selectbox("Month that the models serve", sorted(tried["month"].unique(), reverse=True))
    for row in in_order(queries.champions(settings, month)).to_dict("records"):
        st.markdown(f"**{literal(row['symbol'])} {row['horizon']}**: {literal(row['reason'])}")
    table(in_order(tried[tried["month"] == month], "qlike"), _FIRST)


def _kind(settings: Settings, kind: str) -> None:
    card = queries.scorecard(settings)
    card = card[card["kind"] == kind]
    st.caption(KINDS[kind])
    if card.empty:
        st.info(f"No {kind} forecast has met its target time yet.")
        return
    left, right = st.columns(2)
    with left:
        draw(score_charts.scorecard_chart(card), f"Skill by model, {kind}", score_charts.SKILL_CAPTION)
    with right:
        draw(score_charts.coverage_chart(card), f"Interval coverage by model, {kind}", score_charts.COVERAGE_CAPTION)
    table(in_order(card, "qlike").drop(columns="kind"), _FIRST)
    outcomes = queries.served_outcomes(settings, kind, card["scored_to"].max().to_pydatetime())
    if not outcomes.empty:
        st.subheader("Are the served distributions right?", anchor=False)
        st.caption(f"Served forecasts of the last {queries.SCORED_DAYS} days that have an outcome.")
        draw(score_charts.calibration_chart(outcomes), f"Calibration, {kind}", score_charts.CALIBRATION_CAPTION)


page("Scorecard", body)
