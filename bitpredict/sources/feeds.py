"""RSS and Atom as articles: what a feed says of them, cleaned, with its dates mistrusted.

Nothing that a feed holds is fetched, opened or expanded. Feedparser loads no external entity, but hands declarations on
that refer to others if they do not stand at the start of a line: feeds with such, and with much to expand, are refused.
"""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax import SAXException

from bitpredict.errors import BadSourceDataError
from bitpredict.sources.feed_dates import read_date
from bitpredict.text.addresses import article_id, canonical_url
from bitpredict.text.cleaning import clean_summary, clean_title

LARGEST_FEED = 4_000_000
"""Bytes; the largest of real news feeds are a tenth of it."""

MOST_TAGS = 60_000
"""A parser's time goes by them: so many are some seconds."""

MOST_ATTRIBUTES = 300
"""Of one tag: feedparser's time goes by their square. Those of real feeds have a dozen."""

MOST_ARTICLES = 500
MOST_ENTITIES = 300
"""Of its own that a feed may declare; HTML has 253."""

MOST_GROWTH = 100_000
"""Characters that the feed's own entities may add to it."""

CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far a publisher's clock may be ahead of ours."""

OLDEST = datetime(2009, 1, 3, tzinfo=UTC)
"""The first block of Bitcoin: no news of it is older, an older date is a default that someone forgot to set."""

SAID, NO_ZONE, MISSING, UNREADABLE, FUTURE, TOO_OLD = "said", "no zone", "missing", "unreadable", "future", "too old"
"""What became of an article's date. With the last four there is no `published_at`."""

_PLAIN_ENTITY = re.compile(rb"<!ENTITY\s+(\w+)\s+[\"']((?:[^\"'&%<>]|&#\w+;)*)[\"']\s*>")
_CROWDED_TAG = re.compile(
    rb"<[^\s=<>\"'/]++(?:\s++[^\s=<>\"']++\s*+=\s*+(?:\"[^\"<]*+\"|'[^'<]*+')){%d}" % (MOST_ATTRIBUTES + 1)
)
"""Only attributes as XML has them: escaped markup and code have as many `=`. No try goes beyond the next `<`."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})")
_BEGINNINGS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\0\0\0": "utf-32-le",
    b"\0\0\0<": "utf-32-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
    b"\x4c\x6f\xa7\x94": "cp037",
}
"""By which feedparser knows charsets that are not as ASCII is."""
_QUADRATIC = frozenset({"punycode", "idna"})
"""Python's own codecs among the charsets that a document can name, and whose time is not linear in it."""
_WEB_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MISREAD = (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError, SAXException)
"""What feedparser raises for some broken feeds, instead of saying so."""


@dataclass(frozen=True)
class Article:
    """One article as a feed shows it.

    Attributes:
        article_id: of its canonical address (`text/addresses.py`).
        entry_id: hash of what the feed itself calls it (guid, id); of its address where it says nothing.
        title, summary: one line of plain text each; the summary may be empty.
        published_at: as the feed says, if that can be believed.
        dated: one of SAID, NO_ZONE (none that is known: taken as UTC), MISSING, UNREADABLE, FUTURE, TOO_OLD.
        first_seen_at: when the feed arrived that showed it: what it may be used from.
    """

    article_id: str
    entry_id: str
    url: str
    title: str
    summary: str
    published_at: datetime | None
    dated: str
    first_seen_at: datetime


@dataclass(frozen=True)
class Feed:
    """What a feed came to.

    Attributes:
        title: what it calls itself.
        articles: in the feed's order, each address once.
        rejected: reason -> entries that are no articles.
        well_formed: whether it kept the rules of its format.
    """

    title: str
    articles: tuple[Article, ...]
    rejected: Mapping[str, int]
    well_formed: bool


def parse_feed(body: bytes, address: str, received_at: datetime, content_type: str = "") -> Feed:
    """Read a feed that arrived from `address`, well-formed or not.

    Args:
        content_type: the answer's header; only its charset is believed.

    Raises:
        BadSourceDataError: it is no feed: empty, a web page, too large, or made to grow. The message says which.
    """
    _refuse_what_grows(body, address, content_type)
    parsed = _read(body, address, content_type)
    entries = parsed["entries"]
    if not entries and not parsed.get("version"):
        what = "a web page" if _WEB_PAGE.search(body[:4_000]) else "neither RSS nor Atom"
        raise BadSourceDataError(f"{address}: {what} in place of a feed: {body[:60]!r}; check the feed's address")
    rejected: Counter[str] = Counter()
    articles: dict[str, Article] = {}
    for entry in entries[:MOST_ARTICLES]:
        try:
            article = _article(entry, received_at)
        except BadSourceDataError as error:
            rejected[str(error)] += 1
            continue
        if articles.setdefault(article.article_id, article) is not article:
            rejected["the same address again"] += 1
    if len(entries) > MOST_ARTICLES:
        rejected[f"beyond the first {MOST_ARTICLES}"] = len(entries) - MOST_ARTICLES
    title = clean_title(_text(parsed["feed"], "title"))
    return Feed(title, _told_apart(articles.values()), dict(rejected), not parsed["bozo"])


def _told_apart(articles: Collection[Article]) -> tuple[Article, ...]:
    """A name that a feed gives to several articles is none: these go by their addresses."""
    names = Counter(article.entry_id for article in articles)
    return tuple(a if names[a.entry_id] == 1 else replace(a, entry_id=_hash(a.url)) for a in articles)


def _refuse_what_grows(body: bytes, address: str, content_type: str) -> None:
    if not body.strip():
        raise BadSourceDataError(f"{address}: the feed is empty")
    if len(body) > LARGEST_FEED:
        raise BadSourceDataError(f"{address}: larger than {LARGEST_FEED} bytes")
    for readable in _readings(body, address, content_type):
        if (tags := readable.count(b"<") + readable.count(b"&lt;") // 4) > MOST_TAGS:
            raise BadSourceDataError(f"{address}: {tags} tags, more than the {MOST_TAGS} that a feed may have")
        if _CROWDED_TAG.search(readable):
            raise BadSourceDataError(f"{address}: a tag with more than {MOST_ATTRIBUTES} attributes")
        plain = _PLAIN_ENTITY.findall(readable)
        if len(plain) != readable.count(b"<!ENTITY"):
            raise BadSourceDataError(f"{address}: it declares entities of other files or entities")
        growth = sum(len(value) * readable.count(b"&" + name + b";") for name, value in plain[:MOST_ENTITIES])
        if growth > MOST_GROWTH or len(plain) > MOST_ENTITIES:
            raise BadSourceDataError(f"{address}: its entities would add more than {MOST_GROWTH} characters")


def _readings(body: bytes, address: str, content_type: str) -> set[bytes]:
    """The ASCII of it, in each charset in which feedparser may read it: UTF-7 and EBCDIC hide what they say."""
    readings = {body.replace(b"\0", b"")}
    charsets = _CHARSET.findall(content_type)
    if wide := next((charset for begins, charset in _BEGINNINGS.items() if body.startswith(begins)), ""):
        charsets.append(wide)
    for beginning in (body[:1_000].replace(b"\0", b""), body[:1_000].decode(wide or "ascii", "ignore").encode()):
        charsets += [found.decode() for found in _DECLARED.findall(beginning)]
    if odd := [charset for charset in charsets if charset.lower().replace("_", "-") in _QUADRATIC]:
        raise BadSourceDataError(f"{address}: {odd[0]} is no charset of feeds")
    for charset in dict.fromkeys(charsets):
        with suppress(LookupError, ValueError):
            readings.add(body.decode(charset, "ignore").encode("ascii", "replace"))
    return readings


def _read(body: bytes, address: str, content_type: str) -> Any:
    import feedparser  # type: ignore[import-untyped]

    charset = _CHARSET.search(content_type)
    # Whatever the server called it: as text/xml without a charset it would be read as ASCII.
    xml = f"application/xml; charset={charset[1]}" if charset else "application/xml"
    headers = {"content-location": address, "content-type": xml}
    try:
        # A stream: a string or bytes would be taken for an address to fetch or a file to open.
        return feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except _MISREAD as error:
        raise BadSourceDataError(f"{address}: cannot be read as a feed ({type(error).__name__}: {error})") from error


def _article(entry: Mapping[str, Any], received_at: datetime) -> Article:
    """Raises BadSourceDataError, with a reason that can be counted."""
    title = clean_title(_text(entry, "title"))
    if not title:
        raise BadSourceDataError("no title")
    link = _text(entry, "link")
    if not link:
        raise BadSourceDataError("no address")
    try:
        url = canonical_url(link)
    except BadSourceDataError as error:
        raise BadSourceDataError("an address that is none") from error
    published_at, dated = _published(entry, received_at)
    return Article(
        article_id=article_id(url),
        entry_id=_hash(_text(entry, "id").strip() or url),
        url=url,
        title=title,
        summary=clean_summary(_text(entry, "summary") or _content(entry)),
        published_at=published_at,
        dated=dated,
        first_seen_at=received_at,
    )


def _published(entry: Mapping[str, Any], received_at: datetime) -> tuple[datetime | None, str]:
    for name in ("published", "updated", "created"):
        # Not get(): feedparser gives `updated` for `published` where that is missing.
        if name in entry and (said := _text(entry, name).strip()):
            break
    else:
        return None, MISSING
    try:
        moment, zone_is_known = read_date(said, entry[f"{name}_parsed"])
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None, UNREADABLE
    if moment > received_at + CLOCK_TOLERANCE:
        return None, FUTURE
    if moment < OLDEST:
        return None, TOO_OLD
    return moment, SAID if zone_is_known else NO_ZONE


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def _content(entry: Mapping[str, Any]) -> str:
    parts = entry.get("content") or [{}]
    return _text(parts[0], "value")


def _text(part: Mapping[str, Any], name: str) -> str:
    """The value of a field that ought to be text, without what no database can hold."""
    value = part.get(name)
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""
