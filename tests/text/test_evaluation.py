"""macro-F1, recall and confusion against scikit-learn, and published answers to the recorded headlines."""

import numpy as np
import pandas as pd
import pytest

from bitpredict.errors import ContractError, ModelError
from bitpredict.text.blob import Blob
from bitpredict.text.evaluation import Evaluation, confusion_of, evaluate
from bitpredict.text.labelled import read_labelled
from bitpredict.text.model import label_of
from bitpredict.text.vader import crypto_vader, plain_vader


@pytest.fixture(scope="module")
def headlines(recordings):
    path = recordings / "sentiment" / "cryptolin_even.csv"
    return read_labelled(path, "news", "final_manual_labelling"), pd.read_csv(path)


def evaluation_of(truth, said):
    return Evaluation("m", "1", confusion_of(np.array(truth, np.int8), np.array(said, np.int8)))


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_scikit_learns(seed):
    from sklearn.metrics import confusion_matrix, f1_score, recall_score

    random = np.random.default_rng(seed)
    truth, said = random.integers(-1, 2, (2, 200))
    ours = evaluation_of(truth, said)
    np.testing.assert_array_equal(ours.confusion, confusion_matrix(truth, said, labels=[-1, 0, 1]))
    assert ours.macro_f1 == pytest.approx(f1_score(truth, said, average="macro"))
    np.testing.assert_allclose(ours.recall, recall_score(truth, said, average=None))
    assert ours.accuracy == pytest.approx((truth == said).mean())


def test_a_class_that_does_not_occur_has_no_recall():
    from sklearn.metrics import f1_score

    ours = evaluation_of([0, 1, 1], [0, 1, 0])
    assert np.isnan(ours.recall[0])
    assert ours.macro_f1 == pytest.approx(f1_score([0, 1, 1], [0, 1, 0], average="macro"))


def test_as_many_answers_as_labels():
    with pytest.raises(ContractError, match="2 labels and 1 answers"):
        evaluation_of([0, 1], [0])
    with pytest.raises(ContractError, match="0 labels"):
        evaluation_of([], [])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "column"), [(plain_vader(), "vader"), (Blob(), "textblob")])
def test_the_published_columns_are_reproduced(headlines, model, column):
    labelled, published = headlines
    theirs = evaluation_of(labelled.labels, label_of(published[column].to_numpy()))
    ours = evaluate(model, labelled)
    assert ours.texts == 1342
    assert ours.macro_f1 == pytest.approx(theirs.macro_f1, abs=0.02)
    same = np.abs(model.score(labelled.texts).score - published[column]) < 1e-6
    assert same.mean() > 0.98  # in the others Windows' quotes are broken, which models do not get to see here


def test_the_published_figures(headlines):
    """VADER 0.45 and FinBERT 0.52 are what the corpus's readme says of the whole of it."""
    labelled, published = headlines
    assert evaluate(plain_vader(), labelled).macro_f1 == pytest.approx(0.45, abs=0.02)
    columns = published[["finbert_negative", "finbert_neutral", "finbert_positive"]].to_numpy()
    finbert = np.abs(columns).argmax(axis=1) - 1  # their negative carries a minus sign
    assert evaluation_of(labelled.labels, finbert).macro_f1 == pytest.approx(0.52, abs=0.02)


def test_cryptos_words_help(headlines):
    labelled, _ = headlines
    assert evaluate(crypto_vader(), labelled).macro_f1 > evaluate(plain_vader(), labelled).macro_f1 + 0.08


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_may_be_words_or_numbers(tmp_path):
    path = write(tmp_path / "a.csv", '\ufefftext,label\n"up, up",1\ndown,Negative\nflat,0.0\nרע,-1\n')
    labelled = read_labelled(path)
    assert labelled.texts == ("up, up", "down", "flat", "רע")
    np.testing.assert_array_equal(labelled.labels, [1, -1, 0, -1])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("text,label\n", "has no rows"),
        ("news,label\nup,1\n", "no column text"),
        ("", "no column label, text"),
        ("text,label\nup,2\n", "line 2: '2' is no label"),
        ("text,label\nup,1\nup\n", "line 3: None is no label"),
        ("text,label\n ,1\n", "line 2: a label without a text"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path, content, complaint):
    with pytest.raises(ModelError, match=complaint):
        read_labelled(write(tmp_path / "a.csv", content))


def test_a_missing_file_and_one_of_other_bytes(tmp_path):
    with pytest.raises(ModelError, match=r"none\.csv cannot be read \(No such file or directory\); give a CSV file"):
        read_labelled(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"text,label\n\xff\xfe,1\n")
    with pytest.raises(ModelError, match="cannot be read"):
        read_labelled(tmp_path / "latin.csv")
