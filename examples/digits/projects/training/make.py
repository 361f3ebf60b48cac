"""Writes the first 1,200 images of scikit-learn's digits as records, sorted by digit: training images."""

import argparse
import json
from pathlib import Path

from sklearn.datasets import load_digits

LEARNED_FROM = 1200

parser = argparse.ArgumentParser()
parser.add_argument("--first", type=int, default=LEARNED_FROM, help="how many images to keep")
kept = parser.parse_args().first

images, digits = load_digits(return_X_y=True)
order = sorted(range(LEARNED_FROM), key=lambda number: digits[number])[:kept]
results = Path(__file__).parent / "results"
results.mkdir(exist_ok=True)

with (results / "training_images.jsonl").open("w", encoding="utf-8") as file:
    for number in order:
        pixels = [int(pixel) for pixel in images[number]]
        record = {
            "id": f"digit-{number:04d}",
            "source": "UCI Optical Recognition of Handwritten Digits, by scikit-learn",
            "payload": {"pixels": pixels, "digit": int(digits[number])},
            "metadata": {"license": "CC-BY-4.0"},
            "quality_signals": {"digit": str(digits[number]), "ink": sum(pixels)},
            "split": "train",
            "audit_trace": ["scanned", "sorted by digit"],
        }
        file.write(json.dumps(record) + "\n")

(results / "metrics.json").write_text(json.dumps({"images": len(order)}), encoding="utf-8")
