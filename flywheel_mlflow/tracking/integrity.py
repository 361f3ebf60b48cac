"""Notices what was changed on a run after it ended: a digest covers all that collecting reads of it.

What is covered stands in tags, value by value, so that a change can be named. Their digest is a *parameter* of the run:
MLflow refuses to change a parameter, so whoever overwrites a metric or a tag cannot make the digest fit again. It
protects against accidents and single edits; whoever may write there can still log another run, and who can write into
the database can do anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import canonical_json, sha256_text, short_digest
from flywheel_mlflow.base.storable import is_finite
from flywheel_mlflow.evidence.runs import ConsumedInterface, InterfaceVersion
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from mlflow.entities import Run

#: Tags that are read as evidence. The mark of validity is written later, and without it nothing counts.
COVERED_TAGS = (
    tags.SCHEMA,
    tags.NAME,
    tags.KIND,
    tags.ITERATION,
    tags.PROJECT,
    tags.EVIDENCE,
    tags.CONTRACT,
    tags.CHECKS,
    tags.TASKS,
    tags.TASK_DOCUMENTS,
)
#: The same, covered where a run has them.
COVERED_IF_THERE = (tags.VARIANT, tags.MACHINE)
#: Characters of one tag; MLflow keeps 8,000.
_CHUNK = 7500
#: Changes that a reason names; more are counted.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class CoveredValues:
    """What collecting reads of a run.

    ``metrics`` are finite numbers by key; ``labels`` the digest of each covered tag; ``made`` and ``read`` the digest
    of each interface version by interface name, with its place where the run made it.
    """

    metrics: Mapping[str, float]
    labels: Mapping[str, str]
    made: Mapping[str, str]
    read: Mapping[str, str]

    @classmethod
    def of(
        cls,
        run_id: str,
        metrics: Mapping[str, float],
        labels: Mapping[str, str],
        made: Mapping[str, InterfaceVersion],
        read: Iterable[ConsumedInterface],
    ) -> CoveredValues:
        """The values of one run.

        Rows and fields of a version are not covered: MLflow keeps one record for each content digest, whoever logged
        it first, and the digest stands for the content.
        """
        inside = f"runs:/{run_id}/"
        versions = {(item.name, item.digest) for item in made.values()}
        inputs: dict[str, list[str]] = {}
        for item in sorted(read):
            # MLflow keeps a version that a run made and read in the first role alone.
            if (item.name, item.digest) not in versions:
                inputs.setdefault(item.name, []).append(item.digest)
        return cls(
            metrics={key: float(value) for key, value in metrics.items() if is_finite(value)},
            labels={
                key: short_digest(sha256_text(labels.get(key, "")))
                for key in (*COVERED_TAGS, *(key for key in COVERED_IF_THERE if key in labels))
            },
            made={name: f"{item.digest} {item.uri.removeprefix(inside)}" for name, item in made.items()},
            read={name: " ".join(digests) for name, digests in inputs.items()},
        )

    def as_text(self) -> str:
        """The values as canonical JSON, of which the digest is made."""
        return canonical_json(self)


def digest_of_values(values: CoveredValues) -> str:
    """The digest that a run keeps as a parameter."""
    return sha256_text(values.as_text())


def value_tags(values: CoveredValues) -> dict[str, str]:
    """The tags that hold the values, in as many pieces as MLflow's limit asks for."""
    text = values.as_text()
    starts = range(0, len(text), _CHUNK)
    return {_tag(number): text[start : start + _CHUNK] for number, start in enumerate(starts, start=1)}


def changes_since(digest: str, run: Run, now: CoveredValues, needed: Iterable[str]) -> str:
    """What was changed on a run since its ``digest`` was made, in words; empty when nothing was.

    ``needed`` are the metrics that are about to be read: one that is there and not covered was added later.
    """
    text = _kept_text(run.data.tags)
    if sha256_text(text) != digest:
        return f"tag {tags.COVERED_VALUES}"
    names = list(_changed(json.loads(text), now, needed, run.data.tags.get(tags.PROJECT, "")))
    shown = ", ".join(names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _changed(kept: Mapping[str, Any], now: CoveredValues, needed: Iterable[str], project_id: str) -> Iterator[str]:
    metrics: Mapping[str, float] = kept["metrics"]
    for name in sorted(metrics.keys() | (set(needed) & now.metrics.keys())):
        if metrics.get(name) != now.metrics.get(name):
            yield f"metric {project_id}.{name}"
    labels: Mapping[str, str] = kept["labels"]
    for key in sorted({*labels, *COVERED_IF_THERE}):
        if labels.get(key) != now.labels.get(key):
            yield f"tag {key}"
    for noun, before, after in (("interface", kept["made"], now.made), ("input", kept["read"], now.read)):
        yield from (f"{noun} {name}" for name in sorted({*before, *after}) if before.get(name) != after.get(name))


def _kept_text(labels: Mapping[str, str]) -> str:
    pieces: list[str] = []
    while (piece := labels.get(_tag(len(pieces) + 1))) is not None:
        pieces.append(piece)
    return "".join(pieces)


def _tag(number: int) -> str:
    return tags.COVERED_VALUES if number == 1 else f"{tags.COVERED_VALUES}.{number}"
