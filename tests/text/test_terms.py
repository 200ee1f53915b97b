"""TF-IDF rows against scikit-learn's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.text.model import readable
from bitpredict.text.terms import SPLITS, learn

TEXTS = [
    "Bitcoin surges to a record, Bitcoin miners sell",
    "SEC sues exchange: a fraud, it says",
    "A b c: no words of two signs",
    "Ether's upgrade 🚀 ships in 2022",
    "Биткоин и эфир растут",
    "Bitcoin miners, a record fraud",
    "",
]
PEERS = {
    "words": {"ngram_range": (1, 2)},
    "pieces": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("least", [1, 2])
def test_rows_are_scikit_learns(split, least):
    from sklearn.feature_extraction.text import TfidfVectorizer

    peer = TfidfVectorizer(sublinear_tf=True, min_df=least, **PEERS[split]).fit(TEXTS)
    ours = learn(split, TEXTS, least)
    assert list(ours.terms) == list(peer.get_feature_names_out())
    np.testing.assert_allclose(ours.rarity, peer.idf_)
    unseen = "Bitcoin miners sell sell Bitcoin to the SEC 🚀"
    for text in [*TEXTS, unseen]:
        row = np.zeros(len(ours.terms))
        places, weights = ours.row(text)
        row[places] = weights
        np.testing.assert_allclose(row, peer.transform([text]).toarray()[0], atol=1e-12)


@given(st.text(max_size=60))
def test_any_text_splits_as_scikit_learn_splits_it(text):
    from sklearn.feature_extraction.text import TfidfVectorizer

    for split, options in PEERS.items():
        peer = TfidfVectorizer(**options).build_analyzer()
        assert sorted(SPLITS[split](text)) == sorted(peer(readable(text)))


def test_a_text_without_known_terms_is_an_empty_row():
    places, weights = learn("words", TEXTS, 1).row("quux")
    assert len(places) == len(weights) == 0
