"""`topics` and `replay` on a SQLite event log."""

import json
import time
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.log import Checkpoint, Message, Partition, Record
from bitpredict.streaming.open_log import open_event_log
from tests.support.kafka import serving
from tests.support.ports import free_ports

HEADER = "event_time,product_id,price,best_bid,best_ask\n"
TICKS = [
    f"2026-04-03T22:13:{41 + n}.500000Z,{product},{price},{price},{price}\n"
    for n, (product, price) in enumerate([("BTC-USD", 66863.0), ("ETH-USD", 2055.05), ("BTC-USD", 66865.48)])
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITPREDICT_HOME", str(tmp_path / "home"))


def test_without_topics_it_says_how_to_get_them(run):
    assert "bitpredict topics create" in run("topics").stdout
    assert json.loads(run("topics", "--json").stdout) == []


def test_created_topics_are_listed_with_their_partitions(run):
    made = run("topics", "create").stdout.splitlines()
    assert "predictions: 2 partitions, kept 7 d, made" in made
    assert all(line.endswith("was there") for line in run("topics", "create").stdout.splitlines())
    rows = json.loads(run("topics", "--json").stdout)
    assert {row["topic"] for row in rows} == {line.partition(":")[0] for line in made}
    assert {(row["start"], row["end"], row["messages_per_second"]) for row in rows} == {(0, 0, 0.0)}


def test_a_recording_is_replayed_and_its_messages_are_counted(run, tmp_path):
    file = tmp_path / "ticks.csv"
    file.write_text(HEADER + "".join(TICKS) + "2026-04-03T22:13:50Z,BTC-USD,-1,1,1\n")
    done = run("replay", file, "--speed", "max", "--port", free_ports(1)[0])
    assert done.exit_code == 0, done.output
    assert "replayed 4 messages of coinbase" in done.stdout
    assert "1 of them rejected" in done.stdout
    rows = json.loads(run("topics", "--json").stdout)
    ends = {topic: sum(row["end"] for row in rows if row["topic"] == topic) for topic in {row["topic"] for row in rows}}
    assert (ends["coinbase-trades"], ends["coinbase-trades-rejected"]) == (3, 1)


def test_the_lag_of_a_group_is_shown(run, tmp_path):
    run("topics", "create")
    with open_event_log(Settings(home=tmp_path / "home")) as log:
        log.append("binance-trades", [Message("BTCUSDT", b"{}", 1)] * 5)
        subscription = log.subscribe("readers", ["binance-trades"])
        owned: set[Partition] = set()
        while not owned:
            owned = set(subscription.poll(1.0).assigned)
        subscription.checkpoint({partition: Checkpoint(0, b"") for partition in owned})
        subscription.close()
    lags = [row["lag"].get("readers") for row in json.loads(run("topics", "--json").stdout) if row["lag"]]
    assert sorted(lags) == [0, 5]
    assert "readers 5" in run("topics").stdout


def soon() -> int:
    """A message's time which, however long the rest takes, is no older than ten seconds: a rate is of these."""
    return int(time.time() * 1000) + 600_000


def test_the_rate_is_that_of_messages_and_not_of_offsets(run, tmp_path, monkeypatch):
    def rates() -> list[float]:
        rows = json.loads(run("topics", "--json").stdout)
        return [row["messages_per_second"] for row in rows if row["topic"] == "binance-trades"]

    run("topics", "create")
    with open_event_log(Settings(home=tmp_path / "home")) as log:
        log.append("binance-trades", [Message("BTCUSDT", b"{}", soon())] * 2500)
        assert sorted(rates()) == [0.0, 250.0]
        read, asked = type(log).read, []

        def every_second(*where: object) -> list[Record]:
            asked.append(where[-1] - where[-2])
            return read(*where)[::2]  # as if a transaction's marker stood after each message

        monkeypatch.setattr(type(log), "read", every_second)
    assert sorted(rates()) == [0.0, 125.0]
    assert asked == [1000], "a sample tells enough"


@pytest.mark.slow
def test_on_kafka_a_transactions_marker_is_no_message(run, monkeypatch):
    with serving() as url:
        monkeypatch.setenv("BITPREDICT_EVENT_LOG_URL", url)
        run("topics", "create")
        with open_event_log(Settings()) as log:
            subscription = log.subscribe("makers", ["binance-trades"])
            owned: set[Partition] = set()
            while not owned:
                owned = set(subscription.poll(1.0).assigned)
            for _ in range(10):
                made = [("predictions", Message("BTCUSDT", b"{}", soon()))]
                subscription.checkpoint({partition: Checkpoint(0, b"") for partition in owned}, made)
            subscription.close()
        rows = [row for row in json.loads(run("topics", "--json").stdout) if row["topic"] == "predictions"]
    assert sum(row["end"] for row in rows) >= 20, "each transaction has its marker"
    assert sum(row["messages_per_second"] for row in rows) == pytest.approx(1.0)


def test_a_group_that_read_on_while_it_was_looked_at_is_not_ahead(run, tmp_path, monkeypatch):
    run("topics", "create")
    with open_event_log(Settings(home=tmp_path / "home")) as log:
        monkeypatch.setattr(type(log), "groups", lambda _self, _topic: {"readers": {0: 4, 1: 0}})
    assert [row["lag"] for row in json.loads(run("topics", "--json").stdout)][:2] == [{"readers": 0}] * 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("replay",), "name a FILE"),
        (("replay", "ticks.csv", "--candles", "2"), "name a FILE"),
        (("replay", "--candles", "7", "--loop"), "--loop is for a FILE"),
        (("replay", "ticks.csv", "--speed", "fast"), "write 1x, 10x or max"),
        (("replay", "ticks.csv", "--speed", "0x"), "write 1x, 10x or max"),
        (("replay", "no-such-file.csv"), "no-such-file.csv"),
        (("topics", "--follow", "nowhere"), "nowhere"),
    ],
)
def test_wrong_input_is_one_error(run, arguments, complaint):
    done = run(*arguments)
    assert done.exit_code in (1, 2)
    assert complaint in " ".join(done.output.split())
