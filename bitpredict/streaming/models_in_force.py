"""Which model forecasts which symbol and horizon at this moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bitpredict.forecasting.model import TrainedModel
from bitpredict.streaming.tick_models import TICK_BASELINE, TickModel

NO_MODEL = "no champion is registered"


@dataclass(frozen=True, eq=False)
class ModelsInForce:
    """Never changed: another one takes its place between two polls.

    Attributes:
        bars: (symbol, horizon) -> the champion.
        refused: (symbol, horizon) -> why its champion cannot serve here.
        ticks: symbol -> its trained tick model; the baseline serves the others.
    """

    bars: Mapping[tuple[str, str], TrainedModel] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[tuple[str, str], str] = field(default_factory=lambda: MappingProxyType({}))
    ticks: Mapping[str, TickModel] = field(default_factory=lambda: MappingProxyType({}))

    def bar_model(self, symbol: str, horizon: str) -> TrainedModel | str:
        """The model, or why there is none."""
        found = self.bars.get((symbol, horizon))
        return found if found is not None else self.refused.get((symbol, horizon), NO_MODEL)

    def tick_model(self, symbol: str) -> TickModel:
        return self.ticks.get(symbol, TICK_BASELINE)
