"""The mathematical exercises with open parameters."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MathSeed:
    """An exercise with open parameters: how to draw them, how to solve it, and the answer by a formula."""

    topic: str
    difficulty: str
    question: str
    draw: Callable[[random.Random], Sequence[int]]
    steps: list[tuple[str, str, str]]
    answer: Callable[..., float]


def _between(*bounds: tuple[int, int]) -> Callable[[random.Random], Sequence[int]]:
    return lambda rng: [rng.randint(low, high) for low, high in bounds]


def _exact(divisor: tuple[int, int], quotient: tuple[int, int]) -> Callable[[random.Random], Sequence[int]]:
    def draw(rng: random.Random) -> Sequence[int]:
        by = rng.randint(*divisor)
        return [by * rng.randint(*quotient), by]

    return draw


def _two_shared(rng: random.Random) -> Sequence[int]:
    families, each, first = rng.randint(3, 9), rng.randint(12, 30), rng.randint(10, 30)
    return [first, families * each - first, families]


def _rest_in_parts(rng: random.Random) -> Sequence[int]:
    parts, each, first = rng.randint(4, 12), rng.randint(21, 60), rng.randint(40, 120)
    return [parts * each + first, first, parts]


def _percent(rng: random.Random) -> Sequence[int]:
    return [rng.randrange(120, 900, 20), rng.randrange(5, 60, 5)]


def _scores(rng: random.Random) -> Sequence[int]:
    first, second, mean = rng.randint(40, 90), rng.randint(40, 90), rng.randint(55, 75)
    return [first, second, 3 * mean - first - second]


def _proportion(rng: random.Random) -> Sequence[int]:
    before, each, after = rng.randint(2, 8), rng.randint(15, 90), rng.randint(9, 25)
    return [before, before * each, after]


MATH = [
    MathSeed(
        "addition",
        "intro",
        "A library has {a} novels and {b} atlases. How many books does it have in total?",
        _between((120, 800), (15, 90)),
        [("total", "a + b", "Add the novels and the atlases.")],
        lambda a, b: sum([a, b]),
    ),
    MathSeed(
        "addition",
        "intro",
        "{a} tickets were sold on Friday and {b} on Saturday. How many tickets were sold altogether?",
        _between((100, 400), (100, 600)),
        [("total", "a + b", "Add the tickets of both days.")],
        lambda a, b: sum([a, b]),
    ),
    MathSeed(
        "addition",
        "intro",
        "A tank holds {a} litres of water. {b} litres are drained. How many litres are left?",
        _between((300, 900), (40, 250)),
        [("left", "a - b", "Take away what was drained.")],
        lambda a, b: -(b - a),
    ),
    MathSeed(
        "addition",
        "core",
        "A baker made {a} rolls, gave {b} away and sold {c}. How many rolls are left?",
        _between((200, 400), (10, 40), (50, 140)),
        [
            ("kept", "a - b", "First take away the rolls given away."),
            ("left", "kept - c", "Then take away the rolls sold."),
        ],
        lambda a, b, c: a - sum([b, c]),
    ),
    MathSeed(
        "multiplication",
        "intro",
        "There are {a} crates with {b} bottles each. How many bottles are there in total?",
        _between((6, 40), (8, 30)),
        [("total", "a * b", "Every crate adds the same number of bottles: multiply.")],
        lambda a, b: sum([b] * a),
    ),
    MathSeed(
        "multiplication",
        "core",
        "A class plants {a} rows of {b} trees and then {c} more trees. How many trees does it plant altogether?",
        _between((4, 15), (6, 20), (3, 30)),
        [("in_rows", "a * b", "Count the trees in rows."), ("total", "in_rows + c", "Add the others.")],
        lambda a, b, c: sum([b] * a) + c,
    ),
    MathSeed(
        "multiplication",
        "core",
        "A printer makes {a} pages a minute for {b} minutes; {c} pages are spoiled. How many good pages are left?",
        _between((12, 30), (10, 25), (5, 40)),
        [("printed", "a * b", "Count all printed pages."), ("left", "printed - c", "Take away the spoiled ones.")],
        lambda a, b, c: sum([a] * b) - c,
    ),
    MathSeed(
        "division",
        "core",
        "{a} pencils are shared equally among {b} pupils. How many pencils does each pupil get?",
        _exact((4, 15), (5, 30)),
        [("each", "a // b", "Sharing equally is dividing.")],
        lambda a, b: round(a / b),
    ),
    MathSeed(
        "division",
        "core",
        "A farm packs {a} eggs into boxes of {b}. How many boxes are filled?",
        _exact((6, 12), (15, 60)),
        [("boxes", "a // b", "Divide the eggs by the eggs of one box.")],
        lambda a, b: round(a / b),
    ),
    MathSeed(
        "division",
        "extension",
        "Two sacks of {a} kg and {b} kg of rice are shared equally among {c} families. How many kg does each get?",
        _two_shared,
        [("all_rice", "a + b", "Put the sacks together."), ("each", "all_rice // c", "Share equally.")],
        lambda a, b, c: round((a + b) / c),
    ),
    MathSeed(
        "money",
        "core",
        "Mia has {a} coins and buys {b} stickers at {c} coins each. How many coins are left?",
        _between((150, 300), (3, 10), (4, 12)),
        [("spent", "b * c", "Find what the stickers cost."), ("left", "a - spent", "Take it away from the coins.")],
        lambda a, b, c: a - sum([c] * b),
    ),
    MathSeed(
        "money",
        "extension",
        "A phone costs {a} euros: {b} at once, the rest in {c} equal parts. How many euros is each part?",
        _rest_in_parts,
        [("rest", "a - b", "Find what is still to be paid."), ("part", "rest // c", "Divide it equally.")],
        lambda a, b, c: round((a - b) / c),
    ),
    MathSeed(
        "percentages",
        "core",
        "A coat costs {a} euros and is sold at a discount of {b} percent. How many euros does it cost now?",
        _percent,
        [("kept", "100 - b", "Of every 100 euros this many remain."), ("price", "a * kept // 100", "Take that share.")],
        lambda a, b: a - a * b / 100,
    ),
    MathSeed(
        "percentages",
        "core",
        "A village of {a} people grows by {b} percent. How many people live there now?",
        _percent,
        [
            ("share", "100 + b", "Of every 100 people there are now this many."),
            ("people", "a * share // 100", "Take that share."),
        ],
        lambda a, b: a + a * b / 100,
    ),
    MathSeed(
        "percentages",
        "core",
        "Of {a} seeds, {b} percent sprout. How many seeds sprout?",
        _percent,
        [("sprouted", "a * b // 100", "Percent means hundredths.")],
        lambda a, b: b / 100 * a,
    ),
    MathSeed(
        "speed",
        "core",
        "A train travels at {a} km per hour for {b} hours. How many kilometres does it travel?",
        _between((60, 180), (2, 9)),
        [("distance", "a * b", "Distance is speed times time.")],
        lambda a, b: sum([a] * b),
    ),
    MathSeed(
        "speed",
        "core",
        "A cyclist rides {a} kilometres in {b} hours. What is the speed in km per hour?",
        _exact((2, 6), (12, 25)),
        [("speed", "a // b", "Speed is distance divided by time.")],
        lambda a, b: round(a / b),
    ),
    MathSeed(
        "geometry",
        "core",
        "A rectangular field is {a} metres long and {b} metres wide. What is its area in square metres?",
        _between((30, 90), (12, 50)),
        [("area", "a * b", "The area of a rectangle is length times width.")],
        lambda a, b: sum([a] * b),
    ),
    MathSeed(
        "geometry",
        "core",
        "A rectangular garden is {a} metres long and {b} metres wide. How many metres is its perimeter?",
        _between((10, 60), (6, 40)),
        [
            ("half", "a + b", "One length and one width make half the way around."),
            ("perimeter", "2 * half", "Double it."),
        ],
        lambda a, b: a + b + a + b,
    ),
    MathSeed(
        "geometry",
        "extension",
        "A triangle has a base of {a} cm and a height of {b} cm. What is its area in square centimetres?",
        lambda rng: [2 * rng.randint(4, 30), rng.randint(5, 40)],
        [("box", "a * b", "The rectangle around the triangle."), ("area", "box // 2", "The triangle is half of it.")],
        lambda a, b: 0.5 * a * b,
    ),
    MathSeed(
        "averages",
        "extension",
        "Three tests gave {a}, {b} and {c} points. What is the average number of points?",
        _scores,
        [("points", "a + b + c", "Add the points."), ("average", "points // 3", "Divide by the number of tests.")],
        lambda a, b, c: sum([a, b, c]) / 3,
    ),
    MathSeed(
        "averages",
        "extension",
        "On three days {a}, {b} and {c} people visited a museum. What is the average number of visitors a day?",
        _scores,
        [("visitors", "a + b + c", "Add the visitors."), ("average", "visitors // 3", "Divide by the number of days.")],
        lambda a, b, c: sum([a, b, c]) / 3,
    ),
    MathSeed(
        "ratio",
        "extension",
        "A recipe for {a} people needs {b} grams of flour. How many grams are needed for {c} people?",
        _proportion,
        [("each", "b // a", "Find the flour for one person."), ("needed", "each * c", "Multiply by the people.")],
        lambda a, b, c: b / a * c,
    ),
    MathSeed(
        "ratio",
        "extension",
        "{a} machines make {b} parts in an hour. How many parts do {c} such machines make in an hour?",
        _proportion,
        [("each", "b // a", "Find what one machine makes."), ("parts", "each * c", "Multiply by the machines.")],
        lambda a, b, c: b / a * c,
    ),
    MathSeed(
        "remainders",
        "extension",
        "{a} marbles are put into bags of {b}. How many marbles remain over?",
        _between((100, 400), (7, 19)),
        [("over", "a % b", "Full bags take multiples of the bag's size; the rest remains.")],
        lambda a, b: a - math.floor(a / b) * b,
    ),
    MathSeed(
        "remainders",
        "advanced",
        "What is the remainder when {a} is divided by {b}?",
        _between((500, 3000), (11, 60)),
        [("remainder", "a % b", "Take away the largest multiple that fits.")],
        lambda a, b: a - math.floor(a / b) * b,
    ),
    MathSeed(
        "sequences",
        "advanced",
        "A sequence starts with {a} and grows by {b} with every term. What is its term number {c}?",
        _between((3, 30), (2, 15), (8, 40)),
        [
            ("jumps", "c - 1", "From the first term there is one jump less than terms."),
            ("term", "a + jumps * b", "Add them."),
        ],
        lambda a, b, c: range(a, a + c * b, b)[c - 1],
    ),
    MathSeed(
        "sequences",
        "advanced",
        "What is the sum of the first {a} positive whole numbers?",
        _between((12, 99)),
        [("pairs", "a * (a + 1)", "Twice the sum is a rectangle of numbers."), ("total", "pairs // 2", "Halve it.")],
        lambda a: sum(range(a + 1)),
    ),
    MathSeed(
        "powers",
        "advanced",
        "A culture of {a} cells doubles every hour. How many cells are there after {b} hours?",
        _between((3, 40), (3, 8)),
        [("factor", "2 ** b", "Doubling again and again is a power of two."), ("cells", "a * factor", "Multiply.")],
        lambda a, b: a << b,
    ),
    MathSeed(
        "powers",
        "extension",
        "A cube has edges of {a} cm. What is its volume in cubic centimetres?",
        _between((4, 25)),
        [("volume", "a ** 3", "The volume of a cube is its edge to the third power.")],
        lambda a: math.prod([a, a, a]),
    ),
]
