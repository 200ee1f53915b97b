from typing import Any

import numpy as np
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.trees import Trees, from_nodes

RANDOM = np.random.default_rng(9)
X = RANDOM.normal(0, 1, (4000, 12))
Y = np.exp(X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + RANDOM.normal(0, 0.2, len(X)))


def grow(**how) -> tuple[Any, Trees]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(loss="gamma", early_stopping=False, random_state=0, **how).fit(X, Y)
    nodes = [stage[0].nodes for stage in model._predictors]
    return model, from_nodes(nodes, model._baseline_prediction.item())


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"max_leaf_nodes": 8, "max_iter": 150}, id="the recipe's size", marks=pytest.mark.slow),
        pytest.param({"max_leaf_nodes": 2, "max_iter": 5}, id="stumps"),
        pytest.param(
            {"max_leaf_nodes": 64, "max_iter": 20, "min_samples_leaf": 5},
            id="as many leaves as bits",
            marks=pytest.mark.slow,
        ),
        pytest.param({"max_leaf_nodes": 31, "max_iter": 20}, id="the library's default", marks=pytest.mark.slow),
        pytest.param({"min_samples_leaf": 3000, "max_iter": 3}, id="no split at all"),
    ],
)
def test_predictions_are_those_of_scikit_learn(how):
    model, trees = grow(**how)
    unseen = RANDOM.normal(0, 2, (5000, 12))
    expected = model.predict(unseen)
    np.testing.assert_allclose(np.exp(trees.predict(unseen)), expected, rtol=1e-12)
    edges = np.array(X[:50])  # values that thresholds were made of
    np.testing.assert_allclose(np.exp(trees.predict(edges)), model.predict(edges), rtol=1e-12)


@pytest.mark.slow
def test_one_row_has_the_bits_of_many():
    _, trees = grow(max_leaf_nodes=8, max_iter=60)
    together = trees.predict(X)
    assert [trees.predict(X[i : i + 1])[0] for i in range(0, 4000, 397)] == together[::397].tolist()


def test_arrays_bring_them_back():
    _, trees = grow(max_leaf_nodes=8, max_iter=20)
    again = Trees.from_arrays(trees.to_arrays())
    assert np.array_equal(again.predict(X), trees.predict(X))


def test_more_leaves_than_bits_are_refused():
    with pytest.raises(ModelError, match="at most 64"):
        grow(max_leaf_nodes=65, max_iter=2, min_samples_leaf=5)


def test_categories_are_refused():
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(categorical_features=[0], max_iter=2).fit(np.abs(X).round(), Y)
    with pytest.raises(ModelError, match="categories"):
        from_nodes([stage[0].nodes for stage in model._predictors], 0.0)
