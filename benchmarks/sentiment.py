"""Headlines a second through the chain of sentiment models, each new to its memory, against VADER's own loop.

A second is one of processor time: all of it happens in one thread, and other work on the machine does not count.
"""

import csv
import os
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.recordings import FOLDER
from bitpredict.text.blob import Blob
from bitpredict.text.chain import Cached, Chain
from bitpredict.text.labelled import read_labelled
from bitpredict.text.linear_training import train
from bitpredict.text.model import SentimentModel
from bitpredict.text.vader import crypto_vader

HEADLINES = FOLDER / "news" / "cryptonews_2021_2022.csv"
LABELLED = FOLDER / "sentiment" / "cryptolin_even.csv"
LIMIT = 5000
"""Headlines a second."""

AT_ONCE = 500
ROUNDS = 5


def main() -> None:
    """Print headlines a second of each chain, and their share of VADER's own speed."""
    if not HEADLINES.is_file():
        print(f"sentiment: skipped, no recordings at {HEADLINES}")
        return
    with HEADLINES.open(encoding="utf-8", newline="") as file:
        headlines = list(dict.fromkeys(row["title"] for row in csv.DictReader(file, delimiter=";")))
    vader, blob = crypto_vader(), Blob()
    remembering = Cached(vader, len(headlines))
    _rate(remembering, headlines)
    chains: dict[str, Callable[[], SentimentModel]] = {
        "vader": lambda: Cached(Chain([vader])),
        "vader, textblob": lambda: Cached(Chain([vader, blob])),
        "linear, vader, textblob": _with_linear(vader, blob),
        "all remembered": lambda: remembering,
    }
    bare, rates = [], {name: [] for name in chains}
    for _ in range(ROUNDS):  # in turns, so that a busy machine slows all alike
        bare.append(_bare_rate(headlines))
        for name, chain in chains.items():
            rates[name].append(_rate(chain(), headlines))
    own = np.median(bare)
    print(f"{len(headlines):,} headlines, {AT_ONCE} at once, load {os.getloadavg()[0]:.1f}")
    print(f"  VADER's own loop: {own:,.0f}/s")
    for name, found in rates.items():
        rate = np.median(found)
        print(f"  chain {name}: {rate:,.0f}/s, {rate / LIMIT:.1f} x {LIMIT:,}/s, {rate / own:.2f} x VADER's own")


def _with_linear(*others: SentimentModel) -> Callable[[], SentimentModel]:
    linear = train(read_labelled(LABELLED, "news", "final_manual_labelling"))
    return lambda: Cached(Chain([linear, *others]))


def _rate(model: SentimentModel, headlines: Sequence[str]) -> float:
    begun = time.process_time()
    for start in range(0, len(headlines), AT_ONCE):
        model.score(headlines[start : start + AT_ONCE])
    return len(headlines) / (time.process_time() - begun)


def _bare_rate(headlines: Sequence[str]) -> float:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    begun = time.process_time()
    for headline in headlines:
        analyzer.polarity_scores(headline)
    return len(headlines) / (time.process_time() - begun)


if __name__ == "__main__":
    main()
