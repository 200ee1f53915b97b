import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from prometheus_client import REGISTRY

from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceUnavailableError
from tests.support.archive_server import Answer, serve

FILE = "/file"
BODY = b"sixty thousand minutes" * 50


@pytest.fixture
def url(server):
    server.files[FILE] = BODY
    return f"{server.url}{FILE}"


def counter(name, **labels):
    return REGISTRY.get_sample_value(f"bitpredict_source_{name}_total", {"source": "test", **labels}) or 0.0


def test_an_answer_comes_with_its_headers_and_the_moment_of_its_receipt(url, client):
    before = datetime.now(UTC)
    reply = client().get(url)
    assert (reply.status, reply.body) == (200, BODY)
    assert reply.headers["etag"] == reply.headers["ETag"]
    assert before <= reply.received_at <= datetime.now(UTC)


def test_a_file_that_has_not_changed_is_not_sent_again(url, client, server):
    etag = client().get(url).headers["ETag"]
    unchanged = client().get(url, etag=etag)
    assert (unchanged.status, unchanged.body) == (304, b"")
    server.files[FILE] = b"changed"
    assert client().get(url, etag=etag).body == b"changed"


def test_what_is_not_there_is_an_answer_and_no_error(server, client):
    assert client().get(f"{server.url}/absent").status == 404
    assert not client().exists(f"{server.url}/absent")
    assert server.paths() == ["/absent"]


def test_the_query_is_sent_and_named_in_errors(server, client):
    server.scripts["/klines"] = [Answer(403)]
    with pytest.raises(SourceUnavailableError, match=r"/klines\?symbol=BTCUSDT&limit=5"):
        client().get(f"{server.url}/klines", {"symbol": "BTCUSDT", "limit": 5})
    assert server.asked[0].query == {"symbol": "BTCUSDT", "limit": "5"}


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Answer(500), id="server error"),
        pytest.param(Answer(503, headers={"Retry-After": "0.001"}), id="maintenance"),
        pytest.param(Answer(429), id="too many requests, no wait named"),
        pytest.param(Answer(429, headers={"Retry-After": "0"}), id="too many requests"),
        pytest.param(Answer(429, headers={"Retry-After": "soon"}), id="too many requests, wait unreadable"),
        pytest.param(Answer(cut_after=7), id="cut off"),
        pytest.param(
            Answer(body=b"ff\r\nshort", headers={"Transfer-Encoding": "chunked"}, cut_after=9), id="cut off in a chunk"
        ),
        pytest.param(
            Answer(body=b"4\r\nfour\r\n", headers={"Transfer-Encoding": "chunked"}, cut_after=9),
            id="cut off between chunks",
        ),
        pytest.param(Answer(delay=60), id="slow to answer", marks=pytest.mark.slow),
        pytest.param(Answer(drip=0.05), id="dripping", marks=pytest.mark.slow),
    ],
)
class TestAPassingFailure:
    def test_is_overcome(self, failure, url, client, server):
        server.scripts[FILE] = [failure, failure]
        before = counter("requests"), counter("retries")
        patience = 2.0 if failure.delay or failure.drip else 30.0  # the good answer must come within it
        assert client(timeout=patience, deadline=patience).get(url).body == BODY
        assert (counter("requests") - before[0], counter("retries") - before[1]) == (3, 2)

    def test_that_stays_is_an_error(self, failure, url, client, server):
        server.scripts[FILE] = [failure] * 9
        with pytest.raises(SourceUnavailableError, match=r"/file: .*3 attempts\); try again later"):
            client(timeout=0.4, deadline=0.4).get(url)
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "says", "reason"),
    [
        pytest.param(Answer(418, headers={"Retry-After": "120"}), r"banned \(418\) for 120 s", "ban", id="ban"),
        pytest.param(Answer(418), r"banned \(418\) for an unknown time", "ban", id="ban without end"),
        pytest.param(
            Answer(429, headers={"Retry-After": "3600"}),
            r"asked to wait 3600 s, .* \(60 s\)",
            "rate limit",
            id="long pause",
        ),
        pytest.param(
            Answer(429, headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=11), usegmt=True)}),
            r"asked to wait 3\d{4}",
            "rate limit",
            id="long pause, as a date",
        ),
        pytest.param(
            Answer(503, headers={"Retry-After": "3600"}), "asked to wait 3600 s", "rate limit", id="long maintenance"
        ),
    ],
)
def test_a_wait_longer_than_a_call_may_is_reported_at_once(answer, says, reason, url, client, server):
    server.scripts[FILE] = [answer] * 2
    before = counter("errors", reason=reason)
    with pytest.raises(RateLimitedError, match=says):
        client().get(url)
    assert len(server.asked) == 1
    assert counter("errors", reason=reason) == before + 1


REASONS = {429: "rate limit", 503: "server error"}


@pytest.mark.parametrize("status", REASONS)
def test_retry_after_is_waited_for_and_holds_the_other_threads_too(status, url, client, server):
    http, before = client(attempts=2), counter("errors", reason=REASONS[status])
    server.scripts[FILE] = [Answer(status, headers={"Retry-After": "0.15"})]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(http.get, url)
        while counter("errors", reason=REASONS[status]) == before:  # it is counted once the others are held
            time.sleep(0.001)
        second = pool.submit(http.get, url)
        assert first.result().body == second.result().body == BODY
    refused, *others = (request.at for request in server.asked)
    assert min(others) - refused >= 0.14


@pytest.mark.parametrize("status", [401, 403, 451])
def test_a_refusal_is_not_asked_again(status, url, client, server):
    server.scripts[FILE] = [Answer(status, b"not from where you are")]
    with pytest.raises(SourceUnavailableError, match=rf"refused \({status} .*not from where you are.*check address"):
        client().get(url)
    assert len(server.asked) == 1


def test_a_body_above_the_limit_is_refused_while_it_streams(url, client, server):
    server.files[FILE] = bytes(3_000_000)
    with pytest.raises(BadSourceDataError, match="larger than 100000 bytes"):
        client().get(url, max_bytes=100_000)
    assert len(server.asked) == 1


def test_nobody_there(client, closed_port):
    with pytest.raises(SourceUnavailableError, match=r"connection failed: .*3 attempts"):
        client().get(f"http://127.0.0.1:{closed_port}/file")


def test_an_address_that_is_none(client):
    with pytest.raises(SourceUnavailableError, match="check the address"):
        client().get("http://")


def test_requests_to_a_host_keep_their_distance_from_all_threads(url, client, server):
    http, started = client(interval=0.05), time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(http.get, [url] * 6))
    assert max(request.at for request in server.asked) - started >= 5 * 0.05


def test_a_host_on_hold_is_left_alone(url, client):
    http = client()
    started = time.monotonic()
    http.hold(url, 0.1)
    http.get(url)
    assert time.monotonic() - started >= 0.1


def test_cookies_are_neither_kept_nor_sent(url, client, server):
    server.scripts[FILE] = [Answer(headers={"Set-Cookie": "track=me"})]
    http = client()
    http.get(url)
    http.get(url)
    assert all("Cookie" not in request.headers for request in server.asked)


def test_a_file_that_has_not_changed_since_a_date_is_not_sent_again(url, client, server):
    server.scripts[FILE] = [Answer(304)]
    date = "Fri, 06 Feb 2026 07:12:48 GMT"
    assert client().get(url, last_modified=date).status == 304
    assert server.asked[0].headers["If-Modified-Since"] == date
    assert "If-None-Match" not in server.asked[0].headers


def test_redirects_are_followed_to_the_answer(url, client, server):
    server.scripts["/old"] = [Answer(301, headers={"Location": "/newer"})]
    server.scripts["/newer"] = [Answer(302, headers={"Location": url})]
    reply = client().get(f"{server.url}/old")
    assert (reply.body, reply.url) == (BODY, url)


@pytest.mark.parametrize(("redirects", "asked"), [(5, 6), (0, 1)])
def test_redirects_in_a_circle_end(client, server, redirects, asked):
    server.routes["/circle"] = lambda _query: Answer(307, headers={"Location": "/circle"})
    with pytest.raises(SourceUnavailableError, match=f"redirects more than {redirects} times; check the address"):
        client(redirects=redirects).get(f"{server.url}/circle")
    assert len(server.paths()) == asked


@pytest.mark.parametrize("target", ["ftp://example.com/a", "file:///etc/hostname", "javascript:1", "http://["])
def test_a_redirect_to_something_else_is_refused(client, server, target):
    server.scripts["/old"] = [Answer(302, headers={"Location": target})]
    with pytest.raises(SourceUnavailableError, match="check the address"):
        client().get(f"{server.url}/old")
    assert server.paths() == ["/old"]


@pytest.mark.usefixtures("url")
def test_the_body_of_a_redirect_is_not_read(client, server):
    server.scripts["/old"] = [Answer(302, body=b"x" * 100, headers={"Location": FILE}, drip=1.0)]
    started = time.monotonic()
    assert client().get(f"{server.url}/old").body == BODY
    assert time.monotonic() - started < 50


def test_a_key_is_not_told_to_other_hosts(url, client, server):
    server.scripts["/here"] = [Answer(302, headers={"Location": FILE})]
    server.scripts["/away"] = [Answer(302, headers={"Location": url.replace("127.0.0.1", "localhost")})]
    for path in ("/here", "/away"):
        client(headers={"X-Key": "secret"}).get(f"{server.url}{path}")
    keys = [(asked.path, asked.headers.get("X-Key")) for asked in server.asked]
    assert keys == [("/here", "secret"), (FILE, "secret"), ("/away", "secret"), (FILE, None)]


def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(client, server):
    bomb = gzip.compress(b"\0" * 50_000_000)
    server.scripts["/bomb"] = [Answer(body=bomb, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(BadSourceDataError, match="larger than 1000000 bytes"):
        client().get(f"{server.url}/bomb", max_bytes=1_000_000)


def test_a_body_that_is_not_packed_as_it_says_is_an_error(client, server):
    answer = Answer(body=b"no gzip at all", headers={"Content-Encoding": "gzip"})
    server.scripts["/bad"] = [answer] * 3
    with pytest.raises(SourceUnavailableError, match="broke off"):
        client().get(f"{server.url}/bad")


def test_user_and_password_of_an_address_are_sent_to_its_host_alone(client, server):
    with serve() as other:
        server.scripts["/moved"] = [Answer(302, headers={"Location": "/here"})]
        server.scripts["/here"] = [Answer(302, headers={"Location": f"{other.url}/there"})]
        other.files["/there"] = BODY
        reply = client().get(f"{server.url}/moved".replace("://", "://m%40e:p%C3%A4ss@"))
    assert reply.url == f"{other.url}/there"
    assert [asked.headers.get("Authorization") for asked in server.asked] == 2 * ["Basic bUBlOnDDpHNz"]
    assert "Authorization" not in other.asked[0].headers


@pytest.mark.parametrize("address", ["http://u:hush/hush@127.0.0.1:9/x", "http://[hush/x", "http://u:hush hush@[/x"])
def test_an_address_that_is_none_is_told_without_its_password(client, address):
    with pytest.raises(SourceUnavailableError, match="is no address of a host; check it") as error:
        client().get(address)
    assert "hush@" not in str(error.value)


def test_of_a_long_query_errors_show_the_beginning_and_no_key(url, client, server):
    server.scripts[FILE] = [Answer(403, body=b"no")]
    with pytest.raises(SourceUnavailableError) as error:
        client().get(url, {"token": "hush", "ids": ",".join(map(str, range(1000)))})
    assert str(error.value).startswith(f"{url}?token=***&ids=0%2C1%2C2")
    assert len(str(error.value)) < 250
    assert server.asked[0].query["token"] == "hush"  # noqa: S105
