"""FinBERT's lane on a tiny network of its form: classes, tokens, padding, odd texts, and files that do not fit."""

import json

import numpy as np
import pytest

from bitpredict.errors import ModelError
from bitpredict.settings import load_settings
from bitpredict.text.finbert import FILES, FinBert
from bitpredict.text.opening import open_models
from tests.support import tiny_finbert


@pytest.fixture
def folder(tmp_path):
    return tiny_finbert.build(tmp_path / "finbert")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Bitcoin surges", ["bitcoin", "surges"]),
        ("BITCOIN HACKED", ["bitcoin", "hacked"]),
        ("bitcoins", ["bitcoin", "##s"]),
        ("Bitcoin, unheard of, meets", ["bitcoin", "meets"]),
    ],
)
def test_answers_are_the_networks_in_our_order_of_classes(folder, text, tokens):
    from scipy.special import softmax

    positive, negative, neutral = softmax(tiny_finbert.logits_of(tokens))
    said = FinBert(folder).score([text])
    np.testing.assert_allclose(said.probabilities, [[negative, neutral, positive]], rtol=1e-6)
    assert said.score[0] == pytest.approx(positive - negative, rel=1e-6)
    assert said.label[0] == np.argmax([negative, neutral, positive]) - 1
    assert said.found[0]


def test_the_order_of_classes_is_the_configs(tmp_path):
    other = tiny_finbert.build(tmp_path / "other", order=("Negative", "Neutral", "Positive"))
    assert FinBert(other).score(["surges"]).label[0] == -1


def test_neighbours_and_batches_change_nothing(folder):
    texts = ["surges", "hacked " * 12, "", "bitcoin meets", "surges " * 30] * 20
    model = FinBert(folder)
    together = model.score(texts)
    apart = np.concatenate([model.score([text]).probabilities for text in texts])
    np.testing.assert_allclose(together.probabilities, apart, rtol=1e-6)


def test_a_long_text_is_read_as_far_as_the_network_can(folder):
    from scipy.special import softmax

    room = tiny_finbert.LONGEST - 2
    said = FinBert(folder).score(["surges " * 14_000, "meets " * room + "hacked " * 9000])
    np.testing.assert_allclose(said.probabilities[0, 2], softmax(room * np.array([3.0, 0, 0]))[0])
    assert said.label[1] == 0


def test_odd_texts_are_neutral_and_not_found_where_no_word_is_known(folder):
    odd = ["", " \x00\n", "🚀", "ارتفع سعر", "a" * 100_000, "hacked\x00\ud83d‮"]
    said = FinBert(folder).score(odd)
    np.testing.assert_array_equal(said.found, [False] * 5 + [True])
    np.testing.assert_array_equal(said.label, [0, 0, 0, 0, 0, -1])
    assert len(FinBert(folder).score([])) == 0


def test_the_version_is_the_files(folder, tmp_path):
    assert FinBert(folder).version == FinBert(tiny_finbert.build(tmp_path / "again")).version
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8}))
    assert FinBert(folder).version != FinBert(tmp_path / "again").version


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_names_the_command(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"no {name} in .*bitpredict sentiment download"):
        FinBert(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"[1]", b"\x00\xff" * 500])
def test_a_damaged_file_is_a_model_that_fails(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        FinBert(folder).score(["surges"])


def test_other_classes_and_other_outputs_are_refused(tmp_path):
    with pytest.raises(ModelError, match="not negative, neutral and positive"):
        FinBert(tiny_finbert.build(tmp_path / "labels", order=("LABEL_0", "LABEL_1", "LABEL_2")))
    with pytest.raises(ModelError, match="not 3 numbers a text"):
        FinBert(tiny_finbert.build(tmp_path / "two", outputs=2)).score(["surges"])


def test_it_speaks_in_the_chain_and_the_next_where_it_knows_nothing(folder, monkeypatch):
    monkeypatch.setenv("BITPREDICT_FINBERT_FOLDER", str(folder))
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "finbert,vader")
    said = open_models(load_settings()).chain().score(["hacked", "a terrible catastrophe"])
    assert said.model.tolist() == ["finbert", "vader"]
    np.testing.assert_array_equal(said.label, [-1, -1])


def test_a_broken_network_leaves_the_word_to_the_next(folder, monkeypatch):
    (folder / "model.onnx").write_bytes(b"broken")
    monkeypatch.setenv("BITPREDICT_FINBERT_FOLDER", str(folder))
    said = open_models(load_settings()).chain().score(["Exchange hacked"])
    assert said.model.tolist() == ["vader"]
