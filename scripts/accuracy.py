#!/usr/bin/env python3
"""Converts real models in several settings and writes tests/results.csv; see accuracy.sh. Standard library only.

Bytes are exact and the worst output's SQNR is rounded to half a decibel: a change of either is a visible difference.
"""
import csv
import json
import os
import sys
import tempfile

from real_data import QCONVERT, ROOT, data_folder, link_all, list_models, run, split_of, write_config

RESULTS = os.path.join(ROOT, "tests", "results.csv")
NARROW = [{"filter": {"name": "*"}, "weights_n_bits": 4},
          {"filter": {"any_of": [{"first": True}, {"last": True}, {"depthwise": True}]}, "weights_n_bits": 8}]
SETTINGS = {
    "w8a8 full, nearest": {"placement": "full", "gptq_config": {"method": "none"}},
    "w8a8 full, bias correction": {"placement": "full", "gptq_config": {"method": "bias_correction"}},
    "w8a8 full, second order": {"placement": "full", "gptq_config": {"method": "second_order"}},
    "w4a8, nearest": {"bit_width_config": NARROW, "gptq_config": {"method": "none"}},
    "w4a8": {"bit_width_config": NARROW},
}


def judge(data, model, setting, work):
    path = os.path.join(data, "models", model["file"])
    config = os.path.join(work, "config.json")
    with open(config) as f:
        resolved = dict(json.load(f), **SETTINGS[setting])
    own = os.path.join(work, "setting.json")
    with open(own, "w") as f:
        json.dump(resolved, f)
    out = os.path.join(work, "out")
    run(QCONVERT, path, "--config", own, "-o", out, "-q", "--no-progress")
    file = os.path.join(out, os.path.splitext(model["file"])[0] + ".quant.onnx")
    found = json.loads(run(QCONVERT, "compare", path, file, "--config", own, "--images", os.path.join(work, "judged"),
                           "--latency-rounds", "1", "--report", "json", "-q"))
    db = min(o["sqnr_db"] for o in found["outputs"])
    return {"bytes": str(os.path.getsize(file)), "sqnr_db": f"{round(2 * db) / 2:.1f}"}


def read_rows():
    if not os.path.exists(RESULTS):
        return {}
    with open(RESULTS) as f:
        return {(r["model"], r["setting"]): {"bytes": r["bytes"], "sqnr_db": r["sqnr_db"]} for r in csv.DictReader(f)}


def write_rows(rows):
    with open(RESULTS, "w") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["model", "setting", "bytes", "sqnr_db"])
        for model, setting in sorted(rows, key=lambda k: (k[0], list(SETTINGS).index(k[1]))):
            writer.writerow([model, setting, *rows[model, setting].values()])


def main():
    data = data_folder()
    wanted, rows, failed = sys.argv[1:], read_rows(), 0
    for model in list_models(data):
        if wanted and model["name"] not in wanted:
            continue
        with tempfile.TemporaryDirectory() as work:
            calibration, judged = split_of(data, model)
            write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
            link_all(judged, os.path.join(work, "judged"))
            for setting in SETTINGS:
                try:
                    rows[model["name"], setting] = found = judge(data, model, setting, work)
                    print(f"{model['name']:32} {setting:28} {found['bytes']:>9} bytes {found['sqnr_db']:>6} dB", flush=True)
                    write_rows(rows)
                except RuntimeError as problem:
                    print(f"{model['name']:32} {setting:28} FAILED: {problem}", flush=True)
                    failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
