"""Every model beside the others on one labelled file; what is trained is judged on what it has not seen."""

from collections.abc import Mapping

from bitpredict.errors import ModelError
from bitpredict.settings import Settings
from bitpredict.text.chain import Chain
from bitpredict.text.evaluation import Evaluation, evaluate
from bitpredict.text.labelled import Labelled
from bitpredict.text.linear_training import evaluate_trained, train
from bitpredict.text.model import SentimentModel
from bitpredict.text.opening import MODELS


def compare(labelled: Labelled, settings: Settings) -> tuple[list[Evaluation], Mapping[str, str]]:
    """Evaluate each model by itself, and the settings' chain of those that are there.

    The classifier is trained anew in each of five folds, by itself and in the chain: the stored one may have learnt
    from this very file.

    Returns:
        The evaluations, the chain's last; name → why a model is not among them.
    """
    there: dict[str, SentimentModel] = {}
    absent: dict[str, str] = {}
    results: list[Evaluation] = []
    for name in MODELS:
        try:
            if name == "linear":
                results.append(evaluate_trained(labelled, train))
            else:
                there[name] = MODELS[name](settings)
                results.append(evaluate(there[name], labelled))
        except ModelError as error:
            there.pop(name, None)
            absent[name] = str(error)
    links = [name for name in settings.sentiment_models if name not in absent]
    if "linear" in links:
        results.append(
            evaluate_trained(
                labelled, lambda seen: Chain([train(seen) if name == "linear" else there[name] for name in links])
            )
        )
    elif links:
        results.append(evaluate(Chain([there[name] for name in links]), labelled))
    return results, absent
