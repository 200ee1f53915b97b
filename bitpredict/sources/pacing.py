"""How long to wait before a host is asked again: our own pace, and what the host asks for."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class Pace:
    """Hands out instants at which a host may be asked, `interval` seconds apart."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, host: str) -> None:
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(host, now))
            self._next[host] = turn + self._interval
        time.sleep(turn - now)

    def hold(self, host: str, seconds: float) -> None:
        with self._lock:
            self._next[host] = max(time.monotonic() + seconds, self._next.get(host, 0.0))


def asked_to_wait(headers: Mapping[str, str], *, limited: bool) -> float | None:
    """Seconds that an answer asks to wait; None where it does not say.

    Args:
        limited: it was refused for too many requests, so that X's header counts too.
    """
    wait = _retry_after(headers.get("Retry-After"))
    return _reset_after(headers.get("x-rate-limit-reset")) if wait is None and limited else wait


def _retry_after(text: str | None) -> float | None:
    """Seconds named by a Retry-After header, which holds a number or a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _reset_after(text: str | None) -> float | None:
    """Seconds until the Unix time that X names for the end of its limit."""
    return max(0.0, float(text) - time.time()) if text and text.isdecimal() and len(text) < 12 else None
