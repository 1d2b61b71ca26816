#!/usr/bin/env python3
"""Converts real models under budgets of weights_memory and judges the files; see budget.sh. Standard library only.

Budgets are bytes: an average width over all weights plus what does not shrink (scales, biases), which is what a file of
8 bits has besides its integers; "50%" and "60%" are shares of the 8-bit constants. tests/budget.csv has the aims: SQNR, dB
above 4 bits everywhere, loss of top-1 in points, size of the file over float's, seconds of the conversion. With --gram the
budgets are spent a second time, by the statistics of each layer alone, which must not come out better; with --layer by MCT's
own measure of sensitivity, its choice of widths built as it is, which the default has to be above (above_layer, dB).
"""
import csv
import json
import os
import sys
import tempfile
import time

from real_data import QCONVERT, ROOT, data_folder, label_options, link_all, list_models, run, split_of, write_config, write_labels

DEFAULT = ["mobilenet_v1_0.75_224", "mobilenet_v2_0.35_224_coarse9", "squeezenet1.1_227", "resnet20_cifar10",
           "vit_tiny_patch16_224", "yolox_nano_416"]
AVERAGES = {"mobilenet_v1_0.75_224": [4.0, 4.5, 5.0]}  # bits
# Where activations of 8 bits everywhere cost more than any widths of weights, the default placement says what widths are worth.
DEFAULT_PLACEMENT = ["vit_tiny_patch16_224", "yolox_nano_416"]
SHARES = {"mobilenet_v1_0.75_224": ["50%", "60%"]}
DATA = ("weights", "bias", "scales", "constants")
AIMS = os.path.join(ROOT, "tests", "budget.csv")
AT_MOST = ("drop", "ratio", "seconds")  # the other aims are lower bounds


def convert(path, base, work, judged, labels=(), **settings):
    own = os.path.join(work, "setting.json")
    with open(own, "w") as f:
        json.dump(dict(base, **settings), f)
    out = os.path.join(work, "out")
    started = time.time()
    run(QCONVERT, path, "--config", own, "-o", out, "-q", "--no-progress", "--threads", "2")
    seconds = time.time() - started
    stem = os.path.splitext(os.path.basename(path))[0]
    with open(os.path.join(out, stem + ".report.json")) as f:
        report = json.load(f)
    rows = report["files"][0]["rows"]
    file = os.path.join(out, stem + ".quant.onnx")
    found = json.loads(run(QCONVERT, "compare", path, file, "--config", own, "--images", judged, *labels,
                           "--latency-rounds", "0", "--report", "json", "-q"))["models"][1]
    against = found["against_a"]
    labelled = against["labelled"]
    return {"constants": sum(r["bytes"] for r in rows if r["kind"] in DATA), "ratio": found["size_ratio"], "seconds": seconds,
            "weights": sum(r["bytes"] for r in rows if r["kind"] == "weights"),
            "db": min(o["sqnr_db"] for o in against["outputs"]), "agreement": against["agreement"],
            "drop": round(100 * (labelled["top1_a"] - labelled["top1"]), 6) if labelled else None}


def show(model, what, figures, budget=None):
    agree = "" if figures["agreement"] is None else f"{100 * figures['agreement']:.1f} %"
    used = f"{figures['constants'] / budget:.3f}" if budget else ""
    print(f"{model:32} {what:22} {figures['constants']:>9} {used:>6} {figures['ratio']:7.3f} {figures['db']:6.1f} dB {agree:>7} "
          f"{'' if figures['drop'] is None else format(-figures['drop'], '+.2f'):>6} {figures['seconds']:6.0f} s", flush=True)
    return budget is not None and figures["constants"] > budget


def judged_by_aims(model, what, figures):
    """Prints every aim of tests/budget.csv for the row."""
    with open(AIMS) as f:
        rows = [r for r in csv.DictReader(f) if (r["model"], r["widths"]) == (model["name"], what)]
    for row in rows:
        for name in ("db", "above_uniform", "above_layer", *AT_MOST):
            if not row[name] or figures.get(name) is None:
                continue
            bound, figure = float(row[name]), figures[name]
            holds = figure <= bound if name in AT_MOST else figure >= bound
            known = f" (known: {row['known_short']})" if row["known_short"] and not holds else ""
            print(f"  {name} {figure:.3g}, aim {bound:g}: {'MET' if holds else 'SHORT' + known}", flush=True)


def main():
    data = data_folder()
    by_gram, by_layer = "--gram" in sys.argv[1:], "--layer" in sys.argv[1:]
    wanted, above = [a for a in sys.argv[1:] if not a.startswith("-")] or DEFAULT, 0
    print(f"{'model':32} {'widths':22} {'constants':>9} {'used':>6} {'file':>7} {'worst':>9} {'agree':>7} {'top-1':>6}")
    for model in list_models(data):
        if model["name"] not in wanted:
            continue
        path = os.path.join(data, "models", model["file"])
        with tempfile.TemporaryDirectory() as work:
            calibration, judged = split_of(data, model, 400)
            config = write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
            pictures = link_all(judged, os.path.join(work, "judged"))
            write_labels(os.path.join(work, "labels.csv"), model, judged)
            labels = label_options(os.path.join(work, "labels.csv"), model)
            with open(config) as f:
                base = json.load(f)
            if model["name"] not in DEFAULT_PLACEMENT:
                base["placement"] = "full"

            def made(**settings):
                return convert(path, base, work, pictures, labels, **settings)

            full = made()
            show(model["name"], "8 bits", full)
            uniform = {}
            for bits in (4, 5):
                uniform[bits] = made(bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": bits}])
                show(model["name"], f"{bits} bits everywhere", uniform[bits])
            budgets = {f"{bits:g} bits on average": full["constants"] - full["weights"] * (1 - bits / 8)
                       for bits in AVERAGES.get(model["name"], [4.0])}
            budgets |= {f"{share} of 8 bits": float(share[:-1]) / 100 * full["constants"]
                        for share in SHARES.get(model["name"], ["50%"])}
            for what, budget in budgets.items():
                limit = {"weights_memory": int(budget)}
                found = made(target_resource_utilization=limit)
                found["above_uniform"] = found["db"] - uniform[4]["db"]
                above += show(model["name"], what, found, budget)
                if by_layer:  # without refinement, which would measure uniform widths beside it
                    layer = made(target_resource_utilization=limit,
                                 mixed_precision_config={"sensitivity": "layer", "refine_mp_solution": False})
                    above += show(model["name"], "  by MCT's measure", layer, budget)
                    found["above_layer"] = found["db"] - layer["db"]
                judged_by_aims(model, what, found)
                if by_gram:
                    show(model["name"], "  by statistics alone",
                         made(target_resource_utilization=limit, mixed_precision_config={"sensitivity": "gram"}), budget)
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
