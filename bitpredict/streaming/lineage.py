"""What is known of where one forecast came from."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bitpredict.forecasting.model import QUANTILE_COLUMNS

SHORTLY = timedelta(seconds=5)
"""A forecast is appended within so long of being written."""


@dataclass
class Lineage:
    """What a forecast was made from. What could not be found is empty, and `missing` says why.

    Attributes:
        forecast: its row, with the columns of the ledger; what only the live lane knows where the topic has it.
        found_in: the ledger's table, its place in the topic of predictions, or both.
        trigger: the message that closed its second, with its place.
        trades: of the window, the oldest first, each with its offset and the exchange's id.
        window: ret_mean, ret_std and n made from these again.
        bars: how many minutes the features look back on, by where they are from: data versions.
        newest_bars: the last of them.
        features: what the model reads -> its value.
        model: version, training range, and what else names it.
        agreement: what was computed again -> whether it has the same bits as the forecast.
        missing: what cannot be shown, and why.
    """

    forecast: dict[str, Any]
    found_in: list[str]
    trigger: dict[str, Any] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    window: dict[str, Any] = field(default_factory=dict)
    bars: dict[str, int] = field(default_factory=dict)
    newest_bars: list[dict[str, Any]] = field(default_factory=list)
    features: dict[str, float] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    agreement: dict[str, bool] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def instant(self, name: str) -> datetime:
        """An instant of the forecast, as the standard library's."""
        moment = self.forecast[name]
        plain: datetime = moment.to_pydatetime() if hasattr(moment, "to_pydatetime") else moment
        return plain

    def quantiles(self) -> tuple[float, ...]:
        return tuple(float(self.forecast[name]) for name in QUANTILE_COLUMNS)
