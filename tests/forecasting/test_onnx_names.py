import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bitpredict.forecasting.onnx_names import renamed


def exported(prefix: str, *, nodes_first: bool = True, weight: float = 2.0, unused: bool = False) -> bytes:
    """x * weight + tanh(x), as exporters with different habits would write it."""
    times = helper.make_node("Mul", ["x", f"{prefix}weight"], [f"{prefix}a"], name=f"{prefix}times")
    bent = helper.make_node("Tanh", ["x"], [f"{prefix}b"], name=f"{prefix}bent")
    total = helper.make_node("Add", [f"{prefix}a", f"{prefix}b"], [f"{prefix}y"], name=f"{prefix}total")
    constants = [numpy_helper.from_array(np.array([weight], np.float32), f"{prefix}weight")]
    if unused:
        constants.insert(0, numpy_helper.from_array(np.array([7.0], np.float32), f"{prefix}left over"))
    graph = helper.make_graph(
        [times, bent, total] if nodes_first else [bent, times, total],
        f"{prefix}graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [f"unk__{prefix}", 3])],
        [helper.make_tensor_value_info(f"{prefix}y", TensorProto.FLOAT, [f"unk__{prefix}", 3])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name=prefix)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(exported("functional_12/"), id="other names"),
        pytest.param(exported("z", nodes_first=False), id="nodes in another order"),
        pytest.param(exported("n", unused=True), id="a constant that nothing reads"),
    ],
)
def test_what_computes_the_same_has_the_same_bytes(other):
    one = exported("a")
    assert one != other
    assert renamed(one, ("y",)) == renamed(other, ("y",))


def test_another_weight_has_other_bytes():
    assert renamed(exported("a"), ("y",)) != renamed(exported("a", weight=2.5), ("y",))


def test_it_still_computes_what_it_did():
    import onnxruntime

    x = np.array([[-1.0, 0.0, 3.0]], np.float32)
    model = renamed(exported("functional_12/", nodes_first=False), ("y",))
    onnx.checker.check_model(onnx.load_from_string(model))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == ["y"]
    np.testing.assert_allclose(session.run(None, {"x": x})[0], 2 * x + np.tanh(x), rtol=1e-6)
