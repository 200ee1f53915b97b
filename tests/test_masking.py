"""What is shown of addresses holds neither passwords nor keys, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.errors import BadSourceDataError, BitPredictError, RateLimitedError
from bitpredict.masking import is_secret, masked

SECRET = "sEcReT9"  # noqa: S105 - of nobody


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("postgresql://me:secret@host/name", "postgresql://me:***@host/name", id="a database's"),
        pytest.param("https://me:s:e/c@r@host/x", "https://***@host/x", id="a password of all kinds of signs"),
        pytest.param("https://a token@host/x", "https://***@host/x", id="a token in the user's place"),
        pytest.param("redis://:secret@host:6379/0", "redis://:***@host:6379/0", id="no user"),
        pytest.param("kafka://u:secret@a:9092,b:9092", "kafka://u:***@a:9092,b:9092", id="several hosts"),
        pytest.param("'u:secret@host:1' closed", "'***@host:1' closed", id="no scheme"),
        pytest.param("x https://h/f?a=1&api_key=s y", "x https://h/f?a=1&api_key=*** y", id="a key of the query"),
        pytest.param("url: /f?token=s%2F (Caused", "url: /f?token=*** (Caused", id="a query in words"),
        pytest.param("/f?Access%2DToken=s#part", "/f?Access%2DToken=***#part", id="an escaped name"),
        pytest.param("https://h/f?token=s: refused (403)", "https://h/f?token=***: refused (403)", id="in a sentence"),
        pytest.param("http://host:9000/x", "http://host:9000/x", id="a port is no password"),
        pytest.param("https://medium.com/@author/feed", "https://medium.com/@author/feed", id="a path with @"),
        pytest.param("https://h/a: 'ask us@h'", "https://h/a: 'ask us@h'", id="an address of mail"),
        pytest.param("at 12:30 me@host wrote a=b", "at 12:30 me@host wrote a=b", id="no address"),
        pytest.param("sqlite:////a/b@c/d.db", "sqlite:////a/b@c/d.db", id="a file"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_addresses_are_shown_without_passwords_and_keys(text, shown):
    assert masked(text) == shown
    assert masked(shown) == shown


@given(
    scheme=st.sampled_from(["http", "https", "kafka", "redis", "mysql+pymysql", "s3"]),
    before=st.text("abc?&=/#.: ", max_size=8),
    after=st.text("abc?&=/#@:é%", max_size=8),
)
def test_no_password_of_any_signs_is_shown(scheme, before, after):
    password = f"{before.replace(' ', '')}{SECRET}{after}"
    assert SECRET not in masked(f"it's at {scheme}://user:{password}@host:1/x, they say")


@given(
    name=st.sampled_from(["token", "apikey", "X-Api-Key", "auth", "sig", "pwd"]), rest=st.text("ab1-_.%~", max_size=9)
)
def test_no_key_of_a_query_is_shown(name, rest):
    assert SECRET not in masked(f"failed: http://h/x?a=b&{name}={SECRET}{rest}&c=d (404)")


@pytest.mark.parametrize("name", ["ids", "vs_currency", "design", "tsym", "toTs", "limit"])
def test_ordinary_parameters_are_no_secrets(name):
    assert not is_secret(name)


def test_no_error_shows_a_password():
    assert str(BitPredictError(f"http://u:{SECRET}@h: no")) == "http://***@h: no"
    assert SECRET not in repr(RateLimitedError(f"http://u:{SECRET}@h", 3.0))
    assert str(BadSourceDataError()) == ""
