"""Hidden steps of the verifier: in stories, numbers and a seed of their own, which neither problems nor tasks share.

A form is worded in several ways; rules that read one way leave the others unread.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

SEED = "p06 hidden steps, version 1"
#: What a step is about: none of it is told in a problem.
STORIES = (
    "salt in the brine",
    "votes for the mill",
    "glaze on the urn",
    "rain in the cistern",
    "wax for the skis",
    "ink for the atlas",
    "hay in the loft",
    "tar for the hull",
)
WORDED = {3: "thirds", 6: "sixths", 7: "sevenths", 9: "ninths", 11: "elevenths"}
Made = tuple[str, Fraction, str]


def arithmetic(rng: random.Random) -> Made:
    a, b, c = rng.randint(11, 90), rng.randint(3, 40), rng.randint(2, 9)
    text, value = rng.choice(
        (
            (f"{a} + {b} * {c}", a + b * c),
            (f"({a} - {c}) * {b}", (a - c) * b),
            (f"{a} + {b} - {c}", a + b - c),
        )
    )
    return f"{text} = ", Fraction(value), ""


def percent(rng: random.Random) -> Made:
    share, whole = rng.choice(("12.5", "45", "60", "7", "80", "2.5")), rng.randrange(40, 900, 40)
    sign = rng.choice(("%", "%", "%", " percent"))
    return f"{share}{sign} of {whole} is ", Fraction(share) * whole / 100, ""


def fraction(rng: random.Random) -> Made:
    lower = rng.choice((6, 7, 9, 11))
    upper, times = rng.randint(2, lower - 1), rng.randint(31, 60)
    part = rng.choice((f"{upper}/{lower}", f"{upper}/{lower}", f"{upper} {WORDED[lower]}"))
    return f"{part} of {lower * times} is ", Fraction(upper * times), ""


def average(rng: random.Random) -> Made:
    count, mean = rng.choice((2, 4, 5)), rng.randint(70, 90)
    values = [mean + rng.randint(-9, 9) for _ in range(count - 1)]
    values.append(count * mean - sum(values))
    listed = ", ".join(map(str, values[:-1])) + f" and {values[-1]}"
    return f"the {rng.choice(('average', 'average', 'mean'))} of {listed} is ", Fraction(mean), ""


def remainder(rng: random.Random) -> Made:
    a, b = rng.randint(400, 900), rng.randint(16, 40)
    return f"{a} divided by {b} leaves ", Fraction(a % b), ""


def duration(rng: random.Random) -> Made:
    hours, minutes = rng.randint(7, 12), rng.randint(5, 55)
    return f"{hours} hours and {minutes} minutes are ", Fraction(hours * 60 + minutes), " minutes"


#: The forms with their counts.
FORMS: dict[str, tuple[Callable[[random.Random], Made], int]] = {
    "arithmetic": (arithmetic, 20),
    "percent": (percent, 20),
    "fraction": (fraction, 18),
    "average": (average, 18),
    "remainder": (remainder, 10),
    "duration": (duration, 10),
}


def hidden_cases() -> list[dict[str, Any]]:
    """Steps the verifier is measured on, every second one wrong, each in a story."""
    found = []
    for form, (make, count) in FORMS.items():
        rng = random.Random(f"{SEED}/{form}")  # noqa: S311 - no secret
        seen: set[str] = set()
        while len(seen) < count:
            text, value, unit = make(rng)
            if text in seen:
                continue
            number, valid = len(seen), len(seen) % 2 == 0
            seen.add(text)
            claimed = value if valid else value + rng.choice((-3, -2, -1, 1, 2, 5, 10))
            found.append(
                {
                    "id": f"hidden_{form}_{number:02d}",
                    "form": form,
                    "text": f"{rng.choice(STORIES)}: {text}{written(claimed)}{unit}",
                    "valid": valid,
                }
            )
    return found


def written(value: Fraction) -> str:
    """A number in digits."""
    return str(value.numerator) if value.denominator == 1 else str(float(value))
