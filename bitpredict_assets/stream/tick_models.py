"""The models of the minute ahead: a day of ticks each, in force by the registry's alias if they beat the baseline."""

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from bitpredict.market.time import DAY, utc
from bitpredict.masking import masked
from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.streaming.tick_models import TICK_INPUTS
from bitpredict.streaming.topics import live_exchanges
from bitpredict_assets.describe import OWNERS, preview, show
from bitpredict_assets.partitions import streamed
from bitpredict_assets.resources import Platform

if TYPE_CHECKING:
    from bitpredict.streaming.tick_training import TickTraining

_EVALUATED = {
    "symbol": ("string", "trading pair, base then quote"),
    "version": ("string", "of the model: hash of its parameters"),
    "trained_on": ("int", "seconds with a forecast that it learnt from, the earlier ones [seconds]"),
    "scored_on": ("int", "seconds with a forecast that it was scored on, the later ones [seconds]"),
    "qlike": ("double", "loss of its variance forecast on the later ones"),
    "baseline_qlike": ("double", "the baseline's loss on the same ones"),
    "skill": ("double", "1 - qlike / baseline_qlike"),
    "coverage_90": ("double", "share of the later outcomes inside its 90 % interval"),
    "baseline_coverage_90": ("double", "the baseline's share"),
    "provenance": ("string", "of the ticks: simulated if any of them was"),
    "serves": ("string", "the version that serves the symbol from now on"),
    "why": ("string", "why that one"),
}
"""What a materialization shows of each symbol."""


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "tick_models",
            deps=["streamed_trades"],
            description="A model of the minute ahead for each symbol of the live lane: trained on the earlier ticks of "
            "the day, scored on the later ones. It serves if it beats the baseline there; else what served before "
            "stays. The predictor follows the alias `champion` of `bitpredict-<symbol>-1m` in MLflow where "
            "BITPREDICT_MODEL_VARIANT is `ml`.",
            group_name="models",
            kinds={"numpy", "mlflow"},
            owners=OWNERS,
            tags={"domain": "models"},
            code_version=TICK_INPUTS,
            metadata={
                "dagster/column_schema": dg.TableSchema(
                    columns=[dg.TableColumn(name, type_, meaning) for name, (type_, meaning) in _EVALUATED.items()]
                )
            },
        )
    ],
    partitions_def=streamed,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="tick_models",
)
def trained_tick_models(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Its job is named as the asset, so that its step cannot be."""
    from bitpredict.streaming.tick_days import COLUMNS, train_day
    from bitpredict.streaming.tick_store import TickModelStore
    from bitpredict.streaming.tick_tracking import TickTracking

    store = TickModelStore.from_settings(platform.settings)
    ticks = TickTracking(platform.tracking, store)
    version = platform.lake.version(STREAMED_TRADES)
    parameters = {"tick_window": platform.settings.tick_window, "streamed_trades": version}
    rows, untrained = [], []
    for partition in context.partition_keys:
        day = date.fromisoformat(partition)
        trades = platform.lake.read(STREAMED_TRADES, utc(day), utc(day) + DAY, columns=COLUMNS)
        made = train_day(trades, live_exchanges(platform.settings), platform.settings.tick_window)
        found = []
        for training in made.trained.values():
            ticks.log(training, day, parameters)
            elected = ticks.elect(training, day)
            found.append(_row(training) | {"serves": elected.version, "why": elected.why})
            context.log.info(f"{day} {training.model.symbol}: {elected.why}")
        untrained += [f"{day} {name}: {why}" for name, why in made.untrained.items()]
        rows += found
        context.add_asset_metadata(
            {
                "dagster/row_count": len(found),
                "models": {row["symbol"]: row for row in found},
                "not trained": dict(made.untrained),
                "trades": dict(made.trades),
                "trades left out": made.unused,
            },
            partition_key=partition,
        )
    if not rows:
        raise dg.Failure(f"nothing could be trained: {'; '.join(untrained)}")
    show(context, {"preview": preview(pd.DataFrame(rows, columns=list(_EVALUATED)), rows=len(rows))})
    context.add_output_metadata(
        {
            "trained": len(rows),
            "symbols not trained": len(untrained),
            "streamed_trades version": version,
            "serving": {row["symbol"]: row["serves"] for row in rows},
            "folder": dg.MetadataValue.path(str(store.root)),
            "MLflow": masked(platform.settings.mlflow),
        }
    )


def _row(training: "TickTraining") -> dict[str, Any]:
    return {
        "symbol": training.model.symbol,
        "version": training.model.version,
        "trained_on": training.trained_on,
        "scored_on": training.scored_on,
        "qlike": training.qlike,
        "baseline_qlike": training.baseline_qlike,
        "skill": training.skill,
        "coverage_90": training.coverage_90,
        "baseline_coverage_90": training.baseline_coverage_90,
        "provenance": training.model.provenance,
    }
