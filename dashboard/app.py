"""Start with `streamlit run dashboard/app.py`."""

import streamlit as st

# Drawn here because Streamlit would fetch a named icon from the internet.
_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M14 17 30 4v26z" fill="#2a7fbf"
opacity=".45"/><path d="M2 22l5-6 4 4 3-3" fill="none" stroke="#2a7fbf" stroke-width="3"/></svg>"""

st.set_page_config(page_title="BitPredict", page_icon=_ICON, layout="wide")
st.navigation(
    [
        st.Page("screens/forecasts.py", title="Forecasts", icon=":material/query_stats:", default=True),
        st.Page("screens/live.py", title="Live", icon=":material/sensors:"),
        st.Page("screens/market.py", title="Market", icon=":material/table_chart:"),
        st.Page("screens/news.py", title="News", icon=":material/newspaper:"),
        st.Page("screens/scorecard.py", title="Scorecard", icon=":material/rule:"),
        st.Page("screens/data.py", title="Data", icon=":material/database:"),
        st.Page("screens/data_health.py", title="Data health", icon=":material/monitor_heart:"),
    ],
    position="top",
).run()
