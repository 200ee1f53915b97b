"""One of a group's two predictors is killed: the other has all within ten seconds, nothing is lost or doubled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.predictor import GROUP
from tests.support.live_checks import assert_is_the_recording, assert_is_undisturbed
from tests.support.live_content import caught_up, enough
from tests.support.live_processes import USED, processes, until
from tests.support.stopwatch import Stopwatch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOPIC = "coinbase-trades"


@pytest.mark.parametrize("adapter", ["on_sqlite", "on_kafka"])
def test_the_other_takes_over(adapter: str, request: pytest.FixtureRequest, tmp_path: Path, sample: Path) -> None:
    settings: Settings = request.getfixturevalue(adapter)
    with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
        feed = lane.start("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "20x")
        victim, other = lane.start("predict"), lane.start("predict")
        until(lambda: min(victim.metric(USED), other.metric(USED)) > 0, feed, victim, other)
        victim.kill()
        watch = Stopwatch()
        until(all_is_read(log), feed, other)
        watch.assert_within(10)
        until(enough(log, "coinbase"), feed)
        feed.end()
        until(caught_up(log, "coinbase"), other)
        other.end()
        assert_is_the_recording(log, sample / "coinbase_ticks.csv")
        assert_is_undisturbed(log, settings, tmp_path)


def all_is_read(log: EventLog) -> Callable[[], bool]:
    """Whether the group's checkpoints are behind what every partition holds now, as more comes."""
    ends = log.topic(TOPIC).end

    def done() -> bool:
        at = log.groups(TOPIC).get(GROUP, {})
        return all(at.get(number, 0) > end for number, end in ends.items())

    return done
