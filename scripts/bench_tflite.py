"""Our .tflite files beside a peer's and beside 64 bit arithmetic; see bench_tflite.sh, which makes the environment.

    peer     onnx2tf as its users call it (-oiqt with the calibration pictures as an array) and qconvert --format tflite, on
             the same pictures. Judged on float inputs and outputs against the float model in ONNX Runtime: SQNR of the worst
             output, bytes, milliseconds of one thread by turns in one process. onnx2tf overwrites its input and fetches
             pictures from the network when it gets none: it works on a copy, in a folder of its own.
    float64  the float model in 64 bits (ONNX's reference evaluator, with the slow operators spelled out here), and how far
             from it ONNX Runtime and LiteRT are on the float32 .tflite: the largest error relative to the output's range.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

import real_data as rm
from bench_peers import in_short, prepared, session_of

CALIBRATION, JUDGED, EXACT_JUDGED = 100, 100, 3
PEER_MODELS = ["mobilenet_v1_0.75_224", "squeezenet1.1_227", "blazeface_back_256"]
EXACT_MODELS = ["mlsd_tiny_320", "yolox_nano_416"]


# --- running files ----------------------------------------------------------------------------------------------------
def interpreter_of(path, resolver=OpResolverType.AUTO):
    interpreter = Interpreter(path, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return interpreter


def set_input(interpreter, x):
    port = interpreter.get_input_details()[0]
    if x.ndim == 4 and tuple(port["shape"]) != x.shape:
        x = x.transpose(0, 2, 3, 1)
    if port["dtype"] != np.float32:
        scale, zero = port["quantization"]
        limits = np.iinfo(port["dtype"])
        x = np.clip(np.round(x / scale) + zero, limits.min, limits.max)
    interpreter.set_tensor(port["index"], x.astype(port["dtype"]))


def outputs_of(interpreter):
    found = []
    for port in interpreter.get_output_details():
        y = interpreter.get_tensor(port["index"])
        if port["dtype"] != np.float32:
            scale, zero = port["quantization"]
            y = (y.astype(np.float32) - zero) * scale
        found.append(y)
    return found


def in_order_of(wanted, found):
    """The outputs as ONNX has them: each is the nearest of those of its size, in either order of dimensions."""
    ordered, left = [], list(range(len(found)))
    for want in wanted:
        candidates = []
        for i in left:
            if found[i].size != want.size:
                continue
            views = [found[i].reshape(want.shape)]
            if found[i].ndim == 4 and found[i].shape != want.shape:
                moved = found[i].transpose(0, 3, 1, 2)
                views = [moved] if moved.shape == want.shape else views
            candidates += [(float(np.square(view - want).sum()), i, view) for view in views]
        if not candidates:
            raise ValueError(f"no output of {want.size} numbers")
        _, chosen, view = min(candidates, key=lambda c: c[0])
        left.remove(chosen)
        ordered.append(view)
    return ordered


def lite_run(interpreter, x, wanted):
    set_input(interpreter, x)
    interpreter.invoke()
    return in_order_of(wanted, outputs_of(interpreter))


# --- the peer ---------------------------------------------------------------------------------------------------------
def ours(model, config, work):
    rm.run(rm.QCONVERT, model["path"], "--config", config, "-o", work, "-q", "--no-progress", "--format", "tflite", "--set",
           "/output/tflite/io_type=float32")
    return glob.glob(os.path.join(work, "*.tflite"))[0]


def onnx2tf(model, pictures, work):
    """The per-channel int8 file with float inputs and outputs."""
    shutil.copy(model["path"], os.path.join(work, "model.onnx"))
    np.save(os.path.join(work, "calibration.npy"), np.concatenate([x.transpose(0, 2, 3, 1) if model["layout"] == "NCHW" else x
                                                                   for x in pictures]))
    # What it would fetch from the network, to try its own layers on: any pictures do.
    tried = np.random.default_rng(1).random((20, 128, 128, 3), np.float32)
    np.save(os.path.join(work, "calibration_image_sample_data_20x128x128x3_float32.npy"), tried)
    # Our pictures are prepared: its own mean and deviation do nothing.
    channels = pictures[0].shape[1 if model["layout"] == "NCHW" else 3]
    constants = [str([[[[value] * channels]]]).replace(" ", "") for value in (0.0, 1.0)]
    command = [os.path.join(os.path.dirname(sys.executable), "onnx2tf"), "-i", "model.onnx", "-o", "saved", "-oiqt", "-qt",
               "per-channel", "-cind", model["input"], "calibration.npy", *constants, "-n"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    made = glob.glob(os.path.join(work, "saved", "*_integer_quant.tflite"))
    made = [path for path in made if "full_integer" not in path and "int16" not in path]
    if not made:
        raise RuntimeError("no int8 file: " + " ".join((done.stderr or done.stdout).split())[-160:])
    return made[0]


def sqnr(path, pictures, wanted):
    interpreter = interpreter_of(path)
    signal, noise = np.zeros(len(wanted[0])), np.zeros(len(wanted[0]))
    for x, want in zip(pictures, wanted):
        for o, (a, b) in enumerate(zip(want, lite_run(interpreter, x, want))):
            signal[o] += np.square(a.astype(np.float64)).sum()
            noise[o] += np.square(a.astype(np.float64) - b).sum()
    return float(np.min(10 * np.log10(signal / np.maximum(noise, 1e-30))))


def speed(paths, x, rounds):
    """Median milliseconds of each file, by turns."""
    interpreters = [interpreter_of(path) for path in paths]
    for interpreter in interpreters:
        set_input(interpreter, x)
        for _ in range(5):
            interpreter.invoke()
    times = [[] for _ in paths]
    for _ in range(rounds):
        for interpreter, taken in zip(interpreters, times):
            interpreter.invoke()  # its own weights back in the cache
            started = time.perf_counter()
            interpreter.invoke()
            taken.append(1e3 * (time.perf_counter() - started))
    return [statistics.median(taken) for taken in times]


def judge_peer(model, options):
    calibration, judged = rm.split_of(options.data, model)
    preprocess = rm.preprocess_of(model)
    session = session_of(model["path"])
    pictures = [prepared(f, preprocess) for f in judged[:JUDGED]]
    wanted = [session.run(None, {model["input"]: x}) for x in pictures]
    files, figures = {}, {}
    with tempfile.TemporaryDirectory() as work:
        config = rm.write_config(os.path.join(work, "config.json"), model,
                                 rm.link_all(calibration[:CALIBRATION], os.path.join(work, "pictures")))
        makers = {"qconvert": lambda folder: ours(model, config, folder),
                  "onnx2tf": lambda folder: onnx2tf(model, [prepared(f, preprocess) for f in calibration[:CALIBRATION]], folder)}
        for name, make in makers.items():
            folder = os.path.join(work, name)
            os.makedirs(folder)
            started = time.time()
            try:
                files[name] = make(folder)
                figures[name] = {"seconds": time.time() - started, "bytes": os.path.getsize(files[name]),
                                 "db": sqnr(files[name], pictures, wanted)}
            except (RuntimeError, ValueError) as problem:
                figures[name] = {"failed": in_short(problem)}
        running = [name for name in files if "db" in figures[name]]
        for name, milliseconds in zip(running, speed([files[n] for n in running], pictures[0], options.rounds)):
            figures[name]["ms"] = milliseconds
    return figures


def peer(options):
    print(f"{'model':32} {'file':10} {'SQNR':>8} {'bytes':>9} {'ms':>7} {'to make':>8}")
    for model in options.chosen or [m for m in options.models if m["name"] in PEER_MODELS]:
        figures = judge_peer(model, options)
        for name, f in figures.items():
            print(f"{model['name']:32} {name:10} " + (f["failed"] if "failed" in f else
                  f"{f['db']:5.1f} dB {f['bytes']:9} {f['ms']:7.2f} {f['seconds']:6.1f} s"), flush=True)
        if all("ms" in f for f in figures.values()):
            a, b = figures["qconvert"], figures["onnx2tf"]
            print(f"{'':32} ratio      {a['db'] - b['db']:+5.1f} dB {a['bytes'] / b['bytes']:9.3f} {a['ms'] / b['ms']:7.2f}", flush=True)
        if options.json:
            with open(options.json, "a") as f:
                f.write(json.dumps({"model": model["name"], **figures}) + "\n")


# --- 64 bits ----------------------------------------------------------------------------------------------------------
def windows_of(x, kernel, strides, dilations, pads, fill):
    """[n, c, rows, columns, kernel rows, kernel columns]"""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, ::strides[0], ::strides[1], ::dilations[0], ::dilations[1]]


class Conv(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
        view = windows_of(x, w.shape[2:], strides or (1, 1), dilations or (1, 1), pads or (0, 0, 0, 0), 0)
        n, channels, rows, columns = view.shape[:4]
        results = w.shape[0]
        if group == channels and w.shape[1] == 1:
            y = np.einsum("nchwij,cmij->ncmhw", view, w.reshape(channels, -1, *w.shape[2:]), optimize=True)
            y = y.reshape(n, results, rows, columns)
        else:
            parts = []
            for g in range(group):
                of_group = view[:, g * channels // group:(g + 1) * channels // group]
                matrix = of_group.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
                weight = w[g * results // group:(g + 1) * results // group].reshape(results // group, -1)
                parts.append((matrix @ weight.T).reshape(n, rows, columns, -1).transpose(0, 3, 1, 2))
            y = np.concatenate(parts, 1)
        return (y if b is None else y + b[None, :, None, None],)


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None,
             strides=None):
        if ceil_mode:
            raise NotImplementedError("ceil_mode")
        view = windows_of(x, kernel_shape, strides or (1, 1), dilations or (1, 1), pads or (0, 0, 0, 0), -np.inf)
        return (view.max(axis=(4, 5)),)


class Sigmoid(OpRun):
    op_domain = ""

    def _run(self, x):
        return (1 / (1 + np.exp(-x)),)


def in_64_bits(path):
    """The model's evaluator, every float of it a double."""
    model = onnx.load(path)
    graph = model.graph

    def wider(tensor):
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name) if tensor.data_type == 1 else tensor

    constants = [wider(t) for t in graph.initializer]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                attribute.t.CopyFrom(wider(attribute.t))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.DOUBLE
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    return ReferenceEvaluator(model, new_ops=[Conv, MaxPool, Sigmoid])


def judge_float64(model, options):
    """{runtime: largest error of an output relative to its range}"""
    calibration, judged = rm.split_of(options.data, model)
    preprocess = rm.preprocess_of(model)
    plain = ort.SessionOptions()
    plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with tempfile.TemporaryDirectory() as work:
        config = rm.write_config(os.path.join(work, "config.json"), model, os.path.dirname(calibration[0]))
        rm.run(rm.QCONVERT, model["path"], "--config", config, "-o", work, "-q", "--no-progress", "--format", "tflite", "--set",
               "/output/tflite/form=float32")
        file = glob.glob(os.path.join(work, "*.tflite"))[0]
        lite = {"LiteRT, XNNPACK": interpreter_of(file),
                "LiteRT, own kernels": interpreter_of(file, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)}
    sessions = {"ONNX Runtime": session_of(model["path"]),
                "ONNX Runtime, no optimizations": ort.InferenceSession(model["path"], plain, providers=["CPUExecutionProvider"])}
    evaluator = in_64_bits(model["path"])
    error, largest = {}, None
    for picture in judged[:EXACT_JUDGED]:
        x = prepared(picture, preprocess)
        exact = evaluator.run(None, {model["input"]: x.astype(np.float64)})
        answers = {name: session.run(None, {model["input"]: x}) for name, session in sessions.items()}
        answers.update({name: lite_run(interpreter, x, exact) for name, interpreter in lite.items()})
        answers["LiteRT from ONNX Runtime"] = None
        largest = np.maximum(0 if largest is None else largest, [np.abs(y).max() for y in exact])
        for name, found in answers.items():
            a, b = (exact, found) if found else (answers["ONNX Runtime"], answers["LiteRT, XNNPACK"])
            error[name] = np.maximum(error.get(name, 0), [np.abs(p - q).max() for p, q in zip(a, b)])
    return {name: float(np.max(e / largest)) for name, e in error.items()}


def float64(options):
    print(f"largest error from 64 bit arithmetic, relative to the output's range, {EXACT_JUDGED} pictures")
    for model in options.chosen or [m for m in options.models if m["name"] in EXACT_MODELS]:
        for name, error in judge_float64(model, options).items():
            print(f"{model['name']:32} {name:32} {error:.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench_tflite.sh")
    parser.add_argument("parts", nargs="*", choices=[[], "peer", "float64"], help="default: peer")
    parser.add_argument("--models", nargs="+", default=[], metavar="MODEL", dest="wanted", help="default: a few that tell something")
    parser.add_argument("--rounds", type=int, default=50, help="timed turns of each file")
    parser.add_argument("--cpu", type=int, help="pin to this processor")
    parser.add_argument("--json", metavar="FILE", help="append one line a model")
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    options.data = rm.data_folder()
    options.models = rm.list_models(options.data)
    for model in options.models:
        model["path"] = os.path.join(options.data, "models", model["file"])
        model["input"] = model["inputs"][0]["name"]
    options.chosen = [m for m in options.models if m["name"] in options.wanted]
    for part in options.parts or ["peer"]:
        {"peer": peer, "float64": float64}[part](options)


if __name__ == "__main__":
    main()
