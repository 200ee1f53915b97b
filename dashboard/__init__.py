"""The Streamlit dashboard: reads the stores and draws them; knows nothing of the orchestrator."""
