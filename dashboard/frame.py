"""What every page shares: its head with the provenance badge, its refreshing, and errors in one line."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from bitpredict.errors import BitPredictError
from bitpredict.report.provenance import badge
from bitpredict.report.style import CONFIG
from bitpredict.settings import Settings, load_settings
from dashboard import queries

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

REFRESH_SECONDS = 15
_SHARES = {"p_up", "skill", "pinball_skill", "champion_share"}
_COLOURS = {"sample": "blue", "archive": "green", "live": "green", "simulated": "orange", "replay": "blue"}

NO_DATA = (
    "Nothing is stored here yet. Run `bitpredict demo` for the shipped sample of real candles (some minutes, no "
    "network), or `bitpredict backfill --from 2023-11-01 --to 2023-12-31` for days of your choice. "
    "This page fills itself as soon as there is something to show."
)

_INVENTED = "Invented for the demonstration, in the shape of the real source. It says nothing about any market."


def page(title: str, body: Callable[[Settings], None], every: int = REFRESH_SECONDS, *, badged: bool = True) -> None:
    """Show `body` below the page's head, again every so many seconds.

    Args:
        badged: whether the head tells the provenance of the stored candles.
    """

    @st.fragment(run_every=every)
    def refreshing() -> None:
        try:
            settings = load_settings()
            st.header(title, anchor=False)
            if badged:
                mark = badge(settings.market, queries.provenances(settings))
                show_badge(mark.name, f"{mark.meaning} All times are UTC.")
            body(settings)
        except BitPredictError as error:
            st.error(literal(str(error)), icon=":material/error:")

    refreshing()


def draw(chart: "Figure", label: str, caption: str) -> None:
    """A chart, with what it shows for those who cannot see it and what it means below it."""
    st.plotly_chart(chart, width="stretch", config=CONFIG, key=label, alt=label)
    st.caption(caption)


def table(rows: pd.DataFrame, first: Sequence[str] = ()) -> None:
    """Rows as a sortable table, the columns `first` leading: instants to the minute, shares as percent."""
    rows = rows[[*first, *(name for name in rows.columns if name not in first)]]
    formats: dict[str, Any] = {}
    for name in rows.select_dtypes("datetimetz"):
        formats[name] = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")
    for name in rows.select_dtypes("number"):
        if name in _SHARES or name.startswith("coverage"):
            formats[name] = st.column_config.NumberColumn(format="percent")
        elif name.endswith("price") or name.startswith("price"):
            formats[name] = st.column_config.NumberColumn(format="localized")
        elif name == "pinball":
            formats[name] = st.column_config.NumberColumn(format="%.6f")
    st.dataframe(rows, hide_index=True, width="stretch", column_config=formats)


def literal(text: object) -> str:
    """`text` as Streamlit's markdown shows it unchanged: names and messages from data are no markup."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", str(text))


def show_badge(name: str, meaning: str) -> None:
    """Where the page's numbers come from: a mark and a sentence."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(name, color=_COLOURS[name])
        st.caption(meaning)


def show_origin(rows: pd.DataFrame, newest: str, observed: str) -> None:
    """The badge of rows that others told, or that were invented for the demonstration.

    Args:
        newest: what the newest of them is, in words.
        observed: where they come from if they are not invented.
    """
    invented = rows["provenance"].str.startswith("simulated").any()
    show_badge(
        "simulated" if invented else "live", f"{_INVENTED if invented else observed} {newest}. All times are UTC."
    )
