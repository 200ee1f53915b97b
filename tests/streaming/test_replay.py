import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bitpredict.errors import BadSourceDataError
from bitpredict.streaming.log import Message, partition_of
from bitpredict.streaming.messages import Rejected, Trade, decode_rejected, decode_trade
from bitpredict.streaming.recordings import Recording, read_recording
from bitpredict.streaming.replay import Replay, Replayed
from tests.support.memory_log import MemoryLog
from tests.support.stepped import Stepped

TOPICS = ("coinbase-trades", "coinbase-trades-rejected")
START = datetime(2026, 4, 3, 22, tzinfo=UTC)


def tick(number: int, seconds: float, symbol: str = "BTCUSD") -> Trade:
    moment = START + timedelta(seconds=seconds)
    return Trade("coinbase", symbol, f"seq:{number}", 100.0 + number, 0.0, "unknown", moment, moment, number)


def appended(log: MemoryLog) -> list[Trade]:
    return [decode_trade(value) for value in log.values("coinbase-trades")]


def run(log: MemoryLog, messages: list[Replayed], speed: float | None, *, after: float = 60) -> str:
    replay = Replay(log, "coinbase", messages, speed, loop=False)
    stop = threading.Event()
    timer = threading.Timer(after, stop.set)
    timer.start()
    replay.run(stop)
    timer.cancel()
    return replay.summary()


@pytest.fixture
def run_stepped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stepped]:
    """Replays so many seconds in none, and returns their clock."""

    def run(log: MemoryLog, messages: list[Replayed], speed: float, after: float, *, loop: bool = True) -> Stepped:
        clock = Stepped(after)
        clock.paces("bitpredict.streaming.replay", monkeypatch)
        if isinstance(log, Clocked):
            log.clock = clock
        Replay(log, "coinbase", messages, speed, loop).run(clock)
        return clock

    return run


class Clocked(MemoryLog):
    """Remembers when each append came."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.clock = Stepped(0)
        self.at: list[float] = []

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        self.at.append(self.clock.now)
        super().append(topic, messages)


def test_at_max_everything_arrives_in_order_marked_as_replayed(sample: Path) -> None:
    log = MemoryLog(2, *TOPICS)
    before = datetime.now(UTC)
    summary = run(log, [*Recording(sample / "coinbase_ticks.csv")], None)
    recorded = [t for t in read_recording(sample / "coinbase_ticks.csv") if isinstance(t, Trade)]
    for number in range(2):
        values = [decode_trade(r.value) for r in log.read("coinbase-trades", number, 0)]
        expected = [t for t in recorded if partition_of(t.symbol, 2) == number]
        assert [(t.trade_id, t.price, t.event_time) for t in values] == [
            (t.trade_id, t.price, t.event_time) for t in expected
        ]
        assert all(t.replayed and before <= t.received_at <= datetime.now(UTC) for t in values)
    assert max(log.appends) == 5000
    assert "replayed 5,028 messages of coinbase" in summary


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_recorded_gaps_are_kept(run_stepped: Callable[..., Stepped], speed: float) -> None:
    log = Clocked(1, *TOPICS)
    clock = run_stepped(log, [tick(1, 0), tick(2, 0.2), tick(3, 0.2001), tick(4, 0.6)], speed, 60, loop=False)
    assert len(appended(log)) == 4
    assert log.appends == [1, 2, 1]
    assert log.at == pytest.approx([0, 0.2001 / speed, 0.6 / speed], abs=0.002)
    assert clock.now == pytest.approx(0.6 / speed)


def test_the_gaps_are_the_clock_s() -> None:
    began = time.monotonic()
    run(MemoryLog(1, *TOPICS), [tick(1, 0), tick(2, 0.6)], 2.0)
    assert time.monotonic() - began >= 0.3


def test_in_a_loop_market_time_goes_on_and_ids_stay_unique(run_stepped: Callable[..., Stepped]) -> None:
    log = MemoryLog(2, *TOPICS)
    messages: list[Replayed] = [tick(n, n / 10, symbol) for n in range(20) for symbol in ("BTCUSD", "ETHUSD")]
    run_stepped(log, messages, 100.0, 0.2)
    trades = [t for t in appended(log) if t.symbol == "BTCUSD"]
    assert len(trades) > 195
    for place, trade in enumerate(trades):
        number, rest = divmod(place, 20)
        assert trade.trade_id == f"seq:{rest}#{number}"
        assert trade.event_time == START + timedelta(seconds=2 * number + rest / 10)


@pytest.mark.slow
@pytest.mark.parametrize("cut", [(0, 0), (1, 0), (7, 0), (0, 13), (33, 2)])
def test_a_restarted_loop_goes_on_behind_what_is_there(
    run_stepped: Callable[..., Stepped], cut: tuple[int, int]
) -> None:
    """Partitions may have ended at different messages: each goes on at its own."""
    messages: list[Replayed] = [tick(n, n / 10, symbol) for n in range(20) for symbol in ("BTCUSD", "ETHUSD")]
    undisturbed, log = MemoryLog(2, *TOPICS), MemoryLog(2, *TOPICS)
    run_stepped(undisturbed, messages, 500.0, 0.3)
    run_stepped(log, messages, 500.0, 0.1)
    for number, records in enumerate(cut):
        there = len(log.read("coinbase-trades", number, 0))
        log.cut("coinbase-trades", number, max(1, there - records))
    run_stepped(log, messages, 500.0, 0.05)
    for number in range(2):
        ids = [decode_trade(r.value).trade_id for r in log.read("coinbase-trades", number, 0)]
        expected = [decode_trade(r.value).trade_id for r in undisturbed.read("coinbase-trades", number, 0)]
        assert ids == expected[: len(ids)]
        assert len(ids) > 700


def test_after_retention_a_loop_begins_a_pass_that_never_was(run_stepped: Callable[..., Stepped]) -> None:
    class Forgetful(MemoryLog):
        def topic(self, name: str):  # type: ignore[no-untyped-def]
            state = super().topic(name)
            return type(state)(name, "1", None, {0: 55}, {0: 55})

    log = Forgetful(1, *TOPICS)
    run_stepped(log, [tick(n, n) for n in range(10)], 1000.0, 0.05)
    assert appended(log)[0].trade_id == "seq:0#6"


def test_a_log_that_was_away_gets_everything_once() -> None:
    log = MemoryLog(1, *TOPICS)
    log.away = True
    replay = Replay(log, "coinbase", [tick(n, n) for n in range(3000)], None, False)
    stop = threading.Event()
    thread = threading.Thread(target=replay.run, args=(stop,))
    thread.start()
    time.sleep(0.2)
    assert not replay.ready()
    log.away = False
    thread.join(60)
    assert [t.sequence for t in appended(log)] == [*range(3000)]


def test_it_ends_at_once_when_told_to_even_if_the_log_is_away() -> None:
    log = MemoryLog(1, *TOPICS)
    log.away = True
    began = time.monotonic()
    run(log, [tick(1, 0)], None, after=0.1)
    assert time.monotonic() - began < 30


def test_rejected_lines_go_to_the_rejected_topic() -> None:
    log = MemoryLog(1, *TOPICS)
    broken = Rejected("price: '-1' is not a plain decimal number", "ticks.csv:3", START, "…")
    summary = run(log, [tick(1, 0), broken, tick(2, 1)], None)
    assert [decode_rejected(value) for value in log.values("coinbase-trades-rejected")] == [broken]
    assert len(appended(log)) == 2
    assert "1 of them rejected" in summary


def test_nothing_to_loop_over_is_an_error() -> None:
    class Empty:
        def __iter__(self) -> Iterator[Replayed]:
            return iter(())

    with pytest.raises(BadSourceDataError, match="no message"):
        Replay(MemoryLog(1, *TOPICS), "coinbase", Empty(), 1.0, True).run(threading.Event())
