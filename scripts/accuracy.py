#!/usr/bin/env python3
"""Converts real models in several settings, judges the files on up to 400 pictures that were not calibrated on, and writes
tests/results.csv; see accuracy.sh. Standard library only.

Bytes are exact and the worst output's SQNR is rounded to half a decibel: a change of either is a visible difference.
tests/accuracy.csv has the aims, of any model (*) or of one: SQNR, gain over rounding to nearest, distance to the floor
(nothing rounded but activations: what --diagnose says of held-out pictures), agreement and loss of top-1 in points, seconds of the conversion.

With --draws every setting is converted five times, on as many draws of 100 pictures from those of calibration and half of
those to judge by, and judged on the other half: mean and spread. Nothing is written then.
"""
import csv
import json
import os
import random
import statistics
import sys
import tempfile
import time

from real_data import QCONVERT, ROOT, data_folder, label_options, link_all, list_models, run, split_of, write_config, write_labels

RESULTS = os.path.join(ROOT, "tests", "results.csv")
AIMS = os.path.join(ROOT, "tests", "accuracy.csv")
FULL, NEAREST = {"placement": "full"}, {"gptq_config": {"method": "none"}}
# Even grids: codebooks, which narrow weights get by default, are part of what is measured.
EVEN = dict(NEAREST, debug_config={"network_editor": [{"filter": {"name": "*"},
                                                     "action": {"weights_quantization_method": "SYMMETRIC"}}]})


def narrow(bits, *wide, placement=FULL):
    """Weights of so many bits; 8 where one of the filters `wide` fits."""
    rules = [{"filter": {"name": "*"}, "weights_n_bits": bits}]
    if wide:
        rules.append({"filter": {"any_of": [{w: True} for w in wide]}, "weights_n_bits": 8})
    return dict(placement, bit_width_config=rules)


SETTINGS = {
    "w8a8 full, nearest": dict(FULL, **NEAREST),
    "w8a8 full, bias correction": dict(FULL, gptq_config={"method": "bias_correction"}),
    "w8a8 full, second order": dict(FULL, gptq_config={"method": "second_order"}),
    "w8a8 full but 3 %": {"placement": {"mode": "full", "max_float_share": 0.03}, "gptq_config": {"method": "second_order"}},
    "w4a8, nearest": dict(narrow(4, "first", "last", "depthwise"), **EVEN),
    "w4a8": narrow(4, "first", "last", "depthwise"),
    "w4a8 but first and last, nearest": dict(narrow(4, "first", "last"), **EVEN),
    "w4a8 but first and last": narrow(4, "first", "last"),
    # Of a transformer whose activations cost more than 4 bits of its weights, where all of them are rounded.
    "w4a8 auto but first and last, nearest": dict(narrow(4, "first", "last", placement={}), **EVEN),
    "w4a8 auto but first and last": narrow(4, "first", "last", placement={}),
    "w4a8 everywhere": narrow(4),
    "w3a8": narrow(3, "first", "last", "depthwise"),
}
USUAL = ["w8a8 full, nearest", "w8a8 full, bias correction", "w8a8 full, second order", "w4a8, nearest", "w4a8"]
AT_MOST = ("below_floor", "drop", "seconds")  # the other aims are lower bounds
JUDGED, DRAWS = 400, 5
PEERS, ABOVE_PEERS, OF_MODELS = "w8a8 full but 3 %", 4, (12, 19)  # its aim is the best peer's file; so many dB above, on so many of all


def judge(data, model, setting, floor, work):
    path = os.path.join(data, "models", model["file"])
    config = os.path.join(work, "config.json")
    with open(config) as f:
        resolved = dict(json.load(f), **SETTINGS[setting])
    own = os.path.join(work, "setting.json")
    with open(own, "w") as f:
        json.dump(resolved, f)
    out = os.path.join(work, "out")
    started = time.time()
    run(QCONVERT, path, "--config", own, "-o", out, "-q", "--no-progress", *(["--diagnose"] if floor else []))
    seconds = time.time() - started
    stem = os.path.join(out, os.path.splitext(model["file"])[0])
    file = stem + ".quant.onnx"
    with open(stem + ".report.json") as f:
        parts = json.load(f)["ablation"]
    command = [QCONVERT, "compare", path, file, "--config", own, "--images", os.path.join(work, "judged"), "--latency-rounds", "0",
               "--report", "json", "-q"]
    command += label_options(os.path.join(work, "labels.csv"), model)
    found = json.loads(run(*command))["models"][1]
    against = found["against_a"]
    labelled = against["labelled"]
    return {"bytes": os.path.getsize(file), "db": min(o["sqnr_db"] for o in against["outputs"]), "agreement": against["agreement"],
            "drop": round(100 * (labelled["top1_a"] - labelled["top1"]), 6) if labelled else None, "seconds": seconds,
            "below_floor": parts["activations_db"] - parts["all_db"] if floor else None}


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


def aims_of(model):
    """{setting: the row of its aims}; a model's own stand before those of all."""
    with open(AIMS) as f:
        rows = list(csv.DictReader(f))
    return {r["setting"]: r for name in ("*", model) for r in rows if r["model"] == name}


def needed(aim):
    """The settings that an aim is judged by."""
    setting = aim["setting"]
    return ([setting + ", nearest"] if aim["above_nearest"] else []) + [setting]


def verdicts(aim, found):
    """(what, figure, aim, whether it holds), for every aim of the row that can be judged."""
    own, nearest = found[aim["setting"]], found.get(aim["setting"] + ", nearest")
    figures = {"db": own["db"], "above_nearest": own["db"] - nearest["db"] if nearest else None,
               "agreement": None if own["agreement"] is None else 100 * own["agreement"],
               "below_floor": own["below_floor"], "drop": own["drop"], "seconds": own["seconds"]}
    for what, figure in figures.items():
        if aim[what] and figure is not None:
            bound = float(aim[what])
            yield what, figure, bound, figure <= bound if what in AT_MOST else figure >= bound


def shown(model, setting, found):
    agree = "" if found["agreement"] is None else f"{100 * found['agreement']:6.2f} %"
    drop = "" if found["drop"] is None else f"top-1 {-found['drop']:+.2f}"
    print(f"{model:30} {setting:38} {found['bytes']:>9} bytes {found['db']:6.1f} dB {agree:>9} {found['seconds']:5.0f} s  {drop}", flush=True)


def measure(data, model, settings, aims, rows, work, above):
    """How many conversions failed. Appends to `above` how far the file with a share of floats is above the best peer's."""
    found, failed = {}, 0
    for setting in settings:
        try:
            found[setting] = judge(data, model, setting, setting in aims and aims[setting]["below_floor"], work)
        except RuntimeError as problem:
            print(f"{model['name']:30} {setting:38} FAILED: {problem}", flush=True)
            failed += 1
            continue
        shown(model["name"], setting, found[setting])
        rows[model["name"], setting] = {"bytes": str(found[setting]["bytes"]), "sqnr_db": f"{round(2 * found[setting]['db']) / 2:.1f}"}
        write_rows(rows)
    for aim in aims.values():
        if not all(s in found for s in needed(aim)):
            continue
        for what, figure, bound, holds in verdicts(aim, found):
            if aim["setting"] == PEERS:
                above.append(figure - bound)
            known = f" (known: {aim['known_short']})" if aim["known_short"] and not holds else ""
            print(f"  {aim['setting']}: {what} {figure:.2f}, aim {bound:g}: {'MET' if holds else 'SHORT' + known}", flush=True)
    return failed


def prepared(data, model, calibration, judged, work):
    """The folder with all that judge() takes."""
    write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
    link_all(judged, os.path.join(work, "judged"))
    write_labels(os.path.join(work, "labels.csv"), model, judged)
    return work


def measure_draws(data, model, settings):
    """How many conversions failed."""
    calibration, judged = split_of(data, model, JUDGED)
    half = len(judged) // 2
    pool, rest, failed = calibration + judged[:half], judged[half:], 0
    for setting in settings:
        found = []
        for draw in range(DRAWS):
            pictures = sorted(random.Random(draw).sample(pool, min(len(calibration), len(pool) - 1)))
            with tempfile.TemporaryDirectory() as work:
                try:
                    found.append(judge(data, model, setting, False, prepared(data, model, pictures, rest, work)))
                except RuntimeError as problem:
                    print(f"{model['name']:30} {setting:38} FAILED: {problem}", flush=True)
                    failed += 1
        figures = {name: [f[name] for f in found if f[name] is not None] for name in ("db", "drop")}
        told = [f"{name} {statistics.mean(of):.2f} +- {statistics.stdev(of):.2f} ({min(of):.2f} to {max(of):.2f})"
                for name, of in figures.items() if len(of) > 1]
        print(f"{model['name']:30} {setting:38} {len(found)} draws: {', '.join(told)}", flush=True)
    return failed


def main():
    data = data_folder()
    aimed, draws = ("--" + name in sys.argv[1:] for name in ("aims", "draws"))  # aims: only what an aim is judged by
    wanted, rows, failed, above = [a for a in sys.argv[1:] if not a.startswith("-")], read_rows(), 0, []
    for model in list_models(data):
        if wanted and model["name"] not in wanted:
            continue
        aims = aims_of(model["name"])
        settings = [s for s in SETTINGS if (s in USUAL and not aimed) or any(s in needed(a) for a in aims.values())]
        if draws:
            failed += measure_draws(data, model, settings)
            continue
        with tempfile.TemporaryDirectory() as work:
            prepared(data, model, *split_of(data, model, JUDGED), work)
            failed += measure(data, model, settings, aims, rows, work, above)
    if draws:
        sys.exit(1 if failed else 0)
    far = sum(a >= ABOVE_PEERS for a in above)
    print(f"{PEERS}: {sum(a >= 0 for a in above)} of {len(above)} not below the best peer, {far} at least {ABOVE_PEERS} dB above"
          f" (aim: all, and {OF_MODELS[0]} of {OF_MODELS[1]})")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
