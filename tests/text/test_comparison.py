"""The comparison on the recorded headlines: every model, and the chain at its goal on what it has not seen."""

import numpy as np
import pytest

from bitpredict.settings import load_settings
from bitpredict.text.comparison import compare
from bitpredict.text.labelled import read_labelled
from tests.support import tiny_finbert


def labelled_headlines(recordings):
    return read_labelled(recordings / "sentiment" / "cryptolin_even.csv", "news", "final_manual_labelling")


@pytest.mark.slow
def test_the_best_chain_reaches_its_goal_on_what_it_has_not_seen(recordings, settings):
    results, absent = compare(labelled_headlines(recordings), settings)
    found = {result.model: result for result in results}
    assert found["chain"].macro_f1 >= 0.60
    assert len(found["chain"].folds) == 5
    assert found["vader"].macro_f1 > found["vader-plain"].macro_f1 > found["textblob"].macro_f1
    assert all(result.texts == 1342 for result in results)
    assert list(absent) == ["finbert"]


def test_a_chain_without_a_trained_model_is_judged_on_the_whole_file(recordings, monkeypatch):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "vader")
    few = labelled_headlines(recordings)
    few = few.take(np.arange(4))
    results, absent = compare(few, load_settings())
    assert [result.model for result in results] == ["vader", "vader-plain", "textblob", "chain"]
    assert results[-1].folds == ()
    assert (results[-1].confusion == results[0].confusion).all()
    assert "too few" in absent["linear"]


def test_a_model_that_fails_is_named_and_left_out(recordings, monkeypatch, tmp_path):
    folder = tiny_finbert.build(tmp_path / "finbert", outputs=2)
    monkeypatch.setenv("BITPREDICT_FINBERT_FOLDER", str(folder))
    results, absent = compare(labelled_headlines(recordings).take(np.arange(4)), load_settings())
    assert "finbert" not in [result.model for result in results]
    assert "3 numbers a text" in absent["finbert"]
