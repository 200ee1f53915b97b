"""What must hold of a live lane after a disturbance: all of its input once, and what an undisturbed one makes of it."""

from collections import Counter
from pathlib import Path

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.passes import extent, of_pass
from bitpredict.streaming.recordings import Recording
from bitpredict.streaming.topics import topic_specs
from tests.support.live_content import caught_up, content, copy_trades, trades
from tests.support.live_processes import processes, until


def assert_is_the_recording(log: EventLog, path: Path) -> None:
    """The topic holds the recording's passes, by symbol without a hole and without a double, up to where it ended."""
    length, _ = extent(recording := Recording(path))
    expected: dict[str, list[tuple[object, ...]]] = {}
    found = trades(log, "coinbase")
    for number in range(1 + max(int(each[-1].trade_id.partition("#")[2]) for each in found.values())):
        for one in recording:
            each = of_pass(one, number, number * length)
            expected.setdefault(each.symbol, []).append((each.trade_id, each.price, each.event_time))
    for symbol, stored in found.items():
        told = [(each.trade_id, each.price, each.event_time) for each in stored]
        ids = Counter(each.trade_id for each in stored)
        assert not [each for each, times in ids.items() if times > 1], f"{symbol}: doubled"
        assert not [each[0] for each in expected[symbol][: len(told)] if each[0] not in ids], f"{symbol}: lost"
        assert told == expected[symbol][: len(told)], f"{symbol}: in another order"


def assert_is_undisturbed(log: EventLog, settings: Settings, folder: Path, exchange: str = "coinbase") -> None:
    """One predictor, left alone with the same trades in a log of its own, stores the same."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set - {"event_log_url", "database_url"}}
    calm = Settings(**(given | {"home": folder / "undisturbed"}))
    with open_event_log(calm) as other, processes(calm, folder / "calm") as alone:
        other.create(topic_specs(calm))
        copied = copy_trades(log, other, exchange)
        predictor = alone.start("predict")
        until(caught_up(other, exchange), predictor)
        predictor.end()
        expected = content(other, calm, exchange)
    found = content(log, settings, exchange)
    assert copied > 500
    assert min(len(made) for made in expected.predictions.values()) > 100
    assert expected.built.keys() == expected.predictions.keys()
    assert expected.ledger
    difference = found.differs(expected)
    assert not difference, difference
