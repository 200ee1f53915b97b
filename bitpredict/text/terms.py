"""Texts as sparse rows of weighted terms (TF-IDF): words and pairs of words, or pieces of words.

The formula is scikit-learn's `TfidfVectorizer` with `sublinear_tf`: (1 + ln tf) · (ln((1 + n) / (1 + df)) + 1), each
text's row scaled to length 1. It is computed here, so that serving needs no scikit-learn and reads as training did.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from bitpredict.text.model import Floats, readable

Split = Callable[[str], Iterator[str]]

_WORD = re.compile(r"\b\w\w+\b")
_PIECES = range(2, 6)


def words(text: str) -> Iterator[str]:
    """Words of two signs and more, in lower case, and each pair of neighbours."""
    found = _WORD.findall(readable(text).lower())
    yield from found
    yield from map(" ".join, pairwise(found))


def pieces(text: str) -> Iterator[str]:
    """Runs of two to five signs within each word, which begins and ends with a blank; short words as a whole, once."""
    for word in readable(text).lower().split():
        padded = f" {word} "
        for length in _PIECES:
            yield padded[:length]
            yield from (padded[start : start + length] for start in range(1, len(padded) - length + 1))
            if length >= len(padded):
                break


SPLITS: Mapping[str, Split] = {"words": words, "pieces": pieces}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The k terms of a training file.

    Attributes:
        split: name of how texts are split into terms (`SPLITS`).
        terms: sorted.
        rarity: (k,) inverse document frequency.
    """

    split: str
    terms: tuple[str, ...]
    rarity: Floats

    @cached_property
    def _places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    def row(self, text: str) -> tuple[npt.NDArray[np.intp], Floats]:
        """Places of the known terms in `text`, ascending, and their weights; both empty where none is known."""
        known = self._places
        counts = Counter(place for term in SPLITS[self.split](text) if (place := known.get(term)) is not None)
        places = np.array(sorted(counts), np.intp)
        weights = (1 + np.log([counts[place] for place in places.tolist()])) * self.rarity[places]
        return places, weights / np.sqrt(np.sum(weights**2)) if len(places) else weights


def learn(split: str, texts: Sequence[str], in_at_least: int) -> Vocabulary:
    """The terms that so many of the texts have."""
    spread = Counter(chain.from_iterable(set(SPLITS[split](text)) for text in texts))
    terms = sorted(term for term, count in spread.items() if count >= in_at_least)
    frequency = np.array([spread[term] for term in terms], np.float64)
    return Vocabulary(split, tuple(terms), np.log((1 + len(texts)) / (1 + frequency)) + 1)
