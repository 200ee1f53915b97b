"""What a recipe for a model is: parameters that name it, a fit, and a forecaster made of plain arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.market.horizons import Horizon

Arrays = Mapping[str, npt.NDArray[np.generic]]
Parameters = Mapping[str, float | int | str | list[float] | list[int]]


class Forecaster(Protocol):
    """A fitted model: needs numpy (a network: ONNX Runtime), nothing that trained it.

    Attributes:
        kind: how `forecasters.FORECASTERS` finds the class again.
        inputs: feature columns it reads, in the order of its arrays.
    """

    kind: ClassVar[str]

    @property
    def inputs(self) -> tuple[str, ...]: ...

    def variance(self, rows: FeatureRows) -> Floats:
        """(n,) forecast of the horizon's realized variance, above zero; NaN where the rows do not suffice."""
        ...

    def to_arrays(self) -> Arrays:
        """Everything it is made of but `inputs`. An array of bytes named `*.onnx` is stored as that file."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Arrays, inputs: tuple[str, ...]) -> Self: ...


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit gives.

    Attributes:
        forecaster: fitted on every row.
        held_out: (n,) forecast of each training row by a fit that had not seen it, NaN where there is none: what
            the calibration may learn from.
    """

    forecaster: Forecaster
    held_out: Floats


class Recipe(Protocol):
    """How a model is made. Name, parameters and seed go into the version of what it makes.

    A fit must be deterministic, and must not look at more than the frame that it is given.
    """

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    def parameters(self, horizon: Horizon) -> Parameters: ...

    def inputs(self, horizon: Horizon) -> tuple[str, ...]:
        """Feature columns without which a row cannot be used."""
        ...

    def fit(self, train: TrainingFrame) -> Fitted: ...
