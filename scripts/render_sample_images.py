#!/usr/bin/env python3
"""Renders the pictures of the sample: twelve kinds of marks, drawn from formulas, so that their licence is ours.

    python3 scripts/render_sample_images.py [tests/data/sample]     needs numpy and pillow

Writes calib/ (200 pictures, no labels: that is all a calibration gets) and eval/ (500 pictures) with labels.csv. The
result is checked in; the script stays so that anybody can see where the pictures come from, and because
train_sample_model.py draws its training pictures with it. Sizes, formats and aspect ratios vary on purpose: the sample
also shows that resizing, cropping and decoding are what they should be. The same seed gives the same pictures.
"""
import csv
import io
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 4
CALIBRATION_PICTURES = 200
EVALUATION_PICTURES = 500
CALIBRATION_SEED, EVALUATION_SEED = 1001, 2002


def polygon(radii, turn=0.0):
    """Corners at equal angles around the origin, at the given radii."""
    return [(r * math.cos(turn + 2 * math.pi * i / len(radii)), r * math.sin(turn + 2 * math.pi * i / len(radii)))
            for i, r in enumerate(radii)]


# Each mark says whether the point (x, y) of its own frame (roughly the unit disc) belongs to it; arrays in, array out.
def disc(x, y):
    return x * x + y * y < 0.81


def ring(x, y):
    return np.abs(np.hypot(x, y) - 0.7) < 0.2


def square(x, y):
    return np.maximum(np.abs(x), np.abs(y)) < 0.72


def plus(x, y):
    return ((np.abs(x) < 0.25) & (np.abs(y) < 0.9)) | ((np.abs(y) < 0.25) & (np.abs(x) < 0.9))


def crescent(x, y):
    return (x * x + y * y < 0.81) & ((x - 0.5) ** 2 + y * y > 0.6)


def stripes(x, y):
    return (np.floor(x * 2.5 + 100) % 2 == 0) & (np.maximum(np.abs(x), np.abs(y)) < 1.0)


def checkers(x, y):
    inside = np.maximum(np.abs(x), np.abs(y)) < 1.0
    return (np.floor(x * 2 + 100) + np.floor(y * 2 + 100)) % 2 * inside > 0


def dots(x, y):
    near = np.hypot((x * 1.6 + 100.5) % 1 - 0.5, (y * 1.6 + 100.5) % 1 - 0.5) < 0.3
    return near & (np.maximum(np.abs(x), np.abs(y)) < 0.94)


def spiral(x, y):
    r = np.hypot(x, y)
    return (np.sin(np.arctan2(y, x) + r * 9.5) > 0.1) & (r < 0.95)


def inside_polygon(corners):
    def test(x, y):
        odd = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0 + 1e-12) + x0)
        return odd
    return test


MARKS = [
    ("disc", disc), ("ring", ring), ("square", square), ("triangle", inside_polygon(polygon([0.98] * 3))),
    ("star", inside_polygon(polygon([1.0, 0.4] * 5))), ("plus", plus), ("crescent", crescent),
    ("arrow", inside_polygon([(1.0, 0.0), (0.1, 0.75), (0.1, 0.25), (-0.95, 0.25), (-0.95, -0.25), (0.1, -0.25), (0.1, -0.75)])),
    ("stripes", stripes), ("checkers", checkers), ("dots", dots), ("spiral", spiral),
]


def backdrop(rng, width, height):
    """A gradient between two colours, with a few thin lines as litter."""
    first, second = rng.uniform(0, 255, (2, 3))
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:height, 0:width]
    along = (x / width - 0.5) * math.cos(angle) + (y / height - 0.5) * math.sin(angle) + 0.5
    spread = rng.uniform(0, 0.6)
    picture = first + (second - first) * (np.clip(along, 0, 1) * spread)[..., None]
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 4)):
        ends = [tuple(int(v) for v in rng.uniform(0, 1, 2) * (width, height)) for _ in range(2)]
        draw.line(ends, fill=tuple(int(v) for v in rng.uniform(0, 255, 3)), width=int(rng.integers(2, 7)))
    return np.asarray(image, dtype=np.float64)


def render(rng, kind):
    """One RGB picture (uint8, height x width x 3) of mark number `kind`."""
    width, height = (int(v) for v in rng.integers(40, 61, 2))
    wide, high = width * SUPERSAMPLING, height * SUPERSAMPLING
    back = backdrop(rng, wide, high)
    ink = rng.uniform(0, 255, 3)
    while np.abs(ink - back.mean((0, 1))).sum() < 120:  # a mark that nobody can see has no label
        ink = rng.uniform(0, 255, 3)
    short = min(wide, high)
    radius = short * rng.uniform(0.27, 0.42)
    shift = rng.uniform(-1, 1, 2) * (short * 0.45 - radius)
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:high, 0:wide].astype(np.float64)
    x, y = (x - wide / 2 - shift[0]) / radius, (y - high / 2 - shift[1]) / radius
    stretch = rng.uniform(0.85, 1.15)
    across, down = x * math.cos(angle) + y * math.sin(angle), -x * math.sin(angle) + y * math.cos(angle)
    mask = MARKS[kind][1](across * stretch, down / stretch)
    picture = np.where(mask[..., None], ink + rng.uniform(-20, 20) * (down[..., None]), back)
    picture = picture.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))
    picture = picture * rng.uniform(0.7, 1.15) + rng.normal(0, rng.uniform(1, 14), picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def encode(picture, number):
    """File name suffix and bytes: mostly JPEG of varying quality; every tenth picture a PNG."""
    out = io.BytesIO()
    if number % 10 == 7:
        Image.fromarray(picture).save(out, "PNG", optimize=True)
        return ".png", out.getvalue()
    Image.fromarray(picture).save(out, "JPEG", quality=80 + number % 15)
    return ".jpg", out.getvalue()


def draw_set(seed, count):
    """(suffix, file bytes, kind) of `count` pictures, kinds taking turns in a shuffled order."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation([i % len(MARKS) for i in range(count)])
    return [(*encode(render(rng, int(kind)), i), int(kind)) for i, kind in enumerate(kinds)]


def write_set(folder, seed, count):
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.iterdir()):
        old.unlink()
    rows = []
    for i, (suffix, data, kind) in enumerate(draw_set(seed, count)):
        name = f"{i:03d}{suffix}"
        (folder / name).write_bytes(data)
        rows.append((name, kind))
    return rows


def main():
    sample = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "tests/data/sample")
    write_set(sample / "calib", CALIBRATION_SEED, CALIBRATION_PICTURES)
    rows = write_set(sample / "eval", EVALUATION_SEED, EVALUATION_PICTURES)
    with open(sample / "labels.csv", "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["file", "class_index"])
        writer.writerows(rows)
    print(f"{sample}: {CALIBRATION_PICTURES} calibration and {EVALUATION_PICTURES} evaluation pictures of {len(MARKS)} kinds")


if __name__ == "__main__":
    main()
