#!/usr/bin/env python3
"""Fits the "costs" of a target file from ONNX Runtime's own profiles: time of an op on integers and in float.

  scripts/fit_costs.py FLOAT.onnx:INTEGER.onnx ...      (needs the Python packages onnxruntime, onnx and numpy)

Each pair is a float model and the same model written with integers wherever there is a kernel (a target without
"costs" does that). Every model runs on one thread on a random input; each node's time is the least of many runs, its
work comes from the shapes in the profile: MACs, and elements of the largest tensor. Per op class the least squares fit

    time [ns] = node + mac * MACs + element * elements         (none negative, relative error)

is printed as JSON for configs/targets/*.json, with the median relative error of each fit on stderr.
"""
import collections
import glob
import json
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

RUNS = 30
# Kernel seen in the optimised graph -> the class that the table speaks of, and its side.
KERNELS = {
    "Conv": ("Conv", "float"), "FusedConv": ("Conv", "float"), "QLinearConv": ("Conv", "integer"),
    "Gemm": ("Gemm", "float"), "FusedGemm": ("Gemm", "float"), "QGemm": ("Gemm", "integer"),
    "MatMul": ("MatMul", "float"), "FusedMatMul": ("MatMul", "float"),
    "QLinearMatMul": ("MatMul", "integer"), "MatMulIntegerToFloat": ("MatMul", "integer"),
}
SAME = ["Add", "Mul", "Concat", "Sigmoid", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Softmax", "Where"]
MOVES = ["MaxPool", "Reshape", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze", "DepthToSpace", "Resize", "Gather", "Flatten"]


def input_feed(session):
    rng = np.random.default_rng(0)
    feed = {}
    for i in session.get_inputs():
        shape = [d if isinstance(d, int) and d > 0 else (1 if k == 0 else 192) for k, d in enumerate(i.shape)]
        feed[i.name] = rng.uniform(-1, 1, shape).astype(np.float32)
    return feed


def profile(path):
    """{(node name, op): (least ns, input shapes, output shapes, input types)}"""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = os.path.join(folder, "p")
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        feed = input_feed(session)
        for _ in range(RUNS):
            session.run(None, feed)
        events = json.load(open(session.end_profiling()))
    seen = {}
    for e in events:
        if e.get("cat") != "Node" or not e["name"].endswith("_kernel_time"):
            continue
        a = e["args"]
        if not a.get("op_name") or not a.get("output_type_shape"):
            continue
        key = (e["name"], a["op_name"])
        ns = e["dur"] * 1000.0
        if key not in seen or ns < seen[key][0]:
            seen[key] = (ns, a.get("input_type_shape", []), a["output_type_shape"])
    return seen


def first_shape(entry):
    return next(iter(entry.values()))


def count(shape):
    return int(np.prod(shape)) if shape else 1


def weight_shape(inputs, op):
    shapes = [(next(iter(i)), first_shape(i)) for i in inputs]
    slot = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3, "MatMulIntegerToFloat": 1}.get(op, 1)
    return shapes[slot][1] if slot < len(shapes) else []


def classify(op, inputs, outputs):
    out = first_shape(outputs[0])
    elements = max([count(out)] + [count(first_shape(i)) for i in inputs if next(iter(i)) in ("float", "uint8", "int8")
                                   and (op not in KERNELS or i is inputs[0])])
    integer = any(next(iter(i)) in ("uint8", "int8") for i in inputs[:1] + outputs[:1])
    if op in KERNELS:
        name, side = KERNELS[op]
        w = weight_shape(inputs, op)
        if name == "Conv":
            if len(w) != 4:
                return None
            if w[1] == 1 and w[0] > 1 and len(first_shape(inputs[0])) == 4 and max(first_shape(inputs[0])[1:]) >= 1 and w[0] % 1 == 0:
                cin = first_shape(inputs[0])[1] if side == "float" else None
                if cin != 1:
                    name = "Conv:depthwise"
            elif w[2] == 1 and w[3] == 1:
                name = "Conv:pointwise"
            macs = count(out) * w[1] * w[2] * w[3]
        else:
            macs = count(out) * (first_shape(inputs[0])[-1] if first_shape(inputs[0]) else 1)
        return name, side, macs, elements
    base = op[7:] if op.startswith("QLinear") else op
    if base in SAME:
        return base, "integer" if op.startswith("QLinear") else "float", 0, elements
    if op in MOVES:
        return op, "integer" if integer else "float", 0, elements
    if op in ("QuantizeLinear", "DequantizeLinear"):
        return op, "float", 0, elements
    return None


def fit(samples):
    """Non-negative weighted least squares with three terms, by trying every subset of terms."""
    a = np.array([[1.0, m, e] for m, e, _ in samples])
    t = np.array([s[2] for s in samples])
    weight = 1.0 / np.maximum(t, 1000.0)
    best = None
    for mask in range(1, 8):
        cols = [c for c in range(3) if mask >> c & 1 and a[:, c].any()]
        if not cols:
            continue
        x, *_ = np.linalg.lstsq(a[:, cols] * weight[:, None], t * weight, rcond=None)
        if (x < 0).any():
            continue
        full = np.zeros(3)
        full[cols] = x
        error = (np.abs(a @ full - t) * weight).sum()
        if best is None or error < best[0]:
            best = (error, full)
    return best[1], float(np.median(np.abs(a @ best[1] - t) / np.maximum(t, 1000.0)))


def main():
    samples = collections.defaultdict(list)
    for pair in sys.argv[1:]:
        for path in pair.split(":"):
            for (_, op), (ns, inputs, outputs) in profile(path).items():
                found = classify(op, inputs, outputs)
                if found:
                    name, side, macs, elements = found
                    samples[name, side].append((macs, elements, ns))
    table = {}
    for name in sorted({k[0] for k in samples}):
        entry = {}
        for side in ("integer", "float"):
            if not samples.get((name, side)):
                entry[side] = [0, 0, 0]
                continue
            x, error = fit(samples[name, side])
            entry[side] = [float(f"{v:.3g}") for v in x]
            print(f"{name:20} {side:8} {len(samples[name, side]):5} samples, median error {100 * error:.0f} %", file=sys.stderr)
        table[name] = entry
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
