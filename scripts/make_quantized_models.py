#!/usr/bin/env python3
"""Writes tests/data/quantized: small models quantized by others, in the style of training frameworks, damaged ones, and
recurrent and attention layers. Run by hand; needs numpy, onnx and onnxruntime (for its own quantizer), and with `nncf` or
`quark` (amd-quark) behind the folder that package, and then writes its files alone.

    python3 scripts/make_quantized_models.py tests/data/quantized [nncf | quark]
"""
import contextlib
import os
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

RNG = np.random.default_rng(1)


def model_of(nodes, name, inputs, outputs, weights, opset):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
                              [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
                              [numpy_helper.from_array(w, n) for n, w in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def normal(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def small_network():
    weights = {"w1": normal(8, 3, 3, 3, scale=.3), "b1": normal(8, scale=.1), "w2": normal(8, 8, 3, 3, scale=.2),
               "b2": normal(8, scale=.1), "w3": normal(10, 8, scale=.3), "b3": normal(10, scale=.1)}
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", **window),
             helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
             helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", **window),
             helper.make_node("Add", ["c2", "r1"], ["a"], "add"),
             helper.make_node("Relu", ["a"], ["r2"], "relu2"),
             helper.make_node("GlobalAveragePool", ["r2"], ["g"], "pool"),
             helper.make_node("Flatten", ["g"], ["f"], "flat"),
             helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "fc", transB=1)]
    return model_of(nodes, "small", [("x", [1, 3, 16, 16])], [("y", [1, 10])], weights, 13)


def separable_network():
    """A convolution and a depthwise one, each with its BatchNormalization, and a classifier."""
    weights = {"w1": normal(8, 3, 3, 3, scale=.3), "w2": normal(8, 1, 3, 3, scale=.4), "w3": normal(10, 8, scale=.3),
               "b3": normal(10, scale=.1)}
    nodes, last = [], "x"
    for i, group in (("1", 1), ("2", 8)):
        for what, numbers in (("g", .5 + RNG.random(8)), ("h", RNG.standard_normal(8) * .1), ("m", RNG.standard_normal(8) * .1),
                              ("v", .5 + RNG.random(8))):
            weights[what + i] = numbers.astype(np.float32)
        nodes += [helper.make_node("Conv", [last, "w" + i], ["c" + i], "conv" + i, kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                   group=group),
                  helper.make_node("BatchNormalization", ["c" + i, "g" + i, "h" + i, "m" + i, "v" + i], ["n" + i], "norm" + i),
                  helper.make_node("Relu", ["n" + i], ["r" + i], "relu" + i)]
        last = "r" + i
    nodes += [helper.make_node("GlobalAveragePool", [last], ["g"], "pool"), helper.make_node("Flatten", ["g"], ["f"], "flat"),
              helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "fc", transB=1)]
    return model_of(nodes, "separable", [("x", [1, 3, 16, 16])], [("y", [1, 10])], weights, 13)


def by_nncf(model):
    """Its scales of the depthwise layer's input run along channels, and no BatchNormalization is folded."""
    import nncf  # pylint: disable=import-outside-toplevel
    pictures = [normal(1, 3, 16, 16) for _ in range(8)]
    return nncf.quantize(model, nncf.Dataset(pictures, lambda x: {"x": x}), subset_size=8)


def by_quark(model, preset, path):
    """Unsigned activations around 128, before and behind Relu alike; the preset A8W8 spells Q and DQ in com.microsoft."""
    from quark.onnx import ModelQuantizer  # pylint: disable=import-outside-toplevel
    from quark.onnx.quantization.config import Config, get_default_config  # pylint: disable=import-outside-toplevel
    path = os.path.abspath(path)
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):  # it leaves tables where it runs
        source = os.path.join(work, "float.onnx")
        onnx.save(model, source)
        ModelQuantizer(Config(global_quant_config=get_default_config(preset))).quantize_model(source, path, Noise())


class Noise(CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"x": normal(1, 3, 16, 16)} for _ in range(8)])

    def get_next(self):
        return next(self.left, None)


class Trained:
    """The small network as a training framework exports it: float weights behind Q and DQ, int8 activations with scales of
    shape [1], a pair before a Relu as well as behind it, none behind Flatten."""

    def __init__(self, model):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.nodes = {n.name: n for n in model.graph.node}
        self.weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.made, self.pairs = [], 0
        conv1 = self.node("conv1", [self.pair("x", 3 / 127, 0), self.weight("w1"), "b1"])
        r1 = self.pair(self.node("relu1", [conv1]), 4 / 255, -128)
        c2 = self.pair(self.node("conv2", [r1, self.weight("w2"), "b2"]), 6 / 255, 0)
        r2 = self.pair(self.node("relu2", [self.node("add", [c2, r1])]), 5 / 255, -128)
        pool = self.pair(self.node("pool", [r2]), 2 / 255, -128)
        self.node("fc", [self.node("flat", [pool]), self.weight("w3"), "b3"])
        self.made[-1].output[0] = "y_f"
        self.pair("y_f", 4 / 255, 0)
        self.made[-1].output[0] = "y"
        del self.model.graph.node[:]
        self.model.graph.node.extend(self.made)
        onnx.checker.check_model(self.model)

    def pair(self, value, scale, zero, **attributes):
        self.pairs += 1
        name = f"{value}_fq{self.pairs}"
        scales = np.array(scale, np.float32).reshape(-1)
        zeros = np.full(scales.shape, zero, np.int8)
        self.model.graph.initializer.extend([numpy_helper.from_array(scales, name + "_s"),
                                             numpy_helper.from_array(zeros, name + "_z")])
        parameters = [name + "_s", name + "_z"]
        self.made.append(helper.make_node("QuantizeLinear", [value, *parameters], [name + "_q"], name + "_Q", **attributes))
        self.made.append(helper.make_node("DequantizeLinear", [name + "_q", *parameters], [name], name + "_DQ", **attributes))
        return name

    def weight(self, name):
        rows = self.weights[name].reshape(self.weights[name].shape[0], -1)
        return self.pair(name, np.abs(rows).max(1) / 127, 0, axis=0)

    def node(self, name, inputs):
        node = onnx.NodeProto()
        node.CopyFrom(self.nodes[name])
        del node.input[:]
        node.input.extend(inputs)
        self.made.append(node)
        return node.output[0]


def damaged(model, change):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    change(copy.graph)
    return copy


def set_first_scale(number):
    def change(graph):
        scale = next(t for t in graph.initializer if t.name == "x_fq1_s")
        scale.CopyFrom(numpy_helper.from_array(np.array([number], np.float32), scale.name))
    return change


def dequantize_of_relu(graph):
    return next(n for n in graph.node if n.op_type == "DequantizeLinear" and n.name.startswith("r1_fq"))


def contradict(graph):
    graph.initializer.append(numpy_helper.from_array(np.array([.5], np.float32), "other"))
    dequantize_of_relu(graph).input[1] = "other"


def round_twice(graph):
    graph.initializer.extend([numpy_helper.from_array(np.array([.05], np.float32), "other"),
                              numpy_helper.from_array(np.array([0], np.int8), "other_z")])
    first = dequantize_of_relu(graph)
    result, first.output[0] = first.output[0], "once"
    at = list(graph.node).index(first) + 1
    graph.node.insert(at, helper.make_node("QuantizeLinear", ["once", "other", "other_z"], ["again_q"], "again_Q"))
    graph.node.insert(at + 1, helper.make_node("DequantizeLinear", ["again_q", "other", "other_z"], [result], "again_DQ"))


def recurrent(op_type, gates, hidden=32, features=24):
    weights = {"w": normal(1, gates * hidden, features, scale=.3), "r": normal(1, gates * hidden, hidden, scale=.3),
               "b": normal(1, 2 * gates * hidden, scale=.1)}
    node = helper.make_node(op_type, ["x", "w", "r", "b"], ["y"], op_type.lower(), hidden_size=hidden)
    return model_of([node], op_type, [("x", [20, 1, features])], [("y", [20, 1, 1, hidden])], weights, 14)


def attention(width=64, length=48):
    weights = {n: normal(width, width, scale=.15) for n in "qkvo"}
    weights["s"] = np.array([width ** -.5], np.float32)
    make = helper.make_node
    nodes = [make("MatMul", ["x", "q"], ["xq"], "query"), make("MatMul", ["x", "k"], ["xk"], "key"),
             make("MatMul", ["x", "v"], ["xv"], "value"), make("Transpose", ["xk"], ["kt"], "turn", perm=[0, 2, 1]),
             make("MatMul", ["xq", "kt"], ["scores"], "scores"), make("Mul", ["scores", "s"], ["scaled"], "scale"),
             make("Softmax", ["scaled"], ["shares"], "shares", axis=-1), make("MatMul", ["shares", "xv"], ["mixed"], "mix"),
             make("MatMul", ["mixed", "o"], ["y"], "out")]
    return model_of(nodes, "attention", [("x", [1, length, width])], [("y", [1, length, width])], weights, 14)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    def save(model, name):
        onnx.save(model, os.path.join(folder, name))

    if "nncf" in sys.argv[2:]:
        return save(by_nncf(separable_network()), "nncf.onnx")
    if "quark" in sys.argv[2:]:
        for preset in ("XINT8", "A8W8"):
            by_quark(separable_network(), preset, os.path.join(folder, f"quark_{preset.lower()}.onnx"))
        return None
    small = small_network()
    save(small, "small.onnx")
    source = os.path.join(folder, "small.onnx")
    quantize_static(source, os.path.join(folder, "ort_qdq.onnx"), Noise(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    quantize_static(source, os.path.join(folder, "ort_qoperator.onnx"), Noise(), quant_format=QuantFormat.QOperator,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8)
    trained = Trained(small).model
    save(trained, "qat_like.onnx")
    save(damaged(trained, set_first_scale(0)), "zero_scale.onnx")
    save(damaged(trained, set_first_scale(np.nan)), "nan_scale.onnx")
    save(damaged(trained, contradict), "contradiction.onnx")
    save(damaged(trained, round_twice), "twice.onnx")
    save(recurrent("LSTM", 4), "lstm.onnx")
    save(recurrent("GRU", 3), "gru.onnx")
    save(attention(), "attention.onnx")
    return None


if __name__ == "__main__":
    main()
