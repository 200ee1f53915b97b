"""The graph's calendar is the sample's (see tests.support.graph); its stores are each test's own."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine

from bitpredict.features.lookahead import prefix_invariance
from bitpredict.forecasting.baselines import Ewma, RandomWalk
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.ridge import Ridge
from bitpredict.settings import Settings
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from tests.support.graph import Ran, at_home, run_job
from tests.support.klines import day_file, day_path
from tests.support.once import once

QUICK_RECIPES = (RandomWalk(), Ewma(), SeasonalHar(), Ridge(), Boosting(trees=15, least_rows_a_leaf=100))
"""The real ones, but for small trees."""

PutDay = Callable[[str, date, str | None], None]


@dataclass(frozen=True)
class Made:
    """A home with what a run made; shared, so only to be read or copied."""

    settings: Settings
    ran: Ran

    @property
    def lake(self) -> Lake:
        return Lake.from_settings(self.settings)

    @property
    def engine(self) -> Engine:
        return connect(self.settings)


@pytest.fixture(autouse=True)
def _no_more_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's own runs look for look-ahead at the first and the last origin of a day, and draw no features: half of
    their time. The runs that are shared do both in full, and tests look at what they found and drew."""
    monkeypatch.setattr("bitpredict_assets.features.checks.prefix_invariance", partial(prefix_invariance, origins=2))
    monkeypatch.setattr("bitpredict_assets.features.assets.line_plot", lambda *_: dg.MetadataValue.md("not drawn"))


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake.from_settings(settings)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = connect(settings)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Prices of 2023-11-02 to 2023-11-12 from the sample, made by one run."""

    def make(folder: Path) -> Made:
        with at_home(folder) as settings:
            chosen = ["binance_candles", "candles", "data_gaps"]
            return Made(settings, run_job("prices_and_features", "2023-11-02", "2023-11-12", chosen))

    return once(tmp_path_factory, "priced", make)


@pytest.fixture(scope="session")
def featured(priced: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same with the features of the last two days: the first that have their whole look-back."""

    def make(folder: Path) -> Made:
        with at_home(folder) as settings:
            shutil.copytree(priced.settings.home, settings.home)
            chosen = ["price_features", "feature_table"]
            return Made(settings, run_job("prices_and_features", "2023-11-11", "2023-11-12", chosen))

    return once(tmp_path_factory, "featured", make)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """December's models, trained on prices and features from 2023-11-10 on; these reach into December."""

    def make(folder: Path) -> Made:
        with at_home(folder) as settings, pytest.MonkeyPatch.context() as patch:
            patch.setattr("bitpredict.forecasting.months.recipes_for", lambda _horizon: QUICK_RECIPES)
            assert run_job("prices_and_features", "2023-11-10", "2023-12-04").success
            ran = run_job("models", "2023-12-01")
            assert ran.success, ran.failures
        return Made(settings, ran)

    return once(tmp_path_factory, "trained", make)


@pytest.fixture(scope="session")
def forecast(trained: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same with forecasts of 2023-12-01 to 2023-12-03, their outcomes and the scorecard."""

    def make(folder: Path) -> Made:
        with at_home(folder) as settings:
            shutil.copytree(trained.settings.home, settings.home)
            ran = run_job("forecasts_and_scores", "2023-12-01", "2023-12-03")
            assert ran.success, ran.failures
        return Made(settings, ran)

    return once(tmp_path_factory, "forecast", make)


@pytest.fixture
def with_models(trained: Made, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The test's own home, with those models; training there uses the same recipes."""
    monkeypatch.setattr("bitpredict.forecasting.months.recipes_for", lambda _horizon: QUICK_RECIPES)
    shutil.copytree(trained.settings.home, settings.home)
    return settings


@pytest.fixture
def with_forecasts(forecast: Made, settings: Settings) -> Settings:
    """The test's own home, with those forecasts."""
    shutil.copytree(forecast.settings.home, settings.home)
    return settings


@pytest.fixture
def with_prices(priced: Made, settings: Settings) -> Settings:
    """The test's own home, with those prices."""
    shutil.copytree(priced.settings.home, settings.home)
    return settings


@pytest.fixture
def with_features(featured: Made, settings: Settings) -> Settings:
    """The test's own home, with those prices and features."""
    shutil.copytree(featured.settings.home, settings.home)
    return settings


@pytest.fixture
def put_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutDay:
    """Put a symbol's day (CSV lines, by default a whole quiet day) into an archive that the graph then reads."""
    folder = tmp_path / "archive"
    monkeypatch.setenv("BITPREDICT_ARCHIVE_URL", str(folder))

    def put(symbol: str, day: date, content: str | None = None) -> None:
        file = folder / day_path(symbol, day)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(day_file(symbol, day, content))

    return put
