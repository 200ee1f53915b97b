"""A server cannot hold a connection open for ever, and names and redirects do not lead to our own network."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from bitpredict.errors import SourceUnavailableError
from bitpredict.sources.connections import is_public
from tests.support.archive_server import Answer
from tests.support.certificates import Authority


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.1.69", "2606:4700::6810:84e5", "64:ff9b::808:808"])
def test_addresses_of_the_internet(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    ],
)
def test_addresses_of_our_own_network(address):
    assert not is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f000001"])
def test_this_machine_is_not_asked_under_any_name(server, client, host):
    server.files["/secret"] = b"secret"
    address = f"{server.url.replace('127.0.0.1', host)}/secret"
    with pytest.raises(SourceUnavailableError, match="which is no public address; it is asked only where"):
        client(public_only=True).get(address)
    assert server.asked == []


def test_a_redirect_to_a_private_address_is_refused(server, client, monkeypatch):
    """The first hop is allowed here as if it were public; its redirect names another address of this machine."""
    monkeypatch.setattr("bitpredict.sources.connections.is_public", lambda address: address == "127.0.0.1")
    server.scripts["/old"] = [Answer(302, headers={"Location": server.url.replace("127.0.0.1", "127.0.0.2")})]
    with pytest.raises(SourceUnavailableError, match=r"is at 127\.0\.0\.2"):
        client(public_only=True).get(f"{server.url}/old")
    assert server.paths() == ["/old"]


def test_a_name_that_changes_its_address_between_look_up_and_connection_is_refused(server, client, monkeypatch):
    looked_up = socket.getaddrinfo
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))]]

    def rebinding(*arguments, **options):
        return answers.pop() if answers else looked_up(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(SourceUnavailableError, match=r"is at 127\.0\.0\.1"):
        client(public_only=True).get(f"{server.url.replace('127.0.0.1', 'localhost')}/secret")
    assert not answers
    assert server.asked == []


def test_the_environments_proxies_are_not_used_for_public_addresses_only(server, client, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    with pytest.raises(SourceUnavailableError, match="no public address"):
        client(public_only=True).get("http://127.0.0.3/")
    assert server.asked == []


@contextmanager
def talking(say: Callable[[socket.socket], None], *, listen: bool = True) -> Iterator[str]:
    """A server that does to every connection what `say` does, after it has heard the request if it is to `listen`."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                connection = listener.accept()[0]
                threading.Thread(target=_talk, args=(say, connection, listen), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        ended.set()
        listener.close()


def _talk(say: Callable[[socket.socket], None], connection: socket.socket, listen: bool) -> None:
    with connection, suppress(OSError):
        if listen:
            connection.recv(65_536)
        say(connection)


def drip(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def say(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(3_000):
            connection.sendall(piece)
            time.sleep(0.02)

    return say


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(drip(b"", b"H"), id="the status line never ends"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"X"), id="a header never ends"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="headers never end"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"), id="the body drips"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), id="a body without a length drips"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"), id="a chunk never starts"),
        pytest.param(drip(b"HTTP/1.1 302 Found\r\nLocation: /\r\n", b"X: y\r\n"), id="a redirect's headers never end"),
        pytest.param(lambda _connection: time.sleep(60), id="it says nothing"),
    ],
)
def test_a_server_that_is_never_done_is_left_at_the_deadline(client, say):
    with talking(say) as url:
        started = time.monotonic()
        with pytest.raises(SourceUnavailableError, match=r"took longer than 0\.3 s|no answer within"):
            client(timeout=0.25, deadline=0.3, attempts=1).get(url)
        assert time.monotonic() - started < 40


def test_a_redirect_that_was_cut_off_at_the_deadline_is_not_followed(client):
    drips, said = drip(b"HTTP/1.1 302 Found\r\nLocation: /\r\n", b"X: y\r\n"), []

    def say(connection: socket.socket) -> None:
        said.append(connection)
        drips(connection)

    with talking(say) as url, pytest.raises(SourceUnavailableError, match=r"took longer than 0\.3 s"):
        client(deadline=0.3, attempts=1).get(url)
    assert len(said) == 1


@pytest.mark.slow
def test_a_connection_is_used_again_after_its_deadline_has_passed(server, client):
    server.files["/a"] = b"a"
    quick = client(deadline=1.0)
    for _ in range(3):
        assert quick.get(f"{server.url}/a").body == b"a"
        time.sleep(0.6)


def test_what_would_end_a_connection_at_its_deadline_is_gone_with_the_answer(server, client):
    server.files["/a"] = b"a"
    others = {*threading.enumerate()}
    client(deadline=600.0).get(f"{server.url}/a")
    for thread in {*threading.enumerate()} - others:
        if isinstance(thread, threading.Timer):
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def over_tls(authority: Authority, say: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server("127.0.0.1"))

    def wrapped(connection: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65_536)
            say(secured)

    return wrapped


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfeed"


def test_an_answer_over_tls(client, authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    with talking(over_tls(authority, lambda secured: secured.sendall(ANSWER)), listen=False) as url:
        assert client().get(url.replace("http:", "https:")).body == b"feed"


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_server_that_is_never_done_over_tls_is_left_at_the_deadline(client, authority, monkeypatch, start):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    with talking(over_tls(authority, drip(start, b"x")), listen=False) as url:
        started = time.monotonic()
        with pytest.raises(SourceUnavailableError, match=r"took longer than 0\.5 s"):
            client(deadline=0.5, attempts=1).get(url.replace("http:", "https:"))
        assert time.monotonic() - started < 40


def test_private_addresses_are_refused_over_tls_before_a_word_is_said(client, authority):
    said: list[socket.socket] = []
    refused = pytest.raises(SourceUnavailableError, match="no public address")
    with talking(over_tls(authority, said.append), listen=False) as url, refused:
        client(public_only=True).get(url.replace("http:", "https:"))
    assert said == []
