"""From the event log to the lake: each trade once, whatever happens between."""

import itertools
import json
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.streaming.log import Message, TopicSpec
from bitpredict.streaming.messages import Trade, encode
from bitpredict_sensors.offsets import CursorError
from tests.sensors.conftest import TOPIC, milliseconds, trade

MIDNIGHT = datetime(2024, 3, 5, tzinfo=UTC)
NOON = MIDNIGHT - timedelta(hours=12)
SECOND = timedelta(seconds=1)


def ranges(request: dg.RunRequest) -> list[tuple[int, int, int]]:
    given = request.run_config["ops"]["streamed_trades"]["config"]["ranges"]
    return [(each["partition"], each["start"], each["end"]) for each in given]


def both(number: int, moment: datetime):
    """A trade of each of two symbols, which lie in different partitions."""
    return [trade(number, moment), trade(number, moment, symbol="ETHUSD")]


def test_what_was_appended_is_in_the_lake_with_its_place(lane):
    lane.send(*both(1, NOON), *both(2, NOON + SECOND))
    (request,) = lane.tick().run_requests
    assert request.partition_key == "2024-03-04"
    assert sum(end - start for _, start, end in ranges(request)) == 4
    ran = lane.run(request)
    assert ran.success
    assert lane.stored() == lane.expected()
    for row in lane.rows():
        (record,) = lane.log.read(row["topic"], row["partition"], row["offset"], row["offset"] + 1)
        (sent,) = (each for each in lane.sent if (each.symbol, each.trade_id) == (row["symbol"], row["trade_id"]))
        assert record.value == encode(sent)


def test_a_run_says_what_it_read(lane):
    lane.send(trade(1, NOON), trade(2, NOON + SECOND))
    (request,) = lane.tick().run_requests
    (event,) = lane.run(request).get_asset_materialization_events()
    said = {name: entry.value for name, entry in event.materialization.metadata.items()}
    ((partition, _, _),) = ranges(request)
    assert event.partition == "2024-03-04"
    assert said["offsets"] == [f"{TOPIC}/{partition}[0,2)"]
    assert (said["messages"], said["trades"], said["new trades"]) == (2, 2, 2)
    assert (said["trades of other days"], said["undecodable messages"], said["lost offsets"]) == (0, 0, [])
    assert said["latest"] == {"coinbase BTCUSD": "40002.0 at 2024-03-04T12:00:01+00:00"}
    assert (said["dagster/row_count"], said["rows of the run"], said["rows by symbol"]) == (2, 2, {"BTCUSD": 2})
    assert said["table version"] == 0
    assert "40002" in said["preview"]


def test_ticks_go_on_where_the_last_one_ended(lane):
    lane.send(trade(1, NOON))
    lane.catch_up()
    lane.send(trade(2, NOON))
    (request,) = lane.tick().run_requests
    assert [each[1:] for each in ranges(request)] == [(1, 2)]
    lane.run(request)
    assert lane.stored() == lane.expected()


@pytest.mark.parametrize("times", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_run_that_is_repeated_changes_nothing(lane, times):
    lane.send(*both(1, NOON), *both(2, NOON))
    (request,) = lane.tick().run_requests
    lane.run(request)
    before = lane.rows()
    for _ in range(times):
        assert lane.run(request).success
    assert lane.rows() == before


@pytest.mark.slow
def test_a_run_that_comes_late_changes_nothing(lane, monkeypatch):
    """The same trade twice in the log: whichever run is first, the table is the one of the log's order."""
    monkeypatch.setenv("BITPREDICT_STREAM_BITE_MESSAGES", "1")
    twice = trade(1, NOON)
    lane.send(twice)
    lane.send(twice)
    (first,) = lane.tick().run_requests
    *_, second = lane.tick().run_requests  # the first was never made, and is asked for again
    assert [each[1:] for each in ranges(first) + ranges(second)] == [(0, 1), (1, 2)]
    assert lane.run(second).success
    assert lane.run(first).success
    ((offset,),) = [[row["offset"]] for row in lane.rows()]
    assert offset == 0


def test_a_daemon_that_died_before_it_stored_the_cursor_asks_for_the_same(lane):
    lane.send(*both(1, NOON))
    died, again = lane.tick(keep=False), lane.tick()
    assert [each.run_key for each in died.run_requests] == [each.run_key for each in again.run_requests]
    lane.tick(keep=False)


def test_a_daemon_that_died_while_more_came_asks_for_more_and_nothing_is_doubled(lane):
    lane.send(trade(1, NOON))
    died = lane.tick(keep=False)
    lane.send(trade(2, NOON))
    again = lane.tick()
    for each in (*died.run_requests, *again.run_requests):
        assert lane.run(each).success
    assert lane.stored() == lane.expected()


def test_midnight_is_never_crossed(lane):
    lane.send(*(trade(i, MIDNIGHT + (i - 3) * SECOND) for i in range(6)))
    first, second = lane.tick().run_requests
    assert (first.partition_key, second.partition_key) == ("2024-03-04", "2024-03-05")
    assert [each[1:] for each in ranges(first) + ranges(second)] == [(0, 3), (3, 6)]
    for each in (second, first):
        assert lane.run(each).success
    assert lane.stored() == lane.expected()


def test_late_trades_around_midnight_are_kept_by_their_own_day(lane):
    order = [-2, 1, -1, 2, 0, -3]
    lane.send(*(trade(i, MIDNIGHT + seconds * SECOND) for i, seconds in enumerate(order)))
    assert len(lane.catch_up()) == 2
    assert lane.stored() == lane.expected()


@pytest.mark.slow
def test_a_replay_of_many_days_is_taken_two_days_at_a_time(lane):
    lane.send(*(trade(i, NOON + timedelta(days=i % 5)) for i in range(20)))
    assert len(lane.tick().run_requests) == 2
    lane.cursor = None
    assert len(lane.catch_up()) >= 5
    assert lane.stored() == lane.expected()


@pytest.mark.slow
def test_a_pause_is_caught_up_in_bounded_bites(lane, monkeypatch):
    monkeypatch.setenv("BITPREDICT_STREAM_BITE_MESSAGES", "10")
    lane.send(*(each for i in range(20) for each in both(i, NOON)))
    ran = lane.catch_up()
    assert len(ran) == 4
    assert lane.stored() == lane.expected()


def test_no_more_than_two_runs_are_under_way(lane, monkeypatch):
    monkeypatch.setenv("BITPREDICT_STREAM_BITE_MESSAGES", "1")
    lane.send(*(trade(i, NOON) for i in range(5)))
    assert len(lane.tick().run_requests) == 1
    assert len(lane.tick().run_requests) == 2  # the first was never made, and is asked for again
    before = json.loads(lane.cursor)
    answer = lane.tick()
    assert len(answer.run_requests) == 2
    assert json.loads(answer.cursor)["topics"] == before["topics"]


def test_few_and_young_messages_wait(lane):
    lane.send(trade(1, NOON), age=timedelta(seconds=1))
    answer = lane.tick()
    assert not answer.run_requests
    assert "1 new messages" in answer.skip_message
    assert "60 s" in answer.skip_message


def test_enough_young_messages_do_not_wait(lane, monkeypatch):
    monkeypatch.setenv("BITPREDICT_STREAM_MIN_MESSAGES", "3")
    lane.send(*(trade(i, NOON) for i in range(3)), age=timedelta(0))
    assert len(lane.tick().run_requests) == 1


def test_without_topics_there_is_nothing_new(lane):
    lane.log.delete(TOPIC)
    answer = lane.tick()
    assert (answer.run_requests, answer.skip_message) == ([], "nothing new")


def test_what_cannot_be_decoded_is_counted_and_stops_nothing(lane):
    lane.send(trade(1, NOON))
    received = milliseconds(datetime.now(UTC)) - 3_600_000
    lane.log.append(TOPIC, [Message("BTCUSD", b"<html>", received), Message("BTCUSD", b"", received)])
    lane.send(trade(2, NOON))
    (ran,) = lane.catch_up()
    (event,) = ran.get_asset_materialization_events()
    assert event.materialization.metadata["undecodable messages"].value == 2
    assert lane.stored() == lane.expected()


def test_messages_that_no_run_can_take_do_not_stop_the_lane(lane):
    received = milliseconds(datetime.now(UTC)) - 3_600_000
    lane.log.append(TOPIC, [Message("BTCUSD", b"<html>", received)])
    answer = lane.tick()
    assert "no message of the bite" in answer.skip_message
    lane.log.append(TOPIC, [Message("BTCUSD", encode(trade(9, datetime(2199, 1, 1, tzinfo=UTC))), received)])
    lane.send(trade(1, NOON))
    lane.catch_up()
    assert lane.stored() == lane.expected()


@pytest.mark.slow
def test_a_log_that_is_away_is_said_and_loses_no_position(lane, monkeypatch, tmp_path):
    lane.send(trade(1, NOON))
    lane.catch_up()
    before = lane.cursor
    lane.send(trade(2, NOON))
    with monkeypatch.context() as patch:
        away = tmp_path / "away"
        away.write_text("a file where a folder ought to be")
        patch.setenv("BITPREDICT_EVENT_LOG_URL", f"sqlite:///{away}/events.db")
        answer = lane.tick()
    assert answer.skip_message.startswith("the event log is away: ")
    assert answer.run_requests == []
    assert answer.cursor in (None, before)
    lane.cursor = before
    lane.catch_up()
    assert lane.stored() == lane.expected()


@pytest.mark.slow
def test_what_retention_deleted_is_in_the_gap_ledger_and_the_lane_goes_on(lane, engine):
    first = trade(1, NOON)
    lane.send(first)
    lane.catch_up()
    lane.send(*(trade(i, NOON) for i in range(2, 7)))
    _forget_old(lane, timedelta(minutes=10), trade(7, NOON))
    answer = lane.tick()
    (observation,) = answer.asset_events
    assert observation.asset_key == dg.AssetKey("streamed_trades")
    assert "[1,6)" in observation.metadata["lost offsets"].value
    (gap,) = read_gaps(engine).to_dict("records")
    assert (gap["symbol"], gap["status"]) == ("BTCUSD", "unrepairable")
    assert gap["source"].startswith(f"{TOPIC}/")
    assert gap["minutes"] in (56, 57)
    for request in answer.run_requests:
        assert lane.run(request).success
    assert {row["trade_id"] for row in lane.rows()} == {"1", "7"}
    assert lane.tick().asset_events == []
    assert len(read_gaps(engine)) == 1


def _forget_old(lane, retention: timedelta, *young: Trade) -> None:
    """Let the log delete what is older than the retention, as it does while it is appended to."""
    lane.log.create([TopicSpec(TOPIC, 2, retention)])
    begun = time.monotonic()
    for each in itertools.cycle(young):
        lane.log.append(TOPIC, [Message(each.symbol, encode(each), milliseconds(datetime.now(UTC) - retention / 2))])
        if any(lane.log.topic(TOPIC).start.values()):
            return
        assert time.monotonic() < begun + 120
        time.sleep(0.2)


@pytest.mark.slow
def test_a_topic_that_was_remade_is_read_from_its_start(lane):
    lane.send(*(trade(i, NOON) for i in range(3)))
    lane.catch_up()
    lane.log.delete(TOPIC)
    assert lane.tick().skip_message == "nothing new"
    lane.log.create([TopicSpec(TOPIC, 2, None)])
    lane.send(*(trade(i, NOON) for i in range(10, 14)))
    (request,) = lane.tick().run_requests
    assert [each[1:] for each in ranges(request)] == [(0, 4)]
    lane.run(request)
    assert lane.stored() == lane.expected()


@pytest.mark.slow
def test_a_run_whose_topic_was_remade_meanwhile_reads_nothing_of_the_new_one(lane, engine):
    lane.send(trade(1, NOON))
    (request,) = lane.tick().run_requests
    lane.log.delete(TOPIC)
    lane.log.create([TopicSpec(TOPIC, 2, None)])
    lane.send(trade(2, NOON))
    ran = lane.run(request)
    (event,) = ran.get_asset_materialization_events()
    assert event.materialization.metadata["messages"].value == 0
    assert len(event.materialization.metadata["lost offsets"].value) == 1
    assert len(read_gaps(engine)) == 1
    lane.catch_up()
    assert {row["trade_id"] for row in lane.rows()} == {"2"}


@pytest.mark.slow
def test_partitions_that_were_added_are_read(lane):
    lane.send(*(trade(i, NOON, symbol=f"S{i}USD") for i in range(8)))
    lane.catch_up()
    lane.log.create([TopicSpec(TOPIC, 5, None)])
    lane.send(*(trade(i, NOON, symbol=f"S{i}USD") for i in range(8, 30)))
    lane.catch_up()
    assert lane.stored() == lane.expected()
    assert {row["partition"] for row in lane.rows()} == {0, 1, 2, 3, 4}


@pytest.mark.slow
def test_a_run_that_failed_is_asked_for_again(lane, monkeypatch):
    lane.send(trade(1, NOON))
    (request,) = lane.tick().run_requests
    with monkeypatch.context() as patch:
        patch.setattr("bitpredict.streaming.taking.trades_table", _broken)
        assert not lane.run(request).success
    answer = lane.tick()
    assert answer.run_requests == []  # not at once
    assert json.loads(answer.cursor)["runs"]
    monkeypatch.setattr("bitpredict_sensors.requested.FIRST_PAUSE", timedelta(0))
    (again,) = lane.tick().run_requests
    assert (again.run_key, ranges(again)) == (f"{request.run_key} attempt 2", ranges(request))
    assert lane.run(again).success
    assert lane.stored() == lane.expected()
    assert json.loads(lane.tick().cursor)["runs"] == []


def _broken(*_arguments: object) -> None:
    raise RuntimeError("the run's machine is on fire")


def test_a_run_by_hand_takes_all_that_the_log_has_of_its_day(lane):
    lane.send(*(trade(i, MIDNIGHT + (i - 3) * SECOND) for i in range(6)))
    ran = lane.run(dg.RunRequest(run_key="by hand", partition_key="2024-03-04", run_config={}))
    assert ran.success
    assert {row["trade_id"] for row in lane.rows()} == {"0", "1", "2"}


def test_a_malformed_cursor_is_refused_with_the_remedy(lane):
    lane.cursor = '{"topics": 17}'
    with pytest.raises(CursorError, match="reset the sensor's cursor"):
        lane.tick()
