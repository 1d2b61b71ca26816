#!/usr/bin/env python3
"""Converts the real models of QCONVERT_TEST_DATA and judges the files; see real_models.sh. Standard library only.

models.json beside the models says how pictures are prepared; calibration uses at most 100 pictures of `calib`, judging
the first 100 of `eval` or `test`. A folder without such parts gives its first 40 % to calibration. Bounds: the columns
of tests/real_models.csv are the worst output's SQNR in dB, the top-1 agreement in percent and the size against float;
`floor_db` is what an earlier version reached and no later one may lose (the run fails below it), `bound_db` is the aim
(printed as short when it is missed).
"""
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QCONVERT = os.environ.get("QCONVERT", os.path.join(ROOT, "build", "qconvert"))
PICTURES = (".png", ".jpg", ".jpeg")
CALIBRATION, JUDGED = 100, 100


def split_of(data, model):
    """(calibration files, judged files)"""
    kind = {"imagenet1k-sample": "imagenet1k", "mnist-1k": "mnist"}.get(model["data"].split("/")[-1], model["data"].split("/")[-1])
    top = os.path.join(data, "images", kind)

    def pictures(folder):
        return [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.lower().endswith(PICTURES)]

    parts = [os.path.join(top, p) for p in ("calib", "eval", "test")]
    if os.path.isdir(parts[0]):
        judged = parts[1] if os.path.isdir(parts[1]) else parts[2]
        return pictures(parts[0])[:CALIBRATION], pictures(judged)[:JUDGED]
    files = pictures(top)
    cut = int(len(files) * 0.4)
    return files[:cut][:CALIBRATION], files[cut:][:JUDGED]


def preprocess_of(model):
    p, color = model["preprocess"], model["color"]
    rule = p["resize"]
    out = {"mean": p["mean"], "std": p["std"], "layout": model["layout"],
           "color": "GRAY" if color.startswith(("gray", "Y")) else "RGBA" if "alpha" in color else color[:3]}
    if "alpha" in color:  # the fourth channel is a constant 1: opaque alpha over 255
        out["mean"], out["std"] = [0, 0, 0, 0], [1, 1, 1, 255]
    numbers = [int(n) for n in re.findall(r"\d+", rule)]
    if rule.startswith("short"):
        out["resize"], out["center_crop"] = {"short_side": numbers[0]}, [numbers[1]] * 2
    elif rule.startswith("letterbox"):
        out["resize"] = {"letterbox": [numbers[0]] * 2, "align": "top_left", "pad": numbers[1]}
    elif rule.startswith("stretch"):
        out["resize"] = {"stretch": [numbers[1], numbers[0]] if "x" in rule.split(";")[0].split("(")[0] else [numbers[0]] * 2}
    elif rule.startswith("height"):
        out["resize"] = {"fixed_height": numbers[0], "max_width": numbers[-1]}
    elif "multiple" in rule:
        out["resize"], out["multiple_of"] = "none", numbers[0]
    else:
        out["resize"], out["center_crop"] = "none", [numbers[1], numbers[0]]
    return out


def link_all(files, folder):
    os.makedirs(folder)
    for f in files:
        os.symlink(f, os.path.join(folder, os.path.basename(f)))
    return folder


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def same_bytes(a, b):
    with open(a, "rb") as x, open(b, "rb") as y:
        return x.read() == y.read()


def judge(data, model, work):
    path = os.path.join(data, "models", model["file"])
    calibration, judged = split_of(data, model)
    config = os.path.join(work, "config.json")
    with open(config, "w") as f:
        json.dump({"representative_dataset": {"path": link_all(calibration, os.path.join(work, "calib")),
                                              "preprocess": preprocess_of(model)}}, f)
    started = time.time()
    run(QCONVERT, path, "--config", config, "-o", os.path.join(work, "a"), "-q", "--no-progress", "--threads", "2")
    seconds = time.time() - started
    run(QCONVERT, path, "--config", config, "-o", os.path.join(work, "b"), "-q", "--no-progress", "--threads", "1")
    stem = os.path.splitext(model["file"])[0]
    names = [stem + ".quant.onnx", stem + ".report.json"]
    same = all(same_bytes(os.path.join(work, "a", n), os.path.join(work, "b", n)) for n in names)
    with open(os.path.join(work, "a", names[1])) as f:
        report = json.load(f)
    found = json.loads(run(QCONVERT, "compare", path, os.path.join(work, "a", names[0]), "--config", config, "--images",
                           link_all(judged, os.path.join(work, "judged")), "--latency-rounds", "15", "--report", "json", "-q"))
    return {"seconds": seconds, "same": same, "db": min(o["sqnr_db"] for o in found["outputs"]), "agreement": found["agreement"],
            "ratio": found["size_ratio"], "speed": found["latency"]["speed"], "report": report}


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
    data = os.environ.get("QCONVERT_TEST_DATA")
    if not data or not os.path.isdir(os.path.join(data, "models")):
        sys.exit("QCONVERT_TEST_DATA must name a folder with models/ and images/")
    data = os.path.abspath(data)
    with open(os.path.join(data, "models", "models.json")) as f:
        models = [m for m in json.load(f) if os.path.exists(os.path.join(data, "models", m["file"]))]
    with open(os.path.join(ROOT, "tests", "real_models.csv")) as f:
        bounds = {row["model"]: row for row in csv.DictReader(f)}
    wanted = sys.argv[1:]
    failed = 0
    good = 0
    print(f"{'model':32} {'worst':>8} {'agree':>7} {'size':>6} {'speed':>6} {'time':>6}  integer Conv/Gemm/MatMul")
    for model in models:
        if wanted and model["name"] not in wanted:
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                figures = judge(data, model, work)
                fails, short = verdict(figures, bounds.get(model["name"]))
                cover = figures["report"].get("coverage", {})
                agree = "" if figures["agreement"] is None else f"{100 * figures['agreement']:.1f} %"
                good += figures["db"] >= 20 and figures["speed"] >= 0.97
                print(f"{model['name']:32} {figures['db']:5.1f} dB {agree:>7} {figures['ratio']:6.3f} x{figures['speed']:5.2f} "
                      f"{figures['seconds']:4.1f} s  {cover.get('weighted_on_integer_kernels', '?')}/{cover.get('weighted_nodes', '?')}"
                      + "".join(f"  SHORT: {s}" for s in short) + "".join(f"  FAILED: {s}" for s in fails), flush=True)
                failed += bool(fails)
            except (RuntimeError, KeyError, ValueError) as problem:
                print(f"{model['name']:32} FAILED: {problem}", flush=True)
                failed += 1
    print(f"worst output >= 20 dB and at least 0.97 of float speed: {good} models")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
