"""The LSTM's layers in Keras, which is imported when they are first asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bitpredict.forecasting.log_linear import LogLinear
from bitpredict.forecasting.network import READS

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """What the refining network looks like.

    Attributes:
        ridge: columns that the ridge reads, and the network as the ridge standardizes them.
        own: columns after them that the network reads as they are.
        ladder: the sequence: the columns of each step, None where a step lacks a channel.
        context: columns that are read beside it.
        clip: of the ridge.
        units: of the LSTM, the attention and the layer after it.
        dropout: share of values left out in training, before each layer.
        seed: of the first weights and of what is left out.
    """

    ridge: int
    own: int
    ladder: tuple[tuple[int | None, ...], ...]
    context: tuple[int, ...]
    clip: float
    units: int
    dropout: float
    seed: int


def refiner(architecture: Architecture) -> "keras.Model":
    """From (n, ridge + own) to (n, 1): the logarithm of realized over the ridge's variance.

    An LSTM over the ladder, attention over its states, and a layer that sees the context too. Untrained it answers
    zero: the ridge as it is.
    """
    from keras import Model, layers, ops

    units, dropout = architecture.units, architecture.dropout
    width = architecture.ridge + architecture.own
    read = layers.Input((width,))
    columns = [width if column is None else column for step in architecture.ladder for column in step]
    ladder = ops.take(ops.pad(read, ((0, 0), (0, 1))), columns, axis=1)
    steps = layers.Dropout(dropout)(layers.Reshape((len(architecture.ladder), -1))(ladder))
    states = layers.LSTM(units, return_sequences=True)(steps)
    attention = layers.Softmax(axis=1)(layers.Dense(1)(layers.Dense(units, activation="tanh")(states)))
    attended = layers.Flatten()(layers.Dot(axes=(1, 1))([attention, states]))
    context = layers.Dropout(dropout)(ops.take(read, architecture.context, axis=1))
    seen = layers.Dropout(dropout)(layers.Concatenate()([attended, context]))
    # silu, not gelu: the latter's error function cannot be exported.
    hidden = layers.Dropout(dropout)(layers.Dense(units, activation="silu")(seen))
    return Model(read, layers.Dense(1, kernel_initializer="zeros")(hidden))


def complete(architecture: Architecture, refining: "keras.Model") -> "keras.Model":
    """From (n, ridge + own + 2) features as they are in the table, hour and weekday last, to (n, 1) ln variance."""
    from keras import Input, Layer, Model, layers, ops

    class Standardized(Layer):  # type: ignore[misc]
        """Distance from the centre in scales, clipped."""

        def build(self, shape: tuple[int | None, ...]) -> None:
            self.centre = self.add_weight(shape=shape[1:], name="centre", initializer="zeros")
            self.scale = self.add_weight(shape=shape[1:], name="scale", initializer="ones")

        def call(self, values: Any) -> Any:
            return ops.clip((values - self.centre) / self.scale, -architecture.clip, architecture.clip)

    width = architecture.ridge + architecture.own
    features = Input((width + 2,), name=READS)
    standardized = Standardized(name="standardized")(features[:, : architecture.ridge])
    ridge = layers.Dense(1, name="weights")(standardized)
    for name, levels, column in (("hour", 24, width), ("weekday", 7, width + 1)):
        ridge += layers.Embedding(levels, 1, name=name)(ops.cast(features[:, column], "int32"))
    read = layers.Concatenate()([standardized, features[:, architecture.ridge : width]])
    return Model(features, layers.Add()([ridge, refining(read)]))


def put_ridge(network: "keras.Model", ridge: LogLinear) -> None:
    """Let the complete network hold a fitted ridge."""
    learnt = {
        "standardized": [ridge.centre, ridge.scale],
        "weights": [ridge.weights[:, None], np.array([ridge.intercept])],
        "hour": [ridge.hour[:, None]],
        "weekday": [ridge.weekday[:, None]],
    }
    for name, arrays in learnt.items():
        network.get_layer(name).set_weights(arrays)
