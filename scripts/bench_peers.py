"""The peer's side of bench.py: ONNX Runtime's own quantizer, and the timing of files in stock ONNX Runtime.

Runs in a virtual environment that bench.sh makes (onnxruntime, onnx, sympy, Pillow); nothing else needs it.

    bench_peers.py quantize JOB.json    the file that a user of the peer gets: quant_pre_process, then quantize_static with
                                        QDQ, per-channel int8 weights, uint8 activations, min-max
    bench_peers.py speed JOB.json       one-thread times of several files of one model, round-robin in this process

Pictures are prepared with Pillow from the same core-config entries that qconvert is given.
"""
import json
import os
import statistics
import sys
import tempfile
import time

import numpy as np
import onnxruntime as ort
from PIL import Image

PER_CHANNEL_OPSET, RAISED_OPSET = 13, 17
WARM_UP = 5
SHORTEST_SAMPLE = 0.004  # seconds: faster models run several times a sample, or the clock would be measured


def resized(image, rule):
    """`rule` is /representative_dataset/preprocess/resize of a core-config."""
    if not isinstance(rule, dict):
        return image
    width, height = image.size
    if "stretch" in rule:
        return image.resize(rule["stretch"][::-1], Image.BILINEAR)
    if "short_side" in rule:
        side = rule["short_side"]
        scale = side / min(width, height)
        return image.resize((max(side, round(width * scale)), max(side, round(height * scale))), Image.BILINEAR)
    if "fixed_height" in rule:
        side = rule["fixed_height"]
        return image.resize((min(rule["max_width"], max(1, round(width * side / height))), side), Image.BILINEAR)
    rows, columns = rule["letterbox"]
    scale = min(columns / width, rows / height)
    canvas = Image.new(image.mode, (columns, rows), (rule["pad"],) * 3)
    canvas.paste(image.resize((round(width * scale), round(height * scale)), Image.BILINEAR), (0, 0))
    return canvas


def cropped(image, preprocess):
    width, height = image.size
    if "center_crop" in preprocess:
        rows, columns = preprocess["center_crop"]
        left, top = (width - columns) // 2, (height - rows) // 2
        return image.crop((left, top, left + columns, top + rows))
    step = preprocess.get("multiple_of", 1)
    return image.crop((0, 0, width // step * step, height // step * step))


def prepared(file, preprocess):
    color = preprocess["color"]
    image = Image.open(file).convert("L" if color == "GRAY" else "RGB")
    x = np.asarray(cropped(resized(image, preprocess["resize"]), preprocess), np.float32)
    if x.ndim == 2:
        x = x[:, :, None]
    if color == "BGR":
        x = x[:, :, ::-1]
    if color == "RGBA":
        x = np.concatenate([x, np.full_like(x[:, :, :1], 255)], 2)
    x = (x - np.float32(preprocess["mean"])) / np.float32(preprocess["std"])
    rule = preprocess["resize"]
    if isinstance(rule, dict) and "fixed_height" in rule:
        x = np.pad(x, ((0, 0), (0, rule["max_width"] - x.shape[1]), (0, 0)))
    if preprocess["layout"] == "NCHW":
        x = x.transpose(2, 0, 1)
    return np.ascontiguousarray(x[None])


def raised(path, work):
    """The model where per-channel weights can be said: as it is, or raised by ONNX's own converter."""
    import onnx
    from onnx import version_converter
    model = onnx.load(path)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if opset >= PER_CHANNEL_OPSET:
        return path
    out = os.path.join(work, "raised.onnx")
    onnx.save(version_converter.convert_version(model, RAISED_OPSET), out)
    return out


def quantize(job):
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.files = iter(job["images"])

        def get_next(self):
            file = next(self.files, None)
            return file and {job["input"]: prepared(file, job["preprocess"])}

    with tempfile.TemporaryDirectory() as work:
        ready = os.path.join(work, "ready.onnx")
        source = raised(job["model"], work)
        try:
            quant_pre_process(source, ready)
        except Exception as problem:  # what its documentation advises for models that this step cannot follow
            if "symbolic shape inference" not in str(problem):
                raise
            quant_pre_process(source, ready, skip_symbolic_shape=True)
        quantize_static(ready, job["out"], Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
                        calibrate_method=CalibrationMethod.MinMax)


def in_short(problem):
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:160]}"


def session_of(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def speed(job):
    """Prints {name: {"median": ms, "min": ms, "rounds": n}} on one picture, {name: {"failed": why}} for files that do not
    load or run."""
    if job["cpu"] is not None:
        os.sched_setaffinity(0, {job["cpu"]})
    feed = {job["input"]: prepared(job["image"], job["preprocess"])}
    sessions, figures, longest = {}, {}, 0
    for name, path in job["files"].items():
        try:
            session = session_of(path)
            for _ in range(WARM_UP):
                started = time.perf_counter()
                session.run(None, feed)
                took = time.perf_counter() - started
        except Exception as problem:  # whatever the runtime throws is its answer
            figures[name] = {"failed": in_short(problem)}
            continue
        sessions[name] = session
        longest = max(longest, took)
    repeat = max(1, int(SHORTEST_SAMPLE / longest))
    rounds = max(job["rounds"], min(10 * job["rounds"], int(job["seconds"] / (longest * repeat * len(sessions)))))
    times = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            session.run(None, feed)  # its own weights back in the cache
            started = time.perf_counter()
            for _ in range(repeat):
                session.run(None, feed)
            times[name].append(1e3 * (time.perf_counter() - started) / repeat)
    figures.update({name: {"median": statistics.median(t), "min": min(t), "rounds": rounds} for name, t in times.items()})
    print(json.dumps(figures))


def main():
    with open(sys.argv[2]) as f:
        job = json.load(f)
    ort.set_default_logger_severity(3)
    try:
        {"quantize": quantize, "speed": speed}[sys.argv[1]](job)
    except Exception as problem:  # whatever the peer throws is its answer
        sys.exit(in_short(problem))


if __name__ == "__main__":
    main()
