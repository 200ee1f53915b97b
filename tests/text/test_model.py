"""What every model answers to odd texts, and the small arithmetic that they share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.errors import ContractError
from bitpredict.text.blob import Blob
from bitpredict.text.model import LONGEST_TEXT, from_probabilities, from_scores, label_of, readable, text_hash
from bitpredict.text.vader import crypto_vader, plain_vader

ODD = {
    "empty": "",
    "blanks": " \t\n ",
    "emoji": "🚀🚀 Bitcoin to the moon 🌕 👩‍💻",
    "emoji alone": "🚀",
    "arabic": "ارتفع سعر البيتكوين اليوم",
    "hebrew and latin": "‫ביטקוין soars‬ to record",
    "control": "Hackers\x00 stole\x1b[31m \x07millions",
    "lone surrogate": "Bitcoin \ud83d surges",
    "long": "bitcoin crash but " * 5600,
    "long word": "a" * 100_000,
    "markup": "<script>alert('x')</script>'; DROP TABLE news; --",
}

MODELS = (crypto_vader(), plain_vader(), Blob())


@pytest.fixture(params=[crypto_vader, plain_vader, Blob], ids=["vader", "vader-plain", "textblob"])
def model(request):
    return request.param()


def test_odd_texts_are_answered_in_bounds(model):
    said = model.score(list(ODD.values()))
    assert len(said) == len(ODD)
    assert said.label.dtype == np.int8
    assert set(said.label) <= {-1, 0, 1}
    assert np.all(np.abs(said.score) <= 1)
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1)
    assert np.all(said.probabilities >= 0)
    assert set(said.model) == {model.name}
    assert set(said.version) == {model.version}


def test_nothing_to_go_by_is_neutral_and_not_found(model):
    said = model.score(["", " \n", "\x00\x01", "zzzz qqqq"])
    assert not said.found.any()
    assert not said.label.any()
    np.testing.assert_array_equal(said.probabilities, [[0, 1, 0]] * 4)


def test_no_texts_no_rows(model):
    said = model.score([])
    assert len(said) == 0
    assert said.probabilities.shape == (0, 3)


def test_an_answer_does_not_depend_on_the_other_texts(model):
    texts = list(ODD.values())
    together = model.score(texts)
    apart = [model.score([text]).score[0] for text in texts]
    np.testing.assert_array_equal(together.score, apart)


@given(st.text(st.characters(), max_size=80))
def test_any_text_is_answered_alike_in_bounds(text):
    for model in MODELS:
        said = model.score([text, readable(text)])
        assert said.score[0] == said.score[1]
        assert abs(said.score[0]) <= 1
        assert said.found[0] or said.label[0] == 0
    readable(text).encode()
    assert text_hash(text) == text_hash(readable(text))


def test_only_the_start_of_a_long_text_is_read(model):
    start = "hackers stole terrible amounts " * 200
    assert model.score([start + "great wonderful " * 5000]).score == model.score([start]).score != 0


def test_what_is_no_text_is_refused(model):
    with pytest.raises(ContractError, match="None is no text"):
        model.score(["good", None])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("  two \t words\r\n", "two words"),
        ("nul\x00byte", "nul byte"),
        ("‮evil‬", "evil"),
        ("half \ud83d pair", "half pair"),
        ("zero\u200bwidth", "zerowidth"),
        ("it won\x92t \x8dfail", "it won't fail"),
        ("\u201cit won\u2019t\u201d", '"it won\'t"'),
        ("שלום 🚀", "שלום 🚀"),
        ("a" * 100_000, "a" * LONGEST_TEXT),
    ],
)
def test_readable(text, read):
    assert readable(text) == read
    assert readable(read) == read


def test_invisible_differences_are_none_to_the_cache():
    assert text_hash("Bitcoin  surges\u200b") == text_hash("Bitcoin surges")
    assert text_hash("Bitcoin surges") != text_hash("bitcoin surges")
    assert len(text_hash("\ud83d")) == 16


def test_scores_as_labels_and_shares():
    score = np.array([-1.0, -0.05, -0.049, 0.0, 0.049, 0.05, 1.0])
    np.testing.assert_array_equal(label_of(score), [-1, -1, 0, 0, 0, 1, 1])
    said = from_scores("m", "1", np.array([-0.4, 0.25]), np.array([True, True]))
    np.testing.assert_allclose(said.probabilities, [[0.4, 0.6, 0], [0, 0.75, 0.25]])


def test_probabilities_as_labels_and_scores():
    rows = np.array([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [0.9, 0.05, 0.05]])
    said = from_probabilities("m", "1", rows, np.array([True, True, False]))
    np.testing.assert_array_equal(said.label, [-1, 1, 0])
    np.testing.assert_allclose(said.score, [-0.6, 0.3, 0.0])
    np.testing.assert_array_equal(said.probabilities[2], [0, 1, 0])


def test_crypto_words_turn_what_plain_vader_misreads():
    texts = ["Bitcoin plunges as miners capitulate", "Exchange hacked", "Shares of Grayscale Trust"]
    np.testing.assert_array_equal(crypto_vader().score(texts).label, [-1, -1, 0])
    assert plain_vader().score(texts).label[2] == 1
    assert crypto_vader().version != plain_vader().version


def test_a_word_without_weight_stays_without_in_capitals():
    assert crypto_vader().score(["SHARES of Grayscale"]).score[0] == 0
