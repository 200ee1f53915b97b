"""The definitions that the sensor's benchmark runs: the product's sensor, which in turn asks for the product's run and
for one of an asset that does nothing.

The product's evaluation decides when a run is worth it and over which offsets; only which job is asked for is changed.
What the file `mode` in the home says goes, and when a tick was over is written to `ticked`.
"""

import time

import dagster as dg

from bitpredict.settings import load_settings
from bitpredict.streaming.open_log import open_event_log
from bitpredict_assets import jobs
from bitpredict_assets.io_manager import LakeIOManager
from bitpredict_assets.partitions import streamed
from bitpredict_assets.resources import Platform
from bitpredict_assets.stream.assets import streamed_trades
from bitpredict_sensors import offsets
from bitpredict_sensors import streamed_trades as product
from bitpredict_sensors.requested import TradesCursor

_platform = Platform()


@dg.asset(partitions_def=streamed)
def empty() -> None:
    """Nothing: what a run of any asset takes."""


_empty_job = dg.define_asset_job("empty_job", selection=[empty])


@dg.sensor(jobs=[jobs.stream, _empty_job], minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def in_turn(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    home = load_settings().home
    cursor = offsets.decoded(context.cursor, TradesCursor, TradesCursor())
    with open_event_log(platform.settings) as log:
        result = product._tick(context, platform, log, cursor)
    as_it_is = (home / "mode").read_text() == "streamed_trades"
    requests = [
        dg.RunRequest(
            run_key=request.run_key,
            partition_key=request.partition_key,
            job_name=jobs.stream.name if as_it_is else _empty_job.name,
            run_config=request.run_config if as_it_is else {},
        )
        for request in result.run_requests or ()
    ]
    (home / "ticked").write_text(f"{time.time()}")
    return dg.SensorResult(
        run_requests=requests, skip_reason=result.skip_reason, cursor=result.cursor, asset_events=result.asset_events
    )


defs = dg.Definitions(
    assets=[streamed_trades, empty],
    jobs=[jobs.stream, _empty_job],
    sensors=[in_turn],
    resources={"platform": _platform, "lake": LakeIOManager(platform=_platform)},
    executor=dg.in_process_executor,
)
