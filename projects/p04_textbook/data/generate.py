"""Writes the seeds, the exercises drawn from them, and the curriculum: ``python generate.py``.

Reference answers are computed here by formulas of their own, not by the programs the seeds hold, so that
verification compares two independent ways to an answer. A few references are wrong on purpose
(``WRONG_REFERENCES``), as they are in public problem sets: a factory that verifies nothing would keep them.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from textwrap import dedent
from typing import Any

from p04_code_seeds import CODE
from p04_math_seeds import MATH

SEED = 20260404
#: How many mathematical exercises are drawn from a seed; of a programming task, one for each of its numbers.
VARIANTS = 5
#: How many reference answers of each domain are wrong on purpose: about 2 in 100, a rate found in public sets.
WRONG_REFERENCES = {"math": 2, "code": 1}

#: topic -> (volume, topics to be taught before it), in no particular order: the pipeline finds the order.
TOPICS: dict[str, tuple[int, list[str]]] = {
    "geometry": (2, ["multiplication", "division"]),
    "addition": (1, []),
    "percentages": (2, ["multiplication", "division"]),
    "multiplication": (1, ["addition"]),
    "money": (1, ["multiplication"]),
    "division": (1, ["multiplication"]),
    "speed": (1, ["division"]),
    "ratio": (2, ["division"]),
    "averages": (2, ["addition", "division"]),
    "remainders": (2, ["division"]),
    "sequences": (2, ["multiplication"]),
    "powers": (2, ["multiplication"]),
    "lists": (1, []),
    "strings": (1, ["lists"]),
    "number theory": (2, ["remainders", "lists"]),
    "counting": (2, ["lists", "strings"]),
}


def _number_text(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}".rstrip("0")


def _math(rng: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    seeds, exercises = [], []
    for number, seed in enumerate(MATH, start=1):
        name = f"math_{number:03d}"
        seeds.append(
            {
                "seed": name,
                "domain": "math",
                "topic": seed.topic,
                "difficulty": seed.difficulty,
                "question": seed.question,
                "steps": seed.steps,
            }
        )
        drawn: list[dict[str, int]] = []
        while len(drawn) < VARIANTS:
            values = dict(zip("abc", seed.draw(rng), strict=False))
            if values not in drawn and min(values.values()) > 0:
                drawn.append(values)
        for turn, values in enumerate(drawn, start=1):
            answer = _number_text(round(seed.answer(**values), 6))
            exercises.append({"id": f"{name}_v{turn}", "seed": name, "parameters": values, "reference": answer})
    return seeds, exercises


def _code() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    seeds, exercises = [], []
    for number, seed in enumerate(CODE, start=1):
        name = f"code_{number:03d}"
        seeds.append(
            {
                "seed": name,
                "domain": "code",
                "topic": seed.topic,
                "difficulty": seed.difficulty,
                "entry_point": seed.name,
                "prompt": seed.prompt,
                "solution": dedent(seed.solution).strip(),
            }
        )
        for turn, k in enumerate(seed.numbers, start=1):
            cases = [[given, seed.expected(given, k)] for given in seed.inputs]
            exercises.append({"id": f"{name}_v{turn}", "seed": name, "parameters": {"k": k}, "reference": cases})
    return seeds, exercises


def _spoil(exercises: list[dict[str, Any]], rng: random.Random, count: int) -> None:
    for exercise in rng.sample(exercises, count):
        reference = exercise["reference"]
        if isinstance(reference, str):
            exercise["reference"] = _number_text(float(reference) + rng.randint(1, 9))
        else:
            reference[-1][1] = None


def generate(folder: Path) -> None:
    """Write the sample data into ``folder``."""
    rng = random.Random(SEED)  # noqa: S311 - no secret
    math_seeds, math_exercises = _math(rng)
    code_seeds, code_exercises = _code()
    _spoil(math_exercises, rng, WRONG_REFERENCES["math"])
    _spoil(code_exercises, rng, WRONG_REFERENCES["code"])
    curriculum = [{"topic": name, "volume": volume, "after": after} for name, (volume, after) in TOPICS.items()]
    for name, rows in (
        ("seeds", math_seeds + code_seeds),
        ("exercises", math_exercises + code_exercises),
        ("topics", curriculum),
    ):
        lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    generate(Path(__file__).resolve().parent)
