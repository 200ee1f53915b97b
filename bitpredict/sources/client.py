"""How an outside source is asked by the settings: with its circuit, and as patiently as the user wants."""

from collections.abc import Mapping

from bitpredict.settings import Settings
from bitpredict.sources.circuits import Circuits
from bitpredict.sources.http import HttpClient
from bitpredict.storage.raw import Keep


def open_client(
    source: str,
    settings: Settings,
    *,
    interval: float = 0.02,
    headers: Mapping[str, str] | None = None,
    most_attempts: int | None = None,
    keep: Keep | None = None,
) -> HttpClient:
    """A client by BITPREDICT_HTTP_TIMEOUT_SECONDS and _HTTP_ATTEMPTS, of these at most `most_attempts`; the rest as
    `HttpClient` has it."""
    attempts = settings.http_attempts
    return HttpClient(
        source,
        timeout=settings.http_timeout_seconds,
        attempts=attempts if most_attempts is None else min(attempts, most_attempts),
        interval=interval,
        headers=headers,
        circuits=Circuits.from_settings(source, settings),
        keep=keep,
    )
