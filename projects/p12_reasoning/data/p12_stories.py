"""Public stories of the evaluation: each kind of problem in words of its own. The hidden ones are in another file.

``draw`` makes the numbers, ``answer`` is a formula of its own, and the wording is not that of any training problem.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of problem: where it belongs, how its numbers are drawn, its answer, and its stories."""

    domain: str
    draw: Callable[[random.Random], Sequence[int]]
    answer: Callable[..., float]
    stories: tuple[str, ...]


def _between(*bounds: tuple[int, int]) -> Callable[[random.Random], Sequence[int]]:
    return lambda rng: [rng.randint(low, high) for low, high in bounds]


def _exact(divisor: tuple[int, int], quotient: tuple[int, int]) -> Callable[[random.Random], Sequence[int]]:
    def draw(rng: random.Random) -> Sequence[int]:
        by = rng.randint(*divisor)
        return [by * rng.randint(*quotient), by]

    return draw


def _two_shared(rng: random.Random) -> Sequence[int]:
    groups, each, first = rng.randint(3, 8), rng.randint(14, 40), rng.randint(12, 35)
    return [first, groups * each - first, groups]


def _rest_in_parts(rng: random.Random) -> Sequence[int]:
    parts, each, first = rng.randint(3, 10), rng.randint(25, 70), rng.randint(50, 150)
    return [parts * each + first, first, parts]


def _percent(rng: random.Random) -> Sequence[int]:
    return [rng.randrange(200, 1500, 20), rng.randrange(5, 60, 5)]


def _three(rng: random.Random) -> Sequence[int]:
    first, second, mean = rng.randint(30, 80), rng.randint(30, 80), rng.randint(50, 70)
    return [first, second, 3 * mean - first - second]


def _proportion(rng: random.Random) -> Sequence[int]:
    before, each, after = rng.randint(3, 9), rng.randint(12, 80), rng.randint(10, 24)
    return [before, before * each, after]


KINDS = {
    "sum": Kind(
        "word_problems",
        _between((200, 900), (120, 700)),
        lambda a, b: a + b,
        (
            "A farm has {a} sheep and {b} goats. How many animals does it have in total?",
            "{a} letters came on Monday and {b} on Tuesday. How many letters came altogether?",
        ),
    ),
    "difference": Kind(
        "word_problems",
        _between((400, 900), (50, 300)),
        lambda a, b: a - b,
        (
            "A truck holds {a} litres of milk. {b} litres are drained. How many litres of milk are left?",
            "A shop had {a} lamps. {b} of them are sold. How many lamps are left?",
        ),
    ),
    "two differences": Kind(
        "word_problems",
        _between((300, 500), (20, 60), (40, 150)),
        lambda a, b, c: a - b - c,
        (
            "A florist had {a} roses, gave {b} away and sold {c}. How many roses are left?",
            "A printer made {a} maps, gave {b} away and sold {c}. How many maps are left?",
        ),
    ),
    "product": Kind(
        "word_problems",
        _between((12, 60), (11, 48)),
        lambda a, b: a * b,
        (
            "There are {a} shelves with {b} books each. How many books are there in total?",
            "There are {a} buses with {b} seats each. How many seats are there in total?",
        ),
    ),
    "product and more": Kind(
        "word_problems",
        _between((5, 18), (7, 22), (4, 40)),
        lambda a, b, c: a * b + c,
        (
            "A man plants {a} rows of {b} tulips and then {c} more tulips. How many tulips are there altogether?",
            "A school has {a} rows of {b} chairs and then {c} more chairs. How many chairs are there altogether?",
        ),
    ),
    "product less": Kind(
        "word_problems",
        _between((14, 36), (9, 28), (6, 50)),
        lambda a, b, c: a * b - c,
        (
            "A press makes {a} posters a minute for {b} minutes; {c} posters fail. How many good posters are left?",
            "A machine makes {a} screws a minute for {b} minutes; {c} fail. How many good screws are left?",
        ),
    ),
    "share": Kind(
        "word_problems",
        _exact((5, 18), (6, 40)),
        lambda a, b: a / b,
        (
            "{a} apples are shared equally among {b} children. How many apples does each child get?",
            "{a} cards are shared equally among {b} players. How many cards does each player get?",
        ),
    ),
    "pack": Kind(
        "word_problems",
        _exact((6, 14), (16, 70)),
        lambda a, b: a / b,
        (
            "A dairy packs {a} cheeses into boxes of {b}. How many boxes are filled?",
            "A grower packs {a} lemons into boxes of {b}. How many boxes are filled?",
        ),
    ),
    "two shared": Kind(
        "word_problems",
        _two_shared,
        lambda a, b, c: (a + b) / c,
        (
            "Two bags of {a} kg and {b} kg of flour are shared equally among {c} bakers. How many kg does each get?",
            "Two tanks of {a} litres and {b} litres are shared equally among {c} farms. How many litres does each get?",
        ),
    ),
    "change": Kind(
        "word_problems",
        _between((200, 400), (4, 12), (5, 15)),
        lambda a, b, c: a - b * c,
        (
            "Ken has {a} coins and buys {b} pencils at {c} coins each. How many coins are left?",
            "Ida has {a} tokens and buys {b} rides at {c} tokens each. How many tokens are left?",
        ),
    ),
    "instalments": Kind(
        "word_problems",
        _rest_in_parts,
        lambda a, b, c: (a - b) / c,
        (
            "A bike costs {a} euros: {b} at once, the rest in {c} equal parts. How many euros is each part?",
            "A sofa costs {a} euros: {b} at once, the rest in {c} equal parts. How many euros is each part?",
        ),
    ),
    "discount": Kind(
        "word_problems",
        _percent,
        lambda a, b: a * (100 - b) / 100,
        (
            "A chair costs {a} euros and is sold at a discount of {b} percent. How many euros does it cost now?",
            "A tent costs {a} euros and is sold at a discount of {b} percent. How many euros is it now?",
        ),
    ),
    "growth": Kind(
        "word_problems",
        _percent,
        lambda a, b: a * (100 + b) / 100,
        (
            "A town of {a} people grows by {b} percent. How many people live there now?",
            "A herd of {a} cows grows by {b} percent. How many cows are there now?",
        ),
    ),
    "share in percent": Kind(
        "word_problems",
        _percent,
        lambda a, b: a * b / 100,
        (
            "Of {a} eggs, {b} percent hatch. How many eggs hatch?",
            "Of {a} trees, {b} percent bear fruit. How many trees bear fruit?",
        ),
    ),
    "distance": Kind(
        "word_problems",
        _between((40, 160), (3, 12)),
        lambda a, b: a * b,
        (
            "A car travels at {a} km per hour for {b} hours. How many kilometres does it travel?",
            "A bus travels at {a} km per hour for {b} hours. How many kilometres does it travel?",
        ),
    ),
    "proportion": Kind(
        "word_problems",
        _proportion,
        lambda a, b, c: b / a * c,
        (
            "A soup for {a} people needs {b} grams of rice. How many grams are needed for {c} people?",
            "{a} pumps make {b} litres in an hour. How many litres do {c} such pumps make in an hour?",
        ),
    ),
    "speed": Kind(
        "school_math",
        _exact((2, 7), (14, 30)),
        lambda a, b: a / b,
        (
            "A runner covers {a} kilometres in {b} hours. What is the speed in km per hour?",
            "A rider covers {a} kilometres in {b} hours. What is the speed in km per hour?",
        ),
    ),
    "area": Kind(
        "school_math",
        _between((32, 99), (14, 60)),
        lambda a, b: a * b,
        (
            "A rectangular room is {a} metres long and {b} metres wide. What is its area in square metres?",
            "A rectangular yard is {a} metres long and {b} metres wide. What is the area in square metres?",
        ),
    ),
    "perimeter": Kind(
        "school_math",
        _between((14, 70), (8, 45)),
        lambda a, b: a + b + a + b,
        (
            "A rectangular lawn is {a} metres long and {b} metres wide. How many metres is its perimeter?",
            "A rectangular court is {a} metres long and {b} metres wide. How many metres is the perimeter?",
        ),
    ),
    "triangle": Kind(
        "school_math",
        lambda rng: [2 * rng.randint(5, 35), rng.randint(6, 45)],
        lambda a, b: 0.5 * a * b,
        (
            "A triangle has a base of {a} metres and a height of {b} metres. What is its area in square metres?",
            "A sail is a triangle with a base of {a} cm and a height of {b} cm. What is its area in square cm?",
        ),
    ),
    "mean": Kind(
        "school_math",
        _three,
        lambda a, b, c: (a + b + c) / 3,
        (
            "Three games gave {a}, {b} and {c} points. What is the average number of points?",
            "On three days {a}, {b} and {c} guests came to a hotel. What is the average number of guests a day?",
        ),
    ),
    "remainder": Kind(
        "school_math",
        _between((300, 2500), (7, 45)),
        lambda a, b: a - math.floor(a / b) * b,
        (
            "What remains when {a} is divided by {b}? Give the remainder.",
            "{a} beads are put into bags of {b}. How many beads remain over?",
        ),
    ),
    "sequence": Kind(
        "school_math",
        _between((4, 40), (3, 17), (9, 45)),
        lambda a, b, c: range(a, a + c * b, b)[c - 1],
        (
            "A sequence begins with {a} and grows by {b} with every term. What is its term number {c}?",
            "A row of numbers starts with {a} and grows by {b} with every term. What is term number {c}?",
        ),
    ),
    "sum of first": Kind(
        "school_math",
        _between((14, 120)),
        lambda a: sum(range(a + 1)),
        (
            "Add up the first {a} positive whole numbers. What is the sum?",
            "What is the sum of the first {a} whole numbers from one on?",
        ),
    ),
    "doubling": Kind(
        "school_math",
        _between((5, 60), (3, 8)),
        lambda a, b: a << b,
        (
            "A patch of {a} lilies doubles every week. How many lilies are there after {b} weeks?",
            "A sample of {a} germs doubles every hour. How many germs are there after {b} hours?",
        ),
    ),
    "cube": Kind(
        "school_math",
        _between((5, 30)),
        lambda a: math.prod([a, a, a]),
        (
            "A box in the form of a cube has edges of {a} cm. What is its volume in cubic centimetres?",
            "A cube has edges of {a} metres. What is its volume in cubic metres?",
        ),
    ),
}
