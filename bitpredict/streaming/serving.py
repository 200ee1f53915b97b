"""The newest feature row of each symbol, from the live lane into the table that is served: beside the forecasts, and
never in their way."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import structlog
from sqlalchemy import Engine

from bitpredict.errors import BitPredictError, ContractError
from bitpredict.features.catalog import FEATURE_SET_VERSION, PRICE_FEATURES
from bitpredict.features.others import OTHERS_WITHIN
from bitpredict.features.outside import Outside
from bitpredict.features.serving import rows_to_serve
from bitpredict.features.table import feature_table
from bitpredict.market.horizons import ORIGIN_STEP
from bitpredict.market.time import MINUTE
from bitpredict.storage.lake import Lake
from bitpredict.storage.serving_rows import decoded, read_serving_rows, write_serving_rows
from bitpredict.streaming.live_features import LiveRow
from bitpredict.streaming.metrics import SERVED

SERVED_WITHIN: timedelta = 3 * MINUTE
"""An older row is of a backlog: it is counted, and not served."""

LOOKS = (1.4, 3.0)
"""Seconds after which what came is served, and then, where another symbol's minute was not over yet, once more: in the
middle of a second, because forecasts are made where one ends."""

END_SECONDS = 1.0
_BACK = tuple(n * ORIGIN_STEP for n in range(OTHERS_WITHIN // ORIGIN_STEP + 1))
_BESIDE = ("symbol", "origin", "reference_price", "coverage", "provenance", "feature_set_version", "known_at")
_log = structlog.get_logger(__name__)


class RowServer:
    """A thread of its own. What it was given waits for nothing: a newer row takes an older one's place.

    A row gets what the feature table adds to it, by the same code: the state of the other symbols (this process's, and
    those that another predictor or the graph has written) and what the lake has from outside the candles.

    Attributes:
        written: rows so far.
    """

    def __init__(self, lake: Lake) -> None:
        self.written = 0
        self._lake = lake
        self._lock = threading.Lock()
        self._given: dict[str, LiveRow] = {}
        self._came, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._rows: dict[tuple[str, datetime], pa.Table] = {}
        self._newest: dict[str, datetime] = {}
        self._last: dict[str, object] = {}
        self._refused: set[str] = set()
        self._fails = False

    def start(self, database: Engine) -> None:
        """Serve into `database` from now on; it is disposed of at the end."""
        self._thread = threading.Thread(target=self._work, args=(database,), name="serving", daemon=True)
        self._thread.start()

    def give(self, rows: Mapping[str, LiveRow]) -> None:
        """Take the newest row of each symbol, and return at once."""
        if rows:
            with self._lock:
                self._given |= rows
            self._came.set()

    def stop(self) -> None:
        """What was not written yet never is: in a minute it would be old."""
        self._ended.set()
        self._came.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def serve(self, database: Engine, now: datetime) -> bool:
        """Write what was given, unless it is too old or not to be believed.

        Returns:
            Whether there may soon be more to tell of the same minute.
        """
        self._came.clear()
        self._take(now)
        if not self._newest:
            return False
        try:
            self._learn_of_others(database, now)
            self._write(database, now)
        except BitPredictError as error:
            SERVED.labels("failed").inc(len(self._newest))
            if not self._fails:
                _log.warning("no feature rows are served; the next minute's may be", error=str(error))
            self._fails = True
            return False
        self._fails = False
        reached = dict(sorted(self._rows))  # symbol -> its newest origin
        return len(set(reached.values())) > 1

    def _work(self, database: Engine) -> None:
        try:
            while not self._ended.is_set():
                self._came.wait()
                for pause in LOOKS:
                    if self._ended.wait(pause) or not self.serve(database, datetime.now(UTC)):
                        break
        finally:
            database.dispose()

    def _take(self, now: datetime) -> None:
        """Look at what was given, and forget what has become too old."""
        with self._lock:
            given, self._given = self._given, {}
        for symbol, row in given.items():
            if now - row.origin > SERVED_WITHIN:
                SERVED.labels("too old").inc()
                continue
            try:
                table = pa.Table.from_pylist([row.stored(symbol)], PRICE_FEATURES.schema)
                self._rows[symbol, row.origin] = PRICE_FEATURES.conform(table)
            except ContractError as error:
                self._newest.pop(symbol, None)
                self._refuse(symbol, str(error).partition(", the first is")[0])  # the whole row, which is long
                continue
            self._newest[symbol] = row.origin
        self._newest = {name: origin for name, origin in self._newest.items() if now - origin <= SERVED_WITHIN}
        kept = SERVED_WITHIN + OTHERS_WITHIN
        self._rows = {place: row for place, row in self._rows.items() if now - place[1] <= kept}

    def _learn_of_others(self, database: Engine, now: datetime) -> None:
        """Rows that others have written count as if they were from here."""
        there = read_serving_rows(database)
        recent = (there["origin"] >= now - OTHERS_WITHIN) & (there["feature_set_version"] == FEATURE_SET_VERSION)
        for row in there[recent].to_dict("records"):
            place = str(row["symbol"]), row["origin"].to_pydatetime()
            if place not in self._rows:
                found = decoded(row["features"]) | {name: row[name] for name in _BESIDE}
                self._rows[place] = pa.Table.from_pylist([found], PRICE_FEATURES.schema)

    def _write(self, database: Engine, now: datetime) -> None:
        own = set(self._newest.items())
        wanted = {origin - back for origin in self._newest.values() for back in _BACK}
        rows = pa.concat_tables(row for place, row in self._rows.items() if place[1] in wanted)
        outside = Outside.read(self._lake, min(self._newest.values()), max(self._newest.values()) + MINUTE)
        whole = [row for row in feature_table(rows, outside).to_pylist() if (row["symbol"], row["origin"]) in own]
        found = rows_to_serve(whole, now=now, within=SERVED_WITHIN, written_by="predictor")
        for symbol, reason in found.refused.items():
            self._refuse(symbol, reason)
        said = {row["symbol"]: (row["origin"], row["features"]) for row in found.rows.to_dict("records")}
        if new := [symbol for symbol, what in said.items() if self._last.get(symbol) != what]:
            written = write_serving_rows(database, found.rows[found.rows["symbol"].isin(new)])
            self.written += written.written
            SERVED.labels("written").inc(written.written)
            SERVED.labels("newer there").inc(len(written.newer_there))
        self._last |= said
        self._refused -= said.keys()

    def _refuse(self, symbol: str, reason: str) -> None:
        """Leave the old row where it is, and say why, once until the symbol has a good one again."""
        SERVED.labels("refused").inc()
        if symbol not in self._refused:
            _log.warning("a feature row is not served; the last good one stays", symbol=symbol, reason=reason)
        self._refused.add(symbol)
