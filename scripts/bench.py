#!/usr/bin/env python3
"""Figures that depend on the machine: speed, time and memory, each against a yardstick measured beside it; see bench.sh.

Only ratios mean anything, and only on a machine that does little else. What is measured against what:
    speed         the written file against the float model and the peer's file, one thread, round-robin in one process
    run           a whole run of qconvert against one of the peer, 100 pictures, two threads, by turns
    calibration   the calibration stage on 500 pictures against plain_inference: decode, resize, float inference
    compare       a whole qconvert compare of both files on 400 labelled pictures against plain_inference of one and the other
    fix           the peer's file after qconvert fix against ours from float, one thread, round-robin in one process; small files of NNCF
                  and Quark as well
    memory        peak of a whole run against that of plain_inference; 1000 pictures against 100
    large         a network shaped like ResNet-50, random weights, 64 pictures, all its weights 4 bits: time and peak memory
The peer is ONNX Runtime's own quantizer (bench_peers.py).
"""
import argparse
import csv
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from real_data import QCONVERT, ROOT, data_folder, link_all, list_models, preprocess_of, run, split_of, write_config

WORK = os.path.join(ROOT, "build", "bench")
PLAIN = os.environ.get("PLAIN_INFERENCE", os.path.join(ROOT, "build", "tests", "bench", "plain_inference"))
RESNET50 = os.environ.get("RESNET50_SHAPED", os.path.join(ROOT, "build", "tests", "bench", "resnet50_shaped"))
PEER = [os.path.abspath(os.environ.get("PEER_PYTHON", os.path.join(WORK, "venv", "bin", "python"))),
        os.path.join(ROOT, "scripts", "bench_peers.py")]

SPEED_TO_PEER = 0.95       # at least
SLOWER_THAN_PEER = 0.10    # at most, where the peer's file is usable at all
USABLE_DB = 20             # worst output
RUN_TO_PEER = 0.5          # at most, as all below
CALIBRATION_TO_PLAIN = 1.5
MEMORY_ABOVE_PLAIN = 100   # MB
MEMORY_GROWTH = 0.10
COMPARE_TO_ALONE = 1.3
FIXED_TO_OURS = 1.05
SURVEY_SECONDS = 120
LARGE_SECONDS, LARGE_PEAK = 240, 4000  # MB
COMPARED = 400
OTHERS = ["nncf", "quark_xint8", "quark_a8w8"]  # of tests/data/quantized, for `fix`
WHOLE_RUN = "mobilenet_v1_0.75_224"
HELD_OUT = 16              # /verify_images: taken out of the calibration pictures
# What stays short on some machine, and why. Said beside the figure, which still counts as short.
KNOWN_SHORT = {
    "run": "0.31 to 0.71 with AVX512-VNNI, by how long the peer's Python takes (4 to 6 s on one machine, 2.2 s on another); 0.50 to 0.57"
           " without: float inference is most of ours",
    "calibration": "met with AVX512-VNNI (1.45); more without AVX-512: counting an exact histogram costs as much as a third of the"
                   " inference",
    "memory": "mlsd_tiny_320 wanders around the bound from run to run and machine to machine: +82 to +120 MB; models that second-order"
              " correction takes on hold 8 to 12 pictures in two networks: squeezenet, vit_tiny, mobilenet_v2, yolox_nano, nanodet,"
              " blazeface, +120 to +220 MB",
}


class Bounds:
    """Counts what was met."""

    def __init__(self):
        self.met = self.short = 0

    def judge(self, holds, known=None):
        self.met += holds
        self.short += not holds
        return "MET" if holds else "SHORT" + (f" (known: {known})" if known else "")


def known_shortfalls():
    """{model: what stays short and why}, from the file of bounds of the real models"""
    with open(os.path.join(ROOT, "tests", "real_models.csv")) as f:
        return {row["model"]: row["known_short"] for row in csv.DictReader(f) if row["known_short"]}


def peer(command, job):
    with tempfile.TemporaryDirectory() as work:  # it leaves files where it runs
        return run(*PEER, command, write_job(job, work), folder=work)


def write_job(job, folder):
    path = os.path.join(folder, "job.json")
    with open(path, "w") as f:
        json.dump(job, f)
    return path


def peer_job(model, data, out):
    return {"model": path_of(data, model), "out": out, "images": split_of(data, model)[0], "preprocess": preprocess_of(model),
            "input": model["inputs"][0]["name"]}


def path_of(data, model):
    return os.path.join(data, "models", model["file"])


def peer_file(model, data):
    """(path, None) or (None, why there is none); kept from run to run."""
    folder = os.path.join(WORK, "peer")
    os.makedirs(folder, exist_ok=True)
    out, failed = (os.path.join(folder, model["name"] + end) for end in (".onnx", ".failed"))
    if not os.path.exists(out) and not os.path.exists(failed):
        try:
            peer("quantize", peer_job(model, data, out + ".part"))
            os.replace(out + ".part", out)
        except RuntimeError as problem:
            with open(failed, "w") as f:
                f.write(str(problem).splitlines()[-1])
    if os.path.exists(out):
        return out, None
    with open(failed) as f:
        return None, f.read()


def our_file(model, data):
    """Written anew when the binary has changed."""
    with open(QCONVERT, "rb") as f:
        version = hashlib.sha256(f.read()).hexdigest()[:12]
    folder = os.path.join(WORK, "ours", version)
    out = os.path.join(folder, os.path.splitext(model["file"])[0] + ".quant.onnx")
    if not os.path.exists(out):
        with tempfile.TemporaryDirectory() as work:
            config = write_config(os.path.join(work, "config.json"), model, link_all(split_of(data, model)[0], os.path.join(work, "calib")))
            run(QCONVERT, path_of(data, model), "--config", config, "-o", folder, "-q", "--no-progress")
    return out


def worst_db(model, data, file):
    """The worst output of a file against the float model, on the first pictures to judge by."""
    with tempfile.TemporaryDirectory() as work:
        calibration, judged = split_of(data, model)
        config = write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
        found = json.loads(run(QCONVERT, "compare", path_of(data, model), file, "--config", config, "--images",
                               link_all(judged, os.path.join(work, "judged")), "--report", "json", "-q"))
    return min(output["sqnr_db"] for output in found["models"][1]["against_a"]["outputs"])


def judge_slower(slower, bounds):
    """`slower`: [(model, speed over the peer's file, that file's worst output in dB)], of those beyond the bound."""
    wrong = [one for one in slower if one[2] >= USABLE_DB]
    print(f"no file more than {100 * SLOWER_THAN_PEER:.0f} % slower than the peer's, unless that one is under {USABLE_DB} dB: "
          f"{bounds.judge(not wrong)}")
    for name, ratio, db in slower:
        print(f"    {name}: {ratio:.2f} of the speed of the peer's, which is at {db:.1f} dB")


def bench_speed(data, models, options, bounds):
    print(f"\nspeed of the written file, one thread: at least {SPEED_TO_PEER} of the peer's (times in ms and speed ratios, by the median"
          " and by the least\nof all rounds; the least decides, as the rest of the machine disturbs it least)")
    print(f"{'model':32} {'float':>15} {'ours':>15} {'peer':>15} {'to float':>11} {'to peer':>11} rounds")
    known = known_shortfalls()
    slower = []
    for model in models:
        files = {"float": path_of(data, model), "ours": our_file(model, data)}
        theirs, why = peer_file(model, data)
        if theirs:
            files["peer"] = theirs
        figures = json.loads(peer("speed", {"files": files, "input": model["inputs"][0]["name"], "image": split_of(data, model)[1][0],
                                            "preprocess": preprocess_of(model), "cpu": options.cpu, "rounds": options.rounds,
                                            "seconds": options.seconds}))
        why = why or figures["peer"].get("failed")
        lost = [figures[name]["failed"] for name in ("float", "ours") if "failed" in figures[name]]
        if lost:
            print(f"{model['name']:32} {bounds.judge(False)}: {lost[0]}", flush=True)
            continue

        def time_of(name):
            f = figures.get(name, {})
            return f"{f['median']:7.3f} {f['min']:7.3f}" if "median" in f else f"{'-':>15}"

        def ratio(name, how):
            return figures[name][how] / figures["ours"][how]

        line = (f"{model['name']:32} {time_of('float')} {time_of('ours')} {time_of('peer')} "
                f"{ratio('float', 'median'):5.2f} {ratio('float', 'min'):5.2f} ")
        if why:
            print(line + f"{'-':>11} {figures['ours']['rounds']:6}  the peer has no file that loads: {why}", flush=True)
        else:
            verdict = bounds.judge(ratio("peer", "min") >= SPEED_TO_PEER, known.get(model["name"]))
            print(line + f"{ratio('peer', 'median'):5.2f} {ratio('peer', 'min'):5.2f} {figures['ours']['rounds']:6}  " + verdict, flush=True)
            if ratio("peer", "min") * (1 + SLOWER_THAN_PEER) < 1:
                slower.append((model["name"], ratio("peer", "min"), worst_db(model, data, theirs)))
    judge_slower(slower, bounds)


class Measured(NamedTuple):
    """A whole process. Where other work shares the machine, compare processor time rather than seconds."""
    seconds: float
    cpu_seconds: float
    peak: float  # MB
    out: str


def measured(command, folder=None):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            raise RuntimeError(f"exit {process.returncode}: {err.read().decode().strip()[-600:]}")
        out.seek(0)
        return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, out.read().decode())


def repeated(files, count, folder):
    """A folder with `count` links, the files over and over."""
    os.makedirs(folder)
    for i in range(count):
        os.symlink(files[i % len(files)], os.path.join(folder, f"{i:05}" + os.path.splitext(files[i % len(files)])[1]))
    return folder


def convert_command(model, data, config, work, options):
    return [QCONVERT, path_of(data, model), "--config", config, "-o", os.path.join(work, "out"), "-v", "--no-progress", "--threads",
            str(options.threads)]


def plain_command(model, data, config, options, file=None):
    """Takes the input's shape from models.json, so that its memory is the runtime's and the pictures' alone."""
    image = model["inputs"][0]
    dims = ",".join(str(d) if isinstance(d, int) else "-1" for d in image["shape"])
    return [PLAIN, file or path_of(data, model), config, image["name"], dims, str(options.threads)]


def bench_run(data, models, options, bounds):
    models = [m for m in models if peer_file(m, data)[0]]  # no race against a peer that does not finish
    print(f"\nwhole run, 100 pictures, against the peer's: at most {RUN_TO_PEER} (seconds: median and least of {options.runs}, by turns)")
    for model in models:
        with tempfile.TemporaryDirectory() as work:
            job = write_job(peer_job(model, data, os.path.join(work, "peer.onnx")), work)
            config = write_config(os.path.join(work, "config.json"), model, link_all(split_of(data, model)[0], os.path.join(work, "calib")))
            ours, theirs = [], []
            for turn in range(options.runs + 1):  # the first warms the file cache
                pair = measured(convert_command(model, data, config, work, options)), measured([*PEER, "quantize", job], work)
                if turn:
                    ours.append(pair[0])
                    theirs.append(pair[1])
        figures = []  # seconds: median, least; processor time: median
        for runs in (ours, theirs):
            seconds = [r.seconds for r in runs]
            figures.append((statistics.median(seconds), min(seconds), statistics.median(r.cpu_seconds for r in runs)))
        ratio, least, cpu = (a / b for a, b in zip(*figures))
        print(f"{model['name']:32} ours {figures[0][0]:.2f} {figures[0][1]:.2f}  peer {figures[1][0]:.2f} {figures[1][1]:.2f}"
              f"  ratio {ratio:.2f} (least {least:.2f}, processor time {cpu:.2f})  {bounds.judge(ratio <= RUN_TO_PEER, KNOWN_SHORT['run'])}", flush=True)


def stage_seconds(text, stage):
    return float(re.search(rf"^ *{stage} +([\d.]+) s$", text.split("\ntime\n")[1], re.MULTILINE)[1])


def bench_calibration(data, models, options, bounds):
    print(f"\ncalibration of 500 pictures against decode, resize and float inference: at most {CALIBRATION_TO_PLAIN} (seconds: median and"
          f" least of {options.runs}, by turns)")
    for model in models:
        files = split_of(data, model)[0]
        with tempfile.TemporaryDirectory() as work:
            def commands(count):
                """(conversion that calibrates on, plain inference of) so many pictures"""
                ours, plain = (write_config(os.path.join(work, f"{name}{count}.json"), model,
                                            repeated(files, pictures, os.path.join(work, f"{name}{count}")), max_images=pictures)
                               for name, pictures in (("ours", count + HELD_OUT), ("plain", count)))
                return convert_command(model, data, ours, work, options), plain_command(model, data, plain, options)

            many, few = commands(500), commands(100)
            runs = [[measured(command) for command in many] for _ in range(options.runs + 1)][1:]  # the first warms the file cache
            base = [measured(command) for command in few]
        stage = [stage_seconds(ours.out, "calibrate") for ours, _ in runs]
        plain = [json.loads(plain.out)["seconds"] for _, plain in runs]
        ratio, least = statistics.median(stage) / statistics.median(plain), min(stage) / min(plain)
        # Of the 400 pictures more, so that the other stages drop out.
        more = [statistics.median(r[side].cpu_seconds for r in runs) - base[side].cpu_seconds for side in (0, 1)]
        print(f"{model['name']:32} calibration {statistics.median(stage):.2f} {min(stage):.2f}  plain {statistics.median(plain):.2f}"
              f" {min(plain):.2f}  ratio {ratio:.2f} (least {least:.2f}, processor time {more[0] / more[1]:.2f})"
              f"  {bounds.judge(ratio <= CALIBRATION_TO_PLAIN, KNOWN_SHORT['calibration'])}", flush=True)


def bench_memory(data, models, options, bounds):
    print(f"\npeak memory in MB: a whole run at most {MEMORY_ABOVE_PLAIN} above plain inference; 1000 pictures within "
          f"{100 * MEMORY_GROWTH:.0f} % of 100")
    for model in models:
        files = split_of(data, model)[0]
        peak = {}
        with tempfile.TemporaryDirectory() as work:
            for count in (100, 1000):
                config = write_config(os.path.join(work, f"{count}.json"), model, repeated(files, count, os.path.join(work, str(count))),
                                      max_images=count)
                peak["plain", count] = measured(plain_command(model, data, config, options)).peak
                peak["run", count] = measured(convert_command(model, data, config, work, options)).peak
        above = peak["run", 100] - peak["plain", 100]
        growth = peak["run", 1000] / peak["run", 100] - 1
        print(f"{model['name']:32} run {peak['run', 100]:.0f}  plain {peak['plain', 100]:.0f}  above {above:+.0f}  "
              f"{bounds.judge(above <= MEMORY_ABOVE_PLAIN, KNOWN_SHORT['memory'])};  1000 pictures: run {peak['run', 1000]:.0f}  plain {peak['plain', 1000]:.0f}"
              f"  growth {100 * growth:+.1f} %  {bounds.judge(abs(growth) <= MEMORY_GROWTH)}", flush=True)


def bench_compare(data, models, options, bounds):
    print(f"\ncompare on {COMPARED} labelled pictures, times and sizes and all, against running both models alone: at most {COMPARE_TO_ALONE}"
          f" (seconds: median and least of {options.runs}, by turns)")
    for model in models:
        files = split_of(data, model)[1]
        with tempfile.TemporaryDirectory() as work:
            pictures = repeated(files, COMPARED, os.path.join(work, "pictures"))
            labels = os.path.join(work, "labels.csv")
            with open(labels, "w") as f:
                f.write("file,class_index\n" + "".join(f"{name},0\n" for name in sorted(os.listdir(pictures))))
            config = write_config(os.path.join(work, "config.json"), model, pictures, max_images=COMPARED)
            pair = [path_of(data, model), our_file(model, data)]
            together = [QCONVERT, "compare", *pair, "--config", config, "--labels", labels, "--threads", str(options.threads), "-q"]
            alone = [plain_command(model, data, config, options, file=file) for file in pair]
            turns = [(measured(together), [measured(command) for command in alone]) for _ in range(options.runs + 1)][1:]
        seconds = [(both.seconds, sum(one.seconds for one in single)) for both, single in turns]
        cpu = statistics.median(both.cpu_seconds / sum(one.cpu_seconds for one in single) for both, single in turns)
        ours, theirs = zip(*seconds)
        ratio, least = statistics.median(ours) / statistics.median(theirs), min(ours) / min(theirs)
        print(f"{model['name']:32} compare {statistics.median(ours):.2f} {min(ours):.2f}  alone {statistics.median(theirs):.2f} {min(theirs):.2f}"
              f"  ratio {ratio:.2f} (least {least:.2f}, processor time {cpu:.2f})  {bounds.judge(least <= COMPARE_TO_ALONE)}", flush=True)


def bench_fix(data, models, options, bounds):
    print(f"\nspeed of the peer's files after qconvert fix, one thread: at most {FIXED_TO_OURS} of the time of ours from float, with everything"
          " on\nintegers as theirs has it (times in ms, median and least of all rounds; the least decides)")
    for model in models:
        theirs, why = peer_file(model, data)
        if not theirs:
            print(f"{model['name']:32} the peer has no file: {why}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as work:
            config = write_config(os.path.join(work, "config.json"), model, link_all(split_of(data, model)[0], os.path.join(work, "calib")))
            stem = os.path.splitext(os.path.basename(path_of(data, model)))[0]
            run(QCONVERT, path_of(data, model), "--config", config, "--set", "/placement=full", "-o", work, "-q", "--no-progress")
            run(QCONVERT, "fix", theirs, "-o", os.path.join(work, "fixed"), "-q", "--no-progress")
            files = {"ours": os.path.join(work, stem + ".quant.onnx"), "peer": theirs,
                     "fixed": os.path.join(work, "fixed", os.path.splitext(os.path.basename(theirs))[0] + ".quant.onnx")}
            figures = json.loads(peer("speed", {"files": files, "input": model["inputs"][0]["name"], "image": split_of(data, model)[1][0],
                                                "preprocess": preprocess_of(model), "cpu": options.cpu, "rounds": options.rounds,
                                                "seconds": options.seconds}))
        ratio = figures["fixed"]["min"] / figures["ours"]["min"]
        print(f"{model['name']:32} " + "  ".join(f"{n} {figures[n]['median']:.3f} {figures[n]['min']:.3f}" for n in ("fixed", "ours", "peer")
                                                 if "min" in figures[n])
              + f"  ratio {ratio:.2f}  {bounds.judge(ratio <= FIXED_TO_OURS)}", flush=True)
    if not options.models:
        bench_fix_small(options, bounds)


def bench_fix_small(options, bounds):
    """Small files of other quantizers that the repository has: ours is made from the float model that fix --strip gives."""
    tests = os.path.join(ROOT, "tests", "data")
    pictures = os.path.join(tests, "sample", "calib")
    setting = ["--set", "/representative_dataset/path=" + json.dumps(pictures)]
    for name in OTHERS:
        theirs = os.path.join(tests, "quantized", name + ".onnx")
        with tempfile.TemporaryDirectory() as work:
            quiet = ["-o", work, "-q", "--no-progress"]
            run(QCONVERT, "fix", "--strip", theirs, *quiet, "--set", "/output/onnx_name=float.onnx")
            run(QCONVERT, os.path.join(work, "float.onnx"), *setting, "--set", "/placement=full", *quiet, "--set", "/output/onnx_name=ours.onnx")
            run(QCONVERT, "fix", theirs, *quiet, "--set", "/output/onnx_name=fixed.onnx")
            found = json.loads(run(QCONVERT, "compare", os.path.join(work, "ours.onnx"), os.path.join(work, "fixed.onnx"), "--images", pictures,
                                   "--max-images", "1", "--latency-rounds", str(10 * options.rounds), "--report", "json", "-q"))
        ratio = 1 / found["models"][1]["latency"]["one_thread"]["speedup"]
        print(f"{name:32} ratio {ratio:.2f}  {bounds.judge(ratio <= FIXED_TO_OURS)}", flush=True)


def bench_survey(data, models, options, bounds):
    print(f"\nqconvert survey: every way made and measured in at most {SURVEY_SECONDS} s")
    for model in models:
        calibration, judged = split_of(data, model)
        with tempfile.TemporaryDirectory() as work:
            config = write_config(os.path.join(work, "config.json"), model, link_all(calibration, os.path.join(work, "calib")))
            pictures = link_all(judged, os.path.join(work, "judged"))
            took = measured([QCONVERT, "survey", path_of(data, model), "--config", config, "--images", pictures, "-o",
                             os.path.join(work, "out"), "--threads", str(options.threads), "--no-progress"])
            with open(os.path.join(work, "out", "survey.json")) as f:
                rows = json.load(f)["rows"]
        print(f"{model['name']:32} {len(rows)} rows in {took.seconds:.0f} s  {bounds.judge(took.seconds <= SURVEY_SECONDS)}", flush=True)


def bench_large(data, models, options, bounds):
    print(f"\nshaped like ResNet-50, 64 pictures, weights of 4 bits: at most {LARGE_SECONDS} s and {LARGE_PEAK} MB")
    for model in models:  # whose pictures and preparation are taken
        with tempfile.TemporaryDirectory() as work:
            network = os.path.join(work, "resnet50_shaped.onnx")
            run(RESNET50, network)
            config = write_config(os.path.join(work, "config.json"), model, link_all(split_of(data, model)[0], os.path.join(work, "calib")),
                                  max_images=64)
            with open(config) as f:
                narrow = dict(json.load(f), placement="full", bit_width_config=[{"filter": {"name": "*"}, "weights_n_bits": 4}])
            with open(config, "w") as f:
                json.dump(narrow, f)
            took = measured([QCONVERT, network, "--config", config, "-o", os.path.join(work, "out"), "-q", "--no-progress", "--threads",
                             str(options.threads)])
            with open(os.path.join(work, "out", "resnet50_shaped.report.json")) as f:
                db = json.load(f)["accuracy"]["worst_sqnr_db"]
        print(f"resnet50_shaped                  {took.seconds:.0f} s  {bounds.judge(took.seconds <= LARGE_SECONDS)};  peak {took.peak:.0f} MB"
              f"  {bounds.judge(took.peak <= LARGE_PEAK)};  {db:.1f} dB", flush=True)


# name -> (what does it, the models it takes when none are named; None: all)
BENCHES = {
    "speed": (bench_speed, None),
    "run": (bench_run, [WHOLE_RUN]),
    "calibration": (bench_calibration, [WHOLE_RUN]),
    "compare": (bench_compare, [WHOLE_RUN]),
    "fix": (bench_fix, [WHOLE_RUN, "squeezenet1.1_227", "resnet20_cifar10"]),
    "survey": (bench_survey, [WHOLE_RUN]),
    "memory": (bench_memory, [WHOLE_RUN, "mlsd_tiny_320"]),
    "large": (bench_large, [WHOLE_RUN]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", nargs="*", default=list(BENCHES), metavar="BENCH", help="which of them; default: all")
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="default: every model for speed, one or two for the others")
    parser.add_argument("--cpu", type=int, help="keep the speed bench on this processor")
    parser.add_argument("--rounds", type=int, default=31, help="of the speed bench, at least")
    parser.add_argument("--seconds", type=float, default=6, help="more rounds while they take less than this a model")
    parser.add_argument("--runs", type=int, default=5, help="of whole processes")
    parser.add_argument("--threads", type=int, default=2, help="of whole processes")
    options = parser.parse_args()
    unknown = [b for b in options.bench if b not in BENCHES]
    if unknown:
        parser.error(f"no bench '{unknown[0]}': {', '.join(BENCHES)}")
    data = data_folder()
    models = {m["name"]: m for m in list_models(data)}
    bounds = Bounds()
    for name in options.bench:
        bench, usual = BENCHES[name]
        bench(data, [models[m] for m in options.models or usual or models], options, bounds)
    print(f"\nbounds met {bounds.met}, short {bounds.short}")


if __name__ == "__main__":
    main()
