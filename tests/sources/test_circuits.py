"""A host that fails again and again is left alone, by later processes too, and asked once when its rest is over."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from prometheus_client import REGISTRY

from bitpredict.breaker import State
from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceUnavailableError
from bitpredict.settings import Settings
from bitpredict.sources.circuits import FOLDER, Circuits, host_states
from tests.support.archive_server import Answer
from tests.support.clocks import Clock

FILE = "/file"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def url(server):
    server.files[FILE] = b"content"
    return f"{server.url}{FILE}"


@pytest.fixture
def sleep(monkeypatch) -> Iterator[Callable[[float], None]]:
    """Both clocks stand still until this puts them forward: a rest is over when the test says so."""
    clock = Clock()
    monkeypatch.setattr("bitpredict.breaker.time", clock)
    with time_machine.travel(datetime.now(UTC), tick=False) as wall:

        def forward(seconds: float) -> None:
            clock.forward(seconds)
            wall.shift(seconds)

        yield forward


def host(url: str) -> str:
    return url.split("/")[2]


def circuits(home) -> Circuits:
    return Circuits("test", home, opens_at=3, rest=60.0)


def fail(http, url: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(SourceUnavailableError, match="try again later"):
            http.get(url)


def metric(name: str, url: str) -> float | None:
    return REGISTRY.get_sample_value(f"bitpredict_source_{name}", {"source": "test", "host": host(url)})


def test_after_failures_in_a_row_nobody_is_asked(server, url, client, home):
    server.scripts[FILE] = [Answer(500)] * 6
    http = client(attempts=2, circuits=circuits(home))
    fail(http, url, 3)
    assert metric("circuit", url) == State.OPEN
    with pytest.raises(SourceUnavailableError, match=r"is not asked until .*3 failures in a row, the last: .*\(500\)"):
        http.get(url)
    assert len(server.asked) == 6
    (state,) = host_states(home)
    assert (state.source, state.host, state.requests, state.errors, state.failures) == ("test", host(url), 3, 3, 3)
    assert state.state(datetime.now(UTC)) is State.OPEN
    assert state.state(datetime.now(UTC) + timedelta(minutes=2)) is State.HALF_OPEN


def test_the_next_process_remembers(server, url, client, home):
    server.scripts[FILE] = [Answer(500)] * 3
    fail(client(attempts=1, circuits=circuits(home)), url, 2)
    fail(client(attempts=1, circuits=circuits(home)), url, 1)
    with pytest.raises(SourceUnavailableError, match="3 failures in a row"):
        client(circuits=circuits(home)).get(url)
    assert len(server.asked) == 3


def test_after_the_rest_one_question_tries_it_once(server, url, client, home, sleep):
    server.scripts[FILE] = [Answer(500)] * 4
    fail(client(attempts=1, circuits=circuits(home)), url, 3)
    sleep(60.0)
    later = client(attempts=5, circuits=circuits(home))
    with pytest.raises(SourceUnavailableError, match="1 attempts"):
        later.get(url)
    with pytest.raises(SourceUnavailableError, match="4 failures in a row"):
        later.get(url)
    assert len(server.asked) == 4
    sleep(60.0)
    assert [later.get(url).body for _ in range(3)] == [b"content"] * 3
    (state,) = host_states(home)
    assert (state.failures, state.problem, state.resting_until) == (0, "", None)
    assert state.state(datetime.now(UTC)) is State.CLOSED
    assert state.last_success == datetime.now(UTC)
    assert metric("circuit", url) == State.CLOSED
    assert metric("last_success_timestamp_seconds", url) == datetime.now(UTC).timestamp()


def test_a_success_between_failures_forgives_them(server, url, client, home):
    http = client(attempts=1, circuits=circuits(home))
    for _ in range(4):
        server.scripts[FILE] = [Answer(500)] * 2
        fail(http, url, 2)
        http.get(url)
    assert [(each.requests, each.errors) for each in host_states(home)] == [(12, 8)]


def test_a_pause_that_was_asked_for_holds_for_the_next_process(server, url, client, home):
    server.scripts[FILE] = [Answer(429, headers={"Retry-After": "1800"})]
    with pytest.raises(RateLimitedError, match="asked to wait 1800 s"):
        client(circuits=circuits(home)).get(url)
    with pytest.raises(SourceUnavailableError, match=r"is not asked until .* asked to wait 1800 s"):
        client(circuits=circuits(home)).get(url)
    assert len(server.asked) == 1
    (state,) = host_states(home)
    assert state.resting_until - datetime.now(UTC) == pytest.approx(timedelta(minutes=30), abs=timedelta(seconds=30))


def test_no_pause_is_longer_than_an_hour(server, url, client, home):
    server.scripts[FILE] = [Answer(429, headers={"Retry-After": "99999999"})]
    with pytest.raises(RateLimitedError):
        client(circuits=circuits(home)).get(url)
    (state,) = host_states(home)
    assert state.resting_until <= datetime.now(UTC) + timedelta(hours=1)


def test_what_is_not_there_and_what_is_too_large_are_no_failures(server, url, client, home):
    http = client(circuits=circuits(home))
    server.files["/large"] = bytes(5_000)
    for _ in range(5):
        assert http.get(f"{server.url}/absent").status == 404
        with pytest.raises(BadSourceDataError):
            http.get(f"{server.url}/large", max_bytes=10)
    assert http.get(url).body == b"content"
    assert all(each.failures == 0 for each in host_states(home))


def test_one_host_that_rests_holds_no_other(url, client, home, closed_port):
    http = client(attempts=1, circuits=circuits(home))
    fail(http, f"http://127.0.0.1:{closed_port}/", 3)
    with pytest.raises(SourceUnavailableError, match="is not asked"):
        http.get(f"http://127.0.0.1:{closed_port}/")
    assert http.get(url).body == b"content"
    assert len([*host_states(home)]) == 2


@pytest.mark.parametrize(
    "spoiled",
    [b"", b"{", b"[]", b'{"source": 1}', b'{"source": "a", "host": "b", "resting_until": "2999-01-01T00:00"}'],
)
def test_a_spoiled_file_begins_anew(url, client, home, spoiled):
    client(circuits=circuits(home)).get(url)
    (file,) = (home / FOLDER).iterdir()
    file.write_bytes(spoiled)
    assert [*host_states(home)] == []
    assert client(circuits=circuits(home)).get(url).body == b"content"
    assert json.loads(file.read_bytes())["requests"] == 1


def test_a_home_that_is_not_there_is_not_made(url, client, tmp_path):
    client(circuits=circuits(tmp_path / "nowhere")).get(url)
    assert not (tmp_path / "nowhere").exists()


def test_a_home_that_cannot_be_written_is_no_failure(url, client, home):
    (home / FOLDER).write_text("a file")
    assert client(circuits=circuits(home)).get(url).body == b"content"


def test_a_thousand_answers_are_not_a_thousand_files(url, client, home, monkeypatch):
    monkeypatch.setattr("bitpredict.sources.circuits.BETWEEN_WRITES", 600.0)
    http = client(circuits=circuits(home))
    http.get(url)
    (file,) = (home / FOLDER).iterdir()
    before = file.stat().st_mtime_ns
    for _ in range(5):
        http.get(url)
    assert file.stat().st_mtime_ns == before
    monkeypatch.setattr("bitpredict.sources.circuits.BETWEEN_WRITES", 0.0)
    http.get(url)
    assert [each.requests for each in host_states(home)] == [7]


def test_what_an_older_version_kept_with_a_password_is_not_shown(home):
    Circuits("test", home).failed("u:hush@a.com", "http://u:hush@a.com: no")
    Circuits("test", home).failed("b.com", "http://u:hush@b.com: no")
    assert [(each.host, each.problem) for each in host_states(home)] == [("b.com", "http://***@b.com: no")]


def test_it_can_be_turned_off(home):
    assert Circuits.from_settings("test", Settings(home=home)) is not None
    assert Circuits.from_settings("test", Settings(home=home, source_breaker=False)) is None
