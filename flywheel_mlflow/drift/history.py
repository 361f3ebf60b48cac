"""How much a number scatters while nothing upstream of it changes, from earlier iterations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from flywheel_mlflow.base.canonical import digest_of, sha256_text
from flywheel_mlflow.evidence.runs import ProjectEvidence


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier iteration: its numbers by full name (``p05.hit_rate``), and what each project's numbers rest on.

    ``causes`` maps a project to ``CAUSES/RUN``: CAUSES is the same in two iterations when the project read the same
    inputs, tasks and contract with the same code, RUN when its numbers are those of the very same run.
    """

    numbers: Mapping[str, float]
    causes: Mapping[str, str] = field(default_factory=dict)


def causes_of(evidence: ProjectEvidence) -> str:
    """What a project's numbers rest on, as :class:`Earlier` holds it; empty without a run."""
    if evidence.run_id is None:
        return ""
    rests_on = {
        "inputs": sorted((item.name, item.digest) for item in evidence.interfaces_in),
        "tasks": sorted(evidence.tasks),
        "contract": evidence.contract_digest,
        "code": evidence.code_version,
        "kind": evidence.kind.value,
    }
    return f"{digest_of(rests_on)[:_DIGITS]}/{sha256_text(evidence.run_id)[:_DIGITS]}"


#: Hex digits of a cause: enough to tell a few hundred iterations apart.
_DIGITS = 8

#: Earlier iterations by their number.
History = Mapping[int, Earlier]


def quiet_differences(history: History, name: str, *, higher: bool) -> Iterator[float]:
    """How much worse a number (``p05.hit_rate``) got between neighbouring iterations in which nothing upstream changed.

    In the number's unit, oldest first; negative where it got better. An iteration of unknown causes is no evidence of
    noise, and neither is a run that was carried over: its numbers are the same, not alike.
    """
    project = name.partition(".")[0]
    sign = 1 if higher else -1
    for before, after in pairwise(sorted(history)):
        old, new = history[before], history[after]
        if name in old.numbers and name in new.numbers and _quiet(old.causes.get(project), new.causes.get(project)):
            yield sign * (old.numbers[name] - new.numbers[name])


def _quiet(old: str | None, new: str | None) -> bool:
    if not old or not new:
        return False
    (old_causes, _, old_run), (new_causes, _, new_run) = old.partition("/"), new.partition("/")
    return old_causes == new_causes and old_run != new_run
