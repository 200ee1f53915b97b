"""Predictors and the replay that feeds them, killed at random instants: the tables are those of an undisturbed run."""

import random
import time
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.passes import extent, of_pass
from bitpredict.streaming.recordings import Recording
from bitpredict.streaming.topics import topic_specs
from tests.support.live_content import caught_up, content, copy_trades, trades
from tests.support.live_processes import Processes, processes, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SEED = 20261121
VICTIMS = ["predictor"] * 6 + ["replay"] * 4
USED = "bitpredict_stream_used_total"


def test_ten_kills_change_nothing(tmp_path: Path, sample: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    settings = Settings(home=tmp_path / "home", market="coinbase", symbols=("BTCUSD", "ETHUSD"))
    feed = ("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "30x")
    with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
        replay, predictors = lane.start(*feed), [lane.start("predict"), lane.start("predict")]
        for victim in chance.sample(VICTIMS, len(VICTIMS)):
            if victim == "replay":
                until(replay.ready, replay, *predictors)
                time.sleep(chance.uniform(0, 1))
                replay.kill()
                replay = lane.start(*feed)
                continue
            which = chance.randrange(2)
            until(lambda which=which: predictors[which].metric(USED) > 0, replay, *predictors)
            time.sleep(chance.uniform(0, 1))
            predictors[which].kill()
            predictors[which] = lane.start("predict")
        until(lambda: all(part.ready() for part in (replay, *predictors)), replay, *predictors)
        assert "replayed" in replay.end().out
        until(caught_up(log, "coinbase"), *predictors)
        for part in predictors:
            assert "used" in part.end().out
        assert_is_the_recording(log, sample / "coinbase_ticks.csv")
        assert_is_undisturbed(lane, log, tmp_path)


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
        assert told == expected[symbol][: len(told)], symbol
        assert len(told) > 1000


def assert_is_undisturbed(disturbed: Processes, log: EventLog, folder: Path) -> None:
    """One predictor, left alone with the same trades, stores the same."""
    settings = disturbed.settings.model_copy(update={"home": folder / "undisturbed", "event_log_url": ""})
    calm = Settings(**{name: getattr(settings, name) for name in settings.model_fields_set})
    with open_event_log(calm) as other, processes(calm, folder / "calm") as alone:
        other.create(topic_specs(calm))
        assert copy_trades(log, other, "coinbase") > 2000
        predictor = alone.start("predict")
        until(caught_up(other, "coinbase"), predictor)
        predictor.end()
        expected = content(other, calm, "coinbase")
    found = content(log, disturbed.settings, "coinbase")
    assert min(len(made) for made in expected.predictions.values()) > 300
    assert len(expected.built) == 2
    assert len(expected.ledger) > 10
    assert not found.differs(expected)
