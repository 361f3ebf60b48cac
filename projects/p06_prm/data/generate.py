"""Writes the problems and hidden cases of this folder: ``python generate.py [FOLDER]``; equal runs, equal bytes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p06_hidden import hidden_cases

SEED = "p06 problems, version 1"
PROBLEMS_PER_TOPIC = 9
GOODS = ("lamps", "chairs", "baskets", "brushes", "clocks", "kettles")
PEOPLE = ("Mira", "Tao", "Ines", "Jonas", "Lin", "Pavel")
Step = dict[str, Any]
Made = tuple[str, dict[str, int], list[Step]]


def step(name: str, expression: str, form: str = "arithmetic", *operands: str | int) -> Step:
    """One step: the name of its value, how it is computed, and how it is worded."""
    return {"name": name, "expression": expression, "form": form, "operands": list(operands)}


def discount(rng: random.Random) -> Made:
    price, percent, count = rng.randrange(40, 400, 20), rng.choice((5, 10, 15, 20, 25, 30)), rng.randint(2, 9)
    goods = rng.choice(GOODS)
    text = f"{goods.capitalize()} cost {price} each, with {percent}% off today. What do {count} of them cost?"
    steps = [
        step("cut", "percent * price / 100", "percent", "percent", "price"),
        step("each", "price - cut"),
        step("total", "each * count"),
    ]
    return text, {"price": price, "percent": percent, "count": count}, steps


def share(rng: random.Random) -> Made:
    lower = rng.choice((3, 4, 5, 8))
    upper, whole, more = rng.randint(1, lower - 1), lower * rng.randint(6, 30), rng.randint(5, 60)
    who = rng.choice(PEOPLE)
    text = f"{who} has {whole} stamps, gives {upper}/{lower} of them away and then buys {more}. How many are there now?"
    steps = [
        step("given", "upper * whole / lower", "fraction", "upper", "lower", "whole"),
        step("left", "whole - given"),
        step("now", "left + more"),
    ]
    return text, {"upper": upper, "lower": lower, "whole": whole, "more": more}, steps


def average(rng: random.Random) -> Made:
    mean, days = rng.randint(12, 60), rng.randint(3, 9)
    low, high = rng.randint(1, 9), rng.randint(1, 9)
    a, b = mean - low, mean + high
    c = 3 * mean - a - b
    text = f"A stall sold {a}, {b} and {c} loaves on three days. At that average, how many does it sell in {days} days?"
    steps = [step("mean", "(a + b + c) / 3", "average", "a", "b", "c"), step("sold", "mean * days")]
    return text, {"a": a, "b": b, "c": c, "days": days}, steps


def remainder(rng: random.Random) -> Made:
    box, count = rng.randint(6, 15), rng.randint(60, 300)
    count += 1 if count % box == 0 else 0
    text = f"{count} eggs are packed into boxes of {box}. How many more eggs would fill the last box?"
    steps = [step("rest", "count % box", "remainder", "count", "box"), step("missing", "box - rest")]
    return text, {"count": count, "box": box}, steps


def journey(rng: random.Random) -> Made:
    hours, minutes, stop = rng.randint(1, 6), rng.randint(5, 55), rng.randint(5, 40)
    text = f"A train runs {hours} hours and {minutes} minutes and stops for {stop} minutes. How many minutes is that?"
    steps = [
        step("running", "hours * 60 + minutes", "duration", "hours", "minutes"),
        step("whole", "running + stop"),
    ]
    return text, {"hours": hours, "minutes": minutes, "stop": stop}, steps


def plain(rng: random.Random) -> Made:
    rows, seats, extra, sold = rng.randint(6, 25), rng.randint(8, 30), rng.randint(4, 40), rng.randint(10, 40)
    text = (
        f"A hall has {rows} rows of {seats} seats and {extra} chairs; {sold} tickets are sold. How many seats are free?"
    )
    steps = [
        step("fixed", "rows * seats"),
        step("all_seats", "fixed + extra"),
        step("free", "all_seats - sold"),
    ]
    return text, {"rows": rows, "seats": seats, "extra": extra, "sold": sold}, steps


def rent(rng: random.Random) -> Made:
    income, percent, saved = rng.randrange(1200, 4000, 100), rng.choice((20, 25, 30, 35, 40)), rng.choice((4, 5, 10))
    text = f"Of {income} a month, {percent}% goes into rent and 1/{saved} into savings. How much is left?"
    steps = [
        step("rent", "percent * income / 100", "percent", "percent", "income"),
        step("saving", "1 * income / saved", "fraction", 1, "saved", "income"),
        step("fixed", "rent + saving"),
        step("left", "income - fixed"),
    ]
    return text, {"income": income, "percent": percent, "saved": saved}, steps


TOPICS: dict[str, Callable[[random.Random], Made]] = {
    "discount": discount,
    "share": share,
    "average": average,
    "remainder": remainder,
    "journey": journey,
    "plain": plain,
    "rent": rent,
}


def problems() -> list[dict[str, Any]]:
    """All problems, each text once."""
    found, seen = [], set()
    for topic, make in TOPICS.items():
        rng = random.Random(f"{SEED}/{topic}")  # noqa: S311 - no secret
        number = 0
        while number < PROBLEMS_PER_TOPIC:
            text, parameters, steps = make(rng)
            if text in seen:
                continue
            seen.add(text)
            number += 1
            found.append(
                {
                    "id": f"{topic}_{number:02d}",
                    "topic": topic,
                    "prompt": text,
                    "parameters": parameters,
                    "steps": steps,
                }
            )
    return found


def write(folder: Path) -> None:
    """Write both files into ``folder``."""
    for name, rows in (("problems.jsonl", problems()), ("hidden_cases.jsonl", hidden_cases())):
        lines = [json.dumps(row, separators=(",", ":")) for row in rows]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
