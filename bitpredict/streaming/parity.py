"""Whether a day's live forecasts are what batch makes of the same messages, to the last bit.

From the day's streamed trades (with their offsets) come minute bars and windows, by whole arrays; from the bars the
features, by the code of the feature table over the whole day; from these the forecasts, by the stored versions. All of
it is compared with what the predictor wrote to its topics. What cannot be compared is counted with its reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bitpredict.errors import ModelError
from bitpredict.features.catalog import LOOKBACK
from bitpredict.features.minutes import MinuteGrid
from bitpredict.features.table import origin_values
from bitpredict.features.view import View
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.forecasting.model import TrainedModel
from bitpredict.market.horizons import TICK
from bitpredict.market.time import MINUTE, to_numpy
from bitpredict.storage.contracts import CANDLES
from bitpredict.streaming.batch_lane import UsedTrades, micros
from bitpredict.streaming.look_back import Place
from bitpredict.streaming.messages import Candle, Prediction
from bitpredict.streaming.tick_models import TICK_BASELINE, TickModel, tick_inputs

NOT_STREAMED = "its trades are not in streamed_trades yet"
BEFORE_STORED = "it was made from trades before the stored ones"
NO_MODEL = "its model version is not in the store"

_BAR = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume", "provenance")


class Models(Protocol):
    """Versions by name."""

    def load(self, version: str) -> TrainedModel:
        """Raises ModelError: there is none."""


class TickModels(Protocol):
    """Trained tick models by version."""

    def load(self, version: str) -> TickModel:
        """Raises ModelError: there is none."""


@dataclass
class Parity:
    """What came of the comparison.

    Attributes:
        compared: bars and forecasts by horizon.
        incomparable: by reason.
        differences: how many of the compared differ.
        first_difference: the first of them, in words.
    """

    compared: Counter[str] = field(default_factory=Counter)
    incomparable: Counter[str] = field(default_factory=Counter)
    differences: int = 0
    first_difference: str | None = None

    def see(self, what: str, name: str, written: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
        """Compare values of the same names, bit by bit."""
        self.compared[what] += 1
        for key, expected in batch.items():
            if written[key] != expected:
                self.differences += 1
                self.first_difference = self.first_difference or (
                    f"{name}: {key} is {written[key]!r}, batch makes {expected!r}"
                )
                return


@dataclass(frozen=True, eq=False)
class Inputs:
    """Of one symbol of an exchange, around [start, end).

    Attributes:
        trades: of these days and the one before; those that were late are left out.
        newest_offset: of the stored trades.
        candles: the messages of the candles' topic, the first of each minute.
        history: rows of `CANDLES` from the lake, reaching back the look-back.
        from_the_start: the trades begin with the topic's first, so that nothing came before them.
    """

    symbol: str
    start: datetime
    end: datetime
    trades: UsedTrades
    newest_offset: int
    candles: Mapping[datetime, Candle]
    history: pa.Table
    from_the_start: bool


class SymbolParity:
    """Compares one symbol's bars and forecasts.

    Args:
        tick_window: trades in a window.
        ticks: the trained ones; the baseline is known.
    """

    def __init__(self, inputs: Inputs, models: Models, ticks: TickModels, tick_window: int) -> None:
        self._inputs = inputs
        self._models = models
        self._ticks = ticks
        self._size = tick_window
        self._made: dict[str, Mapping[int, tuple[float, tuple[float, ...], float]] | None] = {}
        self._grid = MinuteGrid.from_candles(self._minutes(), inputs.symbol, inputs.start - LOOKBACK, inputs.end)

    def compare_bars(self, into: Parity) -> None:
        """Minutes that the predictor built from trades."""
        bars = self._inputs.trades.bars
        for opened, candle in sorted(self._inputs.candles.items()):
            if not candle.built or not self._inputs.start <= opened < self._inputs.end:
                continue
            if self._again(opened):
                written = {key: getattr(candle, key) for key in _BAR} | {"lacks trades": False}
                batch = bars[opened] | {"lacks trades": opened in self._inputs.trades.broken}
                into.see("bars", f"bar of {candle.symbol} {opened:%Y-%m-%d %H:%M}", written, batch)
            else:
                over = micros(opened + MINUTE) <= self._inputs.trades.over
                into.incomparable[BEFORE_STORED if over else NOT_STREAMED] += 1

    def compare(self, place: Place, written: Prediction, into: Parity) -> None:
        """One forecast."""
        expected = self._expected(written)
        if isinstance(expected, str):
            into.incomparable[expected] += 1
            return
        name = f"{place} ({written.symbol} {written.horizon} at {written.origin.isoformat()}, from {written.input})"
        into.see(written.horizon, name, {key: getattr(written, key, None) for key in expected}, expected)

    def _expected(self, written: Prediction) -> dict[str, Any] | str:
        trades, trigger = self._inputs.trades, Place.parse(written.input)
        by_trades = trigger is not None and trigger.topic.endswith("-trades")
        if by_trades and trigger is not None and trigger.offset > self._inputs.newest_offset:
            return NOT_STREAMED
        if by_trades and not self._inputs.from_the_start and not trades.reaches_back(written.origin, self._size):
            return BEFORE_STORED
        window = trades.window(written.origin, self._size)
        expected: dict[str, Any] = {"reference_price": window.price, **window.statistics()._asdict()}
        if written.horizon == TICK.name:
            return self._from_ticks(written, expected)
        made = self._distributions(written.model_version)
        if made is None:
            return NO_MODEL
        row = (written.features_at - self._inputs.start) // MINUTE
        if row not in made:
            return expected | {"features_at": "no row: a minute of the last hour is missing, or an input is null"}
        if written.origin == written.features_at:
            last = int(np.searchsorted(self._grid.open_time, to_numpy(written.origin))) - 1
            expected["reference_price"] = float(self._grid.close[last])
        variance, quantiles, p_up = made[row]
        return expected | {"realized_variance": variance, "quantiles": quantiles, "p_up": p_up}

    def _from_ticks(self, written: Prediction, expected: dict[str, Any]) -> dict[str, Any] | str:
        try:
            baseline = written.model_version == TICK_BASELINE.version
            model = TICK_BASELINE if baseline else self._ticks.load(written.model_version)
        except ModelError:
            return NO_MODEL
        window = self._inputs.trades.window(written.origin, self._size)
        inputs = tick_inputs(window, window.statistics(), written.origin)
        made = None if inputs is None else model.forecast(inputs)
        if made is None:
            return expected | {"realized_variance": "none: too few trades"}
        return expected | {"realized_variance": made.variance, "quantiles": made.quantiles, "p_up": made.p_up}

    def _distributions(self, version: str) -> Mapping[int, tuple[float, tuple[float, ...], float]] | None:
        """Minute of the day (0: its midnight) -> what the version makes of its features, for all of them at once."""
        if version not in self._made:
            try:
                self._made[version] = self._forecast(self._models.load(version))
            except ModelError:
                self._made[version] = None
        return self._made[version]

    def _forecast(self, model: TrainedModel) -> Mapping[int, tuple[float, tuple[float, ...], float]]:
        first = LOOKBACK // MINUTE - 1
        last_minutes = np.flatnonzero(self._grid.present[first:]) + first
        if not last_minutes.size:
            return {}
        view = View(self._grid, last_minutes)
        values = origin_values(view)
        inputs = np.column_stack([values[name] for name in model.forecaster.inputs])
        known = np.flatnonzero(
            (values["coverage_60"] >= 1.0) & ~np.isnan(inputs).any(axis=1) & (view.origin >= to_numpy(model.valid_from))
        )
        found = model.distribution(FeatureRows(view.origin[known], model.forecaster.inputs, inputs[known]))
        return {
            int(last_minutes[row] - first): (float(variance), tuple(quantiles), found.p_up)
            for row, variance, quantiles in zip(known, found.variance, found.quantiles.tolist(), strict=True)
        }

    def _again(self, opened: datetime) -> bool:
        """Whether all trades of the minute are stored: the first may have earlier ones, the last later."""
        trades = self._inputs.trades
        begun = opened in trades.bars and (self._inputs.from_the_start or opened > next(iter(trades.bars)))
        return begun and micros(opened + MINUTE) <= trades.over

    def _minutes(self) -> pa.Table:
        """The minutes that the features look at: the topic's before the lake's, built ones made again from trades."""
        inputs, bars = self._inputs, self._inputs.trades.bars
        rows = []
        for opened, candle in inputs.candles.items():
            values = {key: getattr(candle, key) for key in _BAR}
            if candle.built and self._again(opened):
                values = bars[opened]
            rows.append(
                {
                    **values,
                    "symbol": inputs.symbol,
                    "open_time": opened,
                    "halted": False,
                    "known_at": opened + MINUTE,
                }
            )
        told = pa.Table.from_pylist(rows, schema=CANDLES.schema)
        untold = pa.compute.invert(pa.compute.is_in(inputs.history["open_time"], told["open_time"].combine_chunks()))
        return pa.concat_tables([inputs.history.filter(untold), told])


def compare_all(
    symbols: Mapping[str, SymbolParity], predictions: Iterable[tuple[Place, Prediction]], into: Parity
) -> None:
    """Compare the bars of every symbol, and every forecast of theirs."""
    for one in symbols.values():
        one.compare_bars(into)
    for place, written in predictions:
        if written.symbol in symbols:
            symbols[written.symbol].compare(place, written, into)
