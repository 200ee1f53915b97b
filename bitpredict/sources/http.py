"""HTTP as outside sources need it: one session, limits on time, size and rate, retries that listen to the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Protocol
from urllib.parse import urlencode, urljoin

import requests
import stamina
import urllib3

from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceUnavailableError
from bitpredict.observability import SOURCE_ERRORS, SOURCE_REQUESTS, SOURCE_RETRIES
from bitpredict.sources.circuits import Circuits
from bitpredict.sources.connections import Deadline, WatchedAdapter
from bitpredict.sources.pacing import Pace, asked_to_wait
from bitpredict.sources.places import host_of, is_trusted, login_of, told, without_login
from bitpredict.storage.raw import Keep

USER_AGENT = "bitpredict (self-hosted forecasting)"
LARGEST_BODY = 16_000_000
"""Bytes, decoded; a caller that expects less says so."""

_CHUNK = 65_536
_ANSWERS = frozenset({200, 304, 400, 404})  # what a caller can make sense of; everything else is an error here


@dataclass(frozen=True)
class Reply:
    """An answer that arrived whole.

    Attributes:
        status: 200, 304 (only when asked with an etag or a date), 400 or 404.
        headers: case-insensitive.
        received_at: when the last byte arrived, UTC.
        url: where redirects led to, without user and password.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    url: str


class Asks(Protocol):
    """What sources need of a client; what was kept of one answers in its place when a table is made again."""

    def get(
        self,
        url: str,
        params: Mapping[str, str | int] | None = None,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int = LARGEST_BODY,
    ) -> Reply: ...

    def hold(self, url: str, seconds: float) -> None: ...


class _AskAgainError(Exception):
    """This attempt failed, another may not."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


class HttpClient:
    """Asks one source. Safe to share between threads.

    Args:
        source: the source's name in the metrics.
        timeout: seconds to wait for a connection and for each piece of an answer.
        deadline: seconds that one whole answer may take, however steadily it drips.
        attempts: how often a request is sent at most.
        wait_initial, wait_max, wait_jitter: bounds of the exponential back-off between attempts, seconds.
        longest_pause: seconds that a server may ask one call to wait (Retry-After).
        interval: seconds between two requests to the same host.
        headers: sent with every request, a key for example; not to other hosts that redirects lead to.
        redirects: how many are followed.
        public_only: connect to public addresses alone, whatever names and redirects say. Proxies of the environment
            are then not used, since they would connect for us.
        circuits: hosts that fail again and again are left alone for a while; without it they are always asked.
        keep: hears of every whole answer to `get` with the address that was asked (`storage.raw.RawStore.keeper`).
    """

    def __init__(
        self,
        source: str,
        *,
        timeout: float = 20.0,
        deadline: float = 120.0,
        attempts: int = 5,
        wait_initial: float = 0.5,
        wait_max: float = 20.0,
        wait_jitter: float = 1.0,
        longest_pause: float = 60.0,
        interval: float = 0.02,
        headers: Mapping[str, str] | None = None,
        redirects: int = 5,
        public_only: bool = False,
        circuits: Circuits | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._source = source
        self._circuits = circuits
        self._keep = keep
        self._timeout = timeout
        self._deadline = deadline
        self._attempts = attempts
        self._waits = {"wait_initial": wait_initial, "wait_max": wait_max, "wait_jitter": wait_jitter}
        self._longest_pause = longest_pause
        self._pace = Pace(interval)
        self._redirects = redirects
        self._session = _Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, WatchedAdapter(public_only=public_only))
        self._session.trust_env = not public_only
        self._session.headers["User-Agent"] = USER_AGENT
        self._headers = dict(headers or {})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # shared between threads

    def get(
        self,
        url: str,
        params: Mapping[str, str | int] | None = None,
        *,
        etag: str = "",
        last_modified: str = "",
        max_bytes: int = LARGEST_BODY,
    ) -> Reply:
        """Fetch `url`; with `etag` or `last_modified`, as an answer named them, only when it has changed since.

        Raises:
            RateLimitedError: the source asked for a longer pause than `longest_pause`, or banned this address (418).
            SourceUnavailableError: it could not be reached, failed in every attempt, refused, redirects too often, or
                is left alone after many failures.
            BadSourceDataError: the answer is larger than `max_bytes`.
        """
        whole_url = f"{url}?{urlencode(params)}" if params else url
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        reply = self._ask("GET", whole_url, {name: value for name, value in conditions.items() if value}, max_bytes)
        if self._keep is not None:
            self._keep(whole_url, reply)
        return reply

    def exists(self, url: str) -> bool:
        """Whether `url` answers 200 to HEAD. Raises as `get` does."""
        return self._ask("HEAD", url, {}, 0).status == 200

    def hold(self, url: str, seconds: float) -> None:
        """Send nothing more to the host of `url` for so long, from any thread."""
        self._pace.hold(host_of(url), seconds)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], max_bytes: int) -> Reply:
        if self._circuits is None:
            return self._try(method, url, headers, max_bytes, self._attempts)
        host = host_of(url)
        attempts = 1 if self._circuits.admit(host) else self._attempts
        try:
            reply = self._try(method, url, headers, max_bytes, attempts)
        except SourceUnavailableError as error:
            self._circuits.failed(host, str(error), error.seconds if isinstance(error, RateLimitedError) else None)
            raise
        except BaseException:
            self._circuits.gave_up(host)
            raise
        self._circuits.worked(host)
        return reply

    def _try(self, method: str, url: str, headers: Mapping[str, str], max_bytes: int, attempts: int) -> Reply:
        try:
            for attempt in stamina.retry_context(_AskAgainError, attempts=attempts, timeout=None, **self._waits):
                with attempt:
                    if attempt.num > 1:
                        SOURCE_RETRIES.labels(self._source).inc()
                    return self._attempt(method, url, headers, max_bytes)
        except _AskAgainError as error:
            kind = RateLimitedError if error.reason == "rate limit" else SourceUnavailableError
            raise kind(f"{told(url)}: {error} ({attempts} attempts); try again later") from error
        raise AssertionError("the loop returns or raises")

    def _attempt(self, method: str, url: str, headers: Mapping[str, str], max_bytes: int) -> Reply:
        with Deadline(self._deadline) as deadline:
            try:
                with self._open(method, url, headers, deadline) as response:
                    self._check_status(response)
                    body = self._body(response, deadline, max_bytes)
                    return Reply(response.status_code, response.headers, body, datetime.now(UTC), response.url)
            except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
                raise self._failed("timeout", f"no answer within {self._timeout:g} s") from error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise self._cut_off(deadline) if deadline.over else self._broken(url, error) from error

    def _open(self, method: str, url: str, headers: Mapping[str, str], deadline: Deadline) -> requests.Response:
        """The answer's headers, behind its redirects, whose bodies are not read."""
        place = url
        for _ in range(self._redirects + 1):
            self._pace.wait(host_of(place))
            SOURCE_REQUESTS.labels(self._source).inc()
            home = is_trusted(place, url)  # keys and passwords are for nobody else
            response = self._session.request(
                method,
                without_login(place),  # what fails with it shows it
                headers={**(self._headers if home else {}), **headers},
                auth=login_of(place) or (login_of(url) if home else None),
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
            )
            if not response.is_redirect:
                return response
            response.close()
            if deadline.over:  # what was cut off in the middle of its headers seems to end there
                raise self._cut_off(deadline)
            aim = response.headers["Location"].encode("latin-1").decode(errors="replace")
            try:
                place = urljoin(place, aim)
            except ValueError as error:
                raise SourceUnavailableError(f"{told(url)}: leads to {told(aim)[:80]!r}; check the address") from error
        self._count("redirects")
        raise SourceUnavailableError(f"{told(url)}: redirects more than {self._redirects} times; check the address")

    def _broken(self, url: str, error: Exception) -> Exception:
        if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            return self._failed("connection", f"the connection failed: {told(str(error))}")
        if isinstance(error, urllib3.exceptions.HTTPError):
            return self._failed("cut off", f"the answer broke off: {told(str(error))}")
        return SourceUnavailableError(f"{told(url)}: {told(str(error))}; check the address")

    def _cut_off(self, deadline: Deadline) -> _AskAgainError:
        return self._failed("timeout", f"the answer took longer than {deadline.seconds:g} s")

    def _check_status(self, response: requests.Response) -> None:
        status, url = response.status_code, told(response.url)
        if status in _ANSWERS:
            return
        wait = asked_to_wait(response.headers, limited=status == requests.codes.too_many_requests)
        if status == requests.codes.im_a_teapot:
            self._count("ban")
            what = f"banned (418) for {_seconds(wait)}, because limits were ignored; wait that long"
            raise RateLimitedError(f"{url}: {what}", wait)
        if status == requests.codes.too_many_requests:
            self._hold_back(response.url, wait)
            raise self._failed("rate limit", f"too many requests (429), asked to wait {_seconds(wait)}")
        if status >= requests.codes.internal_server_error:
            self._hold_back(response.url, wait)
            raise self._failed("server error", f"the server failed ({status})")
        self._count("refused")
        start = response.raw.read(200, decode_content=True).decode(errors="replace")
        raise SourceUnavailableError(
            f"{url}: refused ({status} {response.reason}): {start!r}; check address and access"
        )

    def _body(self, response: requests.Response, deadline: Deadline, max_bytes: int) -> bytes:
        body = bytearray()
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            body += piece
            if len(body) > max_bytes:
                self._count("too large")
                raise BadSourceDataError(
                    f"{told(response.url)} is larger than {max_bytes} bytes; this is not the file it should be"
                )
            if deadline.over:
                break
        if deadline.over:  # also where the answer seems to be whole: without a length its end is that of the connection
            raise self._cut_off(deadline)
        return bytes(body)

    def _hold_back(self, url: str, wait: float | None) -> None:
        """Let every thread wait as long as the server asked for, if that is not too long."""
        if wait is None:
            return
        if wait > self._longest_pause:
            self._count("rate limit")
            raise RateLimitedError(
                f"{told(url)}: asked to wait {wait:g} s, longer than one call may ({self._longest_pause:g} s); "
                "try again after that",
                wait,
            )
        self.hold(url, wait)

    def _failed(self, reason: str, what: str) -> _AskAgainError:
        self._count(reason)
        return _AskAgainError(reason, what)

    def _count(self, reason: str) -> None:
        SOURCE_ERRORS.labels(self._source, reason).inc()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: even when it is not to follow redirects, requests would read their bodies whole to prepare for it."""
        return None


def _seconds(wait: float | None) -> str:
    return "an unknown time" if wait is None else f"{wait:g} s"
