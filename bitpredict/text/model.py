"""The interface of sentiment models: texts in, and for each its label, score and probabilities, and who said so."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ContractError

Labels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]
Row = tuple[int, float, list[float], bool, str, str]

NEGATIVE, NEUTRAL, POSITIVE = -1, 0, 1
CLASSES = ("negative", "neutral", "positive")
"""In the order of the probabilities; a label is its place here less one."""

LONGEST_TEXT = 4000
"""Characters that a model reads of a text: a headline and its summary several times over; the rest says nothing new."""

NEUTRAL_BELOW = 0.05
"""A score nearer to nought than this is neutral (the convention of VADER's authors)."""


@dataclass(frozen=True, eq=False)
class Sentiments:
    """What was said of n texts, in their order.

    Attributes:
        label: (n,) -1 negative, 0 neutral, 1 positive.
        score: (n,) in [-1, 1].
        probabilities: (n, 3) of negative, neutral, positive; rows add up to 1. Of word lists they say how strong the
            words are (`from_scores`), of trained models how sure the model is.
        found: (n,) whether the model found anything in the text to go by; where not, the row is neutral.
        model, version: (n,) who said it.
    """

    label: Labels
    score: Floats
    probabilities: Floats
    found: Bools
    model: Names
    version: Names

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: npt.NDArray[np.intp]) -> "Sentiments":
        """The given rows, in the given order."""
        return Sentiments(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def replaced(self, rows: npt.NDArray[np.intp], by: "Sentiments") -> "Sentiments":
        """These, with `rows` as `by` has them."""
        columns = {name: getattr(self, name).copy() for name in self.__dataclass_fields__}
        for name, column in columns.items():
            column[rows] = getattr(by, name)
        return Sentiments(**columns)

    def rows(self) -> list[Row]:
        """Each text's answer as plain values, in the order of the attributes."""
        columns = [getattr(self, name).tolist() for name in self.__dataclass_fields__]
        return list(zip(*columns, strict=True))

    @classmethod
    def from_rows(cls, rows: Sequence[Row]) -> "Sentiments":
        """What `rows` was made of."""
        label, score, probabilities, found, model, version = zip(*rows, strict=True) if rows else ((),) * 6
        return cls(
            np.array(label, np.int8),
            np.array(score, np.float64),
            np.array(probabilities, np.float64).reshape(-1, len(CLASSES)),
            np.array(found, np.bool_),
            np.array(model, object),
            np.array(version, object),
        )


class SentimentModel(Protocol):
    """Reads texts. A text that is empty, or says nothing to the model, is neutral and not `found`; none is an error."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Changes whenever the same text may be answered otherwise."""

    def score(self, texts: Sequence[str]) -> Sentiments: ...


def readable(text: str) -> str:
    """The part of `text` that models read: printed quotes are plain ones, control characters and lone surrogates are
    blanks, direction marks and other invisible characters are none, runs of blanks are one, and at most `LONGEST_TEXT`
    characters are left.

    Raises:
        ContractError: it is not a text.
    """
    if not isinstance(text, str):
        raise ContractError(f"{text!r} is no text; give an empty one where there is none")
    start = text[: 2 * LONGEST_TEXT]
    if not (start.isascii() and start.isprintable()):
        start = start.translate(_PLAIN)
    return " ".join(start.split())[:LONGEST_TEXT].rstrip()


class _PlainSigns(dict[int, str]):
    """Code point → what stands for it; filled as they are met."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        if 0x80 <= code < 0xA0:  # no text means a C1 control: Windows-1252 was read as Latin-1
            sign = bytes([code]).decode("cp1252", errors="ignore") or " "
        kind = unicodedata.category(sign)
        plain = "" if kind == "Cf" else " " if kind in ("Cc", "Cs", "Co") else _QUOTES.get(sign, sign)
        self[code] = plain
        return plain


_QUOTES = {"\N{LEFT SINGLE QUOTATION MARK}": "'", "\N{RIGHT SINGLE QUOTATION MARK}": "'"} | {
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
}
_PLAIN = _PlainSigns()


def text_hash(text: str) -> bytes:
    """What names a text in a cache: 16 bytes of what models read of it, so that invisible differences are none."""
    return hashlib.blake2b(readable(text).encode(), digest_size=16).digest()


def from_scores(name: str, version: str, score: Floats, found: Bools) -> Sentiments:
    """Sentiments of a list of words, which gives one number: |score| is its side's share, the rest is neutral's."""
    probabilities = np.stack([np.maximum(-score, 0.0), 1.0 - np.abs(score), np.maximum(score, 0.0)], axis=1)
    return Sentiments(label_of(score), score, probabilities, found, *_said_by(name, version, len(score)))


def from_probabilities(name: str, version: str, probabilities: Floats, found: Bools) -> Sentiments:
    """Sentiments of a trained model: the likeliest class, and P(positive) less P(negative) as the score.

    Rows that are not `found` become certainly neutral, whatever the model makes of nothing.
    """
    certain = np.array([0.0, 1.0, 0.0])
    rows = np.where(found[:, np.newaxis], probabilities, certain)
    label = (rows.argmax(axis=1) - 1).astype(np.int8)
    return Sentiments(label, rows[:, 2] - rows[:, 0], rows, found, *_said_by(name, version, len(rows)))


def label_of(score: Floats) -> Labels:
    """(n,) scores as labels: -1, 0 below `NEUTRAL_BELOW` on either side, 1."""
    return (np.sign(score) * (np.abs(score) >= NEUTRAL_BELOW)).astype(np.int8)


def _said_by(name: str, version: str, rows: int) -> tuple[Names, Names]:
    return np.full(rows, name, object), np.full(rows, version, object)
