"""Measures how well and how fast evaluation data are found inside training data.

    python -m benchmarks.contamination quality --records 5000 100000
    python -m benchmarks.contamination cost --interfaces 100 --records 100000

``quality`` takes docstrings of the packages installed here, half of the packages for training, sentences of the others
as questions, and plants some questions in several forms. ``cost`` compares as many training as evaluation interfaces
from their files. Both print one JSON object a line.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import resource
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import (
    Containment,
    WordSketch,
    compare_words,
    measure,
    word_sketches_from_parquet,
    word_sketches_to_parquet,
)
from flywheel_mlflow.records.shingles import HASH_BITS
from flywheel_mlflow.records.word_sketches import COLUMN_TYPES, MAX_EVALUATION_HASHES, MAX_TRAINING_HASHES

QUESTIONS, PLANTED = 3000, 60
Draw = random.Random


def _edited(text: str, draw: Draw) -> str:
    """One word in ten another."""
    words = text.split()
    for place in draw.sample(range(len(words)), max(1, len(words) // 10)):
        words[place] = "something"
    return " ".join(words)


FORMS: dict[str, Callable[[str, str, str, Draw], Any]] = {
    "the same": lambda text, *_: text,
    "no punctuation, capitals": lambda text, *_: re.sub(r"[^\w\s]", " ", text).upper(),
    "in quotes": lambda text, *_: f"“{text}”",
    "Q: ... A: ...": lambda text, one, *_: f"Q: {text}\nA: {one}",
    "{question, answer}": lambda text, one, *_: {"question": text, "answer": one},
    "chat": lambda text, one, *_: [{"role": "user", "content": text}, {"role": "assistant", "content": one}],
    "between paragraphs": lambda text, one, two, _: f"{one}\n\n{text}\n\n{two}",
    "in a sentence": lambda text, one, two, _: f"{one} and as they say {text.rstrip('.')} and {two}",
    "one word in ten changed": lambda text, _one, _two, draw: _edited(text, draw),
}


def docstrings() -> dict[str, list[str]]:
    """The docstrings of the installed packages, by package, each text once."""
    known: set[str] = set()
    texts: dict[str, list[str]] = {}
    for root in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
        for path in sorted(Path(root).rglob("*.py")):
            package = path.relative_to(root).parts[0]
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, UnicodeDecodeError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    text = " ".join((ast.get_docstring(node) or "").split())
                    if len(text) > 200 and text not in known:
                        known.add(text)
                        texts.setdefault(package, []).append(text[:1500])
    return texts


def _write(path: Path, contents: Sequence[Any]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number, content in enumerate(contents):
            file.write(json.dumps({"id": f"{path.stem}-{number}", "content": content}) + "\n")
    return path


def _sketch(path: Path, role: str) -> tuple[WordSketch, float]:
    """The sketch of a file, and the processor seconds of measuring it."""
    promise = {"name": "data", "title": "D", "format": "jsonl", "schema": "free", "role": role}
    before = time.process_time()
    sketch = measure(path, InterfaceOut.model_validate(promise), workers=1).words
    if sketch is None:
        raise SystemExit(f"{role} data have no sketch")
    return sketch, time.process_time() - before


def _compared(training: WordSketch, evaluation: WordSketch) -> Containment:
    (found,) = compare_words({"t": lambda: training}, {"e": lambda: evaluation})
    return found


def _questions(texts: Sequence[str], low: int, high: int) -> list[str]:
    sentences = {part.strip() for text in texts for part in re.split(r"(?<=[.?!])\s", text)}
    return sorted(part for part in sentences if low <= len(re.findall(r"\w+", part)) <= high and part[0].isupper())


def quality(sizes: Sequence[int], folder: Path) -> Iterator[dict[str, Any]]:
    """Recall by form and length of the question, and how many of the questions that nobody planted are found."""
    draw = Draw(11)
    texts = docstrings()
    packages = sorted(texts)
    draw.shuffle(packages)
    half = packages[::2]
    pool = [text for package in half for text in texts[package]]
    others = [text for package in packages[1::2] for text in texts[package]]
    draw.shuffle(pool)
    held = " ".join(re.findall(r"\w+", " ".join(pool).lower()))
    for low, high in ((5, 7), (8, 15), (16, 40), (80, 200)):
        every = _questions(others, low, high) if high <= 40 else [t for t in others if low <= len(t.split()) <= high]
        # What both halves really share is no false hit.
        own = [text for text in every if " ".join(re.findall(r"\w+", text.lower())) not in held]
        draw.shuffle(own)
        asked = own[:QUESTIONS]
        each = min(PLANTED, len(asked) // (2 * len(FORMS)))
        planted = {form: asked[number * each : (number + 1) * each] for number, form in enumerate(FORMS)}
        evaluation, _ = _sketch(_write(folder / "evaluation.jsonl", asked), "evaluation")
        for size in sizes:
            copies = -(-size // len(pool))
            # Larger than the texts there are: the same words in an order of their own.
            more = [" ".join(draw.sample(text.split(), len(text.split()))) for _ in range(copies - 1) for text in pool]
            training = [*pool, *more][:size]
            training += [
                FORMS[form](text, draw.choice(pool), draw.choice(pool), draw)
                for form, chosen in planted.items()
                for text in chosen
            ]
            draw.shuffle(training)
            sketch, _ = _sketch(_write(folder / "training.jsonl", training), "training")
            recall = {}
            for form, chosen in planted.items():
                mine, _ = _sketch(_write(folder / "form.jsonl", chosen), "evaluation")
                found = _compared(sketch, mine)
                recall[form] = round(found.contained / max(1, len(chosen)), 3)
            rest = asked[len(FORMS) * each :]
            clean, _ = _sketch(_write(folder / "clean.jsonl", rest), "evaluation")
            wrong, whole = _compared(sketch, clean), _compared(sketch, evaluation)
            yield {
                "words": f"{low} to {high}",
                "training": len(training),
                "kept": None if sketch.limit is None else round(sketch.limit / 2**HASH_BITS, 4),
                "recall": recall,
                "not planted": len(rest),
                "found though not planted": wrong.contained,
                "share found": round(whole.share or 0.0, 4),
                "share planted": round(len(FORMS) * each / len(asked), 4),
            }


def _made_up(role: str, draw: np.random.Generator, records: int) -> WordSketch:
    """A sketch as full as one of so many records of 160 words gets."""
    full = MAX_TRAINING_HASHES if role == "training" else MAX_EVALUATION_HASHES
    each = 170 if role == "training" else 25
    size = min(full, records * each)
    limit = int(2**HASH_BITS * full / (records * each)) if role == "training" and records * each > full else None
    columns = {name: np.zeros(size, dtype=kind) for name, kind in COLUMN_TYPES.items()}
    columns["hash"] = np.sort(draw.integers(1, limit or 2**HASH_BITS, size).astype(np.uint64))
    rows = draw.permutation(size) // each if role == "evaluation" else draw.integers(0, records, size)
    columns["row"] = rows.astype(np.uint32)
    return WordSketch(role, records, limit, ("data.jsonl",), columns)  # type: ignore[arg-type]


def cost(interfaces: int, records: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Seconds and memory of comparing every pair, of full sketches that lie in files."""
    draw = np.random.default_rng(5)
    sides: dict[str, dict[str, Any]] = {"training": {}, "evaluation": {}}
    size = 0
    for role, named in sides.items():
        for number in range(interfaces):
            path = folder / f"{role}-{number}.parquet"
            path.write_bytes(word_sketches_to_parquet({f"{role}_{number:03}": _made_up(role, draw, records)}))
            size += path.stat().st_size
            named.update(word_sketches_from_parquet(path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    pairs = sum(1 for _ in compare_words(sides["training"], sides["evaluation"]))
    yield {
        "pairs": pairs,
        "records": records,
        "MB of files": round(size / 1e6),
        "seconds": round(time.perf_counter() - start, 1),
        "MB of memory": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
    }


def main() -> None:
    """Runs what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["quality", "cost"])
    parser.add_argument("--records", type=int, nargs="+", default=[5000, 100_000])
    parser.add_argument("--interfaces", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = (
            quality(arguments.records, Path(folder))
            if arguments.job == "quality"
            else (item for size in arguments.records for item in cost(arguments.interfaces, size, Path(folder)))
        )
        for result in results:
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
