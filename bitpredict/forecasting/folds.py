"""Which rows are trained on and which are held out: always with at least a horizon between them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bitpredict.features.minutes import Times
from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame

FOLDS = 4
SCORED_SHARE = 0.25
"""The last quarter of a training span is walked through in four folds."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Origins of [start, end) are scored by a model trained on rows whose target_time is before `start`."""

    start: np.datetime64
    end: np.datetime64

    def train(self, frame: TrainingFrame) -> TrainingFrame:
        return frame.take(frame.target_time < self.start)

    def test(self, origin: Times) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (origin >= self.start) & (origin < self.end)
        return found


def walk_forward(origin: Times) -> list[Fold]:
    """Cut the last quarter of the span of `origin` (ascending) into folds of equal length, in order of time."""
    span = origin[-1] - origin[0]
    edges = [origin[-1] - span * SCORED_SHARE * (1.0 - k / FOLDS) for k in range(FOLDS)]
    return [Fold(a, b) for a, b in zip(edges, [*edges[1:], origin[-1] + np.timedelta64(1, "us")], strict=True)]


def held_out(
    frame: TrainingFrame, blocks: int, fit: Callable[[TrainingFrame], Callable[[FeatureRows], Floats]]
) -> Floats:
    """Forecast each row by a fit on the other contiguous blocks, purged by the horizon on both sides of the block.

    Args:
        blocks: how many, of equal numbers of rows.
        fit: makes a function from rows to (n,) forecasts out of a training frame.

    Returns:
        (n,) in the order of the frame.
    """
    forecasts = np.empty(len(frame))
    edges = np.linspace(0, len(frame), blocks + 1).astype(int)
    for first, past in pairwise(edges):
        block = frame.take(slice(first, past))
        apart = (frame.target_time < block.origin[0]) | (frame.origin > block.target_time[-1])
        forecasts[first:past] = fit(frame.take(apart))(block.rows)
    return forecasts
