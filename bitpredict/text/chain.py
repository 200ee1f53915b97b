"""Several models as one: the first that finds something in a text speaks for it, and what was said is remembered."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import structlog

from bitpredict.errors import ModelError
from bitpredict.text.model import Row, SentimentModel, Sentiments, text_hash

REMEMBERED = 10_000
"""Texts whose sentiment a cache holds: some days of 26 feeds."""

log = structlog.get_logger()


class Chain:
    """Asks models in turn; `model` and `version` of each row say who spoke.

    A text in which none finds anything is neutral, said by the last. A model that fails is passed over for these texts
    and logged.
    """

    name = "chain"

    def __init__(self, models: Sequence[SentimentModel]) -> None:
        if not models:
            raise ModelError("a chain of no models; name some in BITPREDICT_SENTIMENT_MODELS")
        self.models = tuple(models)

    @property
    def version(self) -> str:
        return ">".join(model.version for model in self.models)

    def score(self, texts: Sequence[str]) -> Sentiments:
        """What each text says.

        Raises:
            ModelError: every model failed.
        """
        said: Sentiments | None = None
        failure: ModelError | None = None
        silent = np.arange(len(texts))
        for model in self.models:
            try:
                answer = model.score([texts[row] for row in silent.tolist()])
            except ModelError as error:
                log.warning("a sentiment model failed", model=model.name, texts=len(silent), error=str(error))
                failure = error
                continue
            said = answer if said is None else said.replaced(silent, answer)
            silent = np.flatnonzero(~said.found)
            if len(silent) == 0:
                break
        if said is None:
            raise ModelError(f"every sentiment model failed, the last with: {failure}") from failure
        return said


class Cached:
    """A model that is asked about each text once, as long as the text is among the `capacity` last ones.

    Texts are told apart by what models read of them (`text_hash`). Safe to share between threads.

    Attributes:
        hits, misses: texts that were remembered, and that had to be asked; a text twice in one call is asked once.
    """

    def __init__(self, model: SentimentModel, capacity: int = REMEMBERED) -> None:
        self.name = model.name
        self.hits = self.misses = 0
        self._model = model
        self._capacity = capacity
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Row] = OrderedDict()

    @property
    def version(self) -> str:
        return self._model.version

    def score(self, texts: Sequence[str]) -> Sentiments:
        keys = [text_hash(text) for text in texts]
        with self._lock:
            rows = {key: self._known[key] for key in keys if key in self._known}
            for key in rows:
                self._known.move_to_end(key)
        new: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if key not in rows:
                new.setdefault(key, text)
        answers = dict(zip(new, self._model.score(list(new.values())).rows(), strict=True)) if new else {}
        with self._lock:
            self.misses += len(new)
            self.hits += len(keys) - len(new)
            self._known |= answers
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
        rows |= answers
        return Sentiments.from_rows([rows[key] for key in keys])
