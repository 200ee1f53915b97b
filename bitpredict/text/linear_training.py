"""Trains the linear classifier, and tells how well such a one does on texts that it has not seen."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ModelError
from bitpredict.text.evaluation import Evaluation, confusion_of
from bitpredict.text.labelled import Labelled
from bitpredict.text.linear import Linear, opinions
from bitpredict.text.model import CLASSES, SentimentModel, text_hash
from bitpredict.text.terms import Vocabulary, learn
from bitpredict.text.vader import crypto_vader

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

FOLDS = 5
FEWEST, FEWEST_IN_FOLDS = FOLDS, -(-FOLDS * FOLDS // (FOLDS - 1))
"""Different texts of each class to learn from; to learn from them without one fold of all."""

IN_AT_LEAST = {"words": 1, "pieces": 2}
"""Texts that a term must be in to be learnt."""

_STRICTNESS = 1.0
_STEPS = 1000


def train(labelled: Labelled) -> Linear:
    """Fit a multinomial logistic regression in which each class weighs alike. The same file gives the same model.

    Raises:
        ModelError: a class has fewer than `FEWEST` texts.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    _check(labelled, FEWEST)
    vocabularies = tuple(learn(split, labelled.texts, least) for split, least in IN_AT_LEAST.items())
    opinion = crypto_vader()
    rows = _matrix(labelled, vocabularies, opinion)
    with threadpool_limits(limits=1):  # with several threads the last bits depend on how many
        fitted = LogisticRegression(C=_STRICTNESS, class_weight="balanced", max_iter=_STEPS).fit(rows, labelled.labels)
    return Linear(vocabularies, np.ascontiguousarray(fitted.coef_.T), fitted.intercept_, opinion.version)


def train_and_store(labelled: Labelled, stored: Path) -> tuple[Linear, Evaluation]:
    """Train on all the texts, store the classifier, and tell how well one of its kind does on texts it has not seen.

    Raises:
        ModelError: a class has too few texts. What is stored stays.
        StorageError: the file cannot be written. What is stored stays.
    """
    result = evaluate_trained(labelled, train)
    model = train(labelled)
    model.save(stored)
    return model, result


def evaluate_trained(labelled: Labelled, build: Callable[[Labelled], SentimentModel]) -> Evaluation:
    """Judge each text by a model that was built from the other folds.

    The same text, however often it occurs, is in one fold; the folds are drawn with a fixed seed, each class spread
    over them.

    Raises:
        ModelError: a class has fewer than `FEWEST_IN_FOLDS` texts.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    _check(labelled, FEWEST_IN_FOLDS)
    names = [text_hash(text) for text in labelled.texts]
    groups = np.unique(names, return_inverse=True)[1]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    parts = [
        _judged(labelled, seen, unseen, build) for seen, unseen in folds.split(labelled.texts, labelled.labels, groups)
    ]
    confusion = np.sum([part.confusion for part in parts], axis=0)
    return Evaluation(parts[0].model, f"{FOLDS}-fold", confusion, tuple(part.macro_f1 for part in parts))


def _judged(
    labelled: Labelled,
    seen: npt.NDArray[np.intp],
    unseen: npt.NDArray[np.intp],
    build: Callable[[Labelled], SentimentModel],
) -> Evaluation:
    model, others = build(labelled.take(seen)), labelled.take(unseen)
    said = model.score(others.texts)
    return Evaluation(model.name, model.version, confusion_of(others.labels, said.label))


def _matrix(labelled: Labelled, vocabularies: tuple[Vocabulary, ...], opinion: SentimentModel) -> "csr_matrix":
    """(n, k + 3) rows as `Linear` describes them."""
    from scipy import sparse  # type: ignore[import-untyped]

    blocks = [_block(labelled.texts, vocabulary) for vocabulary in vocabularies]
    return sparse.hstack([*blocks, sparse.csr_matrix(opinions(opinion.score(labelled.texts)))], format="csr")


def _block(texts: tuple[str, ...], vocabulary: Vocabulary) -> "csr_matrix":
    from scipy import sparse

    rows = [vocabulary.row(text) for text in texts]
    starts = np.cumsum([0, *(len(places) for places, _ in rows)])
    content = np.concatenate([weights for _, weights in rows]), np.concatenate([places for places, _ in rows]), starts
    return sparse.csr_matrix(content, shape=(len(texts), len(vocabulary.terms)))


def _check(labelled: Labelled, fewest: int) -> None:
    for label, name in enumerate(CLASSES, start=-1):
        distinct = len({text_hash(text) for text in labelled.take(np.flatnonzero(labelled.labels == label)).texts})
        if distinct < fewest:
            raise ModelError(f"{distinct} different {name} texts are too few to learn from; label {fewest} or more")
