"""The trained classifier: learns, repeats itself, survives its file, and is measured on what it has not seen."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from bitpredict.errors import ModelError, StorageError
from bitpredict.text import linear
from bitpredict.text.evaluation import evaluate
from bitpredict.text.labelled import Labelled, read_labelled
from bitpredict.text.linear import Linear, load
from bitpredict.text.linear_training import FEWEST_IN_FOLDS, FOLDS, evaluate_trained, train, train_and_store
from bitpredict.text.model import Sentiments, from_scores

UP, DOWN, FLAT = "zorp frobs {}", "blick {} gnarls", "meh {} quux"


def made(each=12):
    """Texts of invented words that no list of words knows, so that only training can tell them apart."""
    texts = [kind.format(f"nr{row}") for row in range(each) for kind in (DOWN, FLAT, UP)]
    return Labelled(tuple(texts), np.array([-1, 0, 1] * each, np.int8))


@pytest.fixture(scope="module")
def model():
    return train(made())


def test_it_learns_words_that_no_list_knows(model):
    said = model.score(["zorp it frobs", "blick gnarls", "quux and meh"])
    np.testing.assert_array_equal(said.label, [1, -1, 0])
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(said.score, said.probabilities[:, 2] - said.probabilities[:, 0])


def test_it_answers_as_scikit_learns_own_model_does(model):
    from scipy.special import softmax

    from bitpredict.text.linear_training import _matrix
    from bitpredict.text.vader import crypto_vader

    texts = made(3)
    rows = _matrix(texts, model.vocabularies, crypto_vader()).toarray()
    expected = softmax(rows @ model.weights + model.offset, axis=1)
    np.testing.assert_allclose(model.score(texts.texts).probabilities, expected)


def test_the_same_file_gives_the_same_model_to_the_byte(model, tmp_path):
    again = train(made())
    assert again.version == model.version
    model.save(tmp_path / "a.npz")
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert train(made(13)).version != model.version


def test_it_is_the_same_behind_its_file(model, tmp_path):
    model.save(tmp_path / "deep" / "linear.npz")
    back = load(tmp_path / "deep" / "linear.npz")
    assert back.version == model.version
    texts = ["zorp", "", "Bitcoin surges", "שלום", "a" * 100_000]
    np.testing.assert_array_equal(back.score(texts).probabilities, model.score(texts).probabilities)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["linear.npz"]


def test_texts_without_words_leave_a_vocabulary_empty(tmp_path):
    signs = Labelled(("- {}", "+ {}", "= {}"), np.array([-1, 1, 0], np.int8)).take(np.tile([0, 1, 2], 5))
    texts = tuple(text.format("!?;:/"[row // 3]) for row, text in enumerate(signs.texts))
    trained = train(Labelled(texts, signs.labels))
    assert trained.vocabularies[0].terms == ()
    trained.save(tmp_path / "linear.npz")
    assert load(tmp_path / "linear.npz").version == trained.version


def test_odd_texts_are_neutral_and_not_found_without_a_known_word(model):
    said = model.score(["", " \x00", "xyzzy", "🚫🚫", "a" * 100_000, "zorp \ud83d\x00 frobs"])
    np.testing.assert_array_equal(said.found, [False, False, False, False, False, True])
    assert not said.label[:5].any()
    assert said.label[5] == 1
    assert len(model.score([])) == 0


@pytest.mark.slow
def test_serving_needs_no_scikit_learn(model, tmp_path):
    model.save(tmp_path / "linear.npz")
    code = (
        "import sys; from pathlib import Path; from bitpredict.text.linear import load;"
        "print(load(Path('linear.npz')).score(['zorp frobs']).label[0]);"
        "print({'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "set()"]


def test_a_missing_or_damaged_file_names_the_remedy(model, tmp_path):
    path = tmp_path / "linear.npz"
    with pytest.raises(ModelError, match="bitpredict sentiment train"):
        load(path)
    model.save(path)
    whole = path.read_bytes()
    for broken in (b"", b"no zip", whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(ModelError, match="is damaged"):
            load(path)


def replaced(path, name, array):
    """Replace one array of the file."""
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files} | {name: array}
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("weights", np.zeros((3, 3)), "shape"),
        ("offset", np.array([0.0, np.nan, 0.0]), "not finite"),
        ("format", np.frombuffer(b"2", np.uint8), "format"),
        ("opinion", np.frombuffer(b"vader-0", np.uint8), "train it anew"),
        ("weights", np.array([None]), "Object arrays"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(model, tmp_path, name, array, complaint):
    path = tmp_path / "linear.npz"
    model.save(path)
    replaced(path, name, array)
    with pytest.raises(ModelError, match=complaint):
        load(path)


def test_a_folder_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        model.save(tmp_path / "file" / "linear.npz")


def test_too_few_texts_of_a_class_are_refused():
    few = made(FOLDS - 1)
    with pytest.raises(ModelError, match="4 different negative texts"):
        train(few)
    with pytest.raises(ModelError, match="6 different negative texts are too few to learn from; label 7"):
        evaluate_trained(made(FEWEST_IN_FOLDS - 1), train)
    assert len(evaluate_trained(made(FEWEST_IN_FOLDS), train).folds) == FOLDS
    repeated = Labelled(made(1).texts * 20, np.tile(made(1).labels, 20))
    with pytest.raises(ModelError, match="1 different"):
        evaluate_trained(repeated, train)


class Memory:
    """A model that knows only what it was shown: on unseen texts it has nothing to say."""

    name, version = "memory", "1"

    def __init__(self, shown: Labelled) -> None:
        self._known = dict(zip(shown.texts, shown.labels.tolist(), strict=True))

    def score(self, texts) -> Sentiments:
        said = np.array([float(self._known.get(text, 0)) for text in texts])
        return from_scores(self.name, self.version, said, said != 0)


def test_no_text_is_judged_by_a_model_that_saw_it():
    """Each text is there three times: a fold that splits them would let the memory answer."""
    once = made(10)
    thrice = Labelled(once.texts * 3, np.tile(once.labels, 3))
    result = evaluate_trained(thrice, Memory)
    assert result.texts == 90
    np.testing.assert_array_equal(result.recall, [0, 1, 0])
    assert evaluate(Memory(thrice), thrice).macro_f1 == 1
    assert len(result.folds) == FOLDS


def test_files_hold_no_pickle(model, tmp_path):
    model.save(tmp_path / "linear.npz")
    with zipfile.ZipFile(tmp_path / "linear.npz") as file:
        assert {name.removesuffix(".npy") for name in file.namelist()} == set(model._arrays())
    assert isinstance(load(tmp_path / "linear.npz"), Linear)
    assert all(array.dtype.hasobject is False for array in model._arrays().values())
    assert "pickle" not in vars(linear)


@pytest.mark.slow
def test_recorded_headlines_in_five_folds_reach_the_goal(recordings):
    from sklearn.metrics import f1_score

    labelled = read_labelled(recordings / "sentiment" / "cryptolin_even.csv", "news", "final_manual_labelling")
    result = evaluate_trained(labelled, train)
    assert result.texts == 1342
    assert result.macro_f1 >= 0.60
    assert min(result.folds) > 0.55
    assert np.all(result.recall > 0.5)
    recomputed_truth = np.repeat([-1, 0, 1], result.confusion.sum(axis=1))
    recomputed_said = np.concatenate([np.repeat([-1, 0, 1], row) for row in result.confusion])
    assert result.macro_f1 == pytest.approx(f1_score(recomputed_truth, recomputed_said, average="macro"))


def test_what_was_learnt_is_stored_and_what_cannot_be_learnt_leaves_it(tmp_path):
    file = tmp_path / "linear.npz"
    stored, result = train_and_store(made(), file)
    assert load(file).version == stored.version
    assert (result.texts, len(result.folds), result.version) == (36, FOLDS, "5-fold")
    with pytest.raises(ModelError, match="too few"):
        train_and_store(made(2), file)
    assert load(file).version == stored.version
