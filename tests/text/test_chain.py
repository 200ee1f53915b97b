"""Who speaks in a chain, and what a cache asks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bitpredict.errors import ModelError, SettingsError
from bitpredict.settings import load_settings
from bitpredict.text.chain import Cached, Chain
from bitpredict.text.linear import load
from bitpredict.text.model import Sentiments, from_scores
from bitpredict.text.opening import MODELS, open_models
from bitpredict.text.vader import crypto_vader


class Says:
    """A model that knows some words, and counts what it is asked."""

    def __init__(self, name, words, fails=False):
        self.name, self.version, self._words, self._fails = name, f"{name}-1", words, fails
        self.asked = []

    def score(self, texts) -> Sentiments:
        self.asked.append(list(texts))
        if self._fails:
            raise ModelError(f"{self.name} broke")
        found = np.array([text in self._words for text in texts], np.bool_)
        return from_scores(self.name, self.version, np.array([self._words.get(text, 0.0) for text in texts]), found)


def test_the_first_that_finds_something_speaks():
    first, second = Says("first", {"a": 0.5, "flat": 0.0}), Says("second", {"a": -1.0, "b": -0.5})
    said = Chain([first, second]).score(["b", "a", "c", "flat"])
    assert said.model.tolist() == ["second", "first", "second", "first"]
    assert said.version.tolist() == ["second-1", "first-1", "second-1", "first-1"]
    np.testing.assert_array_equal(said.label, [-1, 1, 0, 0])
    np.testing.assert_array_equal(said.found, [True, True, False, True])
    np.testing.assert_array_equal(said.probabilities[0], [0.5, 0.5, 0])
    assert second.asked == [["b", "c"]]


def test_who_need_not_be_asked_is_not():
    second = Says("second", {})
    Chain([Says("first", {"a": 1.0}), second]).score(["a", "a"])
    assert second.asked == []


def test_a_failing_model_is_passed_over():
    said = Chain([Says("broken", {}, fails=True), Says("next", {"a": 1.0})]).score(["a"])
    assert said.model.tolist() == ["next"]
    said = Chain([Says("first", {}), Says("broken", {}, fails=True)]).score(["a"])
    assert (said.model[0], said.found[0]) == ("first", False)
    with pytest.raises(ModelError, match=r"every sentiment model failed.*broken broke"):
        Chain([Says("broken", {}, fails=True)]).score(["a"])


def test_no_models_and_no_texts():
    with pytest.raises(ModelError, match="BITPREDICT_SENTIMENT_MODELS"):
        Chain([])
    assert len(Chain([Says("one", {})]).score([])) == 0
    assert Cached(Says("one", {})).score([]).probabilities.shape == (0, 3)


def test_the_chains_version_tells_of_its_order():
    one, two = Says("one", {}), Says("two", {})
    assert Chain([one, two]).version != Chain([two, one]).version


def test_a_text_is_asked_once():
    model = Says("one", {"a": 1.0, "b": -1.0})
    cached = Cached(model)
    texts = ["a", "b", "a", " a ", "c"]
    first, again = cached.score(texts), cached.score(texts[::-1])
    assert model.asked == [["a", "b", "c"]]
    assert (cached.hits, cached.misses) == (7, 3)
    np.testing.assert_array_equal(first.label, [1, -1, 1, 1, 0])
    for name in Sentiments.__dataclass_fields__:
        ours, theirs = getattr(again, name), getattr(first, name)
        np.testing.assert_array_equal(ours, theirs[::-1])
        assert ours.dtype == theirs.dtype


def test_a_cached_answer_is_the_models_own():
    texts = ["Bitcoin surges", "Exchange hacked", "", "meh", "🚀"]
    model = crypto_vader()
    cached, plain = Cached(model), model.score(texts)
    for said in (cached.score(texts), cached.score(texts)):
        for name in Sentiments.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(said, name), getattr(plain, name))


def test_the_oldest_is_forgotten_first():
    model = Says("one", {})
    cached = Cached(model, capacity=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cached.score([text])
    assert model.asked == [["a"], ["b"], ["c"], ["b"]]
    assert len(cached.score(list("abcdefgh"))) == 8


def test_a_failure_is_not_remembered():
    model = Says("one", {"a": 1.0}, fails=True)
    cached = Cached(model)
    with pytest.raises(ModelError):
        cached.score(["a"])
    model._fails = False
    assert cached.score(["a"]).label[0] == 1


def test_threads_share_a_cache():
    cached = Cached(crypto_vader(), capacity=50)
    texts = [f"Bitcoin surges {number % 80}" for number in range(400)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(cached.score, [texts[start::8] for start in range(8)]))
    assert all(np.all(part.label == 1) for part in parts)


def test_the_settings_name_the_order(monkeypatch):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "textblob, vader")
    opened = open_models(load_settings())
    assert [model.name for model in opened.models] == ["textblob", "vader"]
    assert opened.absent == {}
    assert opened.chain().score(["Exchange hacked"]).model.tolist() == ["vader"]


def test_what_is_not_there_is_passed_over_with_its_remedy(settings):
    opened = open_models(settings)
    assert [model.name for model in opened.models] == ["vader", "textblob"]
    assert "bitpredict sentiment train" in opened.absent["linear"]
    assert "bitpredict sentiment download" in opened.absent["finbert"]


def test_none_there_is_an_error_with_the_remedies(monkeypatch):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "linear,finbert")
    with pytest.raises(ModelError, match=r"sentiment train.*sentiment download"):
        open_models(load_settings()).chain()


@pytest.mark.parametrize("value", ["", "vader,vader", "gpt"])
def test_a_setting_that_names_no_chain_is_refused(monkeypatch, value):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", value)
    with pytest.raises(SettingsError, match="BITPREDICT_SENTIMENT_MODELS"):
        load_settings()


def test_every_name_is_a_model_of_that_name(settings):
    for name in ("vader", "vader-plain", "textblob"):
        assert MODELS[name](settings).name == name
    with pytest.raises(ModelError):
        load(settings.linear_sentiment)
