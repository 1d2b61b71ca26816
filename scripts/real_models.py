#!/usr/bin/env python3
"""Converts the real models of QCONVERT_TEST_DATA and judges the files; see real_models.sh. Standard library only.

real_data.py says which pictures. Bounds: the columns of tests/real_models.csv are the worst output's SQNR in dB, the
top-1 agreement in percent and the size against float; `floor_db` is what an earlier version reached and no later one
may lose (the run fails below it), `bound_db` is the aim (printed as short when it is missed); `known_short` says what
else stays short and why. The last lines sum up what a first run should bring without any setting, as MET or SHORT: the
worst output at 20 dB or better (before the op where an output lies behind one that jumps), at least 0.97 of float's
speed, at most 0.35 of its file (small files excepted, whose graph weighs as much as their weights), how far the time that
the cost table of this kind of processor predicts is from the one measured here, and the time that the search for a
placement adds to a conversion, in calibration passes.
"""
import csv
import json
import math
import os
import re
import sys
import tempfile
import time

from real_data import JUDGED, QCONVERT, ROOT, data_folder, link_all, list_models, run, split_of, write_config

MANY = 400  # pictures, where agreement has a bound: one of a hundred would be a whole percent


def same_bytes(a, b):
    with open(a, "rb") as x, open(b, "rb") as y:
        return x.read() == y.read()


def stages_of(text):
    """Seconds by stage, from the last part of the verbose report."""
    return {name: float(seconds) for name, seconds in re.findall(r"^  ([a-z ]+?) +([0-9.e+-]+) s$", text.rpartition("\ntime\n")[2], re.M)}


def processor():
    """This machine's name among those that targets have costs of."""
    doctor = json.loads(run(QCONVERT, "doctor", "--json"))
    return "x86_vnni" if "VNNI" in doctor["processor_has"] else "x86" if doctor["processor"] == "x86-64" else ""


def judge(data, model, bounds, work):
    path = os.path.join(data, "models", model["file"])
    calibration, judged = split_of(data, model, MANY if bounds and bounds["agreement"] else JUDGED)
    config = write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
    started = time.time()
    # One after the other: stages of the first are compared with each other, and a second run beside it would disturb them.
    printed = [run(QCONVERT, path, "--config", config, "-o", os.path.join(work, out), "-v", "--no-progress", "--threads", threads)
               for out, threads in ("a2", "b1")]
    seconds = time.time() - started
    stem = os.path.splitext(model["file"])[0]
    names = [stem + ".quant.onnx", stem + ".report.json"]
    same = all(same_bytes(os.path.join(work, "a", n), os.path.join(work, "b", n)) for n in names)
    with open(os.path.join(work, "a", names[1])) as f:
        report = json.load(f)
    found = json.loads(run(QCONVERT, "compare", path, os.path.join(work, "a", names[0]), "--config", config, "--images",
                           link_all(judged, os.path.join(work, "judged")), "--latency-rounds", "61", "--report", "json", "-q"))
    judged_file = found["models"][1]
    against = judged_file["against_a"]
    return {"seconds": seconds, "stages": stages_of(printed[0]), "same": same, "db": min(o["sqnr_db"] for o in against["outputs"]), "agreement": against["agreement"],
            "ratio": judged_file["size_ratio"], "speed": judged_file["latency"]["one_thread"]["speedup"], "report": report}


SMALL = 200_000  # bytes


def first_run(figures):
    """What is missing to a good first run, as words."""
    missing = []
    if figures["db"] < 20:
        missing.append("20 dB")
    if figures["speed"] < 0.97:
        missing.append("0.97 of float's speed")
    if figures["ratio"] > 0.35 and figures["report"]["model"]["size"] > SMALL:
        missing.append("0.35 of the file")
    return missing


def prediction_error(figures, kind):
    """Predicted over measured time, minus 1; None where nothing was predicted."""
    report = figures["report"]
    predicted = report.get("predicted_time_on", {}).get(kind, report.get("predicted_time"))
    return None if predicted is None else predicted * figures["speed"] - 1


def added_time(figures):
    """What the search for a placement and its description took, in calibration passes."""
    stages = figures["stages"]
    return sum(stages.get(stage, 0) for stage in PLACEMENT) / max(stages.get("calibrate", 0), 0.01)


PLACEMENT = ["balance", "refine", "regions"]


ALL_GOOD, MEAN_SPEED, PREDICTED, ADDED = 1.0, 1.35, 15 / 19, 2.0  # bounds: shares, a ratio, calibration passes

def say(good, text):
    print(f"{'MET' if good else 'SHORT':6}{text}")


def sum_up(everything, bounds, kind):
    if not everything:
        return
    count = len(everything)
    good = [name for name, figures in everything.items() if not first_run(figures)]
    say(len(good) >= ALL_GOOD * count, f"worst output >= 20 dB, speed >= 0.97, file <= 0.35 of float: {len(good)} of {count} models")
    for name, figures in everything.items():
        if first_run(figures):
            known = bounds.get(name, {}).get("known_short")
            print(f"         {name}: short of {', '.join(first_run(figures))}" + (f" (known: {known})" if known else ""))
    mean = math.exp(sum(math.log(figures["speed"]) for figures in everything.values()) / count)
    say(mean >= MEAN_SPEED, f"geometric mean of speed over float: {mean:.2f}, bound {MEAN_SPEED}")
    errors = {name: prediction_error(figures, kind) for name, figures in everything.items()}
    errors = {name: error for name, error in errors.items() if error is not None}
    within = sum(abs(error) <= 0.2 for error in errors.values())
    say(within >= PREDICTED * len(errors), f"predicted time within 20 % of the measured one: {within} of {len(errors)} models, bound 15 of 19")
    for name, error in errors.items():
        if abs(error) > 0.2:
            print(f"         {name}: {100 * error:+.0f} %")
    slow = {name: added_time(figures) for name, figures in everything.items() if added_time(figures) > ADDED}
    say(not slow, f"placement adds at most {ADDED:g} calibration passes to a conversion: {count - len(slow)} of {count} models")
    for name, passes in slow.items():
        stages = everything[name]["stages"]
        print(f"         {name}: {passes:.1f} passes, {sum(stages[stage] for stage in PLACEMENT):.1f} s of {sum(stages.values()):.1f} s")


def verdict(figures, bounds):
    """(failures, shortfalls)"""
    fails = [] if figures["same"] else ["not the same bytes with another thread count"]
    short = []
    if bounds is None:
        return fails + ["no row in tests/real_models.csv"], short
    if figures["db"] < float(bounds["floor_db"]):
        fails.append(f"SQNR below the floor of {bounds['floor_db']} dB")
    if figures["db"] < float(bounds["bound_db"]):
        short.append(f"SQNR bound {bounds['bound_db']} dB")
    if bounds["agreement"] and figures["agreement"] is not None and 100 * figures["agreement"] < float(bounds["agreement"]):
        short.append(f"agreement bound {bounds['agreement']} %")
    if bounds["ratio"] and figures["ratio"] > float(bounds["ratio"]):
        fails.append(f"file above {bounds['ratio']} of float")
    return fails, short


def main():
    data = data_folder()
    models = list_models(data)
    with open(os.path.join(ROOT, "tests", "real_models.csv")) as f:
        bounds = {row["model"]: row for row in csv.DictReader(f)}
    wanted = sys.argv[1:]
    failed = 0
    everything = {}
    kind = processor()
    print(f"{'model':32} {'worst':>8} {'agree':>7} {'size':>6} {'speed':>6} {'predicted':>9} {'both':>7}  integer Conv/Gemm/MatMul")
    for model in models:
        if wanted and model["name"] not in wanted:
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                figures = judge(data, model, bounds.get(model["name"]), work)
                fails, short = verdict(figures, bounds.get(model["name"]))
                cover = figures["report"].get("coverage", {})
                agree = "" if figures["agreement"] is None else f"{100 * figures['agreement']:.1f} %"
                everything[model["name"]] = figures
                error = prediction_error(figures, kind)
                print(f"{model['name']:32} {figures['db']:5.1f} dB {agree:>7} {figures['ratio']:6.3f} x{figures['speed']:5.2f} "
                      f"{'' if error is None else f'{100 * error:+.0f} %':>9} {figures['seconds']:5.1f} s  {cover.get('weighted_on_integer_kernels', '?')}/{cover.get('weighted_nodes', '?')}"
                      + "".join(f"  SHORT: {s}" for s in short) + "".join(f"  FAILED: {s}" for s in fails), flush=True)
                failed += bool(fails)
            except (RuntimeError, KeyError, ValueError) as problem:
                print(f"{model['name']:32} FAILED: {problem}", flush=True)
                failed += 1
    sum_up(everything, bounds, kind)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
