"""Writes the problems and hidden cases of this folder: ``python generate.py [FOLDER]``; equal runs, equal bytes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

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


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else str(float(value))


def hidden_arithmetic(rng: random.Random) -> tuple[str, Fraction]:
    a, b, c = rng.randint(11, 90), rng.randint(3, 40), rng.randint(2, 9)
    return rng.choice(
        (
            (f"{a} + {b} * {c} = ", Fraction(a + b * c)),
            (f"({a} - {c}) * {b} = ", Fraction((a - c) * b)),
            (f"sum: {a} + {b} - {c} = ", Fraction(a + b - c)),
        )
    )


def hidden_percent(rng: random.Random) -> tuple[str, Fraction]:
    percent, whole = rng.choice(("12.5", "45", "60", "7", "80", "2.5")), rng.randrange(40, 900, 40)
    return f"{percent}% of {whole} is ", Fraction(percent) * whole / 100


def hidden_fraction(rng: random.Random) -> tuple[str, Fraction]:
    lower = rng.choice((6, 7, 9, 12))
    upper, times = rng.randint(1, lower - 1), rng.randint(31, 60)
    return f"so {upper}/{lower} of {lower * times} is ", Fraction(upper * times)


def hidden_average(rng: random.Random) -> tuple[str, Fraction]:
    values = [rng.randint(61, 99) for _ in range(rng.choice((2, 4, 5)))]
    listed = ", ".join(map(str, values[:-1])) + f" and {values[-1]}"
    return f"the average of {listed} is ", Fraction(sum(values), len(values)).limit_denominator(1)


def hidden_remainder(rng: random.Random) -> tuple[str, Fraction]:
    a, b = rng.randint(400, 900), rng.randint(16, 40)
    return f"{a} divided by {b} leaves ", Fraction(a % b)


def hidden_duration(rng: random.Random) -> tuple[str, Fraction]:
    hours, minutes = rng.randint(7, 12), rng.randint(5, 55)
    return f"{hours} hours and {minutes} minutes are ", Fraction(hours * 60 + minutes)


HIDDEN: dict[str, tuple[Callable[[random.Random], tuple[str, Fraction]], int, str]] = {
    "arithmetic": (hidden_arithmetic, 16, ""),
    "percent": (hidden_percent, 16, ""),
    "fraction": (hidden_fraction, 12, ""),
    "average": (hidden_average, 12, ""),
    "remainder": (hidden_remainder, 8, ""),
    "duration": (hidden_duration, 8, " minutes"),
}


def hidden_cases() -> list[dict[str, Any]]:
    """Steps the verifier is measured on, every second one wrong; no task may contain one of them."""
    found, seen = [], set()
    for form, (make, count, unit) in HIDDEN.items():
        rng = random.Random(f"{SEED}/hidden/{form}")  # noqa: S311 - no secret
        number = 0
        while number < count:
            text, value = make(rng)
            if text in seen or (form == "average" and not _is_mean(text, value)):
                continue
            seen.add(text)
            valid = number % 2 == 0
            claimed = value if valid else value + rng.choice((-3, -2, -1, 1, 2, 5, 10))
            found.append(
                {
                    "id": f"hidden_{form}_{number:02d}",
                    "form": form,
                    "text": f"{text}{_number(claimed)}{unit}",
                    "valid": valid,
                }
            )
            number += 1
    return found


def _is_mean(text: str, value: Fraction) -> bool:
    numbers = [int(word.strip(",")) for word in text.split() if word.strip(",").isdigit()]
    return Fraction(sum(numbers), len(numbers)) == value


def write(folder: Path) -> None:
    """Write both files into ``folder``."""
    for name, rows in (("problems.jsonl", problems()), ("hidden_cases.jsonl", hidden_cases())):
        lines = [json.dumps(row, separators=(",", ":")) for row in rows]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
