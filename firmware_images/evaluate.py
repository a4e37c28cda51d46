"""Measure the shipped model on held-out pictures, through the simulated KPU.

    python -m firmware_images.evaluate                   # all held-out pictures, as text
    python -m firmware_images.evaluate --pictures 50 --json
    python -m firmware_images.evaluate --float           # the float checkpoint beside it
    python -m firmware_images.evaluate --update          # write the figures to the description

Pictures go through RGB565, as on the board, once as generated and once disturbed (bars in front,
blur, other light, noise: `pictures.disturbed`). mAP@0.5 is the mean over the classes of the area
under the precision-recall curve (all detections above 0.005, suppression at the model's own
value); precision and recall are those of the shipped threshold.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from firmware_images.detection import decode, matches, mean_average_precision
from firmware_images.pictures import HELD_OUT_SEEDS, disturbed, picture, planes
from firmware_images.quantize import CHECKPOINT, KMODEL, float_maps, write_description
from k210sim.kpu.model import KModel

CURVE_THRESHOLD = 0.005


def figures(found: list[np.ndarray], truths: list[np.ndarray], description: dict) -> dict:
    """mAP, each class's AP, and precision and recall at the shipped threshold."""
    labels = description["labels"]
    mean, each = mean_average_precision(found, truths, len(labels))
    shown = [rows[rows[:, 1] > description["threshold"]] for rows in found]
    hits = sum(int(matches(rows, truth).sum()) for rows, truth in zip(shown, truths, strict=True))
    return {
        "map50": round(mean, 4),
        "ap50": {label: round(value, 4) for label, value in zip(labels, each, strict=True)},
        "precision": round(hits / max(1, sum(map(len, shown))), 4),
        "recall": round(hits / max(1, sum(map(len, truths))), 4),
    }


def measured(run, seeds, description: dict, disturb: bool = False) -> tuple[dict, list, list]:
    """Figures of one network over the pictures of `seeds`; `run` maps input bytes to its output.

    Returns the figures, the pictures' truths, and the seconds each run took.
    """
    anchors, nms = np.array(description["anchors"]).reshape(-1, 2), description["nms"]
    found, truths, spent = [], [], []
    for seed in seeds:
        pixels, truth = picture(seed)
        if disturb:
            pixels = disturbed(pixels, np.random.RandomState(seed))
        x = planes(pixels)
        started = time.perf_counter()
        output = run(x)
        spent.append(time.perf_counter() - started)
        found.append(decode(output, anchors, CURVE_THRESHOLD, nms))
        truths.append(truth)
    return figures(found, truths, description), truths, spent


def evaluate(seeds, with_float: bool = False) -> dict:
    """All figures over the pictures of `seeds`: plain, disturbed, and the float network's."""
    description = json.loads(KMODEL.with_suffix(".json").read_text())
    model = KModel.from_file(KMODEL)
    plain, truths, spent = measured(lambda x: model.run(x)[0], seeds, description)
    result = {
        "pictures": len(truths),
        "objects": sum(map(len, truths)),
        "seeds": f"{seeds[0]} to {seeds[-1]}",
        **plain,
        "disturbed": measured(lambda x: model.run(x)[0], seeds, description, disturb=True)[0],
    }
    if with_float:
        with np.load(CHECKPOINT) as arrays:
            checkpoint = dict(arrays)
        result["float"] = measured(lambda x: float_maps(checkpoint, x)[-1], seeds, description)[0]
    result["host_ms"] = round(1000 * float(np.median(spent)), 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=len(HELD_OUT_SEEDS))
    parser.add_argument("--float", action="store_true", help="also run the float network")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--update", action="store_true", help="write the figures to the .json")
    options = parser.parse_args()
    result = evaluate(HELD_OUT_SEEDS[: options.pictures], options.float)
    milliseconds = result.pop("host_ms")
    if options.update:
        description = json.loads(KMODEL.with_suffix(".json").read_text())
        write_description(description | {"accuracy": result})
    if options.json:
        print(json.dumps(result | {"host_ms": milliseconds}, indent=1))
        return
    for name, value in result.items():
        print(f"{name:10} {value}")
    print(f"host       {milliseconds} ms a picture (median)")


if __name__ == "__main__":
    main()
