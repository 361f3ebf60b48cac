"""How well feedback is grouped, on the labelled complaints of the tests.

    python -m benchmarks.themes
    python -m benchmarks.themes MODEL_FOLDER DISTANCE ...

Without a model the limits of letters are tried, with one its own. Pairs of complaints in one theme are counted: how
many of them belong together (precision), how many of those that do are together (recall), and which opposites met.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from flywheel_mlflow.feedback.embedding import Embedder, load_embedder
from flywheel_mlflow.feedback.text_vectors import DISTANCE
from flywheel_mlflow.feedback.themes import Observation, Sample, group_events

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures" / "feedback"
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
LETTERS = (0.7, 0.75, DISTANCE, 0.85, 0.9)


def measured(
    labelled: dict[str, Any], distance: float | None, embedder: Embedder | None
) -> tuple[int, float, float, int]:
    """Themes found, precision and recall of pairs, pairs of opposites that met."""
    label, sample = {}, Sample()
    for theme, texts in labelled["themes"].items():
        for number, text in enumerate(texts):
            label[f"{theme} {number}"] = theme
            sample.offer(Observation(f"{theme} {number}", NOON, text, "human"))
    groups = group_events(sample, distance=distance, embedder=embedder).groups
    pairs = [
        frozenset((label[left.id], label[right.id]))
        for group in groups
        for left, right in combinations(group.events, 2)
    ]
    together = sum(len(pair) == 1 for pair in pairs)
    possible = sum(len(texts) * (len(texts) - 1) // 2 for texts in labelled["themes"].values())
    opposites = {frozenset(pair) for pair in labelled["opposites"]}
    return len(groups), together / max(len(pairs), 1), together / possible, len(opposites.intersection(pairs))


def main() -> None:
    folder, *limits = sys.argv[1:] or [""]
    for name in ("themes", "themes_blind"):
        labelled = yaml.safe_load((FIXTURES / f"{name}.yaml").read_text(encoding="utf-8"))
        print(f"{name}: distance, themes, precision, recall, opposites joined")
        for limit in map(float, limits or LETTERS):
            embedder = load_embedder(Path(folder), distance=limit) if folder else None
            found = measured(labelled, None if embedder else limit, embedder)
            print(f"| {limit:.2f} | {found[0]} | {found[1]:.3f} | {found[2]:.3f} | {found[3]} |")


if __name__ == "__main__":
    main()
