"""One article has one address, however a feed spells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.errors import BadSourceDataError
from bitpredict.text.addresses import LONGEST, article_id, canonical_url


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("https://Example.COM/News/One", "https://example.com/News/One"),
        ("  https://example.com/a \n", "https://example.com/a"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/a#comments", "https://example.com/a"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://example.com/a?utm_source=rss&utm_medium=feed", "https://example.com/a"),
        ("https://example.com/a?b=2&fbclid=xyz&a=1", "https://example.com/a?a=1&b=2"),
        ("https://example.com/a?p=", "https://example.com/a?p="),
        ("https://example.com/a/../b/./c", "https://example.com/b/c"),
        ("https://example.com/%7euser/a%20b", "https://example.com/~user/a%20b"),
        ("https://example.com/caf\u00e9", "https://example.com/caf%C3%A9"),
        ("https://example.com/caf%E9", "https://example.com/caf%E9"),
        ("https://example.com/a%2fb", "https://example.com/a%2Fb"),
        ("https://b\u00fccher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://[2001:DB8::1]/a", "https://[2001:db8::1]/a"),
    ],
)
def test_an_address_is_written_one_way(address, canonical):
    assert canonical_url(address) == canonical
    assert canonical_url(canonical) == canonical


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "news",
            "/news/1",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://example.com/a",
            "file:///etc/passwd",
        ),
        *("https://", "https:///a", "https://exa mple.com/a", "https://example.com:port/", "https://[::1/a"),
        *("https://example.com:99999/", "https://a..b/", "https://<b>/", "https://" + "a" * LONGEST),
        *("mailto:someone@example.com", "https://[fe80::1%25eth0]/x", "https://\u2100\ud800/"),
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(BadSourceDataError):
        canonical_url(address)


@given(st.text(max_size=60), st.text(max_size=40))
def test_canonical_is_final_and_plain(path, query):
    try:
        url = canonical_url(f"https://example.com/{path}?{query}")
    except BadSourceDataError:
        return
    assert url.isascii()
    assert canonical_url(url) == url


def test_spellings_of_one_article_share_its_id():
    spellings = [
        "https://example.com/a",
        "http://example.com/a",
        "https://www.example.com/a/",
        "https://example.com/a/",
    ]
    assert len({article_id(canonical_url(spelling)) for spelling in spellings}) == 1
    others = ["https://example.com/b", "https://example.com/a?page=2", "https://example.org/a", "https://example.com/A"]
    assert len({article_id(canonical_url(url)) for url in [*spellings[:1], *others]}) == 5
