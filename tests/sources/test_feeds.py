"""Feeds, real, broken and hostile: each is read or refused with a reason, and none takes long."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.errors import BadSourceDataError
from bitpredict.sources.feeds import FUTURE, MISSING, NO_ZONE, SAID, TOO_OLD, UNREADABLE, Article, Feed, parse_feed

ADDRESS = "https://example.com/news/feed.xml"
NOW = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)


def read(body: bytes, **changes: str) -> Feed:
    return parse_feed(body, ADDRESS, NOW, **changes)


def item(content: str = "", *, title: str = "Bitcoin rises", link: str = "https://example.com/1") -> bytes:
    return (
        f"<rss version='2.0'><channel><title>News</title><item><title>{title}</title><link>{link}</link>"
        f"{content}</item></channel></rss>"
    ).encode()


def only(feed: Feed) -> Article:
    (article,) = feed.articles
    return article


def test_a_recorded_feed(recordings):
    feed = read((recordings / "rss" / "cointelegraph_2026-02-06.xml").read_bytes())
    assert feed.title == "Cointelegraph - Article Feed"
    assert (len(feed.articles), feed.rejected, feed.well_formed) == (5, {}, True)
    first = feed.articles[0]
    assert first.title == "EU tokenization companies push for DLT pilot changes amid US momentum"
    assert first.url == (
        "https://cointelegraph.com/news/eu-tokenization-dlt-pilot-rules-risk-pushing-onchain-markets-us"
    )
    assert first.summary.startswith("European tokenization companies urged EU lawmakers")
    assert (first.dated, first.first_seen_at) == (SAID, NOW)
    assert first.published_at is not None
    assert NOW - timedelta(days=2) < first.published_at < NOW


@pytest.mark.slow
def test_the_saved_feeds_are_read_or_refused(recordings):
    without_articles = {}
    for file in sorted((recordings / "rss" / "saved_feeds").iterdir()):
        try:
            feed = read(file.read_bytes())
        except BadSourceDataError as error:
            without_articles[file.name] = str(error)
            continue
        assert all(article.title and article.url.startswith("http") for article in feed.articles)
        if not feed.articles:
            without_articles[file.name] = str(feed.rejected)
    assert without_articles.keys() == {"unrecognized.rss", "incomplete-fields.atom", "missing-fields.atom"}
    assert "a web page in place of a feed" in without_articles["unrecognized.rss"]
    assert without_articles["missing-fields.atom"] == "{'no title': 1}"


def test_markup_and_escapes_are_taken_off():
    article = only(
        read(
            item(
                "<description><![CDATA[<p>One &amp; <b>two</b></p><script>x()</script>]]></description>",
                title="Bitcoin &amp;amp; Ether: &lt;b&gt;up&lt;/b&gt;",
            )
        )
    )
    assert (article.title, article.summary) == ("Bitcoin & Ether: up", "One & two")


@pytest.mark.parametrize(
    ("date", "published_at", "dated"),
    [
        ("<pubDate>Fri, 06 Feb 2026 07:12:48 +0000</pubDate>", datetime(2026, 2, 6, 7, 12, 48, tzinfo=UTC), SAID),
        ("<pubDate>Fri, 06 Feb 2026 07:12:48 +0100</pubDate>", datetime(2026, 2, 6, 6, 12, 48, tzinfo=UTC), SAID),
        ("<pubDate>Fri, 06 Feb 2026 01:12:48 EST</pubDate>", datetime(2026, 2, 6, 6, 12, 48, tzinfo=UTC), SAID),
        ("<pubDate>2026-02-06T07:12:48Z</pubDate>", datetime(2026, 2, 6, 7, 12, 48, tzinfo=UTC), SAID),
        ("<pubDate>Fri, 06 Feb 2026 07:12:48</pubDate>", datetime(2026, 2, 6, 7, 12, 48, tzinfo=UTC), NO_ZONE),
        ("<pubDate>2026-02-06T07:12:48</pubDate>", datetime(2026, 2, 6, 7, 12, 48, tzinfo=UTC), NO_ZONE),
        ("<pubDate>Fri, 06 Feb 2026 07:12:48 JST</pubDate>", datetime(2026, 2, 6, 7, 12, 48, tzinfo=UTC), NO_ZONE),
        ("<pubDate>Fri, 06 Feb 2026 07:12:48 +1500</pubDate>", datetime(2026, 2, 6, 7, 12, 48, tzinfo=UTC), NO_ZONE),
        ("<pubDate>Fri, 06 Feb 2026 08:09:00 GMT</pubDate>", datetime(2026, 2, 6, 8, 9, tzinfo=UTC), SAID),
        ("<pubDate>Fri, 06 Feb 2026 08:11:00 GMT</pubDate>", None, FUTURE),
        ("<pubDate>Thu, 01 Jan 1970 00:00:00 GMT</pubDate>", None, TOO_OLD),
        ("<pubDate>yesterday</pubDate>", None, UNREADABLE),
        ("<pubDate>Fri, 99 Feb 20260 07:12:48 GMT</pubDate>", None, UNREADABLE),
        ("<pubDate></pubDate>", None, MISSING),
        ("", None, MISSING),
    ],
)
def test_a_date_is_believed_only_if_it_can_be_true(date, published_at, dated):
    article = only(read(item(date)))
    assert (article.published_at, article.dated, article.first_seen_at) == (published_at, dated, NOW)


def test_an_articles_identity_is_its_address_and_what_the_feed_calls_it():
    plain = only(read(item()))
    tracked = only(read(item("<guid isPermaLink='false'>42</guid>", link="http://www.example.com/1/?utm_source=rss")))
    elsewhere = only(read(item("<guid isPermaLink='false'>42</guid>", link="https://example.com/moved")))
    assert plain.article_id == tracked.article_id != elsewhere.article_id
    assert plain.entry_id != tracked.entry_id == elsewhere.entry_id


def test_a_name_given_to_several_articles_is_none():
    items = b"".join(
        b"<item><guid isPermaLink='false'>same</guid><title>A</title><link>https://e.com/%d</link></item>" % i
        for i in range(3)
    )
    feed = read(b"<rss version='2.0'><channel>" + items + b"</channel></rss>")
    assert len({article.entry_id for article in feed.articles}) == 3


def test_addresses_within_a_feed_are_relative_to_its_own():
    assert only(read(item(link="/2026/one"))).url == "https://example.com/2026/one"
    assert only(read(item(link="two"))).url == "https://example.com/news/two"


def test_what_is_no_article_is_counted():
    items = (
        b"<item><title>No address</title></item><item><link>https://example.com/1</link></item>"
        b"<item><title>Script</title><link>javascript:alert(1)</link></item>"
        b"<item><title>Good</title><link>https://example.com/2</link></item>"
        b"<item><title>Good again</title><link>https://www.example.com/2#top</link></item>"
    )
    feed = read(b"<rss version='2.0'><channel>" + items + b"</channel></rss>")
    assert only(feed).title == "Good"
    assert feed.rejected == {
        "no address": 1,
        "no title": 1,
        "an address that is none": 1,
        "the same address again": 1,
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Кофе €5".encode(), "application/rss+xml; charset=utf-8"),
        ("Кофе €5".encode("utf-16"), ""),
        ("Кофе €5".encode("windows-1251"), "application/rss+xml; charset=windows-1251"),
    ],
)
def test_charsets(body, content_type):
    encoding = "utf-16" if body.startswith(b"\xff\xfe") else content_type.rpartition("=")[2]
    document = item(title="Кофе €5").decode().encode(encoding)
    assert only(read(document, content_type=content_type)).title == "Кофе €5"


def test_a_wrong_charset_costs_letters_and_not_the_article():
    document = item(title="Caf\xe9").decode().encode("latin-1")
    assert only(read(document, content_type="text/xml; charset=utf-8")).title.startswith("Caf")


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))


@pytest.mark.parametrize(
    "declarations",
    [
        pytest.param(f'<!ENTITY l0 "lol">{LAUGHS}<!ENTITY x "&l11;">', id="billion laughs"),
        pytest.param('<!ENTITY x SYSTEM "file:///etc/hostname">', id="external file"),
        pytest.param('<!ENTITY x SYSTEM "http://127.0.0.1:1/">', id="external address"),
        pytest.param('<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;', id="parameter entity"),
        pytest.param('<!ENTITY x PUBLIC "x" "file:///etc/hostname">', id="public"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-7"])
def test_entities_of_other_files_or_entities_are_refused(declarations, encoding):
    document = f"<?xml version='1.0' encoding='{encoding}'?><!DOCTYPE rss [\n{declarations}\n]>"
    document += item(title="Bitcoin &x; rises").decode()
    started = time.process_time()
    with pytest.raises(BadSourceDataError, match="declares entities of other files or entities"):
        read(document.encode(encoding).replace(b"<!ENTITY", b"+ADw-!ENTITY" if encoding == "utf-7" else b"<!ENTITY"))
    assert time.process_time() - started < 5


def test_plain_entities_and_document_types_are_read():
    netscape = b'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://127.0.0.1:1/rss-0.91.dtd">\n'
    assert only(read(netscape + item())).title == "Bitcoin rises"
    own = b"<?xml version='1.0'?>\n<!DOCTYPE rss [\n<!ENTITY coin \"Bitcoin\">\n]>\n"
    assert only(read(own + item(title="&coin; rises"))).title == "Bitcoin rises"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_entity_that_is_repeated_often_is_refused(encoding):
    document = f'<!DOCTYPE rss [<!ENTITY x "{"x" * 1000}">]>'.encode() + item(title="&x;" * 1000)
    with pytest.raises(BadSourceDataError, match="would add more than"):
        read(document.decode().encode(encoding))


def crowded(attributes: int) -> bytes:
    tag = "<a{}/>".format("".join(f' a{n}=""' for n in range(attributes)))
    return b"<?xml version='1.0'?>" + item(tag)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", "a web page in place of a feed"),
        (b'{"error": "rate limit"}', "neither RSS nor Atom"),
        (b"/etc/hostname", "neither RSS nor Atom"),
        (b"http://127.0.0.1:1/", "neither RSS nor Atom"),
        (bytes(range(256)) * 10, "neither RSS nor Atom"),
        (b"<rss>" + b"<a>" * 70_000, "70001 tags"),
        (b"x" * 4_000_001, "larger than"),
        (b"<?xml version='1.0' encoding='punycode'?><rss/>", "no charset of feeds"),
        (crowded(301), "a tag with more than 300 attributes"),
        (crowded(301).replace(b'=""', b"\n= 'a > b'"), "a tag with more than 300 attributes"),
        (crowded(301).decode().encode("utf-16"), "a tag with more than 300 attributes"),
        (crowded(301).decode().replace(" a", " \u3c3d").encode("utf-16-be"), "a tag with more than 300 attributes"),
        (crowded(301).decode().encode("cp037"), "a tag with more than 300 attributes"),
    ],
)
def test_what_is_no_feed_is_refused_with_a_reason(body, says):
    with pytest.raises(BadSourceDataError, match=says) as refused:
        read(body)
    assert str(refused.value).startswith(ADDRESS)
    assert len(str(refused.value)) < 300


def test_escaped_markup_and_code_are_no_attributes():
    code = 'if (a <b) { x="1"; y="2"; ' + " ".join(f'c{n} = "{n}";' for n in range(400)) + "}"
    links = '&lt;a href="https://example.com/?a=1&amp;b=2"&gt;A&lt;/a&gt; ' * 400
    for content in (f"<![CDATA[{code}]]>", f"<!-- {code} -->", links):
        assert only(read(item(f"<description>{content}</description>"))).title == "Bitcoin rises"
    assert only(read(crowded(300))).title == "Bitcoin rises"


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        *("<", "<!", "<!--", "<?", "<![CDATA[", "&", "<a>", "<item>", "<!DOCTYPE ", "<!ENTITY ", "<p>a<b>", "&lt;a "),
        *("<a {}/>", "<a {}>", "<p a='\"' {}/>", "<!-- <a {} -->", "<![CDATA[<a {}>]]>", "&lt;a {}&gt;"),
    ],
)
def test_ten_times_as_much_nonsense_takes_about_ten_times_as_long(piece):
    """The braces stand for as many attributes, all of other names."""

    def seconds(length: int) -> float:
        if "{}" in piece:
            filling = piece.format(" ".join(f'a{n}=""' for n in range(length // 9)))
        else:
            filling = piece * (length // len(piece))
        body = b"<rss><channel><item><title>A</title><description>" + filling.encode()
        if piece.endswith("/>"):  # the strict parser, too
            body += b"</description></item></channel></rss>"
        started = time.process_time()
        with suppress(BadSourceDataError):
            read(body)
        return time.process_time() - started

    seconds(1_000)
    assert seconds(60_000) < 30 * seconds(6_000) + 1.0


def test_a_headline_of_a_hundred_kilobytes_is_cut():
    assert len(only(read(item(title="Bitcoin " * 12_500))).title) <= 500


@given(st.binary(max_size=200), st.integers(0, 300))
def test_damage_is_survived(damage, place):
    good = item("<description>Text</description><pubDate>Fri, 06 Feb 2026 07:12:48 GMT</pubDate>")
    try:
        feed = read(good[:place] + damage + good[place:])
    except BadSourceDataError:
        return
    assert all(article.title and article.first_seen_at == NOW for article in feed.articles)
