"""Where the numbers come from, as the badge that report and dashboard show."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provenance:
    """A badge: `name` is sample, archive, live or simulated."""

    name: str
    meaning: str


_BY_MARKET = {
    "sample": Provenance(
        "sample", "Real candles of two past months, shipped for demonstration. Nothing here is current."
    ),
    "archive": Provenance(
        "archive", "Real candles from the exchange's public archive, complete to its last published day."
    ),
    "binance": Provenance("live", "Real candles from the exchange, today's among them."),
    "coinbase": Provenance("live", "Real ticks from the exchange, as they come."),
}
_SIMULATED = Provenance("simulated", "Invented prices from the simulator. They say nothing about any market.")


def badge(market: str, rows: Iterable[str] = ()) -> Provenance:
    """The badge of the setting `market`, unless any row's own provenance says that it was simulated."""
    if market == "simulated" or any(str(row).startswith("simulated") for row in rows):
        return _SIMULATED
    return _BY_MARKET[market]
