"""The live predictor: reads the market's topics, forecasts, and stores what it made together with where it stands."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import structlog
from sqlalchemy import Engine

from bitpredict.errors import FencedError, StorageError
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import BUSY_SECONDS, connect, open_engine
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_few_forecasts
from bitpredict.streaming import metrics
from bitpredict.streaming.engine import EngineSettings, Outputs, PartitionEngine
from bitpredict.streaming.holdings import Holdings
from bitpredict.streaming.log import EventLog, Polled, Subscription
from bitpredict.streaming.model_watch import ModelWatch
from bitpredict.streaming.serving import RowServer
from bitpredict.streaming.settling import ledger_rows, settle
from bitpredict.streaming.topics import candles_topic, live_exchanges, trades_topic

GROUP = "predictor"
POLL_SECONDS = 0.5
CHECKPOINT_SECONDS, CHECKPOINT_RECORDS = 1.0, 5_000
"""Without outputs a checkpoint is made this often: what a restart reads again."""

BACKLOG, BACKLOG_SECONDS, BACKLOG_RECORDS = 500, 0.25, 20_000
"""A poll that brings so many records leaves more behind it: then outputs wait so long for those to come, at most."""

LEDGER_BUSY_SECONDS = min(2.0, BUSY_SECONDS)
"""A locked ledger is waited for in short pieces, so that the process can end in between."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
_log = structlog.get_logger(__name__)


class Predictor:
    """A worker (see `service`). Several share the partitions, and take over from one that died.

    The ledger's rows are there before the checkpoint with the forecasts counts: killed in between, the next one makes
    the same rows again, under the same ids.
    """

    def __init__(self, settings: Settings, log: EventLog, watch: ModelWatch | None = None) -> None:
        self._settings = settings
        self._log = log
        self._watch = watch or ModelWatch.from_settings(settings)
        self._lake = Lake.from_settings(settings)
        self._rows = RowServer(self._lake)
        self._ready = False
        self._used: Counter[str] = Counter()
        self._saved_at = 0.0
        self._pause = FIRST_PAUSE

    def run(self, stop: threading.Event) -> None:
        """Predict until `stop`. Raises SettingsError: the database's or the registry's address is malformed."""
        self._watch.start()
        try:
            self._rows.start(self._database())
            while not stop.is_set():
                try:
                    self._session(stop)
                except StorageError as error:  # the event log's errors are among them
                    self._wait(error, stop)
        finally:
            self._ready = False
            self._rows.stop()
            self._watch.stop()

    def ready(self) -> bool:
        return self._ready

    def summary(self) -> str:
        used = self._used
        return (
            f"used {used['trades']} trades and {used['candles']} candles ({used['late']} late, "
            f"{used['duplicates']} duplicates, {used['rejected']} rejected), made {used['predictions']} forecasts "
            f"and {used['bars']} bars, wrote {used['ledger']} rows to the ledger, served "
            f"{self._rows.written} feature rows"
        )

    def _database(self) -> Engine:
        return open_engine(self._settings.database, "BITPREDICT_DATABASE_URL", LEDGER_BUSY_SECONDS)

    def _session(self, stop: threading.Event) -> None:
        """A membership of the group, from its beginning to `stop` or an error."""
        connect(self._settings).dispose()  # makes sure of the schema
        self._ledger = self._database()
        write_few_forecasts(self._ledger, [])  # connected: the first forecasts do not wait for it
        exchanges = live_exchanges(self._settings)
        topics = [name for exchange in exchanges for name in (trades_topic(exchange), candles_topic(exchange))]
        subscription = self._log.subscribe(GROUP, topics)
        holdings = Holdings(self._log, self._engine)
        try:
            while not stop.is_set():
                polled = subscription.poll(POLL_SECONDS)
                holdings.follow(polled)
                holdings.swap(self._watch.current)
                holdings.process(polled)
                self._look_at(polled)
                if self._due(polled, holdings):
                    self._save(subscription, holdings, stop)
                else:
                    self._working()
            if holdings.unsaved:
                self._save(subscription, holdings, stop)
        finally:
            self._ready = False
            subscription.close()
            self._ledger.dispose()

    def _due(self, polled: Polled, holdings: Holdings) -> bool:
        """Whether it is time for a checkpoint: at once with outputs, but for a backlog, where one is for many polls."""
        if not holdings.unsaved:
            return False
        since = time.monotonic() - self._saved_at
        if sum(map(len, polled.records.values())) >= BACKLOG:
            return since >= BACKLOG_SECONDS or holdings.unsaved >= BACKLOG_RECORDS
        return since >= CHECKPOINT_SECONDS or holdings.unsaved >= CHECKPOINT_RECORDS or holdings.outputs.made

    def _save(self, subscription: Subscription, holdings: Holdings, stop: threading.Event) -> None:
        outputs = holdings.outputs
        settled = settle(outputs, datetime.now(UTC))
        checkpoints = holdings.checkpoints()
        rows = ledger_rows(settled.predictions)
        try:
            subscription.checkpoint(checkpoints, settled.messages, partial(self._in_ledger, rows) if rows else None)
        except FencedError as error:
            _log.info("partitions went to another predictor", error=str(error))
            holdings.drop(checkpoints)
        except StorageError as error:  # the event log's errors are among them
            holdings.drop(checkpoints)  # the next poll brings them again, as they were stored
            self._wait(error, stop)
        else:
            holdings.saved()
            self._saved_at = time.monotonic()
            self._working()
            self._rows.give(outputs.rows)
            self._told(outputs)

    def _in_ledger(self, rows: Sequence[Mapping[str, object]]) -> None:
        result = write_few_forecasts(self._ledger, rows)
        metrics.IN_LEDGER.labels("new").inc(result.inserted)
        metrics.IN_LEDGER.labels("there already").inc(result.already_there)
        self._used["ledger"] += result.inserted

    def _engine(self, exchange: str, number: int) -> PartitionEngine:
        lateness = timedelta(milliseconds=self._settings.allowed_lateness_ms)
        engine = PartitionEngine(exchange, number, EngineSettings(self._settings.tick_window, lateness), self._history)
        engine.models = self._watch.current
        return engine

    def _history(self, symbol: str, start: datetime, end: datetime) -> pa.Table:
        return self._lake.read(CANDLES, start, end, symbols=[symbol])

    def _look_at(self, polled: Polled) -> None:
        for partition, lost in polled.lost.items():
            _log.warning("messages were deleted before they were read", partition=str(partition), lost=lost)
        newest = [records[-1].timestamp for records in polled.records.values()]
        metrics.LAG.set(time.time() - max(newest) / 1000 if newest else 0.0)

    def _told(self, outputs: Outputs) -> None:
        """What was made is stored: count it, and how long it took."""
        for name, count in outputs.counts.items():
            metrics.USED.labels(name).inc(count)
        for reason, count in outputs.skipped.items():
            metrics.SKIPPED.labels(reason).inc(count)
        for topic, rejected in outputs.rejected:
            metrics.REJECTED.labels(topic, rejected.reason.partition(":")[0]).inc()
        done = datetime.now(UTC)
        for one in outputs.predictions:
            metrics.PREDICTED.labels(one.exchange, one.horizon).inc()
            metrics.LATENCY.observe((done - one.triggered_at).total_seconds())
        self._used.update(outputs.counts)
        self._used["rejected"] += len(outputs.rejected)
        self._used["predictions"] += len(outputs.predictions)
        self._used["bars"] += len(outputs.candles)

    def _working(self) -> None:
        self._ready, self._pause = True, FIRST_PAUSE

    def _wait(self, error: StorageError, stop: threading.Event) -> None:
        """Something is away: say so once, and give it time, longer each time."""
        if self._ready or self._pause == FIRST_PAUSE:
            _log.warning("waiting, then going on from the last checkpoint", error=str(error))
        self._ready = False
        stop.wait(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads attempts, hides nothing
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
