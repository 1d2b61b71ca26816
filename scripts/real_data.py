"""The real models of QCONVERT_TEST_DATA for the scripts that judge and time them. Standard library only.

models.json beside the models says how pictures are prepared; calibration uses at most 100 pictures of `calib`, judging
the first 100 of `eval` or `test`. A folder without such parts gives its first 40 % to calibration.
"""
import csv
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QCONVERT = os.environ.get("QCONVERT", os.path.join(ROOT, "build", "qconvert"))
PICTURES = (".png", ".jpg", ".jpeg")
CALIBRATION, JUDGED = 100, 100


def split_of(data, model, count=JUDGED):
    """(calibration files, the first `count` judged files)"""
    kind = {"imagenet1k-sample": "imagenet1k", "mnist-1k": "mnist"}.get(model["data"].split("/")[-1], model["data"].split("/")[-1])
    top = os.path.join(data, "images", kind)

    def pictures(folder):
        return [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.lower().endswith(PICTURES)]

    parts = [os.path.join(top, p) for p in ("calib", "eval", "test")]
    if os.path.isdir(parts[0]):
        judged = parts[1] if os.path.isdir(parts[1]) else parts[2]
        return pictures(parts[0])[:CALIBRATION], pictures(judged)[:count]
    files = pictures(top)
    cut = int(len(files) * 0.4)
    return files[:cut][:CALIBRATION], files[cut:][:count]


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


def run(*command, folder=None):
    """What the command printed; it runs in `folder` (default: here). RuntimeError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def data_folder():
    data = os.environ.get("QCONVERT_TEST_DATA")
    if not data or not os.path.isdir(os.path.join(data, "models")):
        sys.exit("QCONVERT_TEST_DATA must name a folder with models/ and images/")
    return os.path.abspath(data)


def list_models(data):
    """The entries of models.json whose file is there."""
    with open(os.path.join(data, "models", "models.json")) as f:
        return [m for m in json.load(f) if os.path.exists(os.path.join(data, "models", m["file"]))]


def write_config(path, model, pictures, **dataset):
    """A core-config with nothing but the pictures and their preparation, so everything else is the default."""
    with open(path, "w") as f:
        json.dump({"representative_dataset": {"path": pictures, "preprocess": preprocess_of(model), **dataset}}, f)
    return path


def labels_of(model, pictures):
    """{file: class}; None where the data has no classes for the model."""
    folder = os.path.dirname(pictures[0])
    source = os.path.join(folder, "coarse9.csv" if "coarse9" in model["name"] else "labels.csv")
    if "lassification" not in model["task"] or not os.path.exists(source):
        return None
    with open(source) as f:
        rows = list(csv.DictReader(f))
    column = next((c for c in ("coarse9", "coarse_index", "class_index", "label") if c in rows[0]), None)
    return {r.get("file") or next(iter(r.values())): r[column] for r in rows} if column else None


def write_labels(path, model, pictures):
    """The classes of these pictures as qconvert takes them; no file where there are none."""
    labels = labels_of(model, pictures)
    if labels:
        with open(path, "w") as f:
            f.write("file,class_index\n" + "".join(f"{os.path.basename(p)},{labels[os.path.basename(p)]}\n" for p in pictures))


def label_options(path, model):
    """What `qconvert compare` wants to hear of the classes that write_labels() wrote."""
    if not os.path.exists(path):
        return []
    return ["--labels", path, "--label-offset", "1" if model["outputs"][0]["shape"][-1] == 1001 else "0"]
