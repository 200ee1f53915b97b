"""Quotes of the reviewed coins: who answered, who did not, and why."""

import dagster as dg

from bitpredict.market.coins import read_coins
from bitpredict.storage.market_table import newest_quotes, write_quotes
from bitpredict_assets.describe import OWNERS, database_columns, preview
from bitpredict_assets.freshness import quotes_late
from bitpredict_assets.resources import Platform

_SHOWN = ["symbol", "name", "market_cap_rank", "price", "observed_at", "known_at", "provenance"]


@dg.asset(
    group_name="markets",
    pool="coin_markets",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "markets", "layer": "raw"},
    freshness_policy=quotes_late,
    metadata={"dagster/column_schema": database_columns("price_data_real")},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def coin_markets(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """The current quote of every coin of the list, with when it was observed and when it could be known. A coin without
    a believable quote is reported as missing with its reason; nothing is filled in. Running it again adds nothing that
    is there already."""
    from bitpredict.sources.coingecko import SOURCE, CoinGecko

    coins = read_coins(platform.settings.coins_file)
    found = CoinGecko.from_settings(platform.settings).markets([coin.coin_id for coin in coins])
    succeeded = f"{len(found.quotes)} of {len(coins)}"
    if found.quotes.empty:
        # A run that brought nothing must not look like one that did.
        raise dg.Failure(f"{succeeded} coins have a quote: {dict(found.missing)}; look at BITPREDICT_COINGECKO_URL")
    written = write_quotes(platform.engine, coins, found.quotes, source=SOURCE)
    context.log.info(f"{succeeded} coins have a quote" + "".join(f"; {c}: {why}" for c, why in found.missing.items()))
    newest = newest_quotes(platform.engine).sort_values("market_cap_rank", ascending=False)
    context.add_output_metadata(
        {
            "dagster/row_count": len(found.quotes),
            "coins": succeeded,
            "missing coins": dict(found.missing),
            "new": written.inserted,
            "already there": written.already_there,
            "oddities of the answer": dict(found.oddities),
            "first": dg.TimestampMetadataValue(found.quotes["observed_at"].min().timestamp()),
            "last": dg.TimestampMetadataValue(found.quotes["observed_at"].max().timestamp()),
            "received": dg.TimestampMetadataValue(found.received_at.timestamp()),
            "source": f"{SOURCE}, {platform.settings.coingecko}",
            "preview": preview(newest[_SHOWN]),
        }
    )
