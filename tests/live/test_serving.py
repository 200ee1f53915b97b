"""The rows that are served, by a real predictor on a live market: while its database goes away and comes back."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.market.time import floor_minute
from bitpredict.settings import Settings
from bitpredict.storage.database import open_database, upgrade
from bitpredict.storage.serving_rows import decoded, read_serving_rows
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import Candle, encode
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import topic_specs
from tests.support.candles import archived_candles
from tests.support.live_processes import processes, until
from tests.support.postgres import PostgreSQL
from tests.support.streams import CANDLES_TOPIC, as_candles

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SYMBOLS = ("BTCUSDT", "ETHUSDT")
MINUTE = timedelta(minutes=1)


def append(log: EventLog, candles: list[Candle]) -> None:
    now = round(time.time() * 1000)
    log.append(CANDLES_TOPIC, [Message(candle.symbol, encode(candle), now) for candle in candles])


def test_rows_are_served_again_when_the_database_is_back(tmp_path: Path, sample: Path) -> None:
    day = archived_candles(sample, SYMBOLS, date(2023, 12, 5), date(2023, 12, 6))
    last = day["open_time"][-1].as_py()
    day = day.filter(pc.greater_equal(day["open_time"], pa.scalar(last - 70 * MINUTE)))
    with PostgreSQL.serving() as postgres:
        settings = Settings(
            home=tmp_path / "home", market="binance", symbols=SYMBOLS, database_url=postgres.database("served")
        )
        database = open_database(settings)
        upgrade(database)
        # A row is too old to be served after three minutes: they begin when everything is there.
        now = floor_minute(datetime.now(UTC))
        moved = [
            msgspec.structs.replace(candle, open_time=candle.open_time + (now - MINUTE - last), received_at=now)
            for candle in as_candles(day, replayed=False)
        ]
        newest = {candle.symbol: candle for candle in moved if candle.open_time == now - MINUTE}

        def origins() -> dict[str, datetime]:
            rows = read_serving_rows(database)
            return dict(zip(rows["symbol"], rows["origin"], strict=True))

        with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
            log.create(topic_specs(settings))
            append(log, [candle for candle in moved if candle not in newest.values()])
            predictor = lane.start("predict")
            until(lambda: origins() == dict.fromkeys(SYMBOLS, now - MINUTE), predictor)
            postgres.stop()
            append(log, [newest["BTCUSDT"]])
            until(lambda: "no feature rows are served" in predictor.said, predictor)
            assert predictor.ready()
            postgres.start()
            append(log, [newest["ETHUSDT"]])
            until(lambda: origins() == dict.fromkeys(SYMBOLS, now), predictor)
            served = read_serving_rows(database).set_index("symbol")
            assert predictor.end().endswith("served 4 feature rows")
        assert set(served["written_by"]) == {"predictor"}
        for symbol, other in (SYMBOLS, SYMBOLS[::-1]):
            row, features = served.loc[symbol], decoded(served.loc[symbol, "features"])
            assert row["reference_price"] == newest[symbol].close
            assert features["other_return_60"] == decoded(served.loc[other, "features"])["return_60"]
        database.dispose()
