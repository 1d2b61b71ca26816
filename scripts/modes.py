#!/usr/bin/env python3
"""Converts real models in every mode that needs no plan and judges the files; see modes.sh. Standard library only.

tests/modes.csv has a row for each way and model ("*": all models without a row of their own): `floor_db` may not be lost
(the run fails), `bound_db` is the aim, `ratio` the largest file against float, without the bytes of the graph itself where
`graph` says "apart". `gain_db`: the worst output against the same way with nearest rounding. `known_short` says what stays
short, and why. A file slower than float by more than clocks err must say so in its report.
"""
import csv
import json
import os
import sys
import tempfile

from real_data import QCONVERT, ROOT, data_folder, link_all, list_models, run, split_of, write_config

WAYS = {
    "dynamic": {"mode": "dynamic"},
    "weight_only": {"mode": "weight_only"},
    "float16": {"mode": "float16"},
    "float16_activations": {"mode": "float16", "float16": {"activations": True}},
    "int4_blocks": {"mode": "weight_only", "weight_only": {"block_size": 32}},
    "int4_packed": {"mode": "weight_only", "weight_only": {"block_size": 32, "runtime": "packed"}},
    "qoperator": {"output": {"onnx": {"form": "qoperator"}}},
}
NEAREST = {"quantization_config": {"weights_error_method": "NOCLIPPING", "weights_bias_correction": False},
           "gptq_config": {"method": "none"}}
SLOWER = 0.93  # of float's speed; less is more than two runs differ here


def convert(path, base, work, name, **settings):
    own = os.path.join(work, name + ".json")
    with open(own, "w") as f:
        json.dump(dict(base, **settings), f)
    out = os.path.join(work, name)
    run(QCONVERT, path, "--config", own, "-o", out, "-q", "--no-progress", "--threads", "2")
    stem = os.path.splitext(os.path.basename(path))[0]
    with open(os.path.join(out, stem + ".report.json")) as f:
        return os.path.join(out, stem + ".quant.onnx"), json.load(f)


def compare(config, judged, *files, rounds=15):
    found = json.loads(run(QCONVERT, "compare", *files, "--config", config, "--images", judged, "--latency-rounds", str(rounds),
                           "--report", "json", "-q"))
    return found["models"][1:]


def worst(model):
    return min(o["sqnr_db"] if o["sqnr_db"] is not None else 200.0 for o in model["against_a"]["outputs"])


def graph_bytes(report):
    return sum(r["bytes"] for r in report["files"][0]["rows"] if r["kind"] == "graph")


def says_slower(report):
    return any("slower" in text or "longer" in text for text in report.get("notes", []))


def judge(data, model, way, row, work):
    path = os.path.join(data, "models", model["file"])
    calibration, judged = split_of(data, model)
    config = os.path.join(work, "config.json")
    if not os.path.exists(config):
        write_config(config, model, link_all(calibration, os.path.join(work, "calib")))
        link_all(judged, os.path.join(work, "judged"))
    with open(config) as f:
        base = json.load(f)
    pictures = os.path.join(work, "judged")
    file, report = convert(path, base, work, way, **WAYS[way])
    found = compare(config, pictures, path, file)[0]
    size = os.path.getsize(file) - (graph_bytes(report) if row["graph"] == "apart" else 0)
    figures = {"db": worst(found), "ratio": size / os.path.getsize(path), "speed": found["latency"]["one_thread"]["speedup"],
               "said": says_slower(report), "gain": None}
    if row["gain_db"]:
        nearest, _ = convert(path, base, work, way + "_nearest", **WAYS[way], **NEAREST)
        figures["gain"] = figures["db"] - worst(compare(config, pictures, path, nearest, rounds=0)[0])
    if way == "qoperator":
        qdq, _ = convert(path, base, work, "qdq")
        other = compare(config, pictures, qdq, file)[0]
        figures["db"] = worst(other)  # of the same integers, spelled otherwise
        figures["speed"] = other["latency"]["one_thread"]["speedup"]
    return figures


def verdict(figures, row):
    """(failures, shortfalls)"""
    fails, short = [], []
    if row["floor_db"] and figures["db"] < float(row["floor_db"]):
        fails.append(f"SQNR below the floor of {row['floor_db']} dB")
    if row["bound_db"] and figures["db"] < float(row["bound_db"]):
        short.append(f"SQNR bound {row['bound_db']} dB")
    if row["ratio"] and figures["ratio"] > float(row["ratio"]):
        fails.append(f"file above {row['ratio']} of float")
    if row["gain_db"] and figures["gain"] < float(row["gain_db"]):
        short.append(f"gain over nearest below {row['gain_db']} dB")
    if figures["speed"] < SLOWER and not figures["said"]:
        short.append("slower, and the report does not say so")
    return fails, short


def main():
    data = data_folder()
    with open(os.path.join(ROOT, "tests", "modes.csv")) as f:
        rows = list(csv.DictReader(f))
    wanted, failed = sys.argv[1:], 0
    print(f"{'model':32} {'way':19} {'worst':>9} {'gain':>5} {'size':>6} {'speed':>6}")
    for model in list_models(data):
        if wanted and model["name"] not in wanted:
            continue
        with tempfile.TemporaryDirectory() as work:
            for way in WAYS:
                fitting = [r for r in rows if r["way"] == way and r["model"] in (model["name"], "*")]
                if not fitting:
                    continue
                row = fitting[-1]  # that of the model stands behind that of all
                try:
                    figures = judge(data, model, way, row, work)
                except (RuntimeError, KeyError, ValueError) as problem:
                    print(f"{model['name']:32} {way:19} FAILED: {problem}", flush=True)
                    failed += 1
                    continue
                fails, short = verdict(figures, row)
                gain = "" if figures["gain"] is None else f"{figures['gain']:.1f}"
                print(f"{model['name']:32} {way:19} {figures['db']:6.1f} dB {gain:>5} {figures['ratio']:6.3f} x{figures['speed']:5.2f}"
                      + "".join(f"  SHORT: {s}" for s in short) + "".join(f"  FAILED: {s}" for s in fails), flush=True)
                failed += bool(fails)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
