#!/usr/bin/env python3
"""Judges the .tflite files of the real models; see real_models_tflite.sh. Standard library only.

Three files a model: `float` (form float32, from the model alone), `pair` (the int8 .tflite beside its ONNX file, one plan)
and `alone` (--format tflite). Columns of tests/real_models_tflite.csv, empty where there is no bound: `float_error` the
largest error relative to the output's range; `pair_db` the SQNR of the pair's .tflite against its ONNX file; `alone_db`
the SQNR of the lone file against the float model; `transposes` and `operators_refused` (0: XNNPACK takes every operator)
of the lone file; `bytes` its size. A model that takes every picture in its own size is left out, by name: a .tflite has
one size.
"""
import csv
import json
import os
import sys
import tempfile

import real_data as rm

JUDGE = os.environ.get("JUDGE_TFLITE", os.path.join(rm.ROOT, "build", "tests", "judge_tflite"))
CALIBRATION, JUDGED = 40, 24


def convert(path, config, out, *options):
    rm.run(rm.QCONVERT, path, "--config", config, "-o", out, "-q", "--no-progress", *options)
    return os.path.join(out, os.path.splitext(os.path.basename(path))[0] + ".quant")


def judged_by(reference, file, config, pictures):
    return json.loads(rm.run(JUDGE, reference, file, config, pictures))


def judge(data, model, work):
    path = os.path.join(data, "models", model["file"])
    calibration, judged = rm.split_of(data, model)
    config = os.path.join(work, "config.json")
    with open(config, "w") as f:
        json.dump({"representative_dataset": {"path": rm.link_all(calibration[:CALIBRATION], os.path.join(work, "calib")),
                                              "preprocess": rm.preprocess_of(model)}}, f)
    pictures = rm.link_all(judged[:JUDGED], os.path.join(work, "judged"))
    floats = convert(path, config, os.path.join(work, "float"), "--format", "tflite", "--set", "/output/tflite/form=float32")
    pair = convert(path, config, os.path.join(work, "pair"), "--format", "onnx,tflite")
    alone = convert(path, config, os.path.join(work, "alone"), "--format", "tflite")
    return {"float": judged_by(path, floats + ".tflite", config, pictures),
            "pair": judged_by(pair + ".onnx", pair + ".tflite", config, pictures),
            "alone": judged_by(path, alone + ".tflite", config, pictures)}


def failures(found, row):
    if row is None:
        return ["no row in tests/real_models_tflite.csv"]
    alone = found["alone"]
    rules = [("float_error", found["float"]["error"], lambda figure, bound: figure <= bound),
             ("pair_db", found["pair"]["db"], lambda figure, bound: figure >= bound),
             ("alone_db", alone["db"], lambda figure, bound: figure >= bound),
             ("transposes", alone["transposes"], lambda figure, bound: figure <= bound),
             ("operators_refused", 0 if alone["accelerated"] else 1, lambda figure, bound: figure <= bound),
             ("bytes", alone["bytes"], lambda figure, bound: figure <= bound)]
    return [f"{name} {figure:g}, bound {row[name]}" for name, figure, holds in rules if row[name] and not holds(figure, float(row[name]))]


def main():
    data = os.environ.get("QCONVERT_TEST_DATA")
    if not data or not os.path.isdir(os.path.join(data, "models")):
        sys.exit("QCONVERT_TEST_DATA must name a folder with models/ and images/")
    data = os.path.abspath(data)
    with open(os.path.join(data, "models", "models.json")) as f:
        models = [m for m in json.load(f) if os.path.exists(os.path.join(data, "models", m["file"]))]
    with open(os.path.join(rm.ROOT, "tests", "real_models_tflite.csv")) as f:
        bounds = {row["model"]: row for row in csv.DictReader(f)}
    failed = 0
    print(f"{'model':30} {'float error':>11} {'pair':>8} {'alone':>8} {'agree':>7} {'size':>9} {'transposes':>10}  XNNPACK takes all")
    for model in models:
        if sys.argv[1:] and model["name"] not in sys.argv[1:]:
            continue
        if "multiple" in model["preprocess"]["resize"]:
            print(f"{model['name']:30} left out: its pictures keep their own sizes", flush=True)
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                found = judge(data, model, work)
            except (RuntimeError, KeyError, ValueError) as problem:
                print(f"{model['name']:30} FAILED: {problem}", flush=True)
                failed += 1
                continue
        alone, wrong = found["alone"], failures(found, bounds.get(model["name"]))
        print(f"{model['name']:30} {found['float']['error']:11.1e} {found['pair']['db']:5.1f} dB {alone['db']:5.1f} dB "
              f"{100 * alone['agreement']:5.1f} % {alone['bytes']:9} {alone['transposes']:10}  {'yes' if alone['accelerated'] else 'no'}"
              + "".join(f"  FAILED: {w}" for w in wrong), flush=True)
        failed += bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
