"""VADER (Hutto and Gilbert, 2014): words with weights, negations and boosters; with crypto's words or without."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

import numpy as np

from bitpredict.text.lexicon import CRYPTO_LEXICON
from bitpredict.text.model import Sentiments, from_scores, readable

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]


class Vader:
    """VADER with `words` in place of its own weights for them; a word that weighs 0 is none of VADER's any more."""

    def __init__(self, name: str, words: Mapping[str, float]) -> None:
        self.name = name
        self._words = words
        digest = hashlib.sha256(json.dumps(sorted(words.items())).encode()).hexdigest()[:12]
        self.version = f"vaderSentiment-{installed('vaderSentiment')}" + (f"+{digest}" if words else "")

    @cached_property
    def _analyzer(self) -> "SentimentIntensityAnalyzer":
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        analyzer = SentimentIntensityAnalyzer()
        analyzer.lexicon.update(self._words)
        for word in [word for word, weight in self._words.items() if weight == 0]:
            del analyzer.lexicon[word]
        return analyzer

    def score(self, texts: Sequence[str]) -> Sentiments:
        said = [self._analyzer.polarity_scores(readable(text)) for text in texts]
        compound = np.array([parts["compound"] for parts in said], np.float64)
        found = np.array([parts["pos"] > 0 or parts["neg"] > 0 for parts in said], np.bool_)
        return from_scores(self.name, self.version, compound, found)


def crypto_vader() -> Vader:
    """VADER with `CRYPTO_LEXICON`."""
    return Vader("vader", CRYPTO_LEXICON)


def plain_vader() -> Vader:
    """VADER as its authors publish it."""
    return Vader("vader-plain", {})
