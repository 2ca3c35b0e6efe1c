"""An ONNX file with RobustVideoMatting's inputs and outputs: bright pixels are the person.

Its memory is the alpha before: alpha is the mean of it and of the frame's brightness, and the
first memory is all zeros, so a result tells how often and on what the network was warmed up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_rvm(path: Path, *, without: str = "", half: bool = False) -> Path:
    import onnx
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    memories = [f"r{number}" for number in (1, 2, 3, 4)]

    def value(name: str, shape: list[str | int]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = [value("src", [1, 3, "height", "width"])]
    inputs += [value(f"{name}i", [1, 1, f"{name}h", f"{name}w"]) for name in memories]
    inputs += [helper.make_tensor_value_info("downsample_ratio", TensorProto.FLOAT, [1])]
    outputs = [value("fgr", [1, 3, "height", "width"]), value("pha", [1, 1, "height", "width"])]
    outputs += [value(f"{name}o", [1, 1, f"{name}oh", f"{name}ow"]) for name in memories]
    half_of = helper.make_tensor("half", kind, [1], [0.5])
    channels = helper.make_tensor("channels", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceMean", ["src", "channels"], ["bright"], keepdims=1),
        helper.make_node("Add", ["bright", "r1i"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["pha"]),
        helper.make_node("Identity", ["pha"], ["r1o"]),
        helper.make_node("Identity", ["src"], ["fgr"]),
        *(helper.make_node("Identity", [f"{name}i"], [f"{name}o"]) for name in memories[1:]),
    ]
    if without:
        outputs = [one for one in outputs if one.name != without]
    graph = helper.make_graph(nodes, "rvm", inputs, outputs, [half_of, channels])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path
