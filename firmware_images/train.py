"""Train the demo detector with PyTorch on generated pictures; writes the float checkpoint.

    python -m firmware_images.train

Needs the `train` extra (PyTorch, CPU is enough). One run takes about fifteen minutes on one core.
Training is seeded, but PyTorch does not promise the same bits on another machine: the checkpoint
is therefore kept in the project, and everything after it is exact (see `quantize`).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from firmware_images.detection import decode, mean_average_precision
from firmware_images.network import (
    ANCHORS,
    ENTRIES,
    GRID_HEIGHT,
    GRID_WIDTH,
    INPUT_HEIGHT,
    INPUT_WIDTH,
    LAYERS,
    Layer,
)
from firmware_images.pictures import (
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
    as_rgb565,
    disturbed,
    picture,
    planes,
)
from k210sim.camera.scene import LABELS

IGNORED_OVERLAP = 0.6  # a box that fits an object this well is no wrong box, though not its own
CELL = INPUT_WIDTH // GRID_WIDTH


class Step(nn.Module):
    """One layer of the network as the trainer sees it."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.layer = layer
        groups = layer.inputs if layer.depthwise else 1
        last = layer.slope == 1.0
        self.conv = nn.Conv2d(
            layer.inputs, layer.outputs, layer.kernel, padding="same", groups=groups, bias=last
        )
        self.norm = nn.Identity() if last else nn.BatchNorm2d(layer.outputs)

    def forward(self, x):
        x = self.norm(self.conv(x))
        if self.layer.slope != 1.0:
            x = F.leaky_relu(x, self.layer.slope)
        return F.max_pool2d(x, 2) if self.layer.pool else x


def fit_anchors(sizes: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Five typical (width, height) of `sizes` (n, 2), smallest first: k-means on 1 - IoU."""
    centres = sizes[rng.choice(len(sizes), ANCHORS, replace=False)]
    for _ in range(100):
        shared = np.minimum(sizes[:, None], centres).prod(2)
        near = (shared / (sizes.prod(1)[:, None] + centres.prod(1) - shared)).argmax(1)
        centres = np.array(
            [sizes[near == i].mean(0) if (near == i).any() else centres[i] for i in range(ANCHORS)]
        )
    return centres[np.argsort(centres.prod(1))]


def varied(pixels: np.ndarray, truth: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """A changed copy of one picture: mirrored, colours permuted, disturbed, mostly RGB565."""
    truth = truth.copy()
    if rng.uniform() < 0.5:
        pixels, truth[:, 1] = pixels[:, ::-1], INPUT_WIDTH - truth[:, 1] - truth[:, 3]
    if rng.uniform() < 0.5:
        pixels, truth[:, 2] = pixels[::-1], INPUT_HEIGHT - truth[:, 2] - truth[:, 4]
    changed = disturbed(pixels[:, :, rng.permutation(3)], rng)
    return (as_rgb565(changed) if rng.uniform() < 0.8 else changed), truth


def targets(truths: list[np.ndarray], anchors: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network should say for a batch.

    Returns float32 (objects, 10): picture, anchor, row, column, x, y, w, h, class, unused, and
    the objects' boxes as float32 (pictures, most objects, 4): centre and size in cells, padded
    with zeros.
    """
    rows, boxes = [], np.zeros((len(truths), max(1, *(len(t) for t in truths)), 4), np.float32)
    for number, truth in enumerate(truths):
        for i, (label, left, top, width, height) in enumerate(truth):
            x, y, w, h = (left + width / 2) / CELL, (top + height / 2) / CELL, width, height
            size = np.array([w, h]) / CELL
            boxes[number, i] = x, y, *size
            shared = np.minimum(size, anchors).prod(1)
            best = (shared / (size.prod() + anchors.prod(1) - shared)).argmax()
            stretch = np.log(size / anchors[best])
            rows.append((number, best, int(y), int(x), x % 1, y % 1, *stretch, label, 0))
    return torch.tensor(np.array(rows, np.float32).reshape(-1, 10)), torch.tensor(boxes)


def loss_of(output, wanted, boxes, anchors) -> torch.Tensor:
    """YOLO v2's loss, with cross entropies in place of the squares where there is a sigmoid."""
    grid = output.view(-1, ANCHORS, ENTRIES, GRID_HEIGHT, GRID_WIDTH)
    with torch.no_grad():  # how well does each predicted box fit any object?
        x = grid[:, :, 0].sigmoid() + torch.arange(GRID_WIDTH)
        y = grid[:, :, 1].sigmoid() + torch.arange(GRID_HEIGHT)[:, None]
        w = grid[:, :, 2].clamp(-4, 4).exp() * anchors[:, 0, None, None]
        h = grid[:, :, 3].clamp(-4, 4).exp() * anchors[:, 1, None, None]
        mine = torch.stack([x, y, w, h], -1).flatten(1, 3)[:, :, None]
        yours = boxes[:, None]
        ends = torch.minimum(mine[..., :2] + mine[..., 2:] / 2, yours[..., :2] + yours[..., 2:] / 2)
        starts = torch.maximum(
            mine[..., :2] - mine[..., 2:] / 2, yours[..., :2] - yours[..., 2:] / 2
        )
        shared = (ends - starts).clamp(min=0).prod(-1)
        fit = shared / (mine[..., 2:].prod(-1) + yours[..., 2:].prod(-1) - shared)
        fit = fit.amax(-1).view(x.shape)
    picture_, anchor, row, column = wanted[:, :4].long().T
    own = grid[picture_, anchor, :, row, column]
    weight = (fit < IGNORED_OVERLAP).float()
    weight[picture_, anchor, row, column] = 0
    objectness = grid[:, :, 4]
    wrong = (F.softplus(objectness) * weight).sum()
    right = F.softplus(-own[:, 4]).sum()
    place = F.binary_cross_entropy_with_logits(own[:, :2], wanted[:, 4:6], reduction="sum")
    size = (own[:, 2:4] - wanted[:, 6:8]).square().sum()
    label = F.cross_entropy(own[:, 5:], wanted[:, 8].long(), reduction="sum")
    # Outputs leave the KPU as one byte each: keep them in a range that is worth 256 steps.
    excess = F.relu(output.abs() - 8).square().sum()
    return (wrong + right + place + 4 * size + label + 0.1 * excess) / max(1, len(wanted))


def measure(net: nn.Module, anchors: np.ndarray, seeds) -> tuple[float, list[float]]:
    """mAP@0.5 of the float network."""
    net.eval()
    found, truths = [], []
    with torch.no_grad():
        for seed in seeds:
            pixels, truth = picture(seed)
            x = torch.from_numpy(planes(pixels))[None].float() / 255
            found.append(decode(net(x)[0].numpy(), anchors, 0.005, 0.3))
            truths.append(truth)
    return mean_average_precision(found, truths, len(LABELS))


def save(net: nn.Module, anchors: np.ndarray, path: Path) -> None:
    """Write weights, batch-norm figures (float32) and anchors (float64) to an .npz."""
    arrays = {"anchors": anchors}
    for step in net:
        name = step.layer.name
        arrays[f"{name}.weight"] = step.conv.weight.detach().contiguous().numpy()
        if step.conv.bias is not None:
            arrays[f"{name}.bias"] = step.conv.bias.detach().numpy()
            continue
        arrays[f"{name}.gamma"] = step.norm.weight.detach().numpy()
        arrays[f"{name}.beta"] = step.norm.bias.detach().numpy()
        arrays[f"{name}.mean"] = step.norm.running_mean.numpy()
        arrays[f"{name}.variance"] = step.norm.running_var.numpy() + step.norm.eps
    np.savez_compressed(path, **arrays)


def train(epochs: int, batch: int, rate: float, seed: int, output: Path, minutes: float) -> None:
    """The whole training; prints a line an epoch and writes the checkpoint after each."""
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    started = time.monotonic()
    examples = [picture(number) for number in TRAINING_SEEDS]
    sizes = np.concatenate([truth[:, 3:] for _, truth in examples]) / CELL
    anchors = np.round(fit_anchors(sizes, rng), 4)
    print(f"{len(examples)} pictures, anchors {anchors.ravel().tolist()}", flush=True)
    net = nn.Sequential(*(Step(layer) for layer in LAYERS))
    nn.init.constant_(net[-1].conv.bias, 0)
    with torch.no_grad():  # nearly all boxes are empty: begin there
        net[-1].conv.bias.view(ANCHORS, ENTRIES)[:, 4] = -5
    net = net.to(memory_format=torch.channels_last)
    steps = epochs * math.ceil(len(examples) / batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    sides = torch.tensor(anchors, dtype=torch.float32)
    for epoch in range(epochs):
        net.train()
        total, order = 0.0, rng.permutation(len(examples))
        for start in range(0, len(order), batch):
            chosen = [varied(*examples[i], rng) for i in order[start : start + batch]]
            x = torch.from_numpy(np.stack([pixels for pixels, _ in chosen])).permute(0, 3, 1, 2)
            wanted, boxes = targets([truth for _, truth in chosen], anchors)
            loss = loss_of(net(x.float() / 255), wanted, boxes, sides)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
            plan.step()
            total += loss.item() * len(chosen)
        save(net, anchors, output)
        spent = (time.monotonic() - started) / 60
        line = f"epoch {epoch + 1}/{epochs}: loss {total / len(order):.3f}, {spent:.1f} min"
        if epoch % 4 == 3 or epoch == epochs - 1:
            mean, each = measure(net, anchors, VALIDATION_SEEDS)
            line += f", validation mAP {mean:.4f} {[round(value, 3) for value in each]}"
        print(line, flush=True)
        if spent > minutes:
            print(f"stopped after {minutes} minutes", flush=True)
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="give up after so long")
    parser.add_argument("--threads", type=int, default=1)
    here = Path(__file__).parent
    parser.add_argument("--output", type=Path, default=here / "demo_detector.npz")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(
        options.epochs,
        options.batch,
        options.rate,
        options.seed,
        options.output,
        options.minutes,
    )


if __name__ == "__main__":
    main()
