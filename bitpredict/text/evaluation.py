"""How well a model agrees with people: macro-F1, recall by class, confusion."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ContractError
from bitpredict.text.labelled import Labelled
from bitpredict.text.model import CLASSES, Floats, Labels, SentimentModel


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model on one labelled file.

    Attributes:
        confusion: (3, 3) texts; row: as people judged, column: as the model did; negative, neutral, positive.
        folds: macro-F1 of each fold where the model was trained on the others; empty where it was not trained.
    """

    model: str
    version: str
    confusion: npt.NDArray[np.int64]
    folds: tuple[float, ...] = ()

    @property
    def texts(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.texts)

    @property
    def recall(self) -> Floats:
        """(3,) share of each class that was recognized; NaN for a class that does not occur."""
        occurring = self.confusion.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.diag(self.confusion) / occurring, np.float64)

    @property
    def macro_f1(self) -> float:
        """Mean over the classes that occur, among people's labels or the model's, of 2 TP / (2 TP + FP + FN)."""
        hits = np.diag(self.confusion)
        either = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return float(np.mean(2 * hits[either > 0] / either[either > 0]))


def confusion_of(truth: Labels, said: Labels) -> npt.NDArray[np.int64]:
    """(3, 3) counts of (truth, said).

    Raises:
        ContractError: there are not as many of one as of the other, or none.
    """
    if len(truth) != len(said) or len(truth) == 0:
        raise ContractError(f"{len(truth)} labels and {len(said)} answers; one answer for each label is needed")
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (truth.astype(int) + 1, said.astype(int) + 1), 1)
    return counts


def evaluate(model: SentimentModel, labelled: Labelled) -> Evaluation:
    """Compare a model that has not seen the labels with them."""
    said = model.score(labelled.texts)
    return Evaluation(model.name, model.version, confusion_of(labelled.labels, said.label))
