"""Structured logs (readable on a terminal, JSON otherwise) and the figures of outside sources and of the cache."""

import sys

import structlog
from prometheus_client import Counter, Gauge

SOURCE_REQUESTS = Counter("bitpredict_source_requests", "requests sent, repeats included", ["source"])
SOURCE_ERRORS = Counter("bitpredict_source_errors", "requests that failed, by what was wrong", ["source", "reason"])
SOURCE_RETRIES = Counter("bitpredict_source_retries", "requests that were sent again", ["source"])
SOURCE_REJECTED_ROWS = Counter("bitpredict_source_rejected_rows", "rows not believed", ["source", "reason"])
SOURCE_CIRCUIT = Gauge(
    "bitpredict_source_circuit", "of each host: 0 closed, 1 half open, 2 open: it is left alone", ["source", "host"]
)
SOURCE_LAST_SUCCESS = Gauge(
    "bitpredict_source_last_success_timestamp_seconds", "when the host answered last", ["source", "host"]
)

CACHE_HITS = Counter("bitpredict_cache_hits", "values that were there", ["namespace"])
CACHE_MISSES = Counter("bitpredict_cache_misses", "values that were not there", ["namespace"])
CACHE_EVICTIONS = Counter("bitpredict_cache_evictions", "values that made room for others", ["namespace"])
CACHE_KEYS = Gauge("bitpredict_cache_keys", "values that are there; NaN while Redis is away", ["namespace"])
CACHE_BYTES = Gauge("bitpredict_cache_bytes", "their bytes; NaN while Redis is away", ["namespace"])
CACHE_AWAY = Counter("bitpredict_cache_away", "questions to Redis that it did not answer, or was spared")
RAW_ANSWERS = Counter("bitpredict_raw_answers", "answers kept as they came, or failed to be", ["source", "outcome"])


def configure_logging(json: bool | None = None) -> None:
    """Send log lines to standard error; call once when a process starts.

    Args:
        json: one JSON object a line; by default unless standard error is a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shape: list[structlog.typing.Processor] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
