"""The way of a release to its next stage on its page: each step with its state, who may do it, and its forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.decisions.release_path import ReleasePath, Step, StepName, StepState
from flywheel_mlflow.drift.wording import tone_of
from flywheel_mlflow.reports.dashboard_blocks import Form, PathStep, Section
from flywheel_mlflow.reports.dashboard_facts import DriftFacts
from flywheel_mlflow.reports.pages.deciding import choice_field, hidden, reason_field
from flywheel_mlflow.reports.pages.explaining import confirm_form, explain_all_form
from flywheel_mlflow.reports.pages.gate_verdict import GateFacts, evaluate_form, promote_form
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, code, sentence

#: Findings named in the step; the review of the comparison has all of them.
MOST_FINDINGS = 5
#: What stands in front of an approval that is given too early.
TOO_EARLY = (
    "You would approve what nobody has answered for: what is explained afterwards was not before you, and a comparison "
    "made again voids your approval."
)


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What the steps are told from.

    ``gate`` is the one that the way leads through, ``drift`` the comparison, whose review is at ``review``. ``approve``
    maps roles to why an approval in each would be refused, ``explain_refused`` says it of explanations. ``reader`` is
    who looks.
    """

    path: ReleasePath
    gate: GateFacts
    drift: DriftFacts
    review: str
    approve: Mapping[str, str]
    explain_refused: str
    reader: str
    addresses: Addresses


def path_section(facts: StepFacts) -> Section:
    """The five steps, the next one open."""
    return Section(
        "path", f"The way to {facts.path.to}", steps=tuple(_path_step(step, facts) for step in facts.path.steps)
    )


def _path_step(step: Step, facts: StepFacts) -> PathStep:
    waits = step.state is StepState.WAITING
    forms = tuple(_forms(step, facts)) if step.state is not StepState.DONE else ()
    # A promotion that comes too early is refused: there is nothing to do before its time.
    if waits and step.name is StepName.PROMOTE:
        forms = ()
    early = f"{sentence(step.name.value)} it before that" if waits and forms else ""
    return PathStep(
        title=sentence(step.name.value),
        state=step.state.value,
        notes=tuple(_notes(step, facts)),
        forms=forms,
        early=early,
        warning=TOO_EARLY if early and step.name is StepName.APPROVE and _unexplained(facts) else "",
    )


def _unexplained(facts: StepFacts) -> bool:
    """Whether evidence or explanations are still missing."""
    return any(facts.path.step(name).state is not StepState.DONE for name in (StepName.EVIDENCE, StepName.EXPLAIN))


def _notes(step: Step, facts: StepFacts) -> Iterator[Cell]:
    yield Cell(sentence(step.text))
    if step.after is not None:
        yield Cell(f"Comes after: {step.after}")
    if step.state is StepState.DONE:
        return
    if step.who:
        yours = facts.reader in step.who
        others = ", ".join(name for name in step.who if name != facts.reader)
        told = f"You may do it{f'; so may {others}' if others else ''}" if yours else f"{others} may do it"
        yield Cell(told)
    elif step.name is StepName.EVIDENCE:
        yield Cell("Whoever may write to the flywheel's experiment does it, at a terminal")
    else:
        yield Cell("Anybody who may read this may do it")
    if step.command:
        yield code(step.command)
    if step.name is StepName.EXPLAIN and step.state is StepState.NEXT:
        yield from _findings(facts)


def _findings(facts: StepFacts) -> Iterator[Cell]:
    answered = facts.drift.answered
    left = answered.left if answered else ()
    for item in left[:MOST_FINDINGS]:
        yield Cell(f"{item.subject} {item.text}", tone_of(item))
    more = f", with {len(left) - MOST_FINDINGS} more" if len(left) > MOST_FINDINGS else ""
    yield Cell(f"Every finding with its picture{more}: the review", href=facts.review)


def _forms(step: Step, facts: StepFacts) -> Iterator[Form]:
    version, addresses, answered = facts.path.version, facts.addresses, facts.drift.answered
    match step.name:
        case StepName.EXPLAIN if answered is not None:
            yield from explain_all_form(answered.left, version, addresses, facts.explain_refused)
            yield from confirm_form(answered, version, addresses, facts.explain_refused)
        case StepName.APPROVE:
            yield approve_form(version, facts.approve, addresses)
        case StepName.EVALUATE:
            yield evaluate_form(facts.gate, version, addresses)
        case StepName.PROMOTE:
            yield promote_form(facts.gate, version, addresses)
        case _:
            return


def approve_form(version: int, refusals: Mapping[str, str], addresses: Addresses) -> Form:
    """The form of an approval; ``refusals`` map roles to why it would be refused."""
    why = "Says yes in a role, for the evidence as it is now: a new comparison, bundle or gate voids it."
    return role_form("approve", "Approve", why, version, refusals, addresses)


def role_form(act: str, title: str, why: str, version: int, refusals: Mapping[str, str], addresses: Addresses) -> Form:
    """A form whose choice holds the roles in which the reader may do it; without one, why not in the first."""
    fit = [role for role, refused in refusals.items() if not refused]
    refused = "" if fit else next(iter(refusals.values()), "flywheel.yaml names no roles")
    fields = (
        hidden("version", version),
        choice_field("role", "In the role", [(role, role) for role in fit], value=fit[0] if fit else ""),
        reason_field(),
    )
    return Form(addresses.act(act), title, title, why, fields, grave=act == "reject", refused=refused)
