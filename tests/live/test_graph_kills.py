"""Dagster's daemon and runs killed at random instants while trades come: the table is that of one undisturbed run."""

import random
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from bitpredict.settings import Settings
from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.ranges import Range
from bitpredict.streaming.trade_table import trades_table
from tests.live.conftest import SYMBOLS
from tests.support.live_graph import Graph, graph, waiting
from tests.support.live_processes import processes, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEED = 20261122
VICTIMS = ["daemon", "daemon before its cursor", "run", "run"]
TOPIC = "coinbase-trades"
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def test_four_kills_change_nothing(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    monkeypatch.setenv("DAGSTER_HOME", "")  # given back afterwards
    settings = Settings(
        home=tmp_path / "home",
        market="coinbase",
        symbols=SYMBOLS,
        stream_min_messages=20,
        stream_max_age_seconds=1.0,
    )
    with (
        open_event_log(settings) as log,
        processes(settings, tmp_path) as lane,
        graph(settings) as dagster,
    ):
        replay = lane.start("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "2x")
        for victim in chance.sample(VICTIMS, len(VICTIMS)):
            if victim == "run":
                kill_a_run(dagster, chance)
            elif victim == "daemon":
                before = dagster.instance.get_runs_count()
                dagster.until(lambda before=before: dagster.instance.get_runs_count() > before)
                time.sleep(chance.uniform(0, 2))
                dagster.kill_daemon()
                dagster.start_daemon()
            else:
                kill_before_the_cursor(dagster)
        until(replay.ready, replay)
        replay.end()
        ends = {(TOPIC, number): end for number, end in log.topic(TOPIC).end.items()}
        dagster.until(lambda: not waiting(dagster, ends))
        assert_nothing_left_out_or_taken_twice(dagster.ranges(), ends)
        assert_is_one_undisturbed_run(log, settings)


def kill_before_the_cursor(dagster: Graph) -> None:
    """Between the moments at which Dagster records a tick with its runs and at which it stores the cursor."""
    lost = False
    while not lost:
        dagster.until(dagster.has_launched, pause=0.001)
        dagster.kill_daemon()
        lost = dagster.has_launched()
        dagster.start_daemon()


def kill_a_run(dagster: Graph, chance: random.Random) -> None:
    """Soon after its process appeared, or in the middle of its work; one that was quicker than that does not count."""
    at_work = chance.random() < 0.5
    while True:
        dagster.until(dagster.works if at_work else dagster.workers)
        time.sleep(chance.uniform(0, 0.5 if at_work else 2))
        for worker in dagster.workers():
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                continue
            return


def assert_nothing_left_out_or_taken_twice(ranges: set[Range], ends: dict[tuple[str, int], int]) -> None:
    """The ranges of the runs that succeeded, each partition's one behind the other."""
    found = defaultdict(list)
    for each in sorted(ranges):
        found[each.topic, each.partition].append((each.start, each.end))
    assert found.keys() == ends.keys()
    for place, taken in found.items():
        assert [start for start, _ in taken] == [0, *(end for _, end in taken[:-1])], place
        assert taken[-1][1] == ends[place]


def assert_is_one_undisturbed_run(log: EventLog, settings: Settings) -> None:
    pages = [(TOPIC, number, log.read(TOPIC, number, 0, limit=10**6)) for number in log.topic(TOPIC).end]
    order = [("partition", "ascending"), ("offset", "ascending")]
    expected = trades_table(pages, *ALWAYS).table.sort_by(order)
    found = Lake.from_settings(settings).read(STREAMED_TRADES).sort_by(order)
    assert expected.num_rows > 200
    assert found.equals(expected)
