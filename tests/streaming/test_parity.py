"""The predictor's engine against the batch over what it read, on a real log, lake and model store."""

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features.catalog import LOOKBACK
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.time import DAY, MINUTE
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES, STREAMED_TRADES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.log import EventLog, Message, TopicSpec
from bitpredict.streaming.look_back import Place
from bitpredict.streaming.messages import Candle, Prediction, Trade, encode
from bitpredict.streaming.parity import BEFORE_STORED, NO_MODEL, NOT_STREAMED, Parity
from bitpredict.streaming.parity_inputs import check_day, newest_day
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.topics import PREDICTIONS
from bitpredict.streaming.trade_table import merged, trades_table
from bitpredict.streaming.window_trades import window_before
from tests.support.live_models import in_force
from tests.support.streams import CANDLES_TOPIC, EXCHANGE, START, TRADES, an_engine, as_candles, run, trade

SYMBOL = "BTCUSDT"
TODAY = START.date()
MIDNIGHT = datetime(2023, 12, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Models:
    folder: Path
    candles: pa.Table
    found: list


@pytest.fixture(scope="module")
def models(three_weeks, three_weeks_models, tmp_path_factory) -> Models:
    stored, found = three_weeks_models
    folder = shutil.copytree(stored, tmp_path_factory.mktemp("models") / "copied")
    return Models(folder, three_weeks, found)


@dataclass
class Day:
    """A day of the live lane: what was appended, what the engine made of it, what the lake has."""

    log: EventLog
    lake: Lake
    models: Models
    settings: Settings

    @property
    def ticks(self) -> TickModelStore:
        return TickModelStore.from_settings(self.settings)

    def append(self, topic: str, values: list[Trade] | list[Candle] | list[Prediction]) -> None:
        now = int(datetime.now(UTC).timestamp() * 1000)
        self.log.append(topic, [Message(each.symbol, encode(each), now) for each in values])

    def live(
        self,
        trades: list[Trade],
        candles: list[Candle] = (),  # type: ignore[assignment]
        recipe: str = "ridge",
        lateness: float = 0.0,
    ) -> list[Prediction]:
        """Append the messages, let the engine read them back, and append what it makes."""

        def history(symbol: str, start: datetime, end: datetime) -> pa.Table:
            return self.lake.read(CANDLES, start, end, symbols=[symbol])

        self.append(TRADES, trades)
        self.append(CANDLES_TOPIC, candles)
        engine = an_engine(
            in_force(self.models.found, recipe), history, tick_window=self.settings.tick_window, lateness=lateness
        )
        (number,) = {n for n, end in self.log.topic(TRADES if trades else CANDLES_TOPIC).end.items() if end}
        engine.number = number
        made = run(engine, {topic: self.log.read(topic, number, 0, limit=10**6) for topic in (TRADES, CANDLES_TOPIC)})
        self.append(CANDLES_TOPIC, made.candles)
        self.append(PREDICTIONS, made.predictions)
        return made.predictions

    def stream(self, keep=lambda _row: True) -> None:
        """What the sensor's runs bring into the lake."""
        state = self.log.topic(TRADES)
        pages = [(TRADES, number, self.log.read(TRADES, number, 0, limit=10**6)) for number in state.start]
        for day in (MIDNIGHT - DAY, MIDNIGHT):
            table = merged(STREAMED_TRADES.empty(), trades_table(pages, day, day + DAY).table)
            table = table.filter(pa.array([keep(row) for row in table.to_pylist()], pa.bool_()))
            self.lake.replace(STREAMED_TRADES, table, day, day + DAY)

    def check(self, day: date = TODAY) -> Parity:
        return check_day(self.log, self.lake, ModelStore(self.models.folder), self.ticks, self.settings, EXCHANGE, day)


@pytest.fixture
def day(settings: Settings, models: Models):
    from bitpredict.streaming.open_log import open_event_log

    lake = Lake.from_settings(settings)
    before = pc.less(models.candles["open_time"], pa.scalar(START))
    early = pc.greater_equal(models.candles["open_time"], pa.scalar(MIDNIGHT - LOOKBACK))
    lake.replace(CANDLES, models.candles.filter(pc.and_(before, early)), MIDNIGHT - LOOKBACK, MIDNIGHT + DAY)
    with open_event_log(settings) as log:
        log.create([TopicSpec(topic, 2, None) for topic in (TRADES, CANDLES_TOPIC, PREDICTIONS)])
        yield Day(log, lake, models, settings)


def walk(models: Models, seconds: int, a_second: int = 2, seed: int = 3) -> list[Trade]:
    """Trades of `seconds` after START, some late, some twice, of every side."""
    rng = np.random.default_rng(seed)
    (price,) = models.candles.filter(pc.equal(models.candles["open_time"], pa.scalar(START - MINUTE)))[
        "close"
    ].to_pylist()
    found = [trade(-0.5, price)]
    for i, step in enumerate(rng.normal(0, 2e-5, seconds * a_second)):
        price *= float(np.exp(step))
        late = float(rng.choice([0.0, 0.0, 0.0, 0.0, 0.4, 3.0]))
        side = str(rng.choice(["buy", "sell", "unknown"]))
        found.append(trade(i / a_second - late, price, f"{i}", side=side, size=float(rng.uniform(0.001, 3))))
        if rng.random() < 0.02:
            found.append(found[-2])
    return found


def test_a_day_of_trades_is_what_batch_makes_of_it(day, models):
    made = day.live(walk(models, 600))
    day.stream()
    found = day.check()
    assert (found.differences, found.first_difference, found.incomparable) == (0, None, {})
    by_horizon = {horizon: sum(p.horizon == horizon for p in made) for horizon in ("1m", "5m", "1h", "1d")}
    assert found.compared == {"bars": 9, **by_horizon}
    assert min(by_horizon.values()) > 500


@pytest.mark.slow
@pytest.mark.parametrize("lateness", [0.0, 2.0])
def test_missing_trades_are_missing_to_batch_too(day, models, lateness):
    """Holes of one trade, of seconds and across minutes; some trades come out of order and fill what seemed missing."""
    rng = np.random.default_rng(4)
    trades = walk(models, 900)
    gone = {*rng.integers(0, 1800, 12).tolist(), *range(700, 733), *range(1190, 1500)}
    left = [one for one in trades if not (one.trade_id.isdecimal() and int(one.trade_id) in gone)]
    for place in rng.integers(0, len(left) - 1, 60).tolist():
        left[place : place + 2] = left[place : place + 2][::-1]
    day.settings = day.settings.model_copy(update={"allowed_lateness_ms": int(lateness * 1000)})
    made = day.live(left, lateness=lateness)
    day.stream()
    found = day.check()
    assert (found.differences, found.first_difference, found.incomparable) == (0, None, {})
    assert 0 < found.compared["bars"] < 14
    assert found.compared.total() == len(made) + found.compared["bars"]
    for p in made[::97]:
        place = Place.parse(p.input)
        assert place
        window = window_before(day.log, place, SYMBOL, p.origin, day.settings.tick_window, timedelta(seconds=lateness))
        assert (window.whole, window.window.statistics()) == (True, (p.ret_mean, p.ret_std, p.n))
        assert len(window.trades) == p.n
        assert window.trades[-1].trade.price == window.window.price
    assert sum(later.n < earlier.n for earlier, later in pairwise(p for p in made if p.horizon == "1m")) > 10


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["seasonal_har", "boosting"])
def test_candles_alone_are_compared_too(day, models, recipe):
    since = pc.greater_equal(models.candles["open_time"], pa.scalar(START))
    of_day = models.candles.filter(since).slice(0, 180)
    made = day.live([], as_candles(of_day), recipe=recipe)
    found = day.check()
    assert (found.differences, found.first_difference) == (0, None)
    assert found.compared.total() == len(made) == 3 * 180


ALTERED = {
    "reference_price": lambda p: np.nextafter(p.reference_price, 0).item(),
    "realized_variance": lambda p: np.nextafter(p.realized_variance, 1).item(),
    "p_up": lambda p: np.nextafter(p.p_up, 1).item(),
    "quantiles": lambda p: (*p.quantiles[:6], np.nextafter(p.quantiles[6], 1).item()),
    "ret_std": lambda p: np.nextafter(p.ret_std, 1).item(),
    "n": lambda p: p.n - 1,
}


@pytest.mark.slow
def test_the_last_bit_of_one_forecast_is_found_and_named(day, models):
    made = day.live(walk(models, 150))
    day.stream()
    for horizon in ("1m", "5m", "1d"):
        for field, change in ALTERED.items():
            wrong = [p for p in made if p.horizon == horizon][40]
            altered = msgspec.structs.replace(wrong, **{field: change(wrong)})
            day.log.delete(PREDICTIONS)
            day.log.create([TopicSpec(PREDICTIONS, 2, None)])
            day.append(PREDICTIONS, [*made[:50], altered])
            found = day.check()
            assert found.differences == 1
            assert f"{SYMBOL} {horizon} at {wrong.origin.isoformat()}" in found.first_difference
            assert f"from {wrong.input}): {field} is {getattr(altered, field)!r}" in found.first_difference
            assert f"batch makes {getattr(wrong, field)!r}" in found.first_difference


@pytest.mark.slow
def test_a_trade_that_the_lake_has_otherwise_is_found(day, models):
    day.live(walk(models, 200))
    day.stream(keep=lambda row: row["trade_id"] != "150")
    found = day.check()
    assert found.differences > 0
    assert "bar of BTCUSDT 2023-12-05 10:01: " in found.first_difference


@pytest.mark.slow
def test_what_is_not_streamed_yet_is_not_compared(day, models):
    made = day.live(walk(models, 300))
    day.stream(keep=lambda row: row["offset"] < 400)
    found = day.check()
    assert found.differences == 0
    later = [p for p in made if int(p.input.rpartition("@")[2]) >= 400]
    assert found.incomparable[NOT_STREAMED] >= len(later) > 300


def test_windows_that_reach_before_the_stored_trades_are_not_compared(day, models):
    day.live(walk(models, 300))
    day.stream(keep=lambda row: row["offset"] >= 200)
    found = day.check()
    assert found.differences == 0
    assert found.incomparable[BEFORE_STORED] > 100
    assert found.compared["1m"] > 100


def test_a_version_that_is_not_stored_is_a_reason(day, models, tmp_path):
    made = day.live(walk(models, 100))
    day.stream()
    found = check_day(day.log, day.lake, ModelStore(tmp_path / "none"), day.ticks, day.settings, EXCHANGE, TODAY)
    assert found.differences == 0
    assert found.incomparable == {NO_MODEL: sum(p.horizon != "1m" for p in made)}


def test_the_newest_day_is_that_of_the_newest_forecast(day, models):
    assert newest_day(day.log, EXCHANGE) is None
    day.live(walk(models, 100))
    assert newest_day(day.log, EXCHANGE) == TODAY
    assert newest_day(day.log, "coinbase") is None
    assert day.check(TODAY - timedelta(days=1)).compared.total() == 0
