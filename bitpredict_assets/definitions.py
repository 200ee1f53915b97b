"""The only place where assets, checks, jobs, schedules, sensors and resources come together."""

import dagster as dg

from bitpredict_assets import jobs, schedules
from bitpredict_assets.features import assets as features
from bitpredict_assets.features import checks as feature_checks
from bitpredict_assets.forecasts import assets as forecasts
from bitpredict_assets.forecasts import checks as forecast_checks
from bitpredict_assets.io_manager import LakeIOManager
from bitpredict_assets.markets import assets as markets
from bitpredict_assets.markets import checks as market_checks
from bitpredict_assets.markets import outliers as quote_outliers
from bitpredict_assets.models import assets as models
from bitpredict_assets.models import checks as model_checks
from bitpredict_assets.news import assets as news
from bitpredict_assets.news import checks as news_checks
from bitpredict_assets.platform import assets as platform
from bitpredict_assets.prices import assets as prices
from bitpredict_assets.prices import checks as price_checks
from bitpredict_assets.prices import outliers as price_outliers
from bitpredict_assets.resources import Platform
from bitpredict_assets.sentiment import assets as sentiment
from bitpredict_assets.sentiment import checks as sentiment_checks
from bitpredict_assets.stream import assets as stream
from bitpredict_assets.stream import checks as stream_checks
from bitpredict_assets.stream import tick_checks, tick_models
from bitpredict_sensors.live_forecasts import live_forecasts_sensor
from bitpredict_sensors.streamed_trades import streamed_trades_sensor

_platform = Platform()

defs = dg.Definitions(
    assets=[
        *dg.load_assets_from_modules(
            [prices, features, models, forecasts, platform, stream, tick_models, markets, news, sentiment]
        ),
        stream.live_forecasts,
    ],
    asset_checks=dg.load_asset_checks_from_modules(
        [
            price_checks,
            price_outliers,
            feature_checks,
            model_checks,
            forecast_checks,
            stream_checks,
            tick_checks,
            market_checks,
            quote_outliers,
            news_checks,
            sentiment_checks,
        ]
    ),
    jobs=jobs.ALL,
    schedules=schedules.for_this_market(),
    sensors=[streamed_trades_sensor, live_forecasts_sensor],
    resources={"platform": _platform, "lake": LakeIOManager(platform=_platform)},
    # Steps share one process: a run of this graph is bound by its data, not by its cores.
    executor=dg.in_process_executor,
)
