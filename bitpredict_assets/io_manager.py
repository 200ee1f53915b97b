"""Between assets and the lake: loads the partitions and columns asked for, replaces exactly the days written."""

from collections.abc import Sequence
from datetime import date, datetime

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.catalog import FEATURE_TABLE, PRICE_FEATURES
from bitpredict.market.time import DAY, utc
from bitpredict.masking import masked
from bitpredict.storage.contracts import (
    BINANCE_CANDLES,
    CANDLES,
    CRYPTOCOMPARE_CANDLES,
    HOURLY_SENTIMENT,
    STREAMED_TRADES,
    Contract,
)
from bitpredict_assets.resources import Platform

CONTRACTS: dict[str, Contract] = {
    contract.table: contract
    for contract in (
        *(BINANCE_CANDLES, CRYPTOCOMPARE_CANDLES, CANDLES, PRICE_FEATURES, MARKET_BREADTH, FEATURE_TABLE),
        *(STREAMED_TRADES, HOURLY_SENTIMENT),
    )
}


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores an asset as the lake table of its name.

    An asset returns a `pyarrow.Table` or a `pandas.DataFrame`; an input is loaded as whichever the parameter is
    annotated with. `AssetIn(metadata={"columns": [...]})` loads these columns alone.
    """

    platform: dg.ResourceDependency[Platform]

    def handle_output(self, context: dg.OutputContext, obj: pa.Table | pd.DataFrame) -> None:
        contract = _contract(context.asset_key)
        table = pa.Table.from_pandas(obj, preserve_index=False) if isinstance(obj, pd.DataFrame) else obj
        start, end = _window(context) if context.has_asset_partitions else self._whole(contract, table)
        version = self.platform.lake.replace(contract, table, start, end)
        context.add_output_metadata(
            {
                "table": dg.MetadataValue.path(f"{masked(self.platform.settings.lake)}/{contract.table}"),
                "table version": version,
            }
        )

    def load_input(self, context: dg.InputContext) -> pa.Table | pd.DataFrame:
        contract = _contract(context.asset_key)
        columns: Sequence[str] | None = (context.definition_metadata or {}).get("columns")
        if not context.has_asset_partitions:
            table = self.platform.lake.read(contract, columns=columns)
        elif context.asset_partition_keys:
            table = self.platform.lake.read(contract, *_window(context), columns=columns)
        else:  # the calendar's first partition looks back to nothing
            table = contract.empty().select(columns or contract.schema.names)
        return table.to_pandas() if context.dagster_type.typing_type is pd.DataFrame else table

    def _whole(self, contract: Contract, table: pa.Table) -> tuple[datetime, datetime]:
        """The days stored and the days written: an unpartitioned asset replaces its whole table."""
        days = {*self.platform.lake.days(contract), *table[contract.time].cast(pa.date32()).to_pylist()}
        return (utc(min(days)), utc(max(days)) + DAY) if days else (utc(date.min), utc(date.min) + DAY)


def _contract(key: dg.AssetKey) -> Contract:
    name = key.path[-1]
    if name not in CONTRACTS:
        raise dg.DagsterInvariantViolationError(
            f"{name} has no lake contract; add one, or annotate the asset `-> None` if it stores elsewhere"
        )
    return CONTRACTS[name]


def _window(context: dg.OutputContext | dg.InputContext) -> tuple[datetime, datetime]:
    window = context.asset_partitions_time_window
    return window.start, window.end
