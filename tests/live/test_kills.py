"""Predictors and the replay that feeds them, killed at random instants: the tables are those of an undisturbed run."""

import random
import time
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.open_log import open_event_log
from tests.support.live_checks import assert_is_the_recording, assert_is_undisturbed
from tests.support.live_content import caught_up
from tests.support.live_processes import USED, processes, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEED = 20261121
VICTIMS = ["predictor"] * 7 + ["replay"] * 5


def test_twelve_kills_change_nothing(on_sqlite: Settings, tmp_path: Path, sample: Path) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    feed = ("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "30x")
    with open_event_log(on_sqlite) as log, processes(on_sqlite, tmp_path) as lane:
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
        assert "replayed" in replay.end()
        until(caught_up(log, "coinbase"), *predictors)
        for part in predictors:
            assert "used" in part.end()
        assert_is_the_recording(log, sample / "coinbase_ticks.csv")
        assert_is_undisturbed(log, on_sqlite, tmp_path)
