#!/usr/bin/env python3
"""Writes the small ONNX files of tests/data/models (and tests/data/other_inputs) that command-line tests and fuzzers need and no editor can make.

    python3 scripts/make_test_models.py      needs onnx and numpy; the result is checked in

Each file has one thing that is wrong or odd about it, and its name says which.
"""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent.parent / "tests/data/models"
RANDOM = np.random.default_rng(7)


def weight(name, *shape):
    return numpy_helper.from_array(RANDOM.normal(0, 0.5, shape).astype(np.float32), name)


def external(tensor, location):
    """The tensor with its bytes said to be in another file."""
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def write(name, nodes, constants, inputs=(("image", [1, 3, 8, 8]),), output=("out", [1, 4, 8, 8]), domains=(), opset=13,
          outputs=(), kind=TensorProto.FLOAT, functions=(), ir_version=7):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(n, kind, dims) for n, dims in inputs],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1]), *outputs], constants)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=ir_version)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def conv(source="image", name="first", weights="first.weight", result="out"):
    return helper.make_node("Conv", [source, weights], [result], name=name, pads=[1, 1, 1, 1])


def scalar(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.array(value, dtype), name)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    write("external_data_missing", [conv()], [external(weight("first.weight", 4, 3, 3, 3), "not_there.bin")])
    write("external_data_outside", [conv()], [external(weight("first.weight", 4, 3, 3, 3), "../outside.bin")])

    poisoned = numpy_helper.to_array(weight("first.weight", 4, 3, 3, 3)).copy()
    poisoned[2, 1, 0, 0] = np.nan
    write("nan_weights", [conv()], [numpy_helper.from_array(poisoned, "first.weight")])

    # The logarithm of what an ordinary picture makes negative.
    write("nan_activation",
          [helper.make_node("Log", ["image"], ["logs"], name="logarithm"), conv("logs")], [weight("first.weight", 4, 3, 3, 3)],
          inputs=(("image", ["N", 3, 8, 8]),), output=("out", ["N", 4, 8, 8]))

    write("already_qdq",
          [helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"], name="quantize"),
           helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"], name="dequantize"), conv("x")],
          [weight("first.weight", 4, 3, 3, 3), scalar("scale", 0.02), scalar("zero", 128, np.uint8)])
    write("already_qlinear",
          [helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"], name="quantize"),
           helper.make_node("QLinearConv", ["q", "scale", "zero", "w", "w_scale", "w_zero", "scale", "zero"], ["y"],
                            name="integer_conv", pads=[1, 1, 1, 1]),
           helper.make_node("DequantizeLinear", ["y", "scale", "zero"], ["out"], name="dequantize")],
          [numpy_helper.from_array(RANDOM.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8), "w"), scalar("w_scale", 0.01),
           scalar("w_zero", 0, np.int8), scalar("scale", 0.02), scalar("zero", 128, np.uint8)])

    write("already_dynamic",
          [helper.make_node("DynamicQuantizeLinear", ["image"], ["q", "scale", "zero"], name="quantize"),
           helper.make_node("ConvInteger", ["q", "w", "zero"], ["sums"], name="integer_conv", pads=[1, 1, 1, 1]),
           helper.make_node("Cast", ["sums"], ["y"], name="to_float", to=1), helper.make_node("Mul", ["y", "scale"], ["out"])],
          [numpy_helper.from_array((np.arange(108) % 251 - 125).astype(np.int8).reshape(4, 3, 3, 3), "w")])

    write("one_channel", [conv()], [weight("first.weight", 4, 1, 3, 3)], inputs=(("image", [1, 1, 8, 8]),))
    write("two_pictures",
          [helper.make_node("Add", ["left", "right"], ["both"], name="join"), conv("both")], [weight("first.weight", 4, 3, 3, 3)],
          inputs=(("left", [1, 3, 8, 8]), ("right", [1, 3, 8, 8])))
    write("unknown_op",
          [helper.make_node("Wobble", ["image"], ["wobbly"], name="stranger", domain="example.wobble", strength=2), conv("wobbly")],
          [weight("first.weight", 4, 3, 3, 3)], domains=["example.wobble"])
    write("picture_and_gains",
          [conv(result="c"), helper.make_node("Mul", ["c", "gains"], ["out"], name="amplify")], [weight("first.weight", 4, 3, 3, 3)],
          inputs=(("image", ["N", 3, 8, 8]), ("gains", [4, 1, 1])), output=("out", ["N", 4, 8, 8]))
    gains = FOLDER.parent / "other_inputs/gains.npz"
    gains.parent.mkdir(exist_ok=True)
    np.savez(gains, gains=np.float32([1, 2, 0.5, -1]).reshape(4, 1, 1))

    # Two nodes of one name, and one of none: neither can be told apart by name.
    write("names_missing_and_twice",
          [conv(name="twin", result="a"), helper.make_node("Relu", ["a"], ["b"]), conv("b", "twin", "second.weight")],
          [weight("first.weight", 16, 3, 3, 3), weight("second.weight", 16, 16, 3, 3)],
          inputs=(("image", [1, 3, 32, 32]),), output=("out", [1, 16, 32, 32]))

    write("opset_of_tomorrow", [conv()], [weight("first.weight", 4, 3, 3, 3)], opset=999)
    write("sequence_output",
          [conv(), helper.make_node("SplitToSequence", ["out"], ["parts"], name="split", axis=1)], [weight("first.weight", 4, 3, 3, 3)],
          outputs=[helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)])

    write("any_size", [conv()], [weight("first.weight", 4, 3, 3, 3)],
          inputs=(("image", ["batch", 3, "height", "width"]),), output=("out", ["batch", 4, "height", "width"]))

    # Softmax before opset 13 works on a matrix; along the last axis that makes no difference, if the rank is known.
    write("old_softmax", [conv(result="a"), helper.make_node("Softmax", ["a"], ["out"], name="softmax", axis=3)],
          [weight("first.weight", 4, 3, 3, 3)], opset=11)

    # ONNX Runtime runs it, TFLite has neither of the last two.
    write("no_tflite",
          [conv(result="x"), helper.make_node("Acosh", ["x"], ["y"], name="hyperbola"),
           helper.make_node("Hardmax", ["y"], ["out"], name="winner")], [weight("first.weight", 4, 3, 3, 3)])

    # Ops of another domain that the runtime knows: one that moves numbers, one that computes.
    write("custom_ops",
          [conv(result="c1"), helper.make_node("Pad", ["c1", "pads"], ["wide"], name="frame", domain="com.microsoft"),
           helper.make_node("QuickGelu", ["wide"], ["bent"], name="bend", domain="com.microsoft", alpha=1.702),
           helper.make_node("Conv", ["bent", "last.weight"], ["out"], name="last")],
          [weight("first.weight", 8, 3, 3, 3), numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "pads"),
           weight("last.weight", 4, 8, 3, 3)], domains=("com.microsoft",))

    # Pixels as bytes, made floats inside.
    write("byte_pixels", [helper.make_node("Cast", ["image"], ["x"], name="cast", to=TensorProto.FLOAT), conv("x")],
          [weight("first.weight", 4, 3, 3, 3)], kind=TensorProto.UINT8)

    # Half the size and twice that again, beside the picture itself: a picture's sides must be even.
    write("even_sides",
          [helper.make_node("MaxPool", ["image"], ["half"], name="half", kernel_shape=[2, 2], strides=[2, 2]),
           helper.make_node("Resize", ["half", "", "scales"], ["whole"], name="twice"),
           helper.make_node("Add", ["image", "whole"], ["x"], name="add"), conv("x")],
          [weight("first.weight", 4, 3, 3, 3), scalar("scales", [1, 1, 2, 2])],
          inputs=(("image", ["batch", 3, "height", "width"]),), output=("out", ["batch", 4, "height", "width"]))
    # Every layer a function of the file, which calls another for what is behind it; strides are the call's.
    own = [helper.make_opsetid("", 18), helper.make_opsetid("net", 1)]
    act = helper.make_function("net", "Act", ["x"], ["y"],
                               [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])], own)
    step = helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1])
    step.attribute.add(name="strides", ref_attr_name="strides", type=onnx.AttributeProto.INTS)
    layer = helper.make_function("net", "Layer", ["x", "w"], ["y"], [step, helper.make_node("Act", ["c"], ["y"], domain="net")],
                                 own, attributes=["strides"])
    write("layers_are_functions",
          [helper.make_node("Layer", ["image", "first.weight"], ["a"], name="first", domain="net", strides=[2, 2]),
           helper.make_node("Layer", ["a", "last.weight"], ["out"], name="last", domain="net", strides=[1, 1])],
          [weight("first.weight", 16, 3, 3, 3), weight("last.weight", 8, 16, 3, 3)], inputs=(("image", [1, 3, 32, 32]),),
          output=("out", [1, 8, 16, 16]), domains=("net",), opset=18, functions=[act, layer], ir_version=8)
    for path in sorted(FOLDER.glob("*.onnx")):
        onnx.load(path, load_external_data=False)
        print(path.name, path.stat().st_size)

if __name__ == "__main__":
    main()
