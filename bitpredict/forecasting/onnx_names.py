"""ONNX files whose bytes depend on what the network computes alone.

An exporter counts up the names it gives within a process, and sorts nodes by name: the second export of one network
differs from the first. Here nodes are put in an order that follows from the graph, and named by it.
"""

from typing import Any


def renamed(content: bytes, answers: tuple[str, ...]) -> bytes:
    """Return the same ONNX model with its nodes in the order of a walk from its outputs, and everything named by place.

    Inputs keep their names, outputs get those of `answers`. Subgraphs and functions are not looked into.
    """
    import onnx

    model = onnx.load_from_string(content)
    graph = model.graph
    nodes = _in_order(graph)
    names = {value.name: value.name for value in graph.input} | {"": ""}
    names |= {value.name: name for value, name in zip(graph.output, answers, strict=True)}
    constants = {constant.name: constant for constant in graph.initializer}
    used = []
    for node in nodes:
        for name in node.input:
            if name in constants and name not in names:
                used.append(constants[name])
                names[name] = f"constant_{len(used)}"
        for name in node.output:
            if name not in names:
                names[name] = f"value_{len(names)}"
    for place, node in enumerate(nodes):
        node.name = f"{node.op_type}_{place}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for constant in used:
        constant.name = names[constant.name]
    outputs = list(graph.output)
    for value in (*graph.input, *outputs):
        value.name = names[value.name]
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param:
                dimension.dim_param = "rows"
    clean = onnx.helper.make_graph(nodes, "network", graph.input, outputs, used)
    return bytes(
        onnx.helper.make_model(clean, opset_imports=model.opset_import, ir_version=model.ir_version).SerializeToString(
            deterministic=True
        )
    )


def _in_order(graph: Any) -> list[Any]:
    """The graph's nodes, each after those whose values it reads, in the order of a walk from the outputs."""
    maker = {name: node for node in graph.node for name in node.output if name}
    found: dict[int, Any] = {}

    def visit(name: str) -> None:
        node = maker.get(name)
        if node is None or id(node) in found:
            return
        for read in node.input:
            visit(read)
        found[id(node)] = node

    for value in graph.output:
        visit(value.name)
    return list(found.values())
