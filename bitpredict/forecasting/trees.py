"""Boosted trees as plain arrays, evaluated for one row or many without the library that grew them.

Every inner node of every tree is tested at once; each failed test rules out the leaves to the left of it, as bits of
one integer a tree, and the lowest bit that is left names the leaf (QuickScorer: Lucchese et al., 2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ModelError
from bitpredict.features.windows import Floats
from bitpredict.forecasting.recipe import Arrays

MOST_LEAVES = 64
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Trees:
    """t regression trees of at most l leaves, whose sum is a prediction.

    Attributes:
        feature: (t, l - 1) column that each inner node tests.
        threshold: (t, l - 1) a value not above it goes left; unused nodes hold infinity.
        ruled_in: (t, l - 1) unsigned: bits of the leaves that remain when the test fails.
        value: (t, l) of the leaves from left to right.
        offset: added to the sum.
    """

    feature: npt.NDArray[np.intp]
    threshold: Floats
    ruled_in: npt.NDArray[np.unsignedinteger]
    value: Floats
    offset: float

    def predict(self, x: Floats) -> Floats:
        """(n,) sum of the trees for (n, p) values without NaN."""
        found = np.empty(len(x))
        for first in range(0, len(x), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            found[part] = self._predict(x[part])
        return found

    def _predict(self, x: Floats) -> Floats:
        passed = x[:, self.feature] <= self.threshold
        everything = np.iinfo(self.ruled_in.dtype).max
        left = np.bitwise_and.reduce(np.where(passed, everything, self.ruled_in), axis=2)
        lowest = left & (~left + self.ruled_in.dtype.type(1))
        leaf = np.frexp(lowest.astype(np.float64))[1] - 1
        chosen = self.value[np.arange(len(self.value)), leaf]
        # Rows one after the other in memory: else the order of summation depends on how many there are.
        total: Floats = np.ascontiguousarray(chosen).sum(axis=1) + self.offset
        return total

    def to_arrays(self) -> Arrays:
        return {
            "tree_feature": self.feature.astype(np.int32),
            "tree_threshold": self.threshold,
            "tree_ruled_in": self.ruled_in,
            "tree_value": self.value,
            "tree_offset": np.array(self.offset),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        return cls(
            feature=arrays["tree_feature"].astype(np.intp),
            threshold=arrays["tree_threshold"].astype(np.float64),
            ruled_in=arrays["tree_ruled_in"],  # type: ignore[arg-type]
            value=arrays["tree_value"].astype(np.float64),
            offset=float(arrays["tree_offset"]),
        )


def from_nodes(trees: Sequence[npt.NDArray[np.void]], offset: float) -> Trees:
    """Build from trees as scikit-learn's histogram boosting stores them.

    Args:
        trees: structured arrays with the fields feature_idx, num_threshold, left, right, is_leaf, is_categorical and
            value; node 0 is the root.
        offset: the prediction before the first tree.

    Raises:
        ModelError: a categorical split, or more leaves than the bits of an integer.
    """
    leaves = max([2, *(int(nodes["is_leaf"].sum()) for nodes in trees)])
    if leaves > MOST_LEAVES:
        raise ModelError(f"a tree has {leaves} leaves; at most {MOST_LEAVES} can be served")
    bits = np.min_scalar_type(2**leaves - 1)
    shape = (len(trees), leaves - 1)
    feature, threshold = np.zeros(shape, np.intp), np.full(shape, np.inf)
    ruled_in = np.full(shape, np.iinfo(bits).max, bits)
    value = np.zeros((len(trees), leaves))
    for tree, nodes in enumerate(trees):
        if nodes["is_categorical"].any():
            raise ModelError("a tree splits on categories, which the plain arrays cannot hold; train on numbers")
        tests, values = _flatten(nodes, 0, 0)
        value[tree, : len(values)] = values
        for place, (column, limit, first, past) in enumerate(tests):
            feature[tree, place], threshold[tree, place] = column, limit
            ruled_in[tree, place] ^= bits.type((1 << past) - (1 << first))
    return Trees(feature, threshold, ruled_in, value, offset)


def _flatten(
    nodes: npt.NDArray[np.void], node: int, first: int
) -> tuple[list[tuple[int, float, int, int]], list[float]]:
    """The tests below `node` as (column, threshold, first and past-the-last leaf on the left), and the leaves' values.

    Args:
        first: how many leaves of the tree lie to the left of this node.
    """
    here = nodes[node]
    if here["is_leaf"]:
        return [], [float(here["value"])]
    left_tests, left = _flatten(nodes, int(here["left"]), first)
    right_tests, right = _flatten(nodes, int(here["right"]), first + len(left))
    test = (int(here["feature_idx"]), float(here["num_threshold"]), first, first + len(left))
    return [test, *left_tests, *right_tests], left + right
