import threading
import time
from datetime import UTC, datetime
from itertools import islice, pairwise

import numpy as np
import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.collector import choose_collector
from bitpredict.streaming.messages import decode_trade
from bitpredict.streaming.simulation import simulated_trades
from tests.support.memory_log import MemoryLog

START = datetime(2026, 1, 1, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def test_the_same_seed_gives_the_same_trades_in_order_of_time_at_the_rate() -> None:
    trades = [*islice(simulated_trades(SYMBOLS, 1000.0, 7, START), 20_000)]
    assert trades == [*islice(simulated_trades(SYMBOLS, 1000.0, 7, START), 20_000)]
    assert trades != [*islice(simulated_trades(SYMBOLS, 1000.0, 8, START), 20_000)]
    assert all(a.event_time <= b.event_time for a, b in pairwise(trades))
    assert (trades[-1].event_time - START).total_seconds() == pytest.approx(20.0, rel=0.03)
    for symbol in SYMBOLS:
        of_symbol = [trade for trade in trades if trade.symbol == symbol]
        assert len(of_symbol) == pytest.approx(20_000 / 3, rel=0.05)
        assert [int(trade.trade_id) for trade in of_symbol] == [*range(len(of_symbol))]
        returns = np.diff(np.log([trade.price for trade in of_symbol]))
        a_year = np.std(returns) * np.sqrt(1000 / 3 * 365 * 86_400)
        assert a_year == pytest.approx(0.5, rel=0.05)
    assert all(t.provenance == "simulated" and t.price > 0 and t.size > 0 for t in trades)


def test_the_collector_of_the_simulated_market_gives_trades_that_happen_now() -> None:
    log = MemoryLog(1, "simulated-trades")
    before = datetime.now(UTC)
    stop = threading.Event()
    collecting = threading.Thread(target=choose_collector(Settings(market="simulated"), log).run, args=(stop,))
    collecting.start()
    until = time.monotonic() + 30
    while len(log.values("simulated-trades")) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    collecting.join(30)
    trades = [decode_trade(value) for value in log.values("simulated-trades")]
    assert len(trades) >= 3
    assert all(before <= trade.event_time <= datetime.now(UTC) for trade in trades)
