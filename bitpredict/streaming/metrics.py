"""Prometheus metrics of the live lane's processes."""

from prometheus_client import Counter, Gauge, Histogram

RECEIVED = Counter("bitpredict_stream_received", "frames and replies that an exchange sent", ["exchange"])
APPENDED = Counter("bitpredict_stream_appended", "messages stored in the event log", ["topic"])
REJECTED = Counter("bitpredict_stream_rejected", "messages that could not be used", ["topic", "reason"])
BUFFERED = Gauge("bitpredict_stream_buffered", "messages that wait for the event log", ["exchange"])
DROPPED = Counter("bitpredict_stream_dropped", "messages lost because the buffer was full", ["exchange", "policy"])
RECONNECTS = Counter("bitpredict_stream_reconnects", "connections that ended, by what ended them", ["exchange", "why"])
GAPS = Counter("bitpredict_stream_gaps", "ranges of missed trades: found, repaired, recorded", ["exchange", "state"])
LAST_MESSAGE = Gauge("bitpredict_stream_last_message_timestamp_seconds", "when the last message came", ["exchange"])

USED = Counter("bitpredict_stream_used", "trades and candles that the predictor used, or did not and why", ["what"])
PREDICTED = Counter("bitpredict_stream_predictions", "forecasts appended", ["exchange", "horizon"])
SKIPPED = Counter("bitpredict_stream_skipped", "forecasts that could not be made", ["reason"])
IN_LEDGER = Counter(
    "bitpredict_stream_ledger_rows", "forecasts written to the ledger: new, or there already", ["state"]
)
SERVED = Counter(
    "bitpredict_stream_served_rows",
    "rows for ml_features_materialized: written, newer there, refused, too old, or failed: a store was away",
    ["outcome"],
)
LATENCY = Histogram(
    "bitpredict_stream_latency_seconds",
    "from a message in the log to the forecast that it led to",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0),
)
LAG = Gauge(
    "bitpredict_stream_lag_seconds", "age of the last message that the predictor read; 0 when there is none to read"
)
MODELS_IN_FORCE = Gauge("bitpredict_stream_models_in_force", "trained models that serve now")
RESTORED = Counter("bitpredict_stream_restored", "partitions taken up again from a checkpoint")
