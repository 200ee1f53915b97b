"""The lineage of one forecast: from the exchange's messages through bars and features to model and data version."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from bitpredict.errors import MessageError, ModelError, StorageError, UnknownTopicError
from bitpredict.forecasting.mlflow_tracking import Tracking, registered_name
from bitpredict.forecasting.model import QUANTILE_COLUMNS, TrainedModel
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.horizons import parse_horizon
from bitpredict.settings import Settings
from bitpredict.storage.ledger import find_forecast
from bitpredict.streaming.explain_inputs import from_table, from_topic
from bitpredict.streaming.lineage import SHORTLY, Lineage
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.look_back import Place, newest_first
from bitpredict.streaming.messages import Prediction, decode_prediction
from bitpredict.streaming.tick_models import TICK_BASELINE, TRAINED, TickModel
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.topics import PREDICTIONS


def explain(settings: Settings, log: EventLog | None, engine: Engine | None, forecast_id: str) -> Lineage:
    """Follow a forecast back to what it was made from.

    Args:
        log, engine: event log and ledger, None where there is none.

    Raises:
        StorageError: neither the ledger nor the topic of predictions has it, or a store cannot be read.
    """
    found = _find(log, engine, forecast_id)
    model = _model(settings, found)
    _add_registration(settings, found)
    made_from = str(found.forecast["input"])
    place = Place.parse(made_from)
    if place is None:
        from_table(settings, found, model)
    elif log is None:
        found.missing.append(f"{made_from}: there is no event log (setting BITPREDICT_EVENT_LOG_URL)")
    else:
        from_topic(settings, log, place, found, model)
    return found


def _find(log: EventLog | None, engine: Engine | None, forecast_id: str) -> Lineage:
    rows = find_forecast(engine, forecast_id).to_dict("records") if engine is not None else []
    ledger = {str(name): value for name, value in rows[0].items()} if rows else {}
    until = ledger["written_at"].to_pydatetime() + SHORTLY if ledger else None
    placed = _predicted(log, forecast_id, until) if log is not None else None
    found_in = ["ledger"] if ledger else []
    if placed is None and not ledger:
        raise StorageError(
            f"no forecast {forecast_id} in the ledger or in the topic {PREDICTIONS}, which forgets by its retention; "
            f"`bitpredict forecast SYMBOL --json` and `bitpredict topics --follow {PREDICTIONS}` show ids"
        )
    if placed is None:
        return Lineage(
            ledger, found_in, missing=[f"what the topic {PREDICTIONS} had of it: it is not there (any more)"]
        )
    place, prediction = placed
    row = {name: getattr(prediction, name) for name in prediction.__struct_fields__}
    row |= dict(zip(QUANTILE_COLUMNS, row.pop("quantiles"), strict=True))
    return Lineage({**ledger, **row}, [*found_in, str(place)])


def _predicted(log: EventLog, forecast_id: str, until: datetime | None) -> tuple[Place, Prediction] | None:
    """The forecast in the topic, looked for from the newest; only one that says the id is decoded."""
    named = forecast_id.encode()
    try:
        for place, record in newest_first(log, PREDICTIONS, until):
            if named in record.value:
                with suppress(MessageError):  # another program wrote it
                    if (one := decode_prediction(record.value)).forecast_id == forecast_id:
                        return place, one
    except UnknownTopicError:
        return None
    return None


def _model(settings: Settings, found: Lineage) -> TrainedModel | TickModel | None:
    """Describe the version; return it where its store has it."""
    version, name = str(found.forecast["model_version"]), str(found.forecast["model"])
    found.model = {"name": name, "version": version}
    if version == TICK_BASELINE.version:
        found.model |= {"trained": "never: ret_std scaled to a minute"}
        return TICK_BASELINE
    try:
        if name == TRAINED:
            tick_model = TickModelStore.from_settings(settings).load(version)
            found.model |= {key: getattr(tick_model, key) for key in ("provenance", "skill", "sample_size")}
            return tick_model
        model = ModelStore(settings.models).load(version)
    except ModelError as error:
        found.missing.append(str(error))
        return None
    same = ("month", "valid_from", "trained_from", "trained_to", "seed", "feature_set_version", "frame_digest")
    found.model |= {key: getattr(model, key) for key in (*same, "result_digest")}
    found.model["skill"] = model.metrics.get("skill")
    return model


def _add_registration(settings: Settings, found: Lineage) -> None:
    """What MLflow calls the version, and the run that logged it."""
    address = settings.mlflow
    name = registered_name(str(found.forecast["symbol"]), parse_horizon(str(found.forecast["horizon"])))
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        found.missing.append(f"the registered version: {address.removeprefix('sqlite:///')} does not exist")
        return
    try:
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError:
        found.missing.append("the registered version: mlflow is not installed here")
        return
    try:
        placed = Tracking.from_settings(settings).registered(name, str(found.forecast["model_version"]))
    except MlflowException:
        found.missing.append("the registered version: MLflow does not answer (setting BITPREDICT_MLFLOW_URI)")
        return
    if placed is None:
        found.missing.append(f"the registered version: {name} has no such version")
    else:
        found.model |= {"registered": f"{name}/{placed[0]}", "run": placed[1]}
