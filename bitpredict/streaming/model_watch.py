"""Keeps an eye on who serves: aliases are looked up off the hot path, and the predictor takes over what is new."""

import threading
from collections.abc import Mapping

import structlog

from bitpredict.errors import BitPredictError, ModelError
from bitpredict.features.catalog import FEATURE_SET_VERSION, OWN_FEATURES
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.network import Network
from bitpredict.forecasting.registry import Champions, Registry, open_registry
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.horizons import TICK
from bitpredict.settings import Settings
from bitpredict.streaming.metrics import MODELS_IN_FORCE
from bitpredict.streaming.models_in_force import ModelsInForce
from bitpredict.streaming.tick_models import TICK_BASELINE, TickModel
from bitpredict.streaming.tick_store import TickModelStore

LOOK_SECONDS = 10.0

_OWN = frozenset(feature.name for feature in OWN_FEATURES)
_log = structlog.get_logger(__name__)


class ModelWatch:
    """Looks at the registry again and again, in a thread of its own.

    Attributes:
        current: what is in force; replaced, never changed. A registry that is away changes nothing.
    """

    def __init__(self, registry: Registry, store: ModelStore, ticks: TickModelStore | None) -> None:
        self._registry = registry
        self._store = store
        self._ticks = ticks
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._away = False
        self.current = ModelsInForce()

    @classmethod
    def from_settings(cls, settings: Settings) -> "ModelWatch":
        """Trained tick models serve only where the settings ask for them."""
        ticks = TickModelStore.from_settings(settings) if settings.model_variant == "ml" else None
        return cls(open_registry(settings.mlflow), ModelStore(settings.models), ticks)

    def start(self) -> None:
        """Look once, then every ten seconds."""
        self.look()
        self._thread = threading.Thread(target=self._watch, name="models", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def look(self) -> None:
        """Bring `current` in line with the registry, if it can be reached."""
        try:
            champions = self._registry.champions()
        except BitPredictError as error:
            if not self._away:
                _log.warning("the model registry cannot be asked; the models in force stay", error=str(error))
            self._away = True
            return
        self._away = False
        found = self._load(champions)
        if _names(found) != _names(self.current):
            _tell(self.current, found)
            self.current = found

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()

    def _load(self, champions: Champions) -> ModelsInForce:
        bars: dict[tuple[str, str], TrainedModel] = {}
        refused: dict[tuple[str, str], str] = {}
        for place, version in champions.items():
            if place[1] == TICK.name:
                continue
            known = self.current.bars.get(place)
            try:
                model = known if known is not None and known.version == version else self._store.load(version)
            except ModelError as error:
                refused[place] = str(error)
                continue
            if reason := _refusal(model):
                refused[place] = reason
                continue
            if isinstance(model.forecaster, Network):
                _ = model.forecaster.session  # loaded here, not in the first forecast
            bars[place] = model
        ticks = {} if self._ticks is None else self._load_ticks(self._ticks, champions, refused)
        return ModelsInForce(bars, refused, ticks)

    def _load_ticks(
        self, store: TickModelStore, champions: Champions, refused: dict[tuple[str, str], str]
    ) -> Mapping[str, TickModel]:
        """The trained ones; where the alias points at the baseline, or at what is not there, the baseline serves."""
        found: dict[str, TickModel] = {}
        for (symbol, horizon), version in champions.items():
            if horizon != TICK.name or version == TICK_BASELINE.version:
                continue
            known = self.current.ticks.get(symbol)
            try:
                found[symbol] = known if known is not None and known.version == version else store.load(version)
            except ModelError as error:
                refused[symbol, horizon] = f"{error}; the tick baseline serves instead"
        return found


def _refusal(model: TrainedModel) -> str | None:
    """Why the live lane cannot serve a model; None if it can."""
    if model.feature_set_version != FEATURE_SET_VERSION:
        return (
            f"{model.name} {model.version} was trained on feature set {model.feature_set_version}, "
            f"the live lane has {FEATURE_SET_VERSION}; materialize the month's models again"
        )
    if other := [name for name in model.forecaster.inputs if name not in _OWN]:
        return f"{model.name} {model.version} reads {other[0]}: the live lane knows a symbol's own features only"
    return None


def _names(models: ModelsInForce) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], str], dict[str, str]]:
    return (
        {place: model.version for place, model in models.bars.items()},
        dict(models.refused),
        {symbol: model.version for symbol, model in models.ticks.items()},
    )


def _tell(before: ModelsInForce, now: ModelsInForce) -> None:
    old_bars, old_refused, old_ticks = _names(before)
    bars, refused, ticks = _names(now)
    changed = {("-".join(place), old_bars.get(place), bars.get(place)) for place in old_bars.keys() | bars.keys()}
    changed |= {
        (f"{symbol}-1m", old_ticks.get(symbol), ticks.get(symbol)) for symbol in old_ticks.keys() | ticks.keys()
    }
    for name, earlier, version in sorted(changed, key=str):
        if earlier != version:
            _log.info("another model is in force", model=name, version=version, before=earlier)
    for place, reason in refused.items():
        if old_refused.get(place) != reason:
            _log.warning("a champion cannot serve", model="-".join(place), reason=reason)
    MODELS_IN_FORCE.set(len(bars) + len(ticks))
