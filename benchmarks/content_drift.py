"""Benchmarks what drift reports see of realistic changes of LLM data, with nothing configured.

    python -m benchmarks.content_drift
    python -m benchmarks.content_drift --detector product --rows 5000 --kinds 'vector-*' 'score-*'
    python -m benchmarks.content_drift --quick --json content.json

Records of six shapes around real texts of this machine. A pair of sides differs in texts and chance alone; then one
change is made to the new side. It is seen where something is named that is not named for the same pair without the
change. Printed are the share of pairs in which each kind is seen, and how often pairs without a change raise an alarm.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.content_changes_fields import FIELD_CHANGES
from benchmarks.content_changes_texts import TEXT_CHANGES
from benchmarks.content_detectors import DETECTORS, product, product_by_store
from benchmarks.content_edits import Change
from benchmarks.content_records import SHAPES, Draw, Record, two_sides
from benchmarks.content_texts import Texts, read_texts
from flywheel_mlflow.drift import wilson_interval

CHANGES: tuple[Change, ...] = (*TEXT_CHANGES, *FIELD_CHANGES)
#: A control of this name holds one interface of every shape in one report.
ALL_SHAPES = "all"
QUICK = ("header-20", "label-85", "score-default", "turns-2", "vector-rotated", "tool-renamed")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured; ``kinds`` are patterns of names."""

    kinds: tuple[str, ...] = ("*",)
    rows: tuple[int, ...] = (500, 2000)
    seeds: int = 3
    controls: int = 200
    detectors: tuple[str, ...] = tuple(DETECTORS)
    first_seed: int = 1
    interfaces: int = len(SHAPES)
    reports_alone: bool = False

    def changes(self) -> list[Change]:
        """The changes asked for.

        Raises:
            SystemExit: a pattern names none.
        """
        for pattern in self.kinds:
            if not any(fnmatchcase(change.name, pattern) for change in CHANGES):
                raise SystemExit(f"no kind of change is called {pattern}: --list names them")
        return [change for change in CHANGES if any(fnmatchcase(change.name, pattern) for pattern in self.kinds)]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one detector said about one pair; ``change`` is empty for a control, ``shape`` is what the data were."""

    detector: str
    rows: int
    seed: int
    shape: str
    change: str
    seen: bool
    subjects: tuple[str, ...]
    seconds: float
    fault: str = ""


@dataclass
class Results:
    """All that was said, as the table and the JSON show it."""

    plan: Plan
    texts: dict[str, int]
    lacking: list[str]
    judged: list[Judged] = field(default_factory=list)

    def of(self, detector: str, rows: int, change: str | None) -> list[Judged]:
        """What a detector said about a kind of change at that size; None asks for all kinds, "" for the controls."""
        return [
            item
            for item in self.judged
            if (item.detector, item.rows) == (detector, rows)
            and (bool(item.change) if change is None else item.change == change)
        ]

    def share(self, detector: str, rows: int, change: str | None) -> float | None:
        """The share of pairs in which it was seen; None where nothing was judged."""
        judged = self.of(detector, rows, change)
        return sum(item.seen for item in judged) / len(judged) if judged else None

    def document(self) -> dict[str, Any]:
        """For ``--json``: the summaries, then every pair."""
        return {
            "rows": list(self.plan.rows),
            "seeds": self.plan.seeds,
            "texts": self.texts,
            "lacking": self.lacking,
            "detectors": {
                name: {str(rows): self._summary(name, rows) for rows in self.plan.rows} for name in self.plan.detectors
            },
            "changes": [
                {
                    "name": change.name,
                    "family": change.family,
                    "shape": change.shape,
                    "about": change.about,
                    "seen": {
                        name: {str(rows): self.share(name, rows, change.name) for rows in self.plan.rows}
                        for name in self.plan.detectors
                    },
                }
                for change in self.plan.changes()
            ],
            "pairs": [
                {key: getattr(item, key) for key in item.__slots__ if item.fault or key != "fault"}
                for item in self.judged
            ],
        }

    def _summary(self, detector: str, rows: int) -> dict[str, Any]:
        controls, all_pairs = self.of(detector, rows, ""), self.of(detector, rows, None) + self.of(detector, rows, "")
        kinds = [self.share(detector, rows, change.name) for change in self.plan.changes()]
        return {
            "pairs_seen": self.share(detector, rows, None),
            "kinds": sum(share is not None for share in kinds),
            "kinds_seen_mostly": sum(share is not None and share > 0.5 for share in kinds),
            "controls": len(controls),
            "alarms": sum(item.seen for item in controls),
            "alarm_interval": list(_interval(controls)) if controls else None,
            "seconds": statistics.median(item.seconds for item in all_pairs) if all_pairs else None,
            "faults": sum(bool(item.fault) for item in all_pairs),
        }


def _interval(controls: Sequence[Judged]) -> tuple[float, float]:
    return wilson_interval(sum(item.seen for item in controls), len(controls), confidence=0.95)


def _write(path: Path, records: Iterable[Record]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of two sides by interface, and what they are an example of."""

    shape: str
    change: str
    rows: int
    seed: int
    old: dict[str, Path]
    new: dict[str, Path]

    def judge(self, detector: str, usual: frozenset[str] = frozenset()) -> Judged:
        """What the detector says beyond the ``usual`` subjects, which it names without the change, too.

        One that fails has seen nothing, and the fault is kept.
        """
        schemas = {name: SHAPES[_shape(name)].schema for name in self.old}
        start = time.perf_counter()
        fault = ""
        try:
            seen, subjects = DETECTORS[detector](self.old, self.new, schemas)
            seen = seen and not usual.issuperset(subjects)
        except Exception as error:  # noqa: BLE001 - whatever another tool raises is a result, and is shown
            seen, subjects, fault = False, [], f"{type(error).__name__}: {str(error)[:200]}"
        seconds = time.perf_counter() - start
        return Judged(detector, self.rows, self.seed, self.shape, self.change, seen, tuple(subjects), seconds, fault)


def _draw(texts: Texts, *key: object) -> Draw:
    seed = "/".join(map(str, key))
    return Draw(seed, texts.stock(random.Random(seed)))  # noqa: S311 - a choice of sample texts


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="content-drift-") as name:
        yield Path(name)


def changed_pairs(plan: Plan, texts: Texts) -> Iterator[Pair]:
    """A pair for each kind, size and seed; before those of a shape, the two sides all of its changes start from."""
    by_shape: dict[str, list[Change]] = {}
    for change in plan.changes():
        by_shape.setdefault(change.shape, []).append(change)
    for rows in plan.rows:
        for seed in range(plan.first_seed, plan.first_seed + plan.seeds):
            for shape, changes in by_shape.items():
                draw = _draw(texts, shape, rows, seed)
                sides = two_sides(shape, rows, draw)
                with _folder() as folder:
                    plain = _write(folder / "old.jsonl", sides[0])
                    usual = _write(folder / "new.jsonl", sides[1])
                    yield Pair(shape, "", rows, seed, {shape: plain}, {shape: usual})
                    for change in changes:
                        # Each change draws for itself: what it does must not depend on which others are asked for.
                        own = Draw(f"{shape}/{rows}/{seed}/{change.name}", draw.stock.copy())
                        old, new = (deepcopy(side) for side in sides)
                        before = change.before(old, own)
                        first = plain if before == sides[0] else _write(folder / f"{change.name}-old.jsonl", before)
                        second = _write(folder / f"{change.name}.jsonl", change.after(new, own))
                        yield Pair(shape, change.name, rows, seed, {shape: first}, {shape: second})


def _interfaces(count: int) -> list[str]:
    """So many interfaces, of each shape in turn."""
    shapes = list(SHAPES)
    return [
        shapes[place % len(shapes)] + (f"_{place // len(shapes)}" if place >= len(shapes) else "")
        for place in range(count)
    ]


def _shape(interface: str) -> str:
    return interface.partition("_")[0]


def control_pairs(plan: Plan, texts: Texts) -> Iterator[Pair]:
    """Pairs without a change, of each shape in turn, and of all shapes in one report."""
    turn = [ALL_SHAPES] if plan.reports_alone else [*SHAPES, ALL_SHAPES]
    for rows in plan.rows:
        for number in range(plan.controls):
            name = turn[number % len(turn)]
            with _folder() as folder:
                old, new = {}, {}
                draw = _draw(texts, "control", name, rows, plan.first_seed, number)
                for place, interface in enumerate(_interfaces(plan.interfaces) if name == ALL_SHAPES else (name,)):
                    if place and place % len(SHAPES) == 0:  # no text twice among an interface of each shape
                        draw = _draw(texts, "control", interface, rows, plan.first_seed, number)
                    sides = two_sides(_shape(interface), rows, draw)
                    old[interface] = _write(folder / f"{interface}-old.jsonl", sides[0])
                    new[interface] = _write(folder / f"{interface}-new.jsonl", sides[1])
                yield Pair(name, "", rows, plan.first_seed + number, old, new)


def run(plan: Plan, texts: Texts, *, progress: bool = True) -> Results:
    """Every pair judged by every detector; after Ctrl-C, those that were judged by then."""
    results = Results(plan, {kind: len(pool) for kind, pool in texts.pools.items()}, texts.lacking)
    shapes = {change.shape for change in plan.changes()}
    total = len(plan.rows) * ((len(plan.changes()) + len(shapes)) * plan.seeds + plan.controls)
    usual: dict[str, frozenset[str]] = {}
    with suppress(KeyboardInterrupt):
        for pair in chain(changed_pairs(plan, texts), control_pairs(plan, texts)):
            for detector in plan.detectors:
                judged = pair.judge(detector, usual[detector] if pair.change else frozenset())
                results.judged.append(judged)
                if not pair.change:
                    usual[detector] = frozenset(judged.subjects)
            if progress:
                done, what = len(results.judged) // len(plan.detectors), pair.change or "control"
                print(f"\r{done} of {total} pairs, {pair.rows} rows, {what:20}", end="", file=sys.stderr, flush=True)
    if progress:
        print(file=sys.stderr)
    return results


def print_table(results: Results) -> None:
    """The kinds with the share found by each detector at each size, then the controls."""
    plan = results.plan
    columns = [(detector, rows) for rows in plan.rows for detector in plan.detectors]
    print("texts: " + ", ".join(f"{kind} {count:,}" for kind, count in results.texts.items()))
    if results.lacking:
        print(f"too few on this machine, others took their place: {', '.join(results.lacking)}")
    print("\n| kind | shape | what changes | " + " | ".join(f"{name}, {rows:,}" for name, rows in columns) + " |")
    print("|---|---|---|" + "---|" * len(columns))
    for change in plan.changes():
        cells = [_percent(results.share(detector, rows, change.name)) for detector, rows in columns]
        print(f"| {change.name} | {change.shape} | {change.about} | " + " | ".join(cells) + " |")
    print()
    for detector, rows in columns:
        summary = results.document()["detectors"][detector][str(rows)]
        told = f"{detector}, {rows:,} rows a side: "
        if summary["kinds"]:
            told += (
                f"{_percent(summary['pairs_seen'])} of pairs seen, "
                f"{summary['kinds_seen_mostly']} of {summary['kinds']} kinds in most pairs; "
            )
        if summary["controls"]:
            low, high = summary["alarm_interval"]
            told += f"{summary['alarms']} alarms on {summary['controls']} controls ({low:.1%} to {high:.1%}); "
        print(
            f"{told}{summary['seconds']:.2f} s a pair" + (f"; {summary['faults']} failed" if summary["faults"] else "")
        )
    for fault in sorted({f"{item.detector} failed on {item.change or item.shape}: {item.fault}"
                         for item in results.judged if item.fault}):  # fmt: skip
        print(fault)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def verify(plan: Plan, texts: Texts) -> None:
    """Says whether the product's functions find what its whole path finds, on one pair of each kind asked for.

    Raises:
        SystemExit: they differ.
    """
    for pair in changed_pairs(plan, texts):
        if not pair.change:
            continue
        schemas = {name: SHAPES[name].schema for name in pair.old}
        short, whole = (detect(pair.old, pair.new, schemas) for detect in (product, product_by_store))
        if short != whole:
            raise SystemExit(f"{pair.change}: the functions say {short}, the whole path says {whole}")
        print(f"{pair.change}, {pair.rows:,} rows: the same by the functions and by the whole path: {short[1]}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000], help="rows a side")
    parser.add_argument("--seeds", type=int, default=3, help="pairs of each kind and size")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--controls", type=int, default=200, help="more unchanged pairs of each size")
    parser.add_argument("--kinds", nargs="+", default=["*"], help="names of kinds, or patterns")
    parser.add_argument("--detector", nargs="+", choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument("--files", type=int, default=2500, help="files of each sort whose texts are read")
    parser.add_argument("--interfaces", type=int, default=len(SHAPES), help="interfaces of a control with all shapes")
    parser.add_argument("--whole-reports", action="store_true", help="controls with all shapes alone")
    parser.add_argument("--quick", action="store_true", help="six kinds, 200 rows, one seed, seven controls")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to this file")
    parser.add_argument("--list", action="store_true", help="name the kinds and end")
    parser.add_argument("--verify", action="store_true", help="compare with the whole path of the product and end")
    given = parser.parse_args(arguments)
    plan = Plan(
        kinds=tuple(given.kinds),
        rows=tuple(given.rows),
        seeds=given.seeds,
        controls=given.controls,
        detectors=tuple(given.detector),
        first_seed=given.first_seed,
        interfaces=given.interfaces,
        reports_alone=given.whole_reports,
    )
    if given.quick:
        plan = replace(plan, kinds=QUICK, rows=(200,), seeds=1, controls=len(SHAPES) + 1)
    if given.list:
        for change in plan.changes():
            print(f"{change.name:20} {change.family:10} {change.shape:10} {change.about}")
        return
    if given.verify:
        verify(plan, read_texts(given.files))
        return
    results = run(plan, read_texts(min(given.files, 300) if given.quick else given.files))
    print_table(results)
    if given.json:
        given.json.write_text(json.dumps(results.document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
