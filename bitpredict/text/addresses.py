"""One address for one article: feeds hang their campaigns on it, and sites answer under several spellings."""

import hashlib
import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from bitpredict.errors import BadSourceDataError
from bitpredict.masking import masked

LONGEST = 2_000

_TRACKING = re.compile(
    r"utm_.*|mc_[ce]id|fbclid|[gdy]clid|gclsrc|wbraid|gbraid|msclkid|igshid|twclid|_hs(enc|mi)|mkt_tok|ref_src|ref_url|cmpid|"
    r"ocid|spm|at_(medium|campaign)|xtor|wt_mc|ncid|soc_src|soc_trk|guce_.*|__twitter_impression",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


def canonical_url(address: str) -> str:
    """The address without what only tells where its reader came from.

    Lower-case scheme and host (as IDNA), no default port, user, fragment or tracking parameter; parameters in order of
    their names, dots in the path resolved, escapes written one way. Applying it twice changes nothing.

    Raises:
        BadSourceDataError: it is no http(s) address of a host, or longer than `LONGEST` characters.
    """
    text = address.strip()
    if len(text) > LONGEST:
        raise BadSourceDataError(f"the address is longer than {LONGEST} characters: {masked(text)[:60]!r}…")
    try:
        parts = urlsplit(text)
        host, port = _host(parts), parts.port
    except ValueError as error:
        raise BadSourceDataError(f"{masked(text)[:80]!r} is no address ({error})") from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise BadSourceDataError(f"{masked(text)[:80]!r} is no http(s) address of a host")
    place = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    url = urlunsplit((scheme, place, _path(parts.path), _query(parts.query), ""))
    if len(url) > LONGEST:
        raise BadSourceDataError(f"the address is longer than {LONGEST} characters: {masked(url)[:60]!r}…")
    return url


def article_id(url: str) -> str:
    """32 hexadecimal characters that a canonical address shares with its spellings: http, `www.`, a last slash."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    identity = f"{parts.netloc.removeprefix('www.')}{path}?{parts.query}"
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def _host(parts: SplitResult) -> str:
    name = (parts.hostname or "").rstrip(".")
    if "%" in name:
        raise ValueError("its host has a zone")
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name)}]"
    if not name.isascii():
        name = name.encode("idna").decode()  # a UnicodeError is a ValueError
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", name) or ".." in name:
        raise ValueError("its host is no name")
    return name


def _path(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", "..") and kept[-1:] != [""]:
        kept.append("")
    return "/".join(_escaped(segment) for segment in kept) or "/"


def _escaped(segment: str) -> str:
    """Escapes in one spelling: what need not be escaped is not. An escaped slash, and bytes that are no text, stay."""
    return "%2F".join(
        quote(unquote(piece, errors="surrogateescape"), safe="!$&'()*+,;=:@~-._", errors="surrogateescape")
        for piece in re.split("%2f", segment, flags=re.IGNORECASE)
    )


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=200)
    kept = sorted((name, value) for name, value in pairs if not _TRACKING.fullmatch(name))
    return urlencode(kept, errors="surrogateescape")
