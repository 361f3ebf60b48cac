"""Learns from the training images of an iteration, and measures on the other 597: python evaluate.py ITERATION."""

import json
import sys
import tempfile
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import flywheel_mlflow

HELD_OUT_FROM = 1200

images, digits = load_digits(return_X_y=True)
held_out = range(HELD_OUT_FROM, len(digits))

with (
    tempfile.TemporaryDirectory() as folder,
    flywheel_mlflow.project_run("evaluation", iteration=int(sys.argv[1]), root=Path(__file__).parents[2]) as run,
):
    read = run.fetch_input(run.log_input("training_images"), folder)
    examples = [json.loads(line)["payload"] for line in read.read_text(encoding="utf-8").splitlines()]
    model = KNeighborsClassifier(n_neighbors=1)
    model.fit([item["pixels"] for item in examples], [item["digit"] for item in examples])
    answers = model.predict(images[HELD_OUT_FROM:])

    right = {f"digit-{number:04d}": bool(answers[number - HELD_OUT_FROM] == digits[number]) for number in held_out}
    run.log_document({"accuracy": sum(right.values()) / len(right), "judged": len(right)})
    run.log_samples("accuracy", right)
    run.log_check("all_were_judged", len(answers) == len(held_out))

    data = Path(folder) / "held_out_images.jsonl"
    with data.open("w", encoding="utf-8") as file:
        for number in held_out:
            pixels = [int(pixel) for pixel in images[number]]
            record = {
                "id": f"digit-{number:04d}",
                "source": "UCI Optical Recognition of Handwritten Digits, by scikit-learn",
                "payload": {"pixels": pixels, "digit": int(digits[number])},
                "metadata": {"license": "CC-BY-4.0"},
                "quality_signals": {"digit": str(digits[number]), "ink": sum(pixels)},
                "split": "test",
                "audit_trace": ["scanned"],
            }
            file.write(json.dumps(record) + "\n")
    run.log_interface("held_out_images", data)

print(f"accuracy {sum(right.values()) / len(right):.3f} on {len(right)} images")
