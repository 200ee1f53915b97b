"""TextBlob's list of adjectives: little of finance is in it, which makes it the last to be asked."""

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version as installed

import numpy as np

from bitpredict.text.model import Sentiments, from_scores, readable


class Blob:
    """TextBlob's polarity. Needs none of NLTK's corpora."""

    name = "textblob"

    @cached_property
    def version(self) -> str:
        return f"textblob-{installed('textblob')}"

    def score(self, texts: Sequence[str]) -> Sentiments:
        from textblob.en import sentiment  # type: ignore[import-untyped]

        said = [sentiment(readable(text)) for text in texts]
        polarity = np.array([polarity for polarity, _ in said], np.float64)
        found = np.array([polarity != 0 or subjectivity != 0 for polarity, subjectivity in said], np.bool_)
        return from_scores(self.name, self.version, np.clip(polarity, -1.0, 1.0), found)
