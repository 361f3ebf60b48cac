"""Writes the sample sources and held-out evaluation texts anew, byte for byte what they were."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SEED = "p11 sample data, 1"

VERBS = ["count", "merge", "split", "rank", "filter", "scale", "group", "trim", "pair", "sum"]
NOUNS = ["orders", "words", "prices", "points", "rows", "scores", "paths", "events", "marks", "levels"]
BODIES = [
    "    found = [{v} for {v} in {n} if {v} > {k}]\n    return sorted(found, reverse={flag})",
    "    total = {k}\n    for {v} in {n}:\n        total += {v} * {j}\n    return total",
    (
        "    best = None\n    for {v} in {n}:\n        if best is None or {v} % {k2} < best:\n   "
        "         best = {v} % {k2}\n    return best"
    ),
    "    half = len({n}) // {k2}\n    return {n}[half:] + {n}[:half]",
    "    seen = set()\n    for {v} in {n}:\n        seen.add({v} // {k2})\n    return len(seen) + {j}",
    "    return {{{v}: {n}.count({v}) for {v} in set({n}) if {v} != {k}}}",
    "    if not {n}:\n        return {k}\n    return max({n}) - min({n}) + {j}",
    (
        "    result = []\n    while len(result) < {k2}:\n        result.append(sum({n}) + "
        "len(result) * {j})\n    return result"
    ),
]
NOTES = [
    "Keeps those above {k}.", "Works on a copy of the list.", "The caller passes whole numbers only.",
    "An empty list is allowed.", "Used by the nightly report.", "Replaces the older loop of version {k}.",
]  # fmt: skip

MATH = [
    (
        "A {shape} has sides of {a} cm and {b} cm. Its perimeter is 2 * ({a} + {b}) = "
        "{perimeter} cm, and its area is {a} * {b} = {area} square centimetres."
    ),
    "To solve x + {a} = {sum}, subtract {a} on both sides: x = {sum} - {a} = {b}.",
    (
        "The mean of {a}, {b} and {c} is ({a} + {b} + {c}) / 3 = {mean}. Half of the range is "
        "({high} - {low}) / 2 = {half}."
    ),
    (
        "{name} buys {a} notebooks at {b} coins each and pays with {paid} coins, so {name} gets "
        "{paid} - {area} = {change} coins back."
    ),
    "Because {a} is divided by {b} with the remainder {rest}, we can write {a} = {b} * {whole} + {rest}.",
    "The next square after {sq} is {sqn}: squares grow by odd numbers, here by {odd}.",
]
PAPER_OPEN = ["We study", "This note revisits", "We measure", "Here we model", "This survey compares"]
PAPER_WHAT = [
    "soil moisture",
    "sparse attention",
    "bird migration",
    "bridge vibration",
    "river sediment",
    "speech rhythm",
    "leaf growth",
    "queue lengths",
]
PAPER_HOW = [
    "with {a} low-cost sensors",
    "over {b} seasons",
    "by a mixture of {a} experts",
    "under {b} kinds of noise",
    "on {c} public records",
]
PAPER_FOUND = [
    "The error falls from {c} to {a} percent once outliers are weighted down.",
    "An ablation shows that {b} of the {c} components explain most of the effect.",
    "Results hold for {a} of {c} sites, and fail where the signal is weaker than {b} units.",
    "Training on {c} examples is enough; beyond that, quality of labels limits progress.",
    "Code and data for all {b} experiments are released with a licence that permits reuse.",
    "We discuss limits: the sample covers {a} regions, and no winter was observed.",
]

EVALUATION = [
    (
        "word-problems",
        (
            "A ferry carries {a} cars on each of {b} crossings before noon and half as many after "
            "noon; how many cars crossed that day?"
        ),
    ),
    (
        "word-problems",
        (
            "Three friends collected {a}, {b} and {c} shells on the beach and want to share them "
            "evenly without breaking any; what is left?"
        ),
    ),
    (
        "code-tasks",
        (
            "Write a function that returns the {a} longest words of a text, shortest first, ignoring "
            "case and all punctuation marks around {b}."
        ),
    ),
    (
        "code-tasks",
        (
            "Given a grid of {a} by {b} cells, return the number of paths that never touch the "
            "diagonal more than {c} times."
        ),
    ),
    ("zh-questions", "一列火车以每小时{a}千米的速度行驶，途中停车{b}分钟，请问行驶{c}千米一共需要多少时间？"),
]


def code(draw: random.Random) -> str:
    verb, noun = draw.choice(VERBS), draw.choice(NOUNS)
    slots = {
        "n": noun,
        "v": noun[0] + noun[1],
        "k": draw.randrange(2, 90),
        "k2": draw.randrange(2, 9),
        "j": draw.randrange(1, 40),
        "flag": draw.choice(["True", "False"]),
    }
    note = draw.choice(NOTES).format(**slots)
    name = f"{verb}_{noun}_{draw.choice(['by', 'for', 'with'])}_{draw.choice(NOUNS)}"
    parts = [
        f'def {name}({noun}):\n    """{verb.capitalize()} the {noun}. {note}"""\n{draw.choice(BODIES).format(**slots)}'
    ]
    if draw.random() < 0.5:
        values = [draw.randrange(60) for _ in range(draw.randrange(3, 7))]
        parts.append(f"print({name}({values}))")
    return "\n\n".join(parts)


def math(draw: random.Random) -> str:
    found = []
    for template in draw.sample(MATH, k=2):
        a, b, c = draw.randrange(21, 99), draw.randrange(2, 20), draw.randrange(2, 99)
        paid = a * b + draw.randrange(1, 60)
        root = draw.randrange(5, 60)
        found.append(
            template.format(
                a=a,
                b=b,
                c=c,
                shape=draw.choice(["rectangle", "plot", "screen", "field"]),
                perimeter=2 * (a + b),
                area=a * b,
                sum=a + b,
                mean=round((a + b + c) / 3, 2),
                high=max(a, b, c),
                low=min(a, b, c),
                half=(max(a, b, c) - min(a, b, c)) / 2,
                name=draw.choice(["Ada", "Wen", "Otto", "Mei", "Ravi"]),
                paid=paid,
                change=paid - a * b,
                rest=a % b,
                whole=a // b,
                sq=root * root,
                sqn=(root + 1) ** 2,
                odd=2 * root + 1,
            )
        )
    return "\n".join(found)


def paper(draw: random.Random) -> str:
    slots = {"a": draw.randrange(2, 12), "b": draw.randrange(3, 20), "c": draw.randrange(21, 400)}
    opening = (
        f"{draw.choice(PAPER_OPEN)} {draw.choice(PAPER_WHAT)} {draw.choice(PAPER_HOW)} and {draw.choice(PAPER_HOW)}."
    )
    return " ".join([opening, *draw.sample(PAPER_FOUND, k=4)]).format(**slots)


def evaluation(draw: random.Random) -> list[dict[str, str]]:
    made = []
    for number in range(50):
        benchmark, template = EVALUATION[number % len(EVALUATION)]
        text = template.format(a=draw.randrange(3, 60), b=draw.randrange(3, 60), c=draw.randrange(61, 900))
        made.append({"id": f"held-{number:03d}", "benchmark": benchmark, "text": text})
    return made


def sources(held_out: list[dict[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """The texts of each source, among them copies within and across sources, leaked questions and personal data."""
    draw = random.Random(f"{SEED}, sources")  # noqa: S311 - no secret
    texts = {
        "code": [code(draw) for _ in range(150)],
        "math": [math(draw) for _ in range(95)],
        "papers": [paper(draw) for _ in range(62)],
    }
    texts["papers"] += [f"{text} See the notes of the course." for text in draw.sample(texts["math"], k=6)]
    texts["code"] += [text.replace("found", "kept").replace("total", "acc") for text in draw.sample(texts["code"], k=8)]
    texts["math"] += draw.sample(texts["math"], k=6)
    for item in held_out[::10]:
        texts["math"].append(f"Seen in a forum. {item['text']} Answers below were not checked.")
    for item in held_out[3::20]:
        texts["code"].append(f"# {item['text']}\ndef answer():\n    return None")
    texts["code"].append(
        "# Questions go to maintainer77@example.org\nVERSION = 3\n\n\ndef version():\n    return VERSION"
    )
    texts["papers"].append(
        "We thank the patient with number PT-004711, who wrote the diary that this study is based on."
    )
    return {
        name: [
            {"id": f"{name}-{number:04d}", "text": text} for number, text in enumerate(draw.sample(found, k=len(found)))
        ]
        for name, found in texts.items()
    }


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows), encoding="utf-8"
    )


def generate(folder: Path) -> None:
    """Writes every data file into ``folder``."""
    held_out = evaluation(random.Random(f"{SEED}, evaluation"))  # noqa: S311 - no secret
    write_lines(folder / "evaluation_held_out.jsonl", held_out)
    for name, rows in sources(held_out).items():
        write_lines(folder / f"{name}.jsonl", rows)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
