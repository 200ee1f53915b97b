"""Connections that an outside server can neither hold open for ever nor turn against our own network."""

import ipaddress
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from bitpredict.errors import SourceUnavailableError

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Deadline:
    """The time that everything asked for inside the block may take in all, in this thread.

    A socket's time-out only limits the wait for each piece, so that a server which sends a byte of its headers now and
    then is never done. At the deadline the connection in use is shut, and whoever reads from it sees its end.
    """

    _current = threading.local()

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> "Deadline":
        self._current.deadline = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._current.deadline = None
        for timer in self._timers:
            timer.cancel()

    @property
    def over(self) -> bool:
        """Whether the time is up, and what was read so far may be cut off."""
        return time.monotonic() >= self._until

    @classmethod
    def watch(cls, connection: socket.socket) -> None:
        """Shut `connection` at the deadline of this thread's block, if it is in one."""
        deadline: Deadline | None = getattr(cls._current, "deadline", None)
        if deadline is not None:
            timer = threading.Timer(max(0.0, deadline._until - time.monotonic()), _shut, [connection])
            timer.daemon = True
            timer.start()
            deadline._timers.append(timer)


class WatchedAdapter(HTTPAdapter):
    """Requests' connections under the deadline of their block.

    Args:
        public_only: connect to public addresses alone. It is the address that is connected to that counts, so that
            neither a redirect nor a name that changes its address leads to this machine or network.
    """

    def __init__(self, *, public_only: bool = False) -> None:
        self._public_only = public_only
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        pools = (_PublicPool, _PublicTlsPool) if self._public_only else (_Pool, _TlsPool)
        self.poolmanager.pool_classes_by_scheme = dict(zip(("http", "https"), pools, strict=True))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, and no private one in the clothes of IPv6."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # a TLS socket's own would take the reader's state away


def _require_public(host: str, address: str) -> None:
    if not is_public(address):
        raise SourceUnavailableError(
            f"{host} is at {address}, which is no public address; it is asked only where private addresses are allowed"
        )


class _Watched(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as in urllib3
        if self.sock is not None:
            Deadline.watch(self.sock)
        return super().getresponse()


class _Public(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        with suppress(socket.gaierror, UnicodeError):  # for the connection itself to report
            for *_, place in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
                _require_public(self.host, str(place[0]))
        connection = super()._new_conn()
        try:
            _require_public(self.host, str(connection.getpeername()[0]))  # the name may have moved meanwhile
        except SourceUnavailableError:
            connection.close()
            raise
        return connection


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _WatchedPublic(_Watched, _Public):
    pass


class _WatchedPublicTls(_Watched, _Public, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _WatchedPublic


class _PublicTlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedPublicTls
