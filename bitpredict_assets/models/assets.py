"""Models by month: trained on what came before the month, evaluated on purged folds, chosen by the gate."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pandas as pd

from bitpredict.errors import ModelError
from bitpredict.features.catalog import FEATURE_SET_VERSION
from bitpredict.masking import masked
from bitpredict.storage.evaluations import read_champions, read_evaluations, write_champions, write_evaluations
from bitpredict_assets.describe import OWNERS, database_columns, preview
from bitpredict_assets.partitions import history_before_the_month, monthly
from bitpredict_assets.resources import Platform

_SHOWN = ["symbol", "horizon", "model", "qlike", "skill", "p_value", "coverage_90", "sample_size"]


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "models",
            deps=[
                dg.AssetDep("feature_table", partition_mapping=history_before_the_month),
                dg.AssetDep("candles", partition_mapping=history_before_the_month),
            ],
            description="Every recipe's version for each symbol and horizon: trained on the twelve months before the "
            "partition's month, less the horizon. A version that exists is not trained again.",
            group_name="models",
            kinds={"numpy", "scikitlearn"},
            owners=OWNERS,
            tags={"domain": "models"},
            code_version=FEATURE_SET_VERSION,
        ),
        dg.AssetSpec(
            "model_evaluations",
            deps=["models"],
            description="How the versions compare on purged walk-forward folds at the end of the training span.",
            group_name="models",
            kinds={"sql", "table"},
            owners=OWNERS,
            tags={"domain": "models"},
            metadata={"dagster/column_schema": database_columns("model_evaluations")},
        ),
    ],
    partitions_def=monthly,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="models",
)
def trained_models(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.MaterializeResult]:
    """Training and its evaluation are one computation with two results."""
    from bitpredict.forecasting.months import train_months

    trained = train_months(
        platform.lake,
        months=context.partition_keys,
        store=platform.models,
        now=datetime.now(UTC),
        on_step=context.log.info,
    )
    if not trained.models:
        raise dg.Failure(f"nothing could be trained: {'; '.join(trained.untrained)}")
    for model in trained.models:
        platform.tracking.log(model)
    write_evaluations(platform.engine, trained.evaluations)
    yield dg.MaterializeResult(
        asset_key="models",
        metadata={
            "versions": len(trained.models),
            "newly trained": trained.newly_trained,
            "not trained": list(trained.untrained),
            "origins dropped": dict(trained.dropped),
            "folder": dg.MetadataValue.path(str(platform.models.root)),
            "MLflow": masked(platform.settings.mlflow),
        },
    )
    yield dg.MaterializeResult(
        asset_key="model_evaluations",
        metadata={
            "dagster/row_count": len(trained.evaluations),
            "preview": preview(trained.evaluations[_SHOWN], rows=len(trained.evaluations)),
        },
    )


@dg.asset(
    group_name="models",
    partitions_def=monthly,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="champions",
    deps=["model_evaluations"],
    kinds={"sql", "mlflow"},
    owners=OWNERS,
    tags={"domain": "models"},
    metadata={"dagster/column_schema": database_columns("champions")},
)
def champions(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Who serves each symbol and horizon: the baseline until a challenger passes the gate."""
    from bitpredict.forecasting.gate import choose_champion

    evaluations = pd.concat([read_evaluations(platform.engine, month=month) for month in context.partition_keys])
    if evaluations.empty:
        raise ModelError(f"no evaluation for {', '.join(context.partition_keys)}; materialize model_evaluations first")
    chosen = choose_champion(evaluations)
    write_champions(platform.engine, chosen)
    # All months, so that an old month made again does not move the aliases back to it.
    platform.tracking.follow(read_champions(platform.engine), read_evaluations(platform.engine))
    context.add_output_metadata(
        {
            "dagster/row_count": len(read_champions(platform.engine)),
            "decisions": preview(chosen[["month", "symbol", "horizon", "model", "reason"]], rows=len(chosen)),
        }
    )
