"""The terms that times of nodes are made of, and their fit; for fit_costs.py and fit_costs_litert.py, which measure. The
amounts are those of lib/select/costs.cpp:

  node    1
  mac     multiply-accumulates with the output channels of a group rounded up to whole vectors of 16 (depthwise: whole
          vectors only; pooling: outputs times window)
  tail    positions times output channels beyond whole vectors (depthwise: times window)
  patch   positions times window, for windows larger than one; of each group, but in depthwise convolutions
  input, output    elements
  weight  elements of the constant operand
  loose   multiply-accumulates of convolutions whose channels are no multiple of 4
  thin    multiply-accumulates of convolutions with fewer than 16 input channels in a group (not depthwise)
  far     elements of input and output beyond 2^19, which no cache close to the core holds
  piece   runs of channels that lie together with the channels last: positions (pools: times window; Concat: of each
          input), of ops that copy or compare them run by run; Add, Mul: runs of fewer than 32 elements along which the
          smaller input (of a model's node: the constant) is read, where it is not the same along all of them
  step    multiply-accumulates of convolutions over their input channels: what each step along the kernel takes
"""
import collections
import json
import sys

import numpy as np
from scipy.optimize import nnls

VECTOR, SHORT, BLOCK, NEAR = 16, 32, 4, 1 << 19
TERMS = ["node", "mac", "tail", "patch", "input", "output", "weight", "loose", "thin", "far", "piece", "step"]
PARTED = ("Concat", "DepthToSpace", "Pad", "Resize", "Slice", "SpaceToDepth", "Split")


def shape(entry):
    return next(iter(entry.values())) if entry else []


def count(dims):
    return int(np.prod(dims)) if dims else 1


def up(channels):
    return -(-channels // VECTOR) * VECTOR


def short_runs(ins):
    own, whole = sorted((shape(i) for i in ins), key=count)
    own = [1] * (len(whole) - len(own)) + own
    first, length, shared = len(whole), 1, None
    while first and (whole[first - 1] == 1 or shared in (None, own[first - 1] == 1)):
        first -= 1
        shared = own[first] == 1 if whole[first] != 1 else shared
        length *= whole[first]
    return count(whole[:first]) if first and length < SHORT else 0


def has_loose_channels(outputs, inputs):
    return outputs % BLOCK != 0 or (inputs >= BLOCK and inputs % BLOCK != 0)


def work(name, attributes, ins, outs, weight):
    """(class, amounts by TERMS), or None for a shape that tells nothing"""
    inputs = max([count(shape(i)) for i in ins] or [1]) if name in ("Add", "Mul", "Where") else count(shape(ins[0]))
    outputs = sum(count(shape(o)) for o in outs)
    amounts = dict.fromkeys(TERMS, 0)
    amounts.update(node=1, input=inputs, output=outputs, far=max(0, inputs + outputs - NEAR))
    if name == "Conv":
        if not weight or len(weight) != 4:
            return None
        group, out = attributes.get("group", 1), shape(outs[0])
        # Blocked layouts pad the channels: positions come from the spatial sizes.
        positions = outputs // weight[0] if outputs % weight[0] == 0 else count(out[:1]) * out[2] * out[3]
        window, channels, inputs = weight[2] * weight[3], weight[0] // group, weight[1] * group
        if has_loose_channels(weight[0], inputs):
            amounts["loose"] = positions * count(weight)
        depthwise = weight[1] == 1 and 1 < group == weight[0]
        amounts.update(patch=positions * window * (1 if depthwise else group) if window > 1 else 0, weight=count(weight))
        if depthwise:
            amounts.update(mac=positions * window * (weight[0] // VECTOR * VECTOR), tail=positions * window * (weight[0] % VECTOR))
            return "Conv:depthwise", amounts
        if weight[1] < VECTOR:
            amounts["thin"] = positions * count(weight)
        amounts.update(mac=positions * window * weight[1] * up(channels) * group, tail=positions * (channels % VECTOR) * group,
                       step=positions * window * up(channels) * group)
        return "Conv:pointwise" if window == 1 else "Conv", amounts
    if name == "MatMul":
        a, out = shape(ins[0]), shape(outs[0])
        if not a or not out:
            return None
        amounts.update(mac=outputs // out[-1] * a[-1] * up(out[-1]), tail=outputs // out[-1] * (out[-1] % VECTOR),
                       weight=count(weight) if weight else 0)
    if name == "ConvTranspose":
        if not weight or len(weight) != 4:
            return None
        group, window = attributes.get("group", 1), weight[2] * weight[3]
        positions = inputs // weight[0]
        amounts.update(mac=positions * window * weight[0] * up(weight[1]), weight=count(weight),
                       step=positions * window * up(weight[1]) * group, loose=positions * count(weight),
                       patch=positions * window * weight[1] * group)
    first = shape(outs[0])
    positions = count(first) // max(1, first[1]) if len(first) == 4 else 0
    if name in ("MaxPool", "MaxPool:planar", "AveragePool"):
        window = count(attributes.get("kernel_shape", [1]))
        amounts.update(mac=outputs * window, piece=positions * window)
    if name in ("Add", "Mul") and len(ins) == 2:
        amounts.update(piece=short_runs(ins))
    if name in PARTED:
        amounts.update(piece=positions * (len(ins) if name == "Concat" else 1))
    return name, amounts


def fit(samples, without, least_us):
    """Least absolute relative error, by re-weighted non-negative least squares; below `least_us` its share of that counts."""
    a = np.array([[0 if t in without else s[0][t] for t in TERMS] for s in samples], float)
    t = np.array([s[1] for s in samples]) * 1000
    relative = 1 / np.maximum(t, 1000 * least_us)
    scale = a.max(0) + 1e-9
    weights = relative.copy()
    for _ in range(25):
        x, _ = nnls(a / scale * weights[:, None], t * weights)
        x = x / scale
        error = np.abs(a @ x - t) * relative
        weights = relative / np.sqrt(np.maximum(error, 0.03))
    return {k: float(f"{v:.3g}") for k, v in zip(TERMS, x) if v * s_max(a, k) > 1}, error


def s_max(a, term):
    return a[:, TERMS.index(term)].max()


def fit_all(kinds, without, least_us):
    """{class: {side: terms}} of {(class, side): [(amounts, microseconds)]}; each fit's error goes to stderr. `without` has the
    terms that a side's kernels do not know."""
    table = collections.defaultdict(dict)
    for (name, side), rows in sorted(kinds.items()):
        table[name][side], error = fit(rows, without[side], least_us)
        print(f"{name:20} {side:8} {len(rows):5} nodes, {sum(r[1] for r in rows):9.0f} us, error: median {100 * np.median(error):3.0f} %, "
              f"90 % below {100 * np.quantile(error, 0.9):3.0f} %", file=sys.stderr)
    return table


def print_table(table):
    print("{\n" + ",\n".join(f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in table.items()) + "\n}")
