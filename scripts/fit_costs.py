#!/usr/bin/env python3
"""Fits the "costs" of a target file from ONNX Runtime's own profiles: time of an op on integers and in float.

  scripts/fit_costs.py [--files FOLDER] MODEL.onnx:CONFIG.json ...
                                          (needs the Python packages onnxruntime, onnx, numpy and scipy)

Every model is converted twice by build/qconvert, once with integers wherever there is a kernel and once with everything
in float, and both files run on one thread on a random input. With --files they stay in FOLDER and are used again: the
table of another processor is fitted there, to the same files. Every file has several turns, with those of the other
models in between: a node's time is the least of all runs, less what profiling itself adds, so that other work on the
machine does not count. Its work comes from the shapes in the profile and from the weights in the optimised graph, in
the same terms as lib/select/costs.cpp:

  node    1
  mac     multiply-accumulates with the output channels of a group rounded up to whole vectors of 16 (depthwise: whole
          vectors only; pooling: outputs times window)
  tail    positions times output channels beyond whole vectors (depthwise: times window)
  patch   positions times window, for windows larger than one
  input, output    elements
  weight  elements of the constant operand
  loose   multiply-accumulates of convolutions whose channels are no multiple of 4
  thin    multiply-accumulates of convolutions with fewer than 16 input channels in a group (not depthwise)
  far     elements of input and output beyond 2^19, which no cache close to the core holds

Per class and side a non-negative fit of least absolute relative error is printed as JSON for configs/targets/*.json
("costs", or what differs from them on one kind of processor, "costs_on"); the median and the 90 % quantile of the error
go to stderr, and for each whole model the time of the nodes that were fitted: measured, and predicted over it.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from scipy.optimize import nnls

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QCONVERT = os.environ.get("QCONVERT", os.path.join(ROOT, "build", "qconvert"))
RUNS, TURNS = 25, 4
PROFILING_US = 1.9  # what a node's time grows by when it is profiled, unless --profiling says otherwise
VECTOR, BLOCK, NEAR = 16, 4, 1 << 19
TERMS = ["node", "mac", "tail", "patch", "input", "output", "weight", "loose", "thin", "far"]
WEIGHT_SLOT = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
# Kernel in the optimised graph -> the class that the table speaks of.
CLASS = {"FusedConv": "Conv", "QLinearConv": "Conv", "Gemm": "MatMul", "FusedGemm": "MatMul", "QGemm": "MatMul", "FusedMatMul": "MatMul",
         "QLinearMatMul": "MatMul", "MatMulIntegerToFloat": "MatMul", "NhwcMaxPool": "MaxPool", "Upsample": "Resize"}
CLASSES = {"Conv", "MatMul", "Add", "Mul", "Concat", "Sigmoid", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Where",
           "MaxPool", "Reshape", "Transpose", "Slice", "Split", "DepthToSpace", "Resize", "Gather", "QuantizeLinear",
           "DequantizeLinear", "ReorderInput", "ReorderOutput", "ReduceMax", "MaxPool:planar", "ConvTranspose", "Softmax"}


def shape(entry):
    return next(iter(entry.values())) if entry else []


def is_integer(entry):
    return bool(entry) and next(iter(entry)) in ("uint8", "int8")


def count(dims):
    return int(np.prod(dims)) if dims else 1


def up(channels):
    return -(-channels // VECTOR) * VECTOR


def profile(path, overhead):
    """{node: (op, attributes, input types and shapes, output types and shapes, weight dims, microseconds)}"""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = os.path.join(folder, "p")
        options.optimized_model_filepath = os.path.join(folder, "optimized.onnx")
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        rng = np.random.default_rng(0)
        feed = {i.name: rng.uniform(-1, 1, [d if isinstance(d, int) and d > 0 else (1 if k == 0 else 320) for k, d in enumerate(i.shape)])
                .astype(np.float32) for i in session.get_inputs()}
        for _ in range(RUNS):
            session.run(None, feed)
        with open(session.end_profiling()) as f:
            events = json.load(f)
        graph = onnx.load(options.optimized_model_filepath).graph
    constants = {i.name: list(i.dims) for i in graph.initializer}
    nodes = {n.name: n for n in graph.node}
    best = {}
    for e in events:
        if e.get("cat") == "Node" and e["name"].endswith("_kernel_time") and "op_name" in e["args"]:
            name = e["name"][:-len("_kernel_time")]
            if name not in best or e["dur"] < best[name][0]:
                best[name] = (e["dur"], e["args"])
    rows = {}
    for name, (us, a) in best.items():
        node = nodes.get(name)
        attributes = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute} if node else {}
        slot = WEIGHT_SLOT.get(a["op_name"], 1)
        weight = constants.get(node.input[slot]) if node and len(node.input) > slot else None
        rows[name] = (a["op_name"], attributes, a.get("input_type_shape", []), a.get("output_type_shape", []), weight,
                      max(us - overhead, 0.3))
    return rows


def least(once, again):
    """The quicker of two profiles of one file, node by node."""
    return {name: min(row, again.get(name, row), key=lambda r: r[-1]) for name, row in once.items()}


def has_loose_channels(outputs, inputs):
    return outputs % BLOCK != 0 or (inputs >= BLOCK and inputs % BLOCK != 0)


def work(name, attributes, ins, outs, weight):
    """(class, amounts by TERMS), or None for a shape that tells nothing"""
    inputs = max([count(shape(i)) for i in ins] or [1]) if name in ("Add", "Mul", "Where") else count(shape(ins[0]))
    outputs = sum(count(shape(o)) for o in outs)
    amounts = dict.fromkeys(TERMS, 0)
    amounts.update(node=1, input=inputs, output=outputs, far=max(0, inputs + outputs - NEAR))
    if name == "Conv":
        if not weight or len(weight) != 4:
            return None
        group, out = attributes.get("group", 1), shape(outs[0])
        # Blocked layouts pad the channels: positions come from the spatial sizes.
        positions = outputs // weight[0] if outputs % weight[0] == 0 else count(out[:1]) * out[2] * out[3]
        window, channels, inputs = weight[2] * weight[3], weight[0] // group, weight[1] * group
        if has_loose_channels(weight[0], inputs):
            amounts["loose"] = positions * count(weight)
        amounts.update(patch=positions * window if window > 1 else 0, weight=count(weight))
        if weight[1] == 1 and group > 1:
            amounts.update(mac=positions * window * (weight[0] // VECTOR * VECTOR), tail=positions * window * (weight[0] % VECTOR))
            return "Conv:depthwise", amounts
        if weight[1] < VECTOR:
            amounts["thin"] = positions * count(weight)
        amounts.update(mac=positions * window * weight[1] * up(channels) * group, tail=positions * (channels % VECTOR) * group)
        return "Conv:pointwise" if window == 1 else "Conv", amounts
    if name == "MatMul":
        a, out = shape(ins[0]), shape(outs[0])
        if not a or not out:
            return None
        amounts.update(mac=outputs // out[-1] * a[-1] * up(out[-1]), tail=outputs // out[-1] * (out[-1] % VECTOR),
                       weight=count(weight) if weight else 0)
    if name in ("MaxPool", "MaxPool:planar", "AveragePool"):
        amounts.update(mac=outputs * count(attributes.get("kernel_shape", [1])))
    return name, amounts


def fit(samples, side):
    """Least absolute relative error, by re-weighted non-negative least squares."""
    # Only the blocked layouts of float kernels know blocks and thin inputs.
    known = [t for t in TERMS if side == "float" or t not in ("loose", "thin")]
    a = np.array([[s[0][t] if t in known else 0 for t in TERMS] for s in samples], float)
    t = np.array([s[1] for s in samples]) * 1000
    relative = 1 / np.maximum(t, 5000)
    scale = a.max(0) + 1e-9
    weights = relative.copy()
    for _ in range(25):
        x, _ = nnls(a / scale * weights[:, None], t * weights)
        x = x / scale
        error = np.abs(a @ x - t) * relative
        weights = relative / np.sqrt(np.maximum(error, 0.03))
    return {k: float(f"{v:.3g}") for k, v in zip(TERMS, x) if v * s_max(a, k) > 1}, error


def s_max(a, term):
    return a[:, TERMS.index(term)].max()


def convert(model, config, folder):
    """The two files of one model."""
    os.makedirs(folder, exist_ok=True)
    full = os.path.join(folder, "full.json")
    with open(full, "w") as f:
        json.dump({"based_on": "int8", "costs": None}, f)
    for side, extra in (("integer", ["--target", full, "--set", '/placement="full"']), ("float", ["--set", '/keep_float/names=["*"]'])):
        out = os.path.join(folder, side)
        path = os.path.join(out, os.path.splitext(os.path.basename(model))[0] + ".quant.onnx")
        if not os.path.exists(path):
            subprocess.run([QCONVERT, model, "--config", config, "-o", out, "-q", "--no-progress", *extra], check=True,
                           stdout=subprocess.DEVNULL)
        yield path


def samples_of(rows):
    """[(class, side, amounts, microseconds)] of one profile, without shapes that tell nothing."""
    found = []
    for op, attributes, ins, outs, weight, us in rows.values():
        name = CLASS.get(op, op[len("QLinear"):] if op.startswith("QLinear") else op)
        if name not in CLASSES or not outs or not ins or attributes.get("mode") in (b"linear", b"cubic"):
            continue
        side = "integer" if is_integer(ins[0]) or is_integer(outs[0]) else "float"
        if op == "MaxPool" and side == "integer":
            name = "MaxPool:planar"  # where no convolution's layout reaches it
        entry = work(name, attributes, ins, outs, weight)
        if entry:
            found.append((entry[0], side, entry[1], us))
    return found


def print_whole_models(samples, table):
    for path, rows in samples.items():
        measured = sum(us for *_, us in rows)
        predicted = sum(amounts[term] * ns / 1000 for name, side, amounts, _ in rows for term, ns in table[name][side].items())
        print(f"{os.path.basename(path):44} {measured:9.0f} us, predicted {predicted / measured:.2f} of it", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", help="a folder for the converted files")
    parser.add_argument("--profiling", type=float, default=PROFILING_US,
                        help="microseconds that profiling adds to a node: the sum of a profile over a run without one, by node")
    parser.add_argument("models", nargs="+", metavar="MODEL.onnx:CONFIG.json")
    arguments = parser.parse_args()
    profiles = {}
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for pair in arguments.models:
            model, config = pair.rsplit(":", 1)
            stem = os.path.splitext(os.path.basename(model))[0]
            paths += convert(model, config, os.path.join(arguments.files or scratch, stem))
            print(f"converted {model}", file=sys.stderr)
        for _ in range(TURNS):
            for path in paths:
                rows = profile(path, arguments.profiling)
                profiles[path] = least(profiles[path], rows) if path in profiles else rows
    samples = {path: samples_of(rows) for path, rows in profiles.items()}
    kinds = collections.defaultdict(list)
    for rows in samples.values():
        for name, side, amounts, us in rows:
            kinds[name, side].append((amounts, us))
    table = collections.defaultdict(dict)
    for (name, side), rows in sorted(kinds.items()):
        table[name][side], error = fit(rows, side)
        print(f"{name:20} {side:8} {len(rows):5} nodes, {sum(r[1] for r in rows):9.0f} us, error: median {100 * np.median(error):3.0f} %, "
              f"90 % below {100 * np.quantile(error, 0.9):3.0f} %", file=sys.stderr)
    print_whole_models(samples, table)
    print("{\n" + ",\n".join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in table.items()) + "\n}")


if __name__ == "__main__":
    main()
