"""Headlines and summaries come out as a reader would see them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.text.cleaning import SUMMARY_LENGTH, TITLE_LENGTH, clean_summary, clean_text, clean_title


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        pytest.param("Bitcoin rises", "Bitcoin rises", id="plain"),
        pytest.param("  Bitcoin\n\t rises  ", "Bitcoin rises", id="white space"),
        pytest.param("<p>One.</p><p>Two.</p>", "One. Two.", id="paragraphs do not run together"),
        pytest.param("<b>Bit</b>coin", "Bitcoin", id="bold within a word"),
        pytest.param("Fear<br>Greed", "Fear Greed", id="line break"),
        pytest.param("AT&amp;T &#8364;5 &hellip;", "AT&T €5 …", id="entities"),
        pytest.param("&lt;b&gt;Bitcoin&lt;/b&gt; &amp;amp; co", "Bitcoin & co", id="escaped twice"),
        pytest.param("BTC <$20k and >$10k", "BTC <$20k and >$10k", id="less than is no markup"),
        pytest.param("a < b", "a < b", id="less than alone"),
        pytest.param("Buy<script>alert(1)</script> now", "Buy now", id="script"),
        pytest.param("<style>p {color: red}</style>Text", "Text", id="style"),
        pytest.param('<img src="x" onerror="steal()">Text', "Text", id="image"),
        pytest.param('<a href="x" title="1 > 0">Text</a>', "Text", id="greater than in an attribute"),
        pytest.param("<!DOCTYPE html><html><body>Text</body></html>", "Text", id="a whole page"),
        pytest.param("Text<script>never closed", "Text", id="unclosed script"),
        pytest.param("<!-- hidden -->Seen", "Seen", id="comment"),
        pytest.param("<![CDATA[Bitcoin]]>", "Bitcoin", id="CDATA as text"),
        pytest.param("'; DROP TABLE crypto_news; --", "'; DROP TABLE crypto_news; --", id="SQL is text"),
        pytest.param("🚀 to the 🌕 👨‍👩‍👧", "🚀 to the 🌕 👨‍👩‍👧", id="emoji with joiners"),
        pytest.param("بيتكوين ترتفع", "بيتكوين ترتفع", id="right to left"),
        pytest.param("abc\u202etxt.exe\u202c", "abctxt.exe", id="direction overrides"),
        pytest.param("Bit\u200bcoin\ufeff\x00\x1b", "Bitcoin", id="invisible and control characters"),
        pytest.param("Bit\ud800coin", "Bitcoin", id="half a character"),
        pytest.param("cafe\u0301", "café", id="composed"),
        pytest.param("", "", id="nothing"),
        pytest.param("<p></p>&nbsp;", "", id="nothing seen"),
    ],
)
def test_text_is_what_a_reader_sees(markup, text):
    assert clean_title(markup) == clean_summary(markup) == text


def test_a_long_text_ends_behind_a_whole_word():
    words = "bitcoin " * 200
    cut = clean_title(words)
    assert len(cut) <= TITLE_LENGTH
    assert cut == ("bitcoin " * (len(cut) // 8)).strip() + "…"
    assert clean_text("x" * 1000, 100) == "x" * 99 + "…"


@pytest.mark.parametrize(
    "piece", ["a", "<", "<a ", "<!--", "&", "&#", "<![CDATA[", "<script>", "</", "<!", "a='", "&lt;b "]
)
def test_a_hundred_thousand_characters_are_no_burden(piece):
    started = time.process_time()
    assert len(clean_summary("<b>It</b> " + piece * (100_000 // len(piece)))) <= SUMMARY_LENGTH
    assert time.process_time() - started < 10


@given(st.text(max_size=300))
def test_whatever_comes_is_one_storable_line(text):
    cleaned = clean_title(text)
    assert cleaned == " ".join(cleaned.split())
    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned


@given(st.text(alphabet="ab <&;>/#x1\u0301\u200b ", max_size=40))
def test_what_is_a_headline_without_markup_stays(text):
    cleaned = clean_title(text)
    if "<" not in cleaned and "&" not in cleaned:
        assert clean_title(cleaned) == cleaned
