"""Training of the LSTM in TensorFlow, which is imported when a learner is first asked for: serving needs none of it."""

import os
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bitpredict.features.windows import Floats
from bitpredict.forecasting.log_linear import LogLinear
from bitpredict.forecasting.lstm_layers import Architecture, complete, put_ridge, refiner
from bitpredict.forecasting.network import ANSWERS
from bitpredict.forecasting.onnx_names import renamed

Weights = tuple[npt.NDArray[np.generic], ...]

_WARM_UP = 20
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True)
class Schedule:
    """How it is trained: by Adam, at a rate that rises over the first steps and then falls to zero like a cosine.

    Attributes:
        rate: the highest.
        batch: rows a step.
        epochs: how often each row is seen.
        seed: of the rows' order.
    """

    rate: float
    batch: int
    epochs: int
    seed: int


class Learner:
    """One architecture, traced once and trained as often as asked: every fit starts from the same first weights."""

    def __init__(self, architecture: Architecture) -> None:
        # TensorFlow reads it when it is imported: nothing about the processor's instruction sets on the terminal.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras
        import tensorflow as tf

        # What is learnt must depend neither on the machine's cores nor on what this process trained before.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(architecture.seed)
        self._network = refiner(architecture)
        self._complete = complete(architecture, self._network)
        self._complete(np.zeros((1, *self._complete.input_shape[1:])))  # only what was called once can be exported
        self._optimizer = keras.optimizers.Adam()
        self._optimizer.build(self._network.trainable_variables)
        read = tf.TensorSpec((None, architecture.ridge + architecture.own), tf.float32)
        self._step = tf.function(self._take_step, input_signature=[read, tf.TensorSpec((None,), tf.float32)])
        self._answer = tf.function(lambda rows: self._network(rows, training=False), input_signature=[read])
        self._first = self._state()

    def fit(self, read: Floats, ratio: Floats, schedule: Schedule) -> Weights:
        """Train anew.

        Args:
            read: (n, k) what the network reads.
            ratio: (n,) realized over the ridge's variance, whose logarithm is learnt under QLIKE.
        """
        self._restore(self._first)
        rows, target = read.astype(np.float32), ratio.astype(np.float32)
        order = np.random.default_rng(schedule.seed)
        batches = max(1, len(rows) // schedule.batch)
        rates = _rates(schedule.rate, schedule.epochs * batches)
        for rate in rates.reshape(schedule.epochs, batches):
            for now, chosen in zip(rate, np.array_split(order.permutation(len(rows)), batches), strict=True):
                self._optimizer.learning_rate.assign(now)
                self._step(rows[chosen], target[chosen])
        return self._state()

    def answer(self, weights: Weights, read: Floats) -> Floats:
        """(n,) logarithm of realized over the ridge's variance."""
        self._restore(weights)
        parts = np.split(read.astype(np.float32), range(_ROWS_AT_ONCE, len(read), _ROWS_AT_ONCE))
        return np.concatenate([self._answer(part).numpy()[:, 0] for part in parts]).astype(np.float64)

    def to_onnx(self, weights: Weights, ridge: LogLinear) -> bytes:
        """The network on its ridge as an ONNX file; the same weights give the same bytes."""
        self._restore(weights)
        put_ridge(self._complete, ridge)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)  # Keras makes up for it
            path = Path(folder) / "network.onnx"
            self._complete.export(path, format="onnx", verbose=False)
            return renamed(path.read_bytes(), (ANSWERS,))

    def _take_step(self, read: Any, ratio: Any) -> None:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            answer = self._network(read, training=True)[:, 0]
            loss = tf.reduce_mean(ratio * tf.exp(-answer) + answer)  # QLIKE, less what no answer changes
        variables = self._network.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    def _variables(self) -> list[Any]:
        """All that training changes: weights, the state of dropout's random numbers, Adam's moments and its clock."""
        return [*self._network.variables, *self._optimizer.variables]

    def _state(self) -> Weights:
        return tuple(variable.numpy() for variable in self._variables())

    def _restore(self, state: Weights) -> None:
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)


@cache
def learner(architecture: Architecture) -> Learner:
    """The process's learner of an architecture: importing TensorFlow and tracing take longer than most fits."""
    return Learner(architecture)


def _rates(highest: float, steps: int) -> Floats:
    step = np.arange(steps)
    rates: Floats = highest * np.minimum(1.0, (step + 1) / _WARM_UP) * (1.0 + np.cos(np.pi * step / steps)) / 2.0
    return rates
