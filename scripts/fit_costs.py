#!/usr/bin/env python3
"""Fits the "costs" of a target file from ONNX Runtime's own profiles: time of an op on integers and in float.

  scripts/fit_costs.py [--files FOLDER] MODEL.onnx:CONFIG.json ...
                                          (needs the Python packages onnxruntime, onnx, numpy and scipy)

Every model is converted twice by build/qconvert, once with integers wherever there is a kernel and once with everything
in float, and both files run on one thread on a random input. With --files they stay in FOLDER and are used again: the
table of another processor is fitted there, to the same files. Every file has several turns, with those of the other
models in between: a node's time is the least of all runs, less what profiling itself adds, so that other work on the
machine does not count. Its work comes from the shapes in the profile and from the weights in the optimised graph, in
the same terms as lib/select/costs.cpp (cost_terms.py).

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

from cost_terms import fit_all, print_table, shape, work

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QCONVERT = os.environ.get("QCONVERT", os.path.join(ROOT, "build", "qconvert"))
RUNS, TURNS = 25, 4
PROFILING_US = 1.9  # what a node's time grows by when it is profiled, unless --profiling says otherwise
# Only the blocked layouts of float kernels know blocks and thin inputs; channels lie last in neither.
WITHOUT, LEAST_US = {"integer": ("loose", "thin", "piece", "step"), "float": ("piece", "step")}, 5
WEIGHT_SLOT = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
# Kernel in the optimised graph -> the class that the table speaks of.
CLASS = {"FusedConv": "Conv", "QLinearConv": "Conv", "Gemm": "MatMul", "FusedGemm": "MatMul", "QGemm": "MatMul", "FusedMatMul": "MatMul",
         "QLinearMatMul": "MatMul", "MatMulIntegerToFloat": "MatMul", "NhwcMaxPool": "MaxPool", "Upsample": "Resize"}
CLASSES = {"Conv", "MatMul", "Add", "Mul", "Concat", "Sigmoid", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Where",
           "MaxPool", "Reshape", "Transpose", "Slice", "Split", "DepthToSpace", "Resize", "Gather", "QuantizeLinear",
           "DequantizeLinear", "ReorderInput", "ReorderOutput", "ReduceMax", "MaxPool:planar", "ConvTranspose", "Softmax"}


def is_integer(entry):
    return bool(entry) and next(iter(entry)) in ("uint8", "int8")


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
    table = fit_all(kinds, WITHOUT, LEAST_US)
    print_whole_models(samples, table)
    print_table(table)


if __name__ == "__main__":
    main()
