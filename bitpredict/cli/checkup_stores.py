"""The stores' and sources' side of `bitpredict doctor`: database, lake, cache, archive, MLflow, outside sources."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path

from bitpredict.cli.finding import Finding, Status
from bitpredict.cli.probes import SHOWN
from bitpredict.cli.rows import LAKE_TABLES
from bitpredict.cli.stores import database_file
from bitpredict.errors import BitPredictError, SettingsError, SourceError
from bitpredict.market.time import DAY, utc
from bitpredict.masking import masked
from bitpredict.settings import Settings
from bitpredict.sources.circuits import host_states
from bitpredict.sources.http import HttpClient
from bitpredict.storage.backups import backup_store, backups
from bitpredict.storage.cache import open_cache
from bitpredict.storage.contracts import Contract
from bitpredict.storage.database import REVISIONS, open_database, schema_state
from bitpredict.storage.lake import Lake

FILL = "run `bitpredict demo` or `bitpredict backfill --from DAY --to DAY`"
EVERYWHERE = ("binance_candles", "candles", "price_features", "feature_table")
"""Tables that a lake has whatever else is collected."""

UPGRADE = "run `bitpredict db upgrade`"
_BACK_UP = "materialize `database_backup`"
LINE = 200
"""Characters of a source's problem that are shown."""

_PROBES = {"binance": "candles", "binance_archive": "candles"}
"""Sources that `bitpredict sources test` knows by another name."""


def database(settings: Settings) -> Finding:
    """Whether the database answers, and whether its schema is this version's."""
    where = masked(settings.database)
    own = not settings.database_url
    file = database_file(settings)
    if file is not None and not file.exists():
        remedy = f"nothing to do: its first use makes it; {FILL}" if own else UPGRADE
        return Finding("database", Status.WARN, f"{where} does not exist yet", remedy)
    try:
        engine = open_database(settings)
        state = schema_state(engine)
        engine.dispose()
    except BitPredictError as error:
        return Finding("database", Status.FAIL, str(error))
    if state.is_current:
        return Finding("database", Status.OK, f"{where} answers; schema {state.current} is the newest")
    found = f"{where} has schema {state.current or 'none'}, {REVISIONS[-1]} is needed"
    if state.is_newer:
        return Finding("database", Status.FAIL, f"{found}: a newer BitPredict made it", "update BitPredict")
    if own:
        return Finding("database", Status.WARN, found, f"nothing to do: its next use upgrades it; or {UPGRADE}")
    return Finding("database", Status.FAIL, found, UPGRADE)


def lake(settings: Settings) -> Iterator[Finding]:
    """Each table's version and days; the first table that cannot be read ends it, the others would wait as long."""
    tables = Lake.from_settings(settings)
    there = []
    for contract in LAKE_TABLES.values():
        check = f"lake {contract.table}"
        try:
            if (version := tables.version(contract)) is not None:
                there.append(contract.table)
                yield _lake_table(check, contract, tables, version)
        except BitPredictError as error:
            yield Finding(check, Status.FAIL, str(error))
            return
    if lacking := [table for table in EVERYWHERE if table not in there]:
        detail = f"{masked(settings.lake)} has {len(there)} of {len(LAKE_TABLES)} tables and lacks {', '.join(lacking)}"
        yield Finding("lake", Status.WARN, f"{detail}; the others come with what is collected", FILL)


def _lake_table(check: str, contract: Contract, tables: Lake, version: int) -> Finding:
    days = tables.days(contract)
    if not days:
        return Finding(check, Status.WARN, f"version {version}, empty", FILL)
    rows = tables.read(contract, utc(days[-1]), utc(days[-1]) + DAY, columns=[contract.time]).num_rows
    span = f"{len(days):,} days from {days[0]} to {days[-1]}{_holes(days)}"
    return Finding(check, Status.OK, f"version {version}, {span}; {rows:,} rows on the last")


def _holes(days: list[date]) -> str:
    missing = (days[-1] - days[0]).days + 1 - len(days)
    return f" ({missing:,} days between are missing)" if missing else ""


def archive(settings: Settings) -> Finding:
    """Whether the candles' archive is where the settings say."""
    if settings.market == "simulated":
        return Finding("archive", Status.OK, "not used: the market is simulated")
    if settings.archive.startswith(("http://", "https://")):
        return _answers("archive", settings.archive, "check BITPREDICT_ARCHIVE_URL and the network")
    where = masked(settings.archive)
    lacking = [
        symbol for symbol in settings.symbols if not any(Path(settings.archive).glob(f"data/spot/*/klines/{symbol}"))
    ]
    if lacking:
        remedy = (
            "set BITPREDICT_ARCHIVE_URL to a folder in the layout of data.binance.vision, or change BITPREDICT_SYMBOLS"
        )
        return Finding("archive", Status.FAIL, f"{where} has no klines of {', '.join(lacking)}", remedy)
    return Finding("archive", Status.OK, f"{where} has klines of {', '.join(settings.symbols)}")


def mlflow_store(settings: Settings) -> Finding:
    """Whether models can be tracked."""
    where = masked(settings.mlflow)
    if settings.mlflow.startswith(("http://", "https://")):
        return _answers(
            "mlflow", f"{settings.mlflow.rstrip('/')}/health", "start the server or change BITPREDICT_MLFLOW_URI"
        )
    if settings.mlflow.startswith("sqlite:///") and not Path(settings.mlflow.removeprefix("sqlite:///")).exists():
        return Finding("mlflow", Status.OK, f"{where} does not exist yet; the first training makes it")
    return Finding("mlflow", Status.OK, where)


def sources(settings: Settings) -> Iterator[Finding]:
    """How the hosts of each outside source were the last time that they were asked."""
    now = datetime.now(UTC)
    for source, states in groupby(host_states(settings.home), key=lambda state: state.source):
        hosts = list(states)
        failing = [host for host in hosts if host.failures]
        answered = max((host.last_success for host in hosts if host.last_success), default=None)
        requests, errors = sum(host.requests for host in hosts), sum(host.errors for host in hosts)
        detail = f"{len(hosts) - len(failing)} of {len(hosts)} hosts answer, last success "
        detail += f"{answered:%Y-%m-%d %H:%M:%S} UTC" if answered else "never"
        detail += f"; {requests:,} requests, {errors:,} failed"
        for host in failing[:SHOWN]:
            circuit = host.state(now).name.lower().replace("_", " ")
            until = f" until {host.resting_until:%H:%M:%S} UTC" if host.resting_until and circuit == "open" else ""
            problem = masked(host.problem)[:LINE]
            detail += f"; {host.host} {circuit}{until}, {host.failures} failures in a row: {problem}"
        if len(failing) > SHOWN:
            detail += "; …"
        remedy = f"look at it with `bitpredict sources test {_PROBES.get(source, source)}`" if failing else ""
        yield Finding(f"source {source}", Status.WARN if failing else Status.OK, detail, remedy)


def cache(settings: Settings) -> Finding:
    """Whether Redis answers, if there is to be one."""
    try:
        opened = open_cache(settings)
    except SettingsError as error:
        return Finding("cache", Status.FAIL, str(error))
    if not settings.redis_url:
        return Finding("cache", Status.OK, f"{opened.where}; BITPREDICT_REDIS_URL makes it common to all")
    if opened.usage("price") is None:
        remedy = "start it or change BITPREDICT_REDIS_URL; until then pages are slower, and nothing is wrong"
        return Finding("cache", Status.WARN, opened.where, remedy)
    return Finding("cache", Status.OK, f"{opened.where} answers")


def backup(settings: Settings) -> Finding:
    """How old the newest backup is, if there are to be any."""
    if not settings.backup_url:
        return Finding("backup", Status.OK, "none is made; BITPREDICT_BACKUP_URL says where to")
    try:
        finished = backups(backup_store(settings))
    except BitPredictError as error:
        return Finding("backup", Status.FAIL, str(error))
    where = masked(settings.backup_url)
    if not finished:
        return Finding("backup", Status.WARN, f"{where} has none yet", f"nothing to do before tomorrow; or {_BACK_UP}")
    newest = finished[-1]
    detail = f"{where} has {len(finished)}, the newest of {newest.made_at:%Y-%m-%d %H:%M:%S} UTC"
    if datetime.now(UTC) - newest.made_at > 2 * DAY:
        return Finding("backup", Status.WARN, detail, f"see why its daily run fails; {_BACK_UP}")
    return Finding("backup", Status.OK, detail)


def _answers(check: str, address: str, remedy: str) -> Finding:
    client = HttpClient("doctor", timeout=5.0, deadline=10.0, attempts=1)
    try:
        there = client.exists(address)
    except SourceError as error:
        return Finding(check, Status.FAIL, str(error), remedy)
    return Finding(check, Status.OK, f"{masked(address)} answers" + ("" if there else ", though not with 200"))
