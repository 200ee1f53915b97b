"""The parts of an address: whom to ask, as whom, and what of it may be told."""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from requests.auth import HTTPBasicAuth

from bitpredict.errors import SourceUnavailableError
from bitpredict.masking import masked

_LONG_QUERY = re.compile(r"(\?[^\s'\")]{100})[^\s'\")]+")


def host_of(url: str) -> str:
    """The host and its port, without user and password.

    Raises:
        SourceUnavailableError: it is no address.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # one that is no number may be the beginning of a password
    except ValueError as error:
        raise SourceUnavailableError(f"{told(url)} is no address of a host; check it") from error
    return parts.netloc.rpartition("@")[2]


def is_trusted(place: str, url: str) -> bool:
    """Whether what is meant for `url` may be told to `place`, to which it led: the same host, and no less encrypted.

    Raises:
        SourceUnavailableError: one of them is no address.
    """
    encrypted = urlsplit(url).scheme == urlsplit(place).scheme or urlsplit(place).scheme == "https"
    return host_of(place) == host_of(url) and encrypted


def login_of(url: str) -> HTTPBasicAuth | None:
    """The user and password in an address, if there are."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return HTTPBasicAuth(unquote(parts.username).encode(), unquote(parts.password or "").encode())


def without_login(url: str) -> str:
    """The address without user and password; raises as `host_of`."""
    return urlunsplit(urlsplit(url)._replace(netloc=host_of(url)))


def told(text: str) -> str:
    """Addresses as errors tell them: without passwords and keys, and of a long query the beginning."""
    return _LONG_QUERY.sub(r"\1…", masked(text))
