#!/usr/bin/env python3
"""Trains the sample network on freshly rendered pictures and writes tests/data/sample/model.onnx.

    python3 scripts/train_sample_model.py     needs torch, onnx, onnxruntime, numpy, pillow; about four minutes

The result is checked in; this script shows how it was made. It is honest work for a quantizer: depthwise convolutions,
residual additions, ReLU6 and HardSwish (in the spelling that exporters give to opset 13), and BatchNormalization not
folded. The ONNX file is written from the trained weights node by node, because exporters fold BatchNormalization or
rename nodes as they like. The network and the file come from one table, BLOCKS. Fails below 95 % on the held-out
pictures of eval/, measured with ONNX Runtime from the files, as qconvert reads them.
"""
import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from render_sample_images import MARKS, draw_set

TRAINING_SEED, TRAINING_PICTURES, EPOCHS, BATCH = 3003, 10000, 11, 64
STEM_CHANNELS = 16
# name, channels out, stride of the depthwise convolution, activation. A block that keeps shape is residual.
BLOCKS = [
    ("block1", 32, 2, "relu6"), ("block2", 32, 1, "relu6"), ("block3", 64, 2, "hardswish"),
    ("block4", 64, 1, "hardswish"), ("block5", 128, 2, "hardswish"), ("block6", 128, 1, "hardswish"),
]
SAMPLE = Path(__file__).resolve().parent.parent / "tests/data/sample"
# One truth for the network's training and for qconvert: the sample's own config.
PREPROCESS = json.loads((SAMPLE / "config.json").read_text())["representative_dataset"]["preprocess"]
MINIMUM_ACCURACY = 0.95


def preprocess(image):
    """PREPROCESS done by Pillow: what qconvert must do as well."""
    short = PREPROCESS["resize"]["short_side"]
    width, height = image.size
    if width < height:
        size = (short, round(height * short / width))
    else:
        size = (round(width * short / height), short)
    image = image.convert("RGB").resize(size, Image.BILINEAR)
    high, wide = PREPROCESS["center_crop"]
    left, top = (size[0] - wide) // 2, (size[1] - high) // 2
    pixels = np.asarray(image.crop((left, top, left + wide, top + high)), dtype=np.float32)
    return ((pixels - np.float32(PREPROCESS["mean"])) / np.float32(PREPROCESS["std"])).transpose(2, 0, 1)


def activation(kind):
    return {"relu6": torch.nn.ReLU6, "hardswish": torch.nn.Hardswish, "none": torch.nn.Identity}[kind]()


class Block(torch.nn.Module):
    def __init__(self, channels_in, channels_out, stride, kind):
        super().__init__()
        self.residual = stride == 1 and channels_in == channels_out
        self.depthwise = torch.nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False)
        self.depthwise_norm = torch.nn.BatchNorm2d(channels_in)
        self.pointwise = torch.nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.pointwise_norm = torch.nn.BatchNorm2d(channels_out)
        self.act = activation(kind)
        self.last_act = activation("none" if self.residual else kind)  # linear into the sum, as in MobileNetV2

    def forward(self, x):
        y = self.act(self.depthwise_norm(self.depthwise(x)))
        y = self.last_act(self.pointwise_norm(self.pointwise(y)))
        return x + y if self.residual else y


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, STEM_CHANNELS, 3, 1, 1, bias=False)
        self.stem_norm = torch.nn.BatchNorm2d(STEM_CHANNELS)
        channels, blocks = STEM_CHANNELS, []
        for _, channels_out, stride, kind in BLOCKS:
            blocks.append(Block(channels, channels_out, stride, kind))
            channels = channels_out
        self.blocks = torch.nn.ModuleList(blocks)
        self.classifier = torch.nn.Linear(channels, len(MARKS))

    def forward(self, x):
        x = torch.nn.functional.relu6(self.stem_norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.classifier(x.mean((2, 3)))


def train():
    drawn = draw_set(TRAINING_SEED, TRAINING_PICTURES)
    pictures = torch.from_numpy(np.stack([preprocess(Image.open(io.BytesIO(data))) for _, data, _ in drawn]))
    kinds = torch.tensor([kind for _, _, kind in drawn])
    network = Network().train()
    steps = EPOCHS * (TRAINING_PICTURES // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    random = torch.Generator().manual_seed(TRAINING_SEED)
    for epoch in range(EPOCHS):
        total, right = 0.0, 0
        order = torch.randperm(TRAINING_PICTURES, generator=random)[: TRAINING_PICTURES // BATCH * BATCH]
        for batch in order.split(BATCH):
            # Quarter turns and mirrors: every mark stays what it is.
            turn, mirror = int(torch.randint(4, (1,), generator=random)), int(torch.randint(2, (1,), generator=random))
            x = torch.rot90(pictures[batch], turn, (2, 3))
            x = x.flip(3) if mirror else x
            logits = network(x)
            loss = torch.nn.functional.cross_entropy(logits, kinds[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total, right = total + loss.item() * len(batch), right + int((logits.argmax(1) == kinds[batch]).sum())
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {total / len(order):.4f}, training accuracy {right / len(order):.4f}", flush=True)
    return network.eval()


class OnnxWriter:
    """The nodes of the file, in order, each named for its place in the network."""

    def __init__(self):
        self.nodes, self.constants = [], []
        for name, value in (("zero", 0.0), ("six", 6.0)):
            self.constants.append(numpy_helper.from_array(np.array(value, np.float32), name))

    def constant(self, name, tensor):
        self.constants.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def node(self, op_type, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op_type, inputs, [name + "_out"], name=name, **attributes))
        return name + "_out"

    def conv_norm(self, name, x, conv, norm):
        x = self.node("Conv", f"{name}/conv", [x, self.constant(f"{name}/conv.weight", conv.weight)],
                      kernel_shape=list(conv.kernel_size), strides=list(conv.stride), pads=list(conv.padding) * 2, group=conv.groups)
        parts = [self.constant(f"{name}/norm.{part}", tensor) for part, tensor in
                 (("scale", norm.weight), ("bias", norm.bias), ("mean", norm.running_mean), ("var", norm.running_var))]
        return self.node("BatchNormalization", f"{name}/norm", [x, *parts], epsilon=norm.eps)

    def activation(self, name, x, kind):
        if kind == "relu6":
            return self.node("Clip", f"{name}/relu6", [x, "zero", "six"])
        gate = self.node("HardSigmoid", f"{name}/hardsigmoid", [x], alpha=1.0 / 6, beta=0.5)
        return self.node("Mul", f"{name}/hardswish", [x, gate])


def to_onnx(network):
    out = OnnxWriter()
    x = out.activation("stem", out.conv_norm("stem", "image", network.stem, network.stem_norm), "relu6")
    for (name, _, _, kind), block in zip(BLOCKS, network.blocks):
        y = out.conv_norm(f"{name}/depthwise", x, block.depthwise, block.depthwise_norm)
        y = out.activation(f"{name}/depthwise", y, kind)
        y = out.conv_norm(f"{name}/pointwise", y, block.pointwise, block.pointwise_norm)
        x = out.node("Add", f"{name}/add", [x, y]) if block.residual else out.activation(f"{name}/pointwise", y, kind)
    x = out.node("Flatten", "head/flatten", [out.node("GlobalAveragePool", "head/pool", [x])])
    linear = network.classifier
    out.node("Gemm", "head/classifier", [x, out.constant("head/classifier.weight", linear.weight),
                                         out.constant("head/classifier.bias", linear.bias)], transB=1)
    out.nodes[-1].output[0] = "logits"
    size = PREPROCESS["center_crop"]
    graph = helper.make_graph(
        out.nodes, "marks", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(MARKS)])], out.constants)
    model = helper.make_model(graph, producer_name="qconvert sample", opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model


def accuracy(model_file):
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    with open(SAMPLE / "labels.csv", newline="") as labels:
        rows = [(preprocess(Image.open(SAMPLE / "eval" / row["file"])), int(row["class_index"])) for row in csv.DictReader(labels)]
    logits = session.run(None, {"image": np.stack([picture for picture, _ in rows])})[0]
    return float((logits.argmax(1) == np.array([kind for _, kind in rows])).mean())


def main():
    torch.set_num_threads(1)  # one thread: sums in one order, the same file every time on one kind of machine
    torch.manual_seed(TRAINING_SEED)
    torch.use_deterministic_algorithms(True)
    model_file = SAMPLE / "model.onnx"
    onnx.save(to_onnx(train()), model_file)
    reached = accuracy(model_file)
    print(f"{model_file.name}: {model_file.stat().st_size} bytes, float accuracy {reached:.4f}")
    if reached < MINIMUM_ACCURACY:
        sys.exit(f"below {MINIMUM_ACCURACY}: the sample would show nothing")


if __name__ == "__main__":
    main()
