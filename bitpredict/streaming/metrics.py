"""Prometheus metrics of the live lane's processes."""

from prometheus_client import Counter, Gauge

RECEIVED = Counter("bitpredict_stream_received", "frames and replies that an exchange sent", ["exchange"])
APPENDED = Counter("bitpredict_stream_appended", "messages stored in the event log", ["topic"])
REJECTED = Counter("bitpredict_stream_rejected", "messages that could not be used", ["topic", "reason"])
BUFFERED = Gauge("bitpredict_stream_buffered", "messages that wait for the event log", ["exchange"])
DROPPED = Counter("bitpredict_stream_dropped", "messages lost because the buffer was full", ["exchange", "policy"])
RECONNECTS = Counter("bitpredict_stream_reconnects", "connections that ended, by what ended them", ["exchange", "why"])
GAPS = Counter("bitpredict_stream_gaps", "ranges of missed trades: found, repaired, recorded", ["exchange", "state"])
LAST_MESSAGE = Gauge("bitpredict_stream_last_message_timestamp_seconds", "when the last message came", ["exchange"])
