"""What assets are given: the settings and the stores they name, opened once a run."""

from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import ConfigDict
from sqlalchemy import Engine

from bitpredict.settings import Settings, load_settings
from bitpredict.storage.cache import Cache, open_cache
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.storage.raw import RawStore

if TYPE_CHECKING:
    from bitpredict.forecasting.mlflow_tracking import Tracking
    from bitpredict.forecasting.store import ModelStore
    from bitpredict.sources.candles import CandleSource


class Platform(dg.ConfigurableResource):
    """Settings from BITPREDICT_* and the stores they lead to.

    Assets take settings from here and from nowhere else, so that a run sees one state of them.
    """

    model_config = ConfigDict(ignored_types=(cached_property,), frozen=False)

    @cached_property
    def settings(self) -> Settings:
        from bitpredict.observability import configure_logging

        configure_logging()
        return load_settings()

    @cached_property
    def lake(self) -> Lake:
        return Lake.from_settings(self.settings)

    @cached_property
    def raw(self) -> RawStore:
        return RawStore.from_settings(self.settings)

    @cached_property
    def engine(self) -> Engine:
        return connect(self.settings)

    @cached_property
    def cache(self) -> Cache:
        """What pages keep of the database: whoever writes rows that they show tells it."""
        return open_cache(self.settings)

    @cached_property
    def source(self) -> "CandleSource":
        from bitpredict.sources.candles import choose_source

        return choose_source(self.settings)

    @cached_property
    def models(self) -> "ModelStore":
        from bitpredict.forecasting.store import ModelStore

        return ModelStore(self.settings.models)

    @cached_property
    def tracking(self) -> "Tracking":
        from bitpredict.forecasting.mlflow_tracking import Tracking

        return Tracking.from_settings(self.settings)
