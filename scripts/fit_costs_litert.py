#!/usr/bin/env python3
"""Fits the "costs" of the target litert to times measured in LiteRT with XNNPACK: an op on integers and in float.

  scripts/fit_costs_litert.py [--files FOLDER] [--cpu N] [--turns N]
  scripts/fit_costs_litert.py --check [--target TARGET] [--placement auto] MODEL.onnx:CONFIG.json ...
                                          (needs the Python packages ai-edge-litert, onnx, numpy and scipy)

LiteRT has no profile of single nodes, because XNNPACK takes all of them as one. So a model is made of every op, in a range
of shapes drawn by a fixed seed, and written by build/qconvert as a float32 .tflite and as an int8 one with int8 inputs and
outputs; where there is no integer kernel only the first counts. Every file runs on one thread, right after a run that is
not timed, by turns with the others of its class, and all of them in several turns: its time is the least of all, so that
other work on the machine does not count, less that of an empty call, which is what chains of one and of many nodes of a
single number leave at none. With --files all of it stays in FOLDER, and a later run adds its turns to it: --turns 0 fits
again what was measured. What QUANTIZE takes is the difference that float inputs make to files with small outputs, and
what DEQUANTIZE takes that of float outputs to files with small inputs.

The terms and the fit are those of fit_costs.py (cost_terms.py); printed is the JSON for configs/targets/litert.json, and on
stderr the median and the 90 % quantile of each fit's error.

--check judges a table by whole models, none of which it was fitted to: each is written in float32 and as planned, both are
timed by turns, and the ratio that the report predicts is held against the one that was measured. The last line counts the
models within 20 % and gives the geometric mean of the speed over float.
"""
import argparse
import collections
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter
from onnx import helper, numpy_helper

from cost_terms import TERMS, count, fit_all, print_table, work

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QCONVERT = os.environ.get("QCONVERT", os.path.join(ROOT, "build", "qconvert"))
RUNS, TURNS = 15, 6
WARM_UP = 3
CHECK_TURNS, CHECK_RUNS = 3, 12
# Blocks of channels, and what few channels cost with them, are ONNX Runtime's.
WITHOUT, LEAST_US = {"integer": ("loose", "thin"), "float": ("loose", "thin")}, 2
CHAIN = 9  # nodes of the longer of the chains that tell what a call takes
LEAST_NODE_US = 0.05
MOST_ELEMENTS, MOST_PRODUCTS = 2_500_000, 150_000_000
CHANNELS = [8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512]
SIZES = [4, 7, 8, 10, 14, 16, 20, 26, 28, 32, 40, 56, 64, 80, 112, 128, 160, 208, 256, 320]
GATE = (1, 1)  # height and width of what scales whole channels

# One op on graph inputs of these shapes and on constants behind them.
Case = collections.namedtuple("Case", "name op inputs constants attributes")


# --- shapes -----------------------------------------------------------------------------------------------------------
def image(rng, most=MOST_ELEMENTS, channels=CHANNELS):
    """[1, channels, height, width], of any size alike likely"""
    while True:
        c, h, w = rng.choice(channels), rng.choice(SIZES), rng.choice(SIZES)
        if h == w or rng.random() < 0.2:
            if 200 <= c * h * w <= most:
                return [1, int(c), int(h), int(w)]


def weights(rng, *dims):
    return (rng.standard_normal(dims) / math.sqrt(max(1, count(dims[1:])))).astype(np.float32)


def integers(*numbers):
    return np.array(numbers, np.int64)


def convolution(rng, kernels, out=None, first=False):
    while True:
        x = image(rng, channels=[1, 3, 4] if first else CHANNELS)
        k = int(rng.choice(kernels))
        stride = int(rng.choice([1, 1, 2] if k > 1 else [1, 1, 1, 1, 1, 1, 2]))
        outputs = x[1] if out == "depthwise" else int(rng.choice([*CHANNELS, 3, 10, 21, 255]))
        groups = {"depthwise": x[1], "grouped": int(rng.choice([2, 4]))}.get(out, 1)
        if x[1] % groups or outputs % groups or min(x[2:]) < k:
            continue
        products = count(x[2:]) // stride ** 2 * outputs * x[1] // groups * k * k
        if 20_000 <= products <= MOST_PRODUCTS and count(x[2:]) // stride ** 2 * outputs <= MOST_ELEMENTS:
            break
    attributes = {"kernel_shape": [k, k], "strides": [stride] * 2, "pads": [k // 2] * 4, "group": groups}
    constants = [weights(rng, outputs, x[1] // groups, k, k), weights(rng, outputs)]
    return Case("Conv", "Conv", [x], constants, attributes)


def of_means(rng):
    """A pointwise convolution of what a pooling left, as in squeeze and excitation"""
    channels, outputs = int(rng.choice(CHANNELS)), int(rng.choice(CHANNELS))
    return Case("Conv", "Conv", [[1, channels, *GATE]], [weights(rng, outputs, channels, 1, 1), weights(rng, outputs)],
                {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0] * 4, "group": 1})


def transposed(rng):
    while True:
        x, outputs, k = image(rng, 200_000), int(rng.choice([1, 3, *CHANNELS])), int(rng.choice([2, 2, 3, 4]))
        if 20_000 <= count(x) * outputs * k * k <= MOST_PRODUCTS and 4 * count(x[2:]) * outputs <= MOST_ELEMENTS:
            break
    attributes = {"kernel_shape": [k, k], "strides": [2, 2], "pads": [1 if k > 3 else 0] * 4}
    return Case("ConvTranspose", "ConvTranspose", [x], [weights(rng, x[1], outputs, k, k), weights(rng, outputs)], attributes)


DEPTHS = [10, 64, 100, 192, 256, 384, 512, 768, 1000, 1001, 1280]


def one_row(rng):
    depth, columns = (int(rng.choice(DEPTHS)) for _ in range(2))
    return Case("Gemm", "Gemm", [[1, depth]], [weights(rng, depth, columns), weights(rng, columns)], {})


def product(rng):
    rows, depth, columns = int(rng.choice([4, 16, 49, 197, 400])), int(rng.choice(DEPTHS)), int(rng.choice(DEPTHS))
    return Case("MatMul", "MatMul", [[1, rows, depth]], [weights(rng, depth, columns)], {})


def of_activations(rng):
    heads, rows, inner, columns = (int(rng.choice(c)) for c in ([2, 3, 6], [49, 64, 100, 197], [32, 64], [32, 64, 100, 197]))
    return Case("MatMul:activations", "MatMul", [[1, heads, rows, inner], [1, heads, inner, columns]], [], {})


def pair(op, constant=0.25):
    """`constant`: how often the other operand is one"""
    def make(rng):
        x = image(rng)
        other = [x, x, x[:2] + list(GATE)][int(rng.integers(3))]
        if rng.random() < constant:
            return Case(op, op, [x], [weights(rng, 1, x[1], 1, 1)], {})
        return Case(op, op, [x, other], [], {})
    return make


def unary(op, **attributes):
    return lambda rng: Case(op, op, [image(rng)], [], attributes)


def reduced(op, **attributes):
    return lambda rng: Case(op, op, [image(rng)], [], {"axes": [2, 3], "keepdims": 1, **attributes})


def slopes(rng):
    x = image(rng)
    return Case("PRelu", "PRelu", [x], [np.abs(weights(rng, x[1], 1, 1))], {})


def pool(op, *windows, name=None):
    """`windows`: size, stride and padding"""
    def make(rng):
        k, stride, padding = windows[int(rng.integers(len(windows)))]
        x = image(rng)
        while min(x[2:]) < 8:
            x = image(rng)
        return Case(name or op, op, [x], [], {"kernel_shape": [k, k], "strides": [stride] * 2, "pads": [padding] * 4})
    return make


def joined(rng):
    x = image(rng, MOST_ELEMENTS // 4)
    more = [[1, int(rng.choice(CHANNELS)), *x[2:]] for _ in range(int(rng.integers(1, 4)))]
    more = [m for m in more if count(m) <= MOST_ELEMENTS // 4] or [x]
    return Case("Concat", "Concat", [x, *more], [], {"axis": 1})


def resized(mode, how):
    def make(rng):
        x, by = image(rng, MOST_ELEMENTS // 8), float(rng.choice([2, 2, 4]))
        if count(x) * by * by > MOST_ELEMENTS:
            by = 2.0
        constants = [np.zeros(0, np.float32), np.array([1, 1, by, by], np.float32)]
        return Case("Resize" if mode == "nearest" else f"Resize:{mode}", "Resize", [x], constants,
                    {"mode": mode, "coordinate_transformation_mode": how, **({"nearest_mode": "floor"} if mode == "nearest" else {})})
    return make


def turned(rng):
    """Orders that stay what they are with the channels last: those of three dimensions, and of heads"""
    if rng.random() < 0.5:
        return Case("Transpose", "Transpose", [[1, int(rng.choice(SIZES)) ** 2, int(rng.choice(CHANNELS))]], [], {"perm": [0, 2, 1]})
    heads = [1, int(rng.choice([49, 100, 197, 400])), int(rng.choice([2, 3, 6, 8])), int(rng.choice([16, 32, 64]))]
    return Case("Transpose", "Transpose", [heads], [], {"perm": [0, 2, 1, 3]})


def cut_out(rng):
    x = image(rng)
    if rng.random() < 0.5:
        return Case("Slice", "Slice", [x], [integers(0), integers(x[1] // 2), integers(1)], {})
    return Case("Slice", "Slice", [x], [integers(1, 1), integers(x[2] - 1, x[3] - 1), integers(2, 3)], {})


def parted(rng):
    x = image(rng)
    return Case("Split", "Split", [x], [integers(x[1] // 2, x[1] - x[1] // 2)], {"axis": 1})


def padded(rng):
    return Case("Pad", "Pad", [image(rng)], [integers(0, 0, 1, 1, 0, 0, 1, 1), np.zeros((), np.float32)], {})


def blocks(op):
    def make(rng):
        while True:
            x = image(rng)
            if x[1] % 4 == 0 and x[2] % 2 == 0 and x[3] % 2 == 0:
                return Case(op, op, [x], [], {"blocksize": 2})
    return make


def rows(op, **attributes):
    def make(rng):
        shape = [[1, int(rng.choice([10, 100, 1000, 1001]))], [1, int(rng.choice([2, 3, 6])), 197, 197],
                 [1, int(rng.choice([49, 197, 400])), int(rng.choice([64, 192, 384, 768]))]][int(rng.integers(3))]
        return Case(op, op, [shape], [], {"axis": -1, **attributes})
    return make


def normed(rng):
    shape = [1, int(rng.choice([49, 100, 197, 400])), int(rng.choice([64, 96, 192, 384, 768]))]
    return Case("LayerNormalization", "LayerNormalization", [shape], [1 + weights(rng, shape[-1]), weights(rng, shape[-1])], {"axis": -1})


def flat(rng):
    x = [1, int(rng.choice([49, 100, 197, 400])), int(rng.choice([64, 96, 192, 384]))]
    return Case("Reshape", "Reshape", [x], [integers(1, x[1] * x[2])], {})


SHRINKING, GROWING = "QuantizeLinear", "DequantizeLinear"
# What a table says of ops that are not in it is fitted to all ops but these: node and output alone.
WEIGHTED = ("Conv", "Conv:pointwise", "Conv:depthwise", "ConvTranspose", "Gemm", "MatMul", "MatMul:activations", SHRINKING, GROWING)
SAME_AS = {"Flatten": "Reshape", "Squeeze": "Reshape", "Unsqueeze": "Reshape"}
# Entries of int8, on which litert is based, that tell kernels of ONNX Runtime apart.
TAKEN_AWAY = ["Add:on_the_way", "Conv:merged", "Mul:gate", "QuantizeLinear:4d", "DequantizeLinear:4d", "MaxPool:planar"]


def shrinking(rng):
    """Timed with float inputs as well"""
    return Case(SHRINKING, "GlobalAveragePool", [image(rng)], [], {})


def growing(rng):
    """Timed with float outputs as well"""
    x = image(rng)
    return Case(GROWING, "Mul", [x[:2] + list(GATE)], [weights(rng, *x)], {})


# What is drawn how often. The counts follow how many terms a class has.
DRAWN = [
    (lambda rng: convolution(rng, [3, 3, 3, 5]), 60), (lambda rng: convolution(rng, [3, 5, 7], first=True), 16),
    (lambda rng: convolution(rng, [3], "grouped"), 8), (lambda rng: convolution(rng, [1]), 60),
    (of_means, 10),
    (lambda rng: convolution(rng, [3, 3, 5], "depthwise"), 50), (transposed, 36), (one_row, 16), (product, 30), (of_activations, 16),
    (pair("Add"), 28), (pair("Mul"), 28), (pair("Sub"), 16), (pair("Div", 0), 12), (unary("Sigmoid"), 16), (unary("HardSigmoid"), 14),
    (unary("HardSwish"), 14), (unary("Tanh"), 12), (unary("Elu"), 12), (unary("Gelu"), 12), (unary("LeakyRelu", alpha=0.1), 14),
    (unary("Exp"), 12), (slopes, 14), (pool("MaxPool", (2, 2, 0), (3, 2, 0), (3, 1, 1), (5, 1, 2)), 28),
    (pool("MaxPool", (3, 2, 1), name="MaxPool:padded"), 14), (pool("AveragePool", (2, 2, 0), (3, 1, 0), (3, 2, 0)), 24),
    (unary("GlobalAveragePool"), 16), (unary("GlobalMaxPool"), 12), (reduced("ReduceMean"), 14), (reduced("ReduceMax"), 12),
    (joined, 28), (resized("nearest", "asymmetric"), 16), (resized("linear", "half_pixel"), 16), (turned, 20), (cut_out, 20), (parted, 16),
    (padded, 16), (blocks("DepthToSpace"), 14), (blocks("SpaceToDepth"), 14), (rows("Softmax"), 20), (rows("LogSoftmax"), 12),
    (normed, 14), (flat, 8), (shrinking, 24), (growing, 24)]


# --- files ------------------------------------------------------------------------------------------------------------
def write_model(path, nodes, case_inputs, constants):
    ports = [helper.make_tensor_value_info(f"x{i}", onnx.TensorProto.FLOAT, shape) for i, shape in enumerate(case_inputs)]
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in nodes[-1].output]
    graph = helper.make_graph(nodes, "g", ports, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20 if nodes[0].op_type == "Gelu" else 17)], ir_version=9)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    onnx.save(model, path)
    return [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output]


def write_pictures(folder, shapes):
    os.makedirs(folder)
    rng = np.random.default_rng(0)
    arrays = {f"x{i}": (rng.random(shape) - 0.3).astype(np.float32) for i, shape in enumerate(shapes)}
    for x in arrays.values():  # one range for all: a Concat has nothing to rescale, as where it alone reads its inputs
        x.flat[0], x.flat[-1] = -0.5, 0.9
    for i in range(2):  # one to calibrate on, one to judge by
        np.savez(os.path.join(folder, f"{i}.npz"), **arrays)


def convert(folder, nodes, inputs, constants, forms):
    """(paths by form, output shapes): a file that qconvert cannot write is not among them"""
    model, config = os.path.join(folder, "m.onnx"), os.path.join(folder, "config.json")
    outputs = write_model(model, nodes, inputs, constants)
    write_pictures(os.path.join(folder, "calibration"), inputs)
    target = os.path.join(folder, "target.json")
    with open(target, "w") as f:
        # Integers wherever there is a kernel, and no table at all.
        json.dump({"based_on": "litert", "costs": None}, f)
    with open(config, "w") as f:
        json.dump({"representative_dataset": {"path": "calibration"}, "target_platform_capabilities": "target.json",
                   "placement": "full", "gptq_config": {"method": "none"},
                   "quantization_config": {"activation_error_method": "NOCLIPPING", "weights_error_method": "NOCLIPPING",
                                           "weights_bias_correction": False, "shift_negative_activation_correction": False},
                   "output": {"formats": ["tflite"]}}, f)
    paths = {}
    for form in forms:
        setting = {"float": "/output/tflite/form=float32", "integer": "/output/tflite/io_type=int8", "ports": "/output/tflite/io_type=float32"}
        out = os.path.join(folder, form)
        done = subprocess.run([QCONVERT, model, "--config", config, "-o", out, "-q", "--no-progress", "--threads", "1", "--set", setting[form]],
                              capture_output=True, text=True)
        if done.returncode:
            print(f"{nodes[0].op_type} {inputs} {form}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        else:
            paths[form] = os.path.join(out, "m.quant.tflite")
    return paths, outputs


def write_case(folder, case):
    names = [f"x{i}" for i in range(len(case.inputs))] + [f"c{i}" for i in range(len(case.constants))]
    outputs = ["y0", "y1"] if case.op == "Split" else ["y0"]
    node = helper.make_node(case.op, names, outputs, name="n", **case.attributes)
    constants = [numpy_helper.from_array(c, f"c{i}") for i, c in enumerate(case.constants)]
    forms = ["integer", "ports"] if case.name in (SHRINKING, GROWING) else ["float", "integer"]
    return convert(folder, [node], case.inputs, constants, forms)


def write_chain(folder, length):
    nodes = [helper.make_node("Sigmoid", [f"v{i}" if i else "x0"], [f"v{i + 1}"], name=f"n{i}") for i in range(length)]
    return convert(folder, nodes, [[1, 1]], [], ["float", "integer"])[0]


def write_all(folder):
    """The cases with paths and output shapes, and the chains; files that are there stay."""
    listing = os.path.join(folder, "cases.json")
    rng = np.random.default_rng(20)
    drawn = [make(rng) for make, times in DRAWN for _ in range(times)]
    if not os.path.exists(listing):
        def write(one):
            name, make, *what = one
            os.makedirs(os.path.join(folder, name))
            return make(os.path.join(folder, name), *what)

        with ThreadPoolExecutor() as many:
            found = list(many.map(write, [(str(i), write_case, case) for i, case in enumerate(drawn)]))
            chains = {length: write(("chain" + str(length), write_chain, length)) for length in (1, CHAIN)}
        with open(listing, "w") as f:
            json.dump({"cases": found, "chains": chains}, f)
    with open(listing) as f:
        written = json.load(f)
    return [(case, *found) for case, found in zip(drawn, written["cases"])], written["chains"]


# --- times ------------------------------------------------------------------------------------------------------------
def interpreter_of(path):
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for port in interpreter.get_input_details():
        x = rng.integers(-100, 100, port["shape"]) if port["dtype"] == np.int8 else rng.uniform(0.1, 1, port["shape"])
        interpreter.set_tensor(port["index"], x.astype(port["dtype"]))
    for _ in range(WARM_UP):
        interpreter.invoke()
    return interpreter


def add_turn(paths, best, runs):
    """The least microseconds of each file, in `best`."""
    interpreters = {path: interpreter_of(path) for path in paths}
    for _ in range(runs):
        for path, interpreter in interpreters.items():
            interpreter.invoke()  # its own weights back in the cache
            started = time.perf_counter()
            interpreter.invoke()
            taken = 1e6 * (time.perf_counter() - started)
            best[path] = min(best.get(path, taken), taken)


def measure(folder, cases, chains, turns):
    kept = os.path.join(folder, "times.json")
    best = {}
    if os.path.exists(kept):
        with open(kept) as f:
            best = json.load(f)
    classes = collections.defaultdict(list)
    for case, paths, _ in cases:
        classes[case.name, case.op].extend(paths.values())
    for turn in range(turns):
        for paths in [[p for forms in chains.values() for p in forms.values()], *classes.values()]:
            add_turn(paths, best, RUNS)
        with open(kept, "w") as f:
            json.dump(best, f)
        print(f"turn {turn + 1} of {turns}", file=sys.stderr)
    return best


def empty_call(chains, best, side):
    """(microseconds of a call without a node, of a node that does nothing)"""
    short, long = best[chains["1"][side]], best[chains[str(CHAIN)][side]]
    node = max(0.0, (long - short) / (CHAIN - 1))
    return short - node, node


def is_integer(path):
    return all(port["dtype"] == np.int8 for port in Interpreter(path, num_threads=1).get_input_details())


def samples_of(cases, chains, best):
    """{(class, side): [(amounts, microseconds)]}"""
    kinds = collections.defaultdict(list)
    calls = {side: empty_call(chains, best, side) for side in ("float", "integer")}
    for side, (call, node) in calls.items():
        print(f"an empty call, {side}: {call:.2f} us, and {node:.2f} us for a node", file=sys.stderr)
    for case, paths, outputs in cases:
        if case.name in (SHRINKING, GROWING):
            if len(paths) < 2 or not is_integer(paths["integer"]):
                continue
            elements = count(case.inputs[0] if case.name == SHRINKING else outputs[0])
            _, amounts = work(case.name, {}, [{"": [elements]}], [{"": [elements]}], None)
            # The other end is converted as well, which is as good as a node that does nothing.
            us = best[paths["ports"]] - best[paths["integer"]] - calls["integer"][1]
            kinds[case.name, "float"].append((amounts, max(us, LEAST_NODE_US)))
            continue
        weight = list(case.constants[0].shape) if case.constants else None
        name, amounts = work("MatMul" if case.op == "Gemm" else case.op, case.attributes, [{"": s} for s in case.inputs],
                             [{"": s} for s in outputs], weight)
        name = name if ":" in name else case.name
        for side, path in paths.items():
            if side == "float" or is_integer(path):
                kinds[name, side].append((amounts, max(best[path] - calls[side][0], LEAST_NODE_US)))
    return kinds


def fit_table(kinds):
    kinds = dict(kinds)
    for side in ("integer", "float"):
        kinds["*", side] = [({**dict.fromkeys(TERMS, 0), "node": 1, "output": amounts["output"]}, us)
                            for (name, of), rows in kinds.items() if of == side and name not in WEIGHTED for amounts, us in rows]
    table = fit_all(kinds, WITHOUT, LEAST_US)
    whole = {}
    for name, sides in table.items():
        # No integer kernel: nothing to decide, but a part of the whole.
        integer = {} if name in (SHRINKING, GROWING) else sides.get("integer", sides["float"])
        whole[name] = {"integer": integer, "float": sides["float"]}
    return {**whole, **{name: whole[like] for name, like in SAME_AS.items()}, **dict.fromkeys(TAKEN_AWAY)}


# --- whole models -----------------------------------------------------------------------------------------------------
def written(model, config, folder, target, settings):
    """(path of the .tflite, its report); a folder that has them keeps them."""
    stem = os.path.splitext(os.path.basename(model))[0]
    path = os.path.join(folder, stem + ".quant.tflite")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        sets = [word for setting in settings for word in ("--set", setting)]
        subprocess.run([QCONVERT, model, "--config", config, "--target", target, "--format", "tflite", "-o", folder, "-q", "--no-progress",
                        *sets], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, stem + ".report.json")) as f:
        return path, json.load(f)


def of_size(model, planned, folder):
    """The model, or a copy whose first input has the size of the planned file: without pictures free dimensions get another."""
    loaded = onnx.load(model)
    constants = {c.name for c in loaded.graph.initializer}
    dims = next(i for i in loaded.graph.input if i.name not in constants).type.tensor_type.shape.dim
    if all(d.dim_value > 0 for d in dims[1:]):
        return model
    size = [int(n) for n in Interpreter(planned, num_threads=1).get_input_details()[0]["shape"]]
    if len(size) == 4 and dims[1].dim_value == size[3]:
        size = [size[0], size[3], *size[1:3]]
    for d, n in zip(dims, size):
        d.dim_value = n
    os.makedirs(folder, exist_ok=True)
    copy = os.path.join(folder, os.path.basename(model))
    onnx.save(loaded, copy)
    return copy


def check(options, folder):
    rows = []
    for model_and_config in options.models:
        model, config = model_and_config.rsplit(":", 1)
        stem = os.path.splitext(os.path.basename(model))[0]
        own = os.path.join(folder, stem)
        name = os.path.splitext(os.path.basename(options.target))[0]
        planned, report = written(model, config, os.path.join(own, f"{name}-{options.placement}"), options.target,
                                  [f'/placement="{options.placement}"'])
        floats, _ = written(of_size(model, planned, os.path.join(own, "sized")), config, os.path.join(own, "float"), "litert",
                            ["/output/tflite/form=float32"])
        rows.append((stem, floats, planned, report["predicted_time"]))
        print(f"converted {stem}", file=sys.stderr)
    best = {}
    for _ in range(CHECK_TURNS):
        for _, floats, planned, _ in rows:
            add_turn([floats, planned], best, CHECK_RUNS)
    print(f"{'model':32} {'float':>9} {'planned':>9} {'measured':>8} {'predicted':>9} {'error':>6}")
    errors, speeds = [], []
    for stem, floats, planned, predicted in rows:
        measured = best[planned] / best[floats]
        speeds.append(1 / measured)
        errors.append(predicted / measured - 1)
        print(f"{stem:32} {best[floats]:6.0f} us {best[planned]:6.0f} us {measured:8.2f} {predicted:9.2f} {100 * errors[-1]:+4.0f} %")
    print(f"within 20 %: {sum(abs(e) <= 0.2 for e in errors)} of {len(errors)} models; geometric mean of the speed over float: "
          f"{math.exp(np.mean(np.log(speeds))):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", help="a folder for the converted files and what was measured")
    parser.add_argument("--cpu", type=int, help="pin to this processor")
    parser.add_argument("--turns", type=int, default=TURNS, help="of all files")
    parser.add_argument("--check", action="store_true", help="judge the table of --target by whole models")
    parser.add_argument("--target", default="litert", help="a name or a file")
    parser.add_argument("--placement", default="full", choices=["full", "auto"])
    parser.add_argument("models", nargs="*", metavar="MODEL.onnx:CONFIG.json")
    options = parser.parse_args()
    if options.check != bool(options.models):
        parser.error("--check wants models, and they want --check")
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.abspath(options.files or scratch)
        os.makedirs(folder, exist_ok=True)
        if options.check:
            check(options, folder)
            return
        cases, chains = write_all(folder)
        print_table(fit_table(samples_of(cases, chains, measure(folder, cases, chains, options.turns))))


if __name__ == "__main__":
    main()
