#!/usr/bin/env python3
"""Converts real models under budgets of weights_memory and judges the files; see budget.sh. Standard library only.

Budgets are bytes: an average width over all weights plus what does not shrink (scales, biases), which is what a file of
8 bits has besides its integers; "50%" and "60%" are shares of the 8-bit constants.
"""
import json
import os
import sys
import tempfile
import time

from real_data import QCONVERT, data_folder, link_all, list_models, run, split_of, write_config

DEFAULT = ["mobilenet_v1_0.75_224", "mobilenet_v2_0.35_224_coarse9", "squeezenet1.1_227", "resnet20_cifar10",
           "vit_tiny_patch16_224", "yolox_nano_416"]
AVERAGES = {"mobilenet_v1_0.75_224": [4.0, 4.5, 5.0]}  # bits
SHARES = {"mobilenet_v1_0.75_224": ["50%", "60%"]}
DATA = ("weights", "bias", "scales", "constants")


def convert(path, base, work, judged, **settings):
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
    found = json.loads(run(QCONVERT, "compare", path, file, "--config", own, "--images", judged, "--latency-rounds", "0",
                           "--report", "json", "-q"))["models"][1]
    against = found["against_a"]
    return {"constants": sum(r["bytes"] for r in rows if r["kind"] in DATA), "ratio": found["size_ratio"], "seconds": seconds,
            "weights": sum(r["bytes"] for r in rows if r["kind"] == "weights"),
            "db": min(o["sqnr_db"] for o in against["outputs"]), "agreement": against["agreement"]}


def show(model, what, figures, budget=None):
    agree = "" if figures["agreement"] is None else f"{100 * figures['agreement']:.1f} %"
    used = f"{figures['constants'] / budget:.3f}" if budget else ""
    print(f"{model:32} {what:22} {figures['constants']:>9} {used:>6} {figures['ratio']:7.3f} {figures['db']:6.1f} dB {agree:>7} "
          f"{figures['seconds']:6.0f} s", flush=True)
    return budget is not None and figures["constants"] > budget


def main():
    data = data_folder()
    wanted, above = sys.argv[1:] or DEFAULT, 0
    print(f"{'model':32} {'widths':22} {'constants':>9} {'used':>6} {'file':>7} {'worst':>9} {'agree':>7}")
    for model in list_models(data):
        if model["name"] not in wanted:
            continue
        path = os.path.join(data, "models", model["file"])
        with tempfile.TemporaryDirectory() as work:
            calibration, judged = split_of(data, model, 400)
            config = write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
            pictures = link_all(judged, os.path.join(work, "judged"))
            with open(config) as f:
                base = dict(json.load(f), placement="full")
            full = convert(path, base, work, pictures)
            show(model["name"], "8 bits", full)
            for bits in (4, 5):
                rule = [{"filter": {"name": "*"}, "weights_n_bits": bits}]
                show(model["name"], f"{bits} bits everywhere", convert(path, base, work, pictures, bit_width_config=rule))
            budgets = {f"{bits:g} bits on average": full["constants"] - full["weights"] * (1 - bits / 8)
                       for bits in AVERAGES.get(model["name"], [4.0])}
            budgets |= {f"{share} of 8 bits": float(share[:-1]) / 100 * full["constants"]
                        for share in SHARES.get(model["name"], ["50%"])}
            for what, budget in budgets.items():
                found = convert(path, base, work, pictures, target_resource_utilization={"weights_memory": int(budget)})
                above += show(model["name"], what, found, budget)
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
