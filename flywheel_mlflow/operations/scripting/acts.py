"""Every act of people as a method: done by the server where its plugin serves the flywheel, else here."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.settings import openlineage_target
from flywheel_mlflow.operations.acts.acting import act_somewhere, unsent_of
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.printable import plain_cell
from flywheel_mlflow.operations.scripting.results import (
    Decision,
    GateCriterion,
    GateVerdict,
    Move,
    NewRelease,
    Reconciled,
    Table,
)

if TYPE_CHECKING:
    from flywheel_mlflow.base.signing import SigningKey
    from flywheel_mlflow.lineage_events import Sent

_LOG = logging.getLogger(__name__)


class Acts:
    """What people decide, each as the command of that name; ``dry_run`` does everything but write.

    All raise Refused when a rule says no, UnknownName or InputError for arguments at fault, ServerError for the server.
    """

    session: Session

    def _act(self, name: str, **arguments: object) -> dict[str, Any]:
        answer = act_somewhere(self.session, name, arguments)
        warn_unsent(unsent_of(answer))
        return answer

    def _decide(self, name: str, **arguments: object) -> Decision:
        answer = self._act(name, **arguments)
        details = answer["body"] if isinstance(answer.get("body"), Mapping) else answer
        shown = {key: value for key, value in details.items() if key not in ("event", "notes")}
        notes = answer.get("notes", ())
        return Decision(name, answer.get("event"), shown, tuple(notes if isinstance(notes, list | tuple) else (notes,)))

    def create_release(self, iteration: int, *, dry_run: bool = False, openlineage: str | None = None) -> NewRelease:
        """Make a release of an assembled iteration; the same bundle is the same release."""
        made = self._act("create", iteration=iteration, dry_run=dry_run)
        if (target := openlineage_target(openlineage, os.environ)) and not dry_run:
            from flywheel_mlflow.operations.acts.emitting import emit_release

            warn_of_unsent_events(emit_release(self.session, made["version"], target))
        names = ("interface", "project", "iteration", "digest", "rows", "licence")
        pins = tuple({name: pin[name] for name in names} for pin in made["bundle"]["pins"])
        own = {name: made[name] for name in ("version", "iteration", "event", "existed", "dry_run")}
        return NewRelease(**own, digest=made["bundle"]["digest"], interfaces=pins, left_out=made["bundle"]["left_out"])

    def gate(self, version: int, to: str, *, dry_run: bool = False) -> GateVerdict:
        """Evaluate the gate before a stage."""
        answer = self._act("gate", version=version, to=to, dry_run=dry_run)
        result = answer["result"]
        names = [part.name for part in fields(GateCriterion)]
        criteria = tuple(GateCriterion(**{name: item[name] for name in names}) for item in result["criteria"])
        return GateVerdict(
            result["version"], result["to"], result["verdict"], criteria, answer["event"], answer["run_id"]
        )

    def approve(
        self,
        version: int,
        role: str,
        reason: str,
        *,
        until: datetime | None = None,
        key: str | Path | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Say yes in a role; with a ``key`` it is signed, and the key stays on this machine."""
        signature = None
        if key is not None:
            from flywheel_mlflow.operations.releases.decisions import sign_approval

            until, reason, signature = sign_approval(self.session, version, role, reason, until=until, key=_key_at(key))
        return self._decide(
            "approve", version=version, role=role, reason=reason, until=until, signature=signature, dry_run=dry_run
        )

    def explain_drift(self, version: int, findings: Iterable[str], reason: str, *, dry_run: bool = False) -> Decision:
        """Answer for findings of the drift comparison, or for all of a project or interface."""
        return self._decide("explain-drift", version=version, findings=list(findings), reason=reason, dry_run=dry_run)

    def confirm_changes(self, version: int, reason: str | None = None, *, dry_run: bool = False) -> Decision:
        """Confirm every change that a task intended."""
        return self._decide("confirm-changes", version=version, reason=reason, dry_run=dry_run)

    def reject(self, version: int, role: str, reason: str, *, dry_run: bool = False) -> Decision:
        """Say no for good, in a role."""
        return self._decide("reject", version=version, role=role, reason=reason, dry_run=dry_run)

    def retire(self, version: int, reason: str, *, dry_run: bool = False) -> Decision:
        """Take a release out for good."""
        return self._decide("retire", version=version, reason=reason, dry_run=dry_run)

    def override(
        self, version: int, to: str, reason: str, *, until: datetime, second: str, dry_run: bool = False
    ) -> Decision:
        """Permit one promotion without a passing gate, once the ``second`` person confirmed it."""
        return self._decide(
            "override", version=version, to=to, reason=reason, until=until, second=second, dry_run=dry_run
        )

    def confirm_override(
        self, version: int, reason: str, *, key: str | Path | None = None, dry_run: bool = False
    ) -> Decision:
        """Confirm an override that names you as its second person."""
        signature = None
        if key is not None:
            from flywheel_mlflow.operations.releases.overriding import sign_confirmation

            signature = sign_confirmation(self.session, version, reason, _key_at(key))
        return self._decide("override-confirm", version=version, reason=reason, signature=signature, dry_run=dry_run)

    def promote(self, version: int, to: str, *, dry_run: bool = False, openlineage: str | None = None) -> Move:
        """Move a release whose gate passed."""
        return self._moved(openlineage, self._act("promote", version=version, to=to, dry_run=dry_run))

    def rollback(
        self,
        reason: str,
        *,
        to: int | None = None,
        full: bool = False,
        dry_run: bool = False,
        openlineage: str | None = None,
    ) -> Move:
        """Take production back to a release that was there and whose data are whole."""
        return self._moved(openlineage, self._act("rollback", reason=reason, to=to, full=full, dry_run=dry_run))

    def _moved(self, openlineage: str | None, answer: Mapping[str, Any]) -> Move:
        if (target := openlineage_target(openlineage, os.environ)) and not answer["dry_run"]:
            from flywheel_mlflow.operations.acts.emitting import emit_move

            warn_of_unsent_events(emit_move(self.session, target))
        return _move(answer)

    def reconcile(self, *, force: bool = False, dry_run: bool = False) -> Reconciled:
        """Make the server agree with the ledger."""
        answer = self._act("reconcile", force=force, dry_run=dry_run)
        return Reconciled(tuple(answer["mended"]), answer["dry_run"])

    def start_experiment(self, experiment: str, *, dry_run: bool = False) -> Decision:
        """Start a round of an experiment, as flywheel.yaml declares it now."""
        return self._decide("experiment-start", experiment=experiment, dry_run=dry_run)

    def decide_experiment(
        self, experiment: str, decision: str, reason: str, *, variant: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Write down what is made of an experiment: ``ship`` a variant, ``keep`` the control, or ``stop``."""
        return self._decide(
            "experiment-decide",
            experiment=experiment,
            decision=decision,
            reason=reason,
            variant=variant,
            dry_run=dry_run,
        )

    def choose_variant(
        self, project: str, variant: str, *, iteration: int, reason: str, dry_run: bool = False
    ) -> Decision:
        """Let a variant of a project count from an iteration on."""
        return self._decide(
            "variant-choose", project=project, variant=variant, iteration=iteration, reason=reason, dry_run=dry_run
        )

    def notify(
        self,
        *,
        audit: bool = True,
        full: bool = False,
        at_once: bool = False,
        patient: bool = True,
        dry_run: bool = False,
    ) -> Table:
        """Tell people everything that waits and was not told yet.

        ``audit`` looks for findings of the audit too (``full``: in the data of every release), ``at_once`` tries again
        what failed a moment ago, ``patient`` waits for slow services.
        """
        answer = self._act("notify-send", audit=audit, full=full, at_once=at_once, patient=patient, dry_run=dry_run)
        title = f"{len(answer['notices'])} notifications, {answer['already']} sent before"
        return Table(title, tuple(answer["notices"]), tuple(answer["notes"]))

    def notify_test(self, channel: str, *, to: str | None = None, dry_run: bool = False) -> Table:
        """Send a test message on a channel; where it has a contact to the person ``to``, else to yourself."""
        answer = self._act("notify-test", channel=channel, to=to, dry_run=dry_run)
        return Table(f"test of the channel {channel}", (answer,))

    def export(
        self, version: int, out: str | Path, *, key: str | Path | None = None, croissant: bool = False
    ) -> tuple[str, ...]:
        """Write a release's bundle, the ledger and its signed end below ``out``; the files' names.

        With ``croissant`` also the data of every interface, each with a Croissant document beside it.
        """
        from flywheel_mlflow.operations.releases.exporting import export_release

        sign = partial(self._act, "sign-head", version=version)
        signer = _key_at(key) if key else None
        return export_release(self.session, version, Path(out), sign=sign, key=signer, croissant=croissant)

    def open_risk(
        self,
        title: str,
        *,
        owner: str,
        due: datetime,
        likelihood: int,
        impact: int,
        mitigation: str = "",
        projects: Iterable[str] = (),
        dry_run: bool = False,
    ) -> Decision:
        """Open a risk; likelihood and impact are 1..5."""
        return self._decide(
            "risk-open",
            title=title,
            owner=owner,
            due=due,
            likelihood=likelihood,
            impact=impact,
            mitigation=mitigation,
            projects=list(projects),
            dry_run=dry_run,
        )

    def update_risk(
        self,
        risk: str,
        *,
        owner: str | None = None,
        due: datetime | None = None,
        likelihood: int | None = None,
        impact: int | None = None,
        mitigation: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Change a risk; a closed one opens again."""
        return self._decide(
            "risk-update",
            risk=risk,
            owner=owner,
            due=due,
            likelihood=likelihood,
            impact=impact,
            mitigation=mitigation,
            dry_run=dry_run,
        )

    def close_risk(self, risk: str, *, evidence: str, reason: str, dry_run: bool = False) -> Decision:
        """Close a risk, with the run that shows it."""
        return self._decide("risk-close", risk=risk, evidence=evidence, reason=reason, dry_run=dry_run)

    def watch_risks(self, iteration: int, *, dry_run: bool = False) -> Table:
        """Open the risks an iteration shows."""
        answer = self._act("risk-watch", iteration=iteration, dry_run=dry_run)
        found = tuple({name: plain_cell(value) for name, value in item.items()} for item in answer["found"])
        return Table(f"{len(found)} risks found in iteration {iteration}, {len(answer['written'])} written", found)

    def review(self, quarter: str, *, out: str | Path | None = None, dry_run: bool = False) -> Decision:
        """Write the review of a quarter such as ``2026Q4``, log it, and write down that it was held."""
        from flywheel_mlflow.operations.assembly.reviewing import write_review

        found = write_review(self.session, quarter, out=Path(out) if out else None, dry_run=dry_run)
        if found.run_id is None:
            why = () if dry_run else ("no assembly of that quarter: nothing was logged",)
            return Decision("review", None, {"quarter": quarter, "text": found.text}, why)
        told = self._act("review", quarter=quarter, run_id=found.run_id, digest=found.digest)
        return Decision("review", told["event"], {"quarter": quarter, "run_id": found.run_id, "text": found.text})

    def reroute(self, event: str, *, to: str, reason: str, dry_run: bool = False) -> Decision:
        """Send an event of feedback to another project."""
        answer = self._act("reroute", event=event, to=to, reason=reason, dry_run=dry_run)
        return Decision("reroute", answer.get("event"), {"feedback event": event, "to": to, "reason": reason})

    def accept_task(
        self,
        theme: str,
        category: str,
        *,
        found_in: int | None = None,
        iteration: int | None = None,
        request: str = "",
        kpi: str = "",
        moves: Iterable[str] = (),
        cost: str = "",
        file: str | Path | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Accept a theme or another candidate as a task of its project for ``iteration``, the next one unasked.

        ``cost`` is what it is expected to cost: ``3d``, ``12h``, ``500 EUR``.
        """
        from flywheel_mlflow.operations.feedback.tasking import prepare_task

        prepared = prepare_task(
            self.session,
            theme,
            category=category,
            found_in=found_in,
            iteration=iteration,
            request=request,
            kpi=kpi,
            moves=tuple(moves),
            cost=cost,
            file=Path(file) if file else None,
            dry_run=dry_run,
        )
        task = prepared.task
        details = {"task": task.id, "project": task.project, "theme": theme}
        if prepared.run_id is None:
            return Decision("task-accept", None, details)
        answer = self._act("task-accept", run_id=prepared.run_id, digest=prepared.digest)
        return Decision("task-accept", answer["event"], details)

    def queue_theme(self, theme: str, reason: str, *, iteration: int | None = None, dry_run: bool = False) -> Decision:
        """Put a theme off: it waits."""
        return self._decide("theme-queue", theme=theme, reason=reason, iteration=iteration, dry_run=dry_run)

    def decline_theme(
        self, theme: str, reason: str, *, iteration: int | None = None, dry_run: bool = False
    ) -> Decision:
        """Decline a theme."""
        return self._decide("theme-decline", theme=theme, reason=reason, iteration=iteration, dry_run=dry_run)

    def estimate_cost(
        self, about: str, reason: str, *, cost: str | None = None, reuse: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Say what a theme, a candidate or a task is expected to cost, and whether what it makes is used again.

        ``cost`` is such as ``3d``, ``12h`` or ``500 EUR``, ``reuse`` is ``asset`` or ``one_time``.
        """
        return self._decide("task-estimate", about=about, cost=cost, reuse=reuse, reason=reason, dry_run=dry_run)

    def spend(self, task: str, total: str, *, dry_run: bool = False) -> Decision:
        """Say what was spent on a task in all, such as ``12h``; a later word replaces an earlier one."""
        return self._decide("task-spend", task=task, total=total, dry_run=dry_run)

    def rename_theme(self, theme: str, title: str, *, reason: str, dry_run: bool = False) -> Decision:
        """Give a theme another title."""
        return self._correct_theme("theme-rename", theme=theme, title=title, reason=reason, dry_run=dry_run)

    def merge_themes(self, theme: str, *, into: str, reason: str, dry_run: bool = False) -> Decision:
        """Make two themes one: ``into`` stays."""
        return self._correct_theme("theme-merge", theme=theme, into=into, reason=reason, dry_run=dry_run)

    def move_events(
        self,
        theme: str,
        events: Iterable[str],
        *,
        reason: str,
        into: str | None = None,
        title: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Move events of a theme to another one, or split them off as a new one."""
        return self._correct_theme(
            "theme-move", theme=theme, events=list(events), into=into, title=title, reason=reason, dry_run=dry_run
        )

    def _correct_theme(self, name: str, *, dry_run: bool, **asked: Any) -> Decision:
        """Write a change of a theme down, and keep the themes of its iteration as they are with it."""
        from flywheel_mlflow.operations.feedback.theming import find_themes

        decision = self._decide(name, dry_run=dry_run, **asked)
        if not dry_run:
            iteration = decision.details["iteration"]
            find_themes(self.session.flywheel, self.session.tracking, iteration, now=datetime.now(UTC))
        return decision

    def absorb_task(self, task: str, *, iteration: int, evidence: str, dry_run: bool = False) -> Decision:
        """Write down that people did a task, with the run that shows it."""
        return self._decide("task-absorb", task=task, iteration=iteration, evidence=evidence, dry_run=dry_run)

    def withdraw_task(self, task: str, reason: str, *, dry_run: bool = False) -> Decision:
        """Hand a task to no later iteration."""
        return self._decide("task-withdraw", task=task, reason=reason, dry_run=dry_run)

    def restore_task(self, task: str, reason: str, *, dry_run: bool = False) -> Decision:
        """Take a withdrawn task up again."""
        return self._decide("task-restore", task=task, reason=reason, dry_run=dry_run)

    def submit_human_review(
        self,
        review: str,
        *,
        table: str | Path | None = None,
        known_as: str = "",
        key: str | Path | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Stand by your answers: those of a table, else those that MLflow has; with a ``key`` they are signed.

        Raises:
            UnknownName: no such review. DocumentError: every fault of the table. InputError: there is no answer.
            Refused: items that nobody drew, or no signature where one is due.
        """
        from flywheel_mlflow.operations.releases.human_review import prepare_answers, sign_answers

        path = Path(table) if table else None
        prepared = prepare_answers(self.session, review, table=path, known_as=known_as, dry_run=dry_run)
        details = {
            name: plain_cell(getattr(prepared, name)) for name in ("review", "reviewer", "subject", "items", "missing")
        }
        if prepared.run_id is None:
            return Decision("human-review-submit", None, details)
        signature = None
        if key is not None:
            from flywheel_mlflow.base.signing import read_key

            signature = sign_answers(self.session, prepared, read_key(Path(key)))
        answer = self._act("human-review-submit", run_id=prepared.run_id, digest=prepared.digest, signature=signature)
        return Decision("human-review-submit", answer["event"], details)


def warn_unsent(lines: Iterable[str]) -> None:
    """Log what people could not be told: it fails no act."""
    for line in lines:
        _LOG.warning("%s", line)


def warn_of_unsent_events(sent: Sent) -> None:
    """A warning where OpenLineage events were not sent: what they are about was done all the same."""
    if sent.why:
        warnings.warn(str(sent), stacklevel=3)


def _move(answer: Mapping[str, Any]) -> Move:
    values: dict[str, Any] = {part.name: answer[part.name] for part in fields(Move)}
    return Move(**{**values, "steps": tuple(values["steps"]), "notes": tuple(values["notes"])})


def _key_at(path: str | Path) -> SigningKey:
    from flywheel_mlflow.base.signing import read_key

    return read_key(Path(path))
