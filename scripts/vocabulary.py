#!/usr/bin/env python3
"""Converts real models with options of MCT's vocabulary and judges what each brings; see vocabulary.sh. Needs numpy and onnx.

tests/vocabulary.csv has a line for each figure: `least` or `most` is its bound, `known` says how it is measured, and what
stays short, and why. A figure that misses its bound fails the run unless the line is marked `short`.
"""
import csv
import json
import os
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper

from real_data import QCONVERT, ROOT, data_folder, link_all, list_models, run, split_of, write_config

JUDGED = 400
EVERYTHING = {"name": "*"}
TARGETS = os.path.join(ROOT, "tests", "data", "targets")


class Work:
    """One model with its pictures, in a folder that goes away."""

    def __init__(self, data, name, folder, judged):
        model = next(m for m in list_models(data) if m["name"] == name)
        self.folder, self.path = folder, os.path.join(data, "models", model["file"])
        calibration, pictures = split_of(data, model, judged)
        config = write_config(os.path.join(folder, "config.json"), model, link_all(calibration, os.path.join(folder, "calib")))
        self.pictures = link_all(pictures, os.path.join(folder, "judged"))
        with open(config) as f:
            self.base = json.load(f)

    def convert(self, name, settings, *options, path=None):
        """(file, its report)"""
        path = path or self.path
        own, out = os.path.join(self.folder, name + ".json"), os.path.join(self.folder, name)
        with open(own, "w") as f:
            json.dump(dict(self.base, **settings), f)
        run(QCONVERT, path, "--config", own, "-o", out, "-q", "--no-progress", "--threads", "2", *options)
        stem = os.path.splitext(os.path.basename(path))[0]
        with open(os.path.join(out, stem + ".report.json")) as f:
            return os.path.join(out, stem + ".quant.onnx"), json.load(f)

    def compare(self, *files):
        """The second file against the first, in stock ONNX Runtime: worst dB (200: equal), top-1 agreement in percent."""
        found = json.loads(run(QCONVERT, "compare", *files, "--config", os.path.join(self.folder, "config.json"), "--images",
                               self.pictures, "--latency-rounds", "0", "--report", "json", "-q"))["models"][1]["against_a"]
        decibels = [200.0 if o["sqnr_db"] is None else o["sqnr_db"] for o in found["outputs"]]
        return min(decibels), None if found["agreement"] is None else 100 * found["agreement"]


def editor(**action):
    return {"debug_config": {"network_editor": [{"filter": EVERYTHING, "action": action}]}}


# --- models made here ------------------------------------------------------------------------------------------------


def constants_of(model):
    return {i.name: i for i in model.graph.initializer}


def replace(model, name, array):
    found = constants_of(model)[name]
    found.CopyFrom(numpy_helper.from_array(np.asarray(array, np.float32), name))


def rescale_channels(source, target, seed=7, most=4):
    """Multiplies each channel between two layers by a random power of two, from 2^-most to 2^most, and takes it back behind.

    For a chain of Conv, BatchNormalization, Clip: the Clip becomes a Relu and a Min with a bound for each channel. Powers of
    two change no digit of a float, so that the model computes what it did before. Returns how many chains there were.
    """
    model = onnx.load(source)
    graph, random, chains, nodes = model.graph, np.random.default_rng(seed), 0, []
    values = {name: numpy_helper.to_array(i) for name, i in constants_of(model).items()}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Clip":
            continue
        norm = next(n for n in graph.node if node.input[0] in n.output)
        behind = readers[node.output[0]]
        while behind[0].op_type == "GlobalAveragePool":
            behind = readers[behind[0].output[0]]
        if norm.op_type != "BatchNormalization" or any(n.op_type != "Conv" for n in behind):
            continue
        channels = values[norm.input[1]].size
        factors = 2.0 ** random.integers(-most, most + 1, channels)
        for slot in (1, 2):
            values[norm.input[slot]] = values[norm.input[slot]] * factors
        for reader in behind:
            weight = values[reader.input[1]]
            by_group = weight.shape[1] == 1 and weight.shape[0] == channels  # depthwise: a channel is an output
            values[reader.input[1]] = weight / factors.reshape((-1, 1, 1, 1) if by_group else (1, -1, 1, 1))
        bound = node.output[0] + "_bounds"
        graph.initializer.append(
            numpy_helper.from_array((values[node.input[2]] * factors).astype(np.float32).reshape(1, -1, 1, 1), bound))
        nodes[-1:] = [helper.make_node("Relu", [node.input[0]], [node.output[0] + "_positive"], name=node.name + "_positive"),
                      helper.make_node("Min", [node.output[0] + "_positive", bound], [node.output[0]], name=node.name)]
        chains += 1
    for name in [i.name for i in graph.initializer if i.name in values]:
        replace(model, name, values[name])
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)
    return chains


def sum_in_integers(source, target):
    """The same file, with the sums of its integer convolutions made of whole numbers.

    In the file as it is a runtime without integer kernels multiplies and adds decimal fractions, and what lands next to half
    a step rounds the other way once in a hundred thousand times; layers behind make more of it. Here activations and weights
    have the scale 1 on their way into a convolution, whose sums float holds exactly up to 2^24, and one factor for each
    channel stands behind it, in the order in which kernels multiply. Returns how many convolutions there were.
    """
    model = onnx.load(source)
    graph, done, nodes = model.graph, 0, []
    values = {name: numpy_helper.to_array(i) for name, i in constants_of(model).items()}
    makers = {name: n for n in graph.node for name in n.output}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def only_reader(node):
        found = readers.get(node.output[0], [])
        return found[0] if len(found) == 1 else None

    def whole(decode, label):
        """A DequantizeLinear of scale 1 beside the given one."""
        ones = label + "_ones"
        graph.initializer.append(numpy_helper.from_array(np.ones_like(values[decode.input[1]]), ones))
        twin = helper.make_node("DequantizeLinear", [decode.input[0], ones, *decode.input[2:]], [label], name=label)
        twin.attribute.extend(decode.attribute)
        nodes.append(twin)
        return label

    for node in graph.node:
        decodes = [makers.get(name) for name in node.input]
        end = only_reader(node)
        if end is not None and end.op_type == "Relu":
            end = only_reader(end)
        if node.op_type != "Conv" or end is None or end.op_type != "QuantizeLinear" or not all(
                d is not None and d.op_type == "DequantizeLinear" and d.input[1] in values for d in decodes):
            nodes.append(node)
            continue
        x, w, y = (values[n.input[1]].astype(np.float32) for n in (decodes[0], decodes[1], end))
        result = node.output[0]
        sums, factor, one = result + "_sums", result + "_factor", result + "_one"
        graph.initializer.append(numpy_helper.from_array((x * w / y).astype(np.float32).reshape(1, -1, 1, 1), factor))
        graph.initializer.append(numpy_helper.from_array(np.ones_like(y), one))
        node.input[:] = [whole(d, f"{result}_whole_{i}") for i, d in enumerate(decodes)]
        node.output[0] = sums
        nodes += [node, helper.make_node("Mul", [sums, factor], [result], name=result + "_scale")]
        end.input[1] = one
        done += 1
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)
    return done


# --- rows --------------------------------------------------------------------------------------------------------------


def imx500(data, folder):
    work = Work(data, "mobilenet_v1_0.75_224", folder, JUDGED)
    file, _ = work.convert("imx500", {"target_platform_capabilities": "imx500"})
    decibels, agreement = work.compare(work.path, file)
    yield "agreement_percent", agreement
    yield "sqnr_db", decibels


def shift_negative(**settings):
    def judge(data, folder):
        work = Work(data, "yolox_nano_416", folder, 100)
        if "target_platform_capabilities" in settings:
            with open(os.path.join(folder, "target.json"), "w") as f:
                json.dump(settings["target_platform_capabilities"], f)
            settings["target_platform_capabilities"] = f.name
        results = {}
        for on in (True, False):
            # Ranges searched at the outputs would be a second difference: each arm finds others.
            own = dict(settings, gptq_config={"range_search": False},
                       quantization_config={"shift_negative_activation_correction": on, "gate_equalization": False})
            file, report = work.convert(f"shift_{on}", own)
            results[on] = work.compare(work.path, file)[0]
            if on:
                rows = [c for c in report["corrections"] if c["name"] == "shift-negative correction"]
                layers = [layer for c in rows for layer in c["layers"] if layer["gain_db"] is not None]
                yield "layers_reported", float(len(layers))
                yield "least_layer_gain_db", min((layer["gain_db"] for layer in layers), default=float("-inf"))
        yield "sqnr_db", results[True]
        yield "gain_db", results[True] - results[False]
    return judge


def activation_widths(data, folder):
    """Half of the activations' memory, which 4 bits everywhere would take, spent value by value."""
    work = Work(data, "mobilenet_v1_0.75_224", folder, JUDGED)
    target = {"target_platform_capabilities": os.path.join(TARGETS, "tpc_widths.json")}
    file, report = work.convert("chosen", dict(target, target_resource_utilization={"activation_memory": "50%"}))
    bits = [n["output"]["bits"] for n in report["nodes"] if n["output"]]
    yield "results_of_4_bits", float(sum(b == 4 for b in bits))
    decibels, agreement = work.compare(work.path, file)
    yield "sqnr_db", decibels
    yield "agreement_percent", agreement
    four, _ = work.convert("four", dict(target, bit_width_config=[{"filter": EVERYTHING, "activation_n_bits": 4}]))
    yield "gain_db", decibels - work.compare(work.path, four)[0]


def equalization(data, folder):
    work = Work(data, "mobilenet_v1_0.75_224", folder, JUDGED)
    path = os.path.join(folder, "rescaled.onnx")
    yield "rescaled_chains", float(rescale_channels(work.path, path))
    yield "float_sqnr_db", work.compare(work.path, path)[0]
    agreements = {}
    tensor = dict(editor(weights_per_channel_threshold=False), quantization_config={"cross_layer_equalization": True})
    alike = {"placement": "full", "gptq_config": {"method": "second_order"}}
    for name, settings in {"per_channel": {}, "per_tensor": tensor}.items():
        file, _ = work.convert(name, dict(settings, **alike), path=path)
        decibels, agreements[name] = work.compare(path, file)
        yield name + "_sqnr_db", decibels
        yield name + "_agreement_percent", agreements[name]
    yield "points_lost", agreements["per_channel"] - agreements["per_tensor"]


def narrow_weights(**action):
    def judge(data, folder):
        work = Work(data, "squeezenet1.1_227", folder, 100)
        file, _ = work.convert("narrow", dict(editor(**action), placement="full"))
        yield "file_ratio", os.path.getsize(file) / os.path.getsize(work.path)
        exact = os.path.join(folder, "exact.onnx")
        yield "convolutions", float(sum_in_integers(file, exact))
        yield "kernels_sqnr_db", work.compare(exact, file)[0]
    return judge


def diagnose(data, folder):
    work = Work(data, "mobilenet_v1_0.75_224", folder, 1)
    started = time.time()
    _, report = work.convert("diagnose", {}, "--diagnose")
    yield "seconds", time.time() - started
    yield "rows", float(len(report["ablation"]["rows"]))


ROWS = {
    "imx500": imx500,
    "shift_negative": shift_negative(placement="full", **editor(activation_quantization_method="SYMMETRIC")),
    # A target that rounds every result, and nothing inside what it computes as one.
    "shift_negative_fused": shift_negative(target_platform_capabilities={
        "name": "imx500_centred", "based_on": "imx500", "activations": {"power_of_two": False, "centred": True}}),
    "activation_widths": activation_widths,
    "equalization": equalization,
    "int4": narrow_weights(weights_n_bits=4),
    "lut4": narrow_weights(weights_n_bits=4, weights_quantization_method="LUT_SYM_QUANTIZER"),
    "diagnose": diagnose,
}


def main():
    data = data_folder()
    with open(os.path.join(ROOT, "tests", "vocabulary.csv")) as f:
        bounds = {(r["row"], r["figure"]): r for r in csv.DictReader(f)}
    failed, wanted = 0, sys.argv[1:] or list(ROWS)
    if unknown := [w for w in wanted if w not in ROWS]:
        sys.exit(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    for row in wanted:
        with tempfile.TemporaryDirectory() as folder:
            try:
                for figure, value in ROWS[row](data, folder):
                    bound = bounds.get((row, figure), {"least": "", "most": "", "short": ""})
                    held = not (bound["least"] and value < float(bound["least"])) and not (bound["most"] and value > float(bound["most"]))
                    asked = f">= {bound['least']}" if bound["least"] else f"<= {bound['most']}" if bound["most"] else ""
                    word = "" if not asked else "MET" if held else "SHORT"
                    print(f"{row:16} {figure:30} {value:9.3f} {asked:>10} {word}", flush=True)
                    failed += not held and bound["short"] != "yes"
            except (RuntimeError, KeyError, ValueError, StopIteration) as problem:
                print(f"{row:16} FAILED: {problem!r}", flush=True)
                failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
