"""A network served by ONNX Runtime: nothing that trained it is needed."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ModelError
from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.forecasting.recipe import Arrays

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

NETWORK = "network.onnx"
"""Name of the array that holds the network's bytes, and of its file."""

READS, ANSWERS = "features", "log_variance"
"""The network's own names for what goes in and comes out."""


@dataclass(frozen=True, eq=False)
class Network:
    """f = exp(network): from (n, k) float32 features as they are in the table to (n, 1) ln of the realized variance.

    Attributes:
        inputs: k feature columns.
        content: bytes of the ONNX file.
    """

    kind: ClassVar[str] = "network"
    inputs: tuple[str, ...]
    content: npt.NDArray[np.uint8]

    @cached_property
    def session(self) -> "InferenceSession":
        """The network, loaded when it is first asked.

        One thread: for a row or a few thousand, handing work to another costs more than it brings.

        Raises:
            ModelError: the bytes are no network that this version of ONNX Runtime can read.
        """
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(self.content.tobytes(), options, providers=["CPUExecutionProvider"])
        except (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented) as error:
            raise ModelError(f"{NETWORK} cannot be loaded ({error}); update onnxruntime, or train it anew") from error

    def variance(self, rows: FeatureRows) -> Floats:
        values = rows.matrix(self.inputs)
        (answer,) = self.session.run((ANSWERS,), {READS: values.astype(np.float32)})
        forecast: Floats = np.exp(answer[:, 0], dtype=np.float64)
        return forecast

    def to_arrays(self) -> Arrays:
        return {NETWORK: self.content}

    @classmethod
    def from_arrays(cls, arrays: Arrays, inputs: tuple[str, ...]) -> Self:
        return cls(inputs, arrays[NETWORK].astype(np.uint8))
