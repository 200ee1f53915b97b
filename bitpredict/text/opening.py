"""The chain of models that the settings name, of those that are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bitpredict.errors import ModelError
from bitpredict.settings import Settings
from bitpredict.text.blob import Blob
from bitpredict.text.chain import Cached, Chain
from bitpredict.text.finbert import FinBert
from bitpredict.text.linear import load
from bitpredict.text.model import SentimentModel
from bitpredict.text.vader import crypto_vader, plain_vader

MODELS: Mapping[str, Callable[[Settings], SentimentModel]] = {
    "linear": lambda settings: load(settings.linear_sentiment),
    "finbert": lambda settings: FinBert(settings.finbert),
    "vader": lambda _: crypto_vader(),
    "vader-plain": lambda _: plain_vader(),
    "textblob": lambda _: Blob(),
}
"""By the names that BITPREDICT_SENTIMENT_MODELS knows; a model that is not there raises a ModelError."""


@dataclass(frozen=True)
class Opened:
    """The models that are there.

    Attributes:
        models: in the order of the settings.
        absent: name → why it is not there and what would bring it.
    """

    models: tuple[SentimentModel, ...]
    absent: Mapping[str, str]

    def chain(self) -> Cached:
        """The models as one, with a memory.

        Raises:
            ModelError: there are none.
        """
        if not self.models:
            raise ModelError("; ".join(self.absent.values()))
        return Cached(Chain(self.models))


def open_models(settings: Settings) -> Opened:
    """Open every model that the settings name."""
    models: list[SentimentModel] = []
    absent: dict[str, str] = {}
    for name in settings.sentiment_models:
        try:
            models.append(MODELS[name](settings))
        except ModelError as error:
            absent[name] = str(error)
    return Opened(tuple(models), absent)
