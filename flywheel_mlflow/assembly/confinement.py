"""Whether personal data stay out of the interfaces that a release holds, by what each interface's own check says."""

from __future__ import annotations

from collections.abc import Mapping

from flywheel_mlflow.assembly.bundle import REGISTRY, Bundle
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.decisions.gate_facts import Answer, Verdict
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.promises.contract import Contract

_SHOWN = 5


def of_interfaces(bundle: Bundle, contracts: Mapping[str, Contract]) -> Answer:
    """BLOCK where a check found personal data in an interface of the release; no verdict where one was not looked at.

    An interface that its contract exempts as a whole was not looked at either, and is named with the reason.
    """
    outcomes = _outcomes(bundle)
    promised = {item.name: item for contract in contracts.values() for item in contract.interfaces_out}
    exempt = {
        name: " ".join(item.reason for item in promised[name].personal_data_exempt if item.is_whole)
        for name in (pin.interface for pin in bundle.pins)
        if name in promised and any(item.is_whole for item in promised[name].personal_data_exempt)
    }
    bad: list[str] = []
    unknown: list[str] = []
    clean = 0
    for name in (pin.interface for pin in bundle.pins):
        outcome = outcomes.get(name)
        if outcome == Outcome.FAILED:
            bad.append(name)
        elif outcome == Outcome.PASSED:
            clean += 1
        elif name not in exempt:
            unknown.append(name)
    parts = [f"of {len(bundle.pins)} interfaces {clean} were looked at and hold no personal data that was looked for"]
    parts += [f"personal data were found in {_some(bad)}"] if bad else []
    parts += [f"nobody looked at {_some(unknown)}"] if unknown else []
    parts += [f"exempt: {'; '.join(f'{name} ({reason})' for name, reason in exempt.items())}"] if exempt else []
    verdict = Verdict.BLOCK if bad else None if unknown or not bundle.pins else Verdict.PASS
    return Answer(verdict, "; ".join(parts), value=float(len(bad)), n=len(bundle.pins))


def _outcomes(bundle: Bundle) -> dict[str, str | None]:
    """The outcome of each interface's check as the registry of the release has it; those of before had none."""
    registry = parse_json(bundle.files[REGISTRY], name=REGISTRY)
    return {item["name"]: item.get("personal_data") for entry in registry for item in entry.get("interfaces_out", ())}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
