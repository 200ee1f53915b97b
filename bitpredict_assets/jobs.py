"""One job a partitioning, since a job cannot mix them; run one after the other they are the whole graph."""

import dagster as dg

_prices = dg.AssetSelection.assets("binance_candles", "candles", "data_gaps")
_second_source = dg.AssetSelection.assets("cryptocompare_candles")
_features = dg.AssetSelection.assets("price_features", "market_breadth", "feature_table")
_forecasts = dg.AssetSelection.assets("batch_forecasts", "forecast_outcomes")
_news = dg.AssetSelection.assets("crypto_news")
_sentiment = dg.AssetSelection.assets("article_sentiment", "hourly_sentiment")

prices_and_features = dg.define_asset_job(
    "prices_and_features",
    selection=_second_source | _prices | _features,
    description="Candles of both sources, the gap ledger and features of the chosen days.",
)

models = dg.define_asset_job(
    "models",
    selection=dg.AssetSelection.assets("models", "model_evaluations", "champions"),
    description="Train the chosen months on what came before them, evaluate, choose champions.",
)

forecasts_and_scores = dg.define_asset_job(
    "forecasts_and_scores",
    selection=_forecasts | dg.AssetSelection.assets("scorecard"),
    description="Forecasts of the chosen days, outcomes that are due, the scorecard.",
)

today = dg.define_asset_job(
    "today",
    selection=_prices | _features | _forecasts | dg.AssetSelection.assets("ml_features_materialized"),
    description="The current day from prices to forecasts and the rows that are served.",
)

serving = dg.define_asset_job(
    "serving",
    selection=dg.AssetSelection.assets("ml_features_materialized"),
    description="The newest feature row a symbol, for serving.",
)

repair = dg.define_asset_job(
    "repair",
    selection=_second_source | _prices | _features,
    description="Fetch days with open gaps again and recompute every day whose windows reach them.",
)

maintenance = dg.define_asset_job(
    "maintenance",
    selection=dg.AssetSelection.assets("lake_maintenance", "scorecard"),
    description="Compact and vacuum the lake; bring the scorecard up to date.",
)

backup = dg.define_asset_job(
    "backup",
    selection=dg.AssetSelection.assets("database_backup"),
    description="Save the database and the lake to BITPREDICT_BACKUP_URL.",
)

stream = dg.define_asset_job(
    "stream",
    # The parity check looks at whole days: it has a job of its own.
    selection=dg.AssetSelection.assets("streamed_trades").without_checks(),
    description="Trades of the event log into the lake, by exact offsets of one day; a sensor asks for it.",
)

tick_models = dg.define_asset_job(
    "tick_models",
    selection=dg.AssetSelection.assets("tick_models"),
    description="Train the models of the minute ahead on the chosen days' ticks; what beats the baseline serves.",
)

parity = dg.define_asset_job(
    "parity",
    selection=dg.AssetSelection.checks_for_assets("streamed_trades"),
    description="Compare a day of the live lane with what batch makes of it.",
)

markets = dg.define_asset_job(
    "markets",
    selection=dg.AssetSelection.assets("coin_markets"),
    description="The current quote of every coin of the list.",
)

news = dg.define_asset_job(
    "news",
    selection=_news,
    description="What is new in the feeds of the list.",
)

sentiment = dg.define_asset_job(
    "sentiment",
    selection=_sentiment,
    description="What the articles of the chosen days say, and how that stood at each hour.",
)

news_today = dg.define_asset_job(
    "news_today",
    selection=_news | _sentiment,
    description="The current day from feeds to hourly sentiment.",
)

posts = dg.define_asset_job(
    "posts",
    selection=dg.AssetSelection.assets("tweets"),
    description="What is new on X for the searches of the settings.",
)

ALL = [
    *(prices_and_features, models, forecasts_and_scores, today, serving, repair, maintenance),
    *(backup, stream, tick_models, parity),
    *(markets, news, posts, sentiment, news_today),
]
