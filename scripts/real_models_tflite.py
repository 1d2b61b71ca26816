#!/usr/bin/env python3
"""Judges the .tflite files of the real models; see real_models_tflite.sh. Standard library only.

Three files a model: `float` (form float32, from the model alone), `pair` (the int8 .tflite beside its ONNX file, one plan with
integers wherever they go) and `alone` (--format tflite). Columns of tests/real_models_tflite.csv, empty where there is no
bound: `pair_floor` and `alone_floor` are what is reached in dB and may not be lost (the pair's .tflite against its ONNX file;
the lone file against the float model), `bytes` the lone file's size, `transposes` and `operators_refused` (0: XNNPACK takes
every operator) are of the lone file: the run fails beyond any of them. Aimed at, and printed below the table with what misses it by name:
`float_error` of the output's range, `pair_bound`, and `alone_bound` and `bytes_bound`, which are a peer's file of the same
model. `known_short` says which of these aims stay short and why ("aim: reason; aim: reason"); any other miss fails the run. A model that takes every
picture in its own size is left out: a .tflite has one size.
"""
import csv
import json
import os
import re
import sys
import tempfile
import time

import real_data as rm

JUDGE = os.environ.get("JUDGE_TFLITE", os.path.join(rm.ROOT, "build", "tests", "judge_tflite"))
CALIBRATION, JUDGED, CLASSIFIED = 40, 24, 400
TRANSFORMERS = {"vit_tiny_patch16_224"}
CLASSIFIERS = {"mobilenet_v1_0.75_224", "squeezenet1.1_227", "resnet20_cifar10"}
DELEGATED = {"mobilenet_v1_0.75_224", "mobilenet_v1_0.25_128", "mobilenet_v2_0.35_224_coarse9", "resnet8_cifar10", "squeezenet1.1_227"}
REFERENCE = ("resnet8_cifar10", "reference-tflite/resnet8_cifar10_int8.tflite", "images/cifar10/test")
TIMED = "vit_tiny_patch16_224"
EXACT = 30  # dB: two files of one plan are usually nearer
SAME_FLOATS, UNDECIDED = 1e-4, 1e-3  # of the output's range; of its elements


def convert(path, config, out, *options):
    """(stem of the written files, what was printed)"""
    said = rm.run(rm.QCONVERT, path, "--config", config, "-o", out, "--no-progress", *options)
    return os.path.join(out, os.path.splitext(os.path.basename(path))[0] + ".quant"), said


def judged_by(*arguments):
    return json.loads(rm.run(JUDGE, *arguments))


def says_transpose(path):
    """Whether the ONNX file has a node of that type: field 4 of NodeProto, nine letters."""
    with open(path, "rb") as f:
        return b"\x22\x09Transpose" in f.read()


def against_reference(data, path, file, config):
    """Size and accuracy of the int8 resnet8 beside TensorFlow's own, in the same runtime, on all labelled pictures."""
    pictures = os.path.join(data, REFERENCE[2])
    labels = os.path.join(pictures, "labels.csv")
    reference = os.path.join(data, "models", REFERENCE[1])
    own, other = (judged_by(path, f, config, pictures, labels) for f in (file, reference))
    return {"bytes": own["bytes"], "their_bytes": other["bytes"], "top1": 100 * own["top1"], "their_top1": 100 * other["top1"]}


def judge(data, model, work):
    path = os.path.join(data, "models", model["file"])
    calibration, judged = rm.split_of(data, model, CLASSIFIED)
    config = rm.write_config(os.path.join(work, "config.json"), model,
                             rm.link_all(calibration[:CALIBRATION], os.path.join(work, "calib")))
    pictures = rm.link_all(judged[:JUDGED], os.path.join(work, "judged"))
    floats, _ = convert(path, config, os.path.join(work, "float"), "-q", "--format", "tflite", "--set", "/output/tflite/form=float32")
    # In full: where the default falls back to integer weights alone, the two would compare floats.
    pair, said = convert(path, config, os.path.join(work, "pair"), "-v", "--format", "onnx,tflite", "--set", "/placement=full")
    alone, _ = convert(path, config, os.path.join(work, "alone"), "-q", "--format", "tflite")
    found = {"float": judged_by(path, floats + ".tflite", config, pictures),
             "pair": judged_by(pair + ".onnx", pair + ".tflite", config, pictures),
             "alone": judged_by(path, alone + ".tflite", config, pictures),
             "says_transpose": says_transpose(path), "name": model["name"]}
    if found["float"]["error"] > SAME_FLOATS:
        found["ties"] = judged_by("--ties", path, floats + ".tflite", config, pictures)
    if found["pair"]["db"] < EXACT:
        found["itself"] = judged_by(pair + ".onnx", pair + ".onnx", config, pictures)["db"]
    if model["name"] in CLASSIFIERS:
        many = rm.link_all(judged, os.path.join(work, "many"))
        tflite, onnx = (100 * judged_by(path, pair + kind, config, many)["agreement"] for kind in (".tflite", ".onnx"))
        found["agreement"] = (tflite, onnx, len(judged))
    if model["name"] == REFERENCE[0]:
        found["reference"] = against_reference(data, path, alone + ".tflite", config)
    if model["name"] == TIMED:
        found["seconds"] = float(re.search(r"^\s*tflite\s+([0-9.]+) s$", said, re.MULTILINE).group(1))
    return found


def failures(found, row):
    """What was reached before and is lost."""
    if row is None:
        return ["no row in tests/real_models_tflite.csv"]
    alone = found["alone"]
    rules = [("pair_floor", found["pair"]["db"], lambda figure, bound: figure >= bound),
             ("alone_floor", alone["db"], lambda figure, bound: figure >= bound),
             ("transposes", alone["transposes"], lambda figure, bound: figure <= bound),
             ("operators_refused", 0 if alone["accelerated"] else 1, lambda figure, bound: figure <= bound),
             ("bytes", alone["bytes"], lambda figure, bound: figure <= bound)]
    return [f"{name} {row[name]}: {figure:g}" for name, figure, holds in rules if row[name] and not holds(figure, float(row[name]))]


def shortfalls(found, row):
    """[(aim, what misses it)]"""
    alone, pair, short = found["alone"], found["pair"], []

    def aim(name, holds, says):
        if row[name] and not holds(float(row[name])):
            short.append((name, says))

    error = found["float"]["error"]
    if "ties" in found and found["ties"]["undecided"] <= UNDECIDED * found["ties"]["elements"]:
        error = found["ties"]["decided_error"]
    aim("float_error", lambda bound: error <= bound, f"{error:.1e} ({found['float']['error']:.1e} with undecided elements)")
    aim("pair_bound", lambda bound: pair["db"] >= bound,
        f"{pair['db']:.1f} dB" + (f" (ONNX Runtime with and without its optimizations: {found['itself']:.1f} dB)" if "itself" in found else ""))
    aim("alone_bound", lambda bound: alone["db"] >= bound, f"{alone['db']:.1f} dB")
    aim("bytes_bound", lambda bound: alone["bytes"] <= bound, f"{alone['bytes']} bytes")
    if "agreement" in found and abs(found["agreement"][0] - found["agreement"][1]) > 1:
        short.append(("agreement", f"{found['agreement'][0]:.2f} % against {found['agreement'][1]:.2f} %"))
    if "reference" in found:
        r = found["reference"]
        if r["bytes"] > r["their_bytes"]:
            short.append(("reference", f"{r['bytes']} bytes of {r['their_bytes']}"))
        if r["top1"] < r["their_top1"] - 0.5:
            short.append(("reference", f"top-1 {r['top1']:.1f} % of {r['their_top1']:.1f} %"))
    if found.get("seconds", 0) >= 1:
        short.append(("seconds", f"{found['seconds']:.2f} s"))
    if alone["transposes"] and not found["says_transpose"] and found["name"] not in TRANSFORMERS:
        short.append(("transposes", str(alone["transposes"])))
    if found["name"] in DELEGATED and not alone["accelerated"]:
        short.append(("delegated", "XNNPACK refuses an operator"))
    return short


AIMS = {
    "float_error": "float32: largest error against ONNX Runtime, relative to the output's range",
    "pair_bound": "int8 CNNs in LiteRT: SQNR against the ONNX file in ONNX Runtime >= 30 dB",
    "agreement": "agreement with float within 1 point of the ONNX file's",
    "alone_bound": "SQNR of the lone file at least the peer's less 0.5 dB",
    "bytes_bound": "size of the lone file at most the peer's",
    "transposes": "no TRANSPOSE in CNNs without a Transpose in the source",
    "delegated": "XNNPACK takes every int8 operator of mobilenet_v1 and v2, resnet8, squeezenet",
    "reference": "resnet8 against TensorFlow's own file: size at most its, top-1 at least its less 0.5",
    "seconds": "vit_tiny lowered and written in less than 1 s",
}


def known_short(row):
    """{aim: why it stays short}"""
    return dict(part.strip().split(": ", 1) for part in row["known_short"].split(";") if part.strip())


def print_aims(all_found, rows):
    """The rows of what is aimed at, over the models that were judged; the number of misses that nobody knows of."""
    unknown = 0
    print()
    for aim, sentence in AIMS.items():
        misses = [(n, says) for n, f in all_found.items() if n in rows for name, says in shortfalls(f, rows[n]) if name == aim]
        print(f"{'missed' if misses else 'holds':8}{sentence}")
        for name, says in misses:
            known = known_short(rows[name]).get(aim)
            unknown += not known
            print(f"{'':10}{name}: {says}" + (f"; known: {known}" if known else "; FAILED"))
    for n, f in all_found.items():
        if "ties" in f:
            t = f["ties"]
            print(f"{n}: float error {t['error']:.1e}; {t['decided_error']:.1e} without {t['undecided']} of {t['elements']} elements "
                  "that ONNX Runtime itself gives otherwise")
        if "agreement" in f:
            print(f"{n}: {f['agreement'][2]} pictures, .tflite agrees with float in {f['agreement'][0]:.2f} %, ONNX in {f['agreement'][1]:.2f} %")
        if "reference" in f:
            r = f["reference"]
            print(f"{n}: {r['bytes']} bytes, TensorFlow's own {r['their_bytes']}; top-1 {r['top1']:.1f} %, TensorFlow's own {r['their_top1']:.1f} %")
        if "seconds" in f:
            print(f"{n}: lowered and written in {f['seconds']:.3f} s")
    return unknown


def main():
    data = rm.data_folder()
    with open(os.path.join(rm.ROOT, "tests", "real_models_tflite.csv")) as f:
        bounds = {row["model"]: row for row in csv.DictReader(f)}
    failed, all_found = 0, {}
    print(f"{'model':30} {'float error':>11} {'pair':>8} {'alone':>8} {'agree':>7} {'size':>9} {'transposes':>10}  XNNPACK takes all, seconds")
    for model in rm.list_models(data):
        if sys.argv[1:] and model["name"] not in sys.argv[1:]:
            continue
        if "multiple" in model["preprocess"]["resize"]:
            print(f"{model['name']:30} left out: its pictures keep their own sizes", flush=True)
            continue
        started = time.time()
        with tempfile.TemporaryDirectory() as work:
            try:
                found = all_found[model["name"]] = judge(data, model, work)
            except (RuntimeError, KeyError, ValueError, AttributeError) as problem:
                print(f"{model['name']:30} FAILED: {problem}", flush=True)
                failed += 1
                continue
        alone, wrong = found["alone"], failures(found, bounds.get(model["name"]))
        print(f"{model['name']:30} {found['float']['error']:11.1e} {found['pair']['db']:5.1f} dB {alone['db']:5.1f} dB "
              f"{100 * alone['agreement']:5.1f} % {alone['bytes']:9} {alone['transposes']:10}  {'yes' if alone['accelerated'] else 'no'}, "
              f"{time.time() - started:.0f} s" + "".join(f"  FAILED: {w}" for w in wrong), flush=True)
        failed += bool(wrong)
    failed += print_aims(all_found, bounds)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
