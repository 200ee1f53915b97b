"""Quotes of the reviewed coins: who answered, who did not, and why."""

from collections import Counter

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.market.coins import read_coins
from bitpredict.masking import masked
from bitpredict.storage.market_table import OBSERVED, newest_quotes, read_coins_seen, write_history, write_quotes
from bitpredict_assets.describe import OWNERS, count_rows_by_day, database_columns, preview, show
from bitpredict_assets.freshness import quotes_late
from bitpredict_assets.partitions import quoted
from bitpredict_assets.raw_days import RawDays, tell
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
def coin_markets(context: dg.AssetExecutionContext, config: RawDays, platform: Platform) -> None:
    """The current quote of every coin of the list, with when it was observed and when it could be known. A coin without
    a believable quote is reported as missing with its reason; nothing is filled in. Running it again adds nothing that
    is there already. Beside the sample's candles: invented quotes of its last hours, labelled so. Past days come
    from what was answered then, where the run's configuration names them."""
    from bitpredict.sources.coingecko import SOURCE, CoinGecko
    from bitpredict.sources.rebuilding import rebuild_quotes
    from bitpredict.sources.sample_world import QUOTES_FILE, SIMULATED, sample_quotes

    settings = platform.settings
    coins = read_coins(settings.coins_file)
    if days := config.days():
        tell(context, days, rebuild_quotes(platform.engine, platform.raw, coins, days))
        platform.cache.invalidate("price")
        return
    ids = [coin.coin_id for coin in coins]
    if settings.invented_quotes:
        answers = [*sample_quotes(ids)]
        origin = {"source": "sample", "provenance": SIMULATED}
    else:
        answers = [CoinGecko.from_settings(settings, platform.raw.keeper(SOURCE)).markets(ids)]
        origin = {"source": SOURCE, "provenance": OBSERVED}
    found = answers[-1]
    succeeded = f"{len(found.quotes)} of {len(coins)}"
    if found.quotes.empty:
        # A run that brought nothing must not look like one that did.
        raise dg.Failure(f"{succeeded} coins have a quote: {dict(found.missing)}; look at BITPREDICT_COINGECKO_URL")
    quotes = pd.concat([answer.quotes for answer in answers])
    written = write_quotes(platform.engine, coins, quotes, **origin)
    platform.cache.invalidate("price")
    context.log.info(f"{succeeded} coins have a quote" + "".join(f"; {c}: {why}" for c, why in found.missing.items()))
    newest = newest_quotes(platform.engine).sort_values("market_cap_rank", ascending=False)
    context.add_output_metadata(
        {
            "dagster/row_count": len(quotes),
            "coins": succeeded,
            "missing coins": dict(found.missing),
            "new": written.inserted,
            "already there": written.already_there,
            "oddities of the answer": dict(found.oddities),
            "first": dg.TimestampMetadataValue(quotes["observed_at"].min().timestamp()),
            "last": dg.TimestampMetadataValue(quotes["observed_at"].max().timestamp()),
            "received": dg.TimestampMetadataValue(found.received_at.timestamp()),
            "source": f"{origin['source']}, {QUOTES_FILE if settings.invented_quotes else masked(settings.coingecko)}",
            "preview": preview(newest[_SHOWN]),
        }
    )


@dg.asset(
    group_name="markets",
    partitions_def=quoted,
    deps=["coin_markets"],
    pool="coin_history",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "markets", "layer": "raw"},
    metadata={"dagster/column_schema": database_columns("price_data_real")},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def coin_history(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Past quotes of the chosen days beside the collected ones, for each coin that has been seen: known since they were
    fetched, not since they were observed. CoinGecko keeps every five minutes of a single day, hours of longer ranges.
    By hand: no schedule asks for it."""
    from bitpredict.sources.coingecko import SOURCE, CoinGecko, histories

    window = context.partition_time_window
    coins = [coin.coin_id for coin in read_coins(platform.settings.coins_file)]
    seen = set(read_coins_seen(platform.engine)["coin_id"])
    missing = {coin: "never seen: materialize coin_markets first" for coin in coins if coin not in seen}
    oddities: Counter[str] = Counter()
    made, inserted = [], 0
    source = CoinGecko.from_settings(platform.settings, platform.raw.keeper(SOURCE))
    for coin, past in histories(source, [coin for coin in coins if coin in seen], window.start, window.end):
        if isinstance(past, str) or past.quotes.empty:
            missing[coin] = past if isinstance(past, str) else "no quotes in these days"
            continue
        inserted += write_history(platform.engine, past.quotes, source=SOURCE).inserted
        oddities.update(past.oddities)
        made.append(past.quotes)
    platform.cache.invalidate("price")
    if not made:
        raise dg.Failure(f"0 of {len(coins)} coins have quotes of these days: {missing}")
    quotes = pd.concat(made)
    count_rows_by_day(context, pa.array(quotes["observed_at"]))
    show(context, {"preview": preview(quotes[["coin_id", "observed_at", "price", "known_at"]])})
    context.add_output_metadata(
        {
            "coins": f"{len(made)} of {len(coins)}",
            "missing coins": missing,
            "rows of the run": len(quotes),
            "new": inserted,
            "already there": len(quotes) - inserted,
            "oddities of the answers": dict(oddities),
            "first": dg.TimestampMetadataValue(quotes["observed_at"].min().timestamp()),
            "last": dg.TimestampMetadataValue(quotes["observed_at"].max().timestamp()),
        }
    )
