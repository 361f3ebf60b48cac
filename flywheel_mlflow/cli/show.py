"""Prints results: tables for people on standard output, JSON for machines, narration on standard error."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING

from rich.tree import Tree

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.base.settings import UI_HOST, UI_PORT, redacted
from flywheel_mlflow.cli.console import clean, counted, open_console, print_json, say, table, yes
from flywheel_mlflow.evidence.runs import SAME_RECORDS, Check, Collected, Outcome
from flywheel_mlflow.tables.texts import format_value

if TYPE_CHECKING:
    from flywheel_mlflow.base.settings import Settings
    from flywheel_mlflow.consistency import Proof
    from flywheel_mlflow.evidence.flywheel import Flywheel
    from flywheel_mlflow.evidence.provenance import Explanation
    from flywheel_mlflow.evidence.registry import RegistryEntry
    from flywheel_mlflow.lineage_events import Sent
    from flywheel_mlflow.operations.assembly.assembling import Assembled
    from flywheel_mlflow.operations.assembly.checking import Checked
    from flywheel_mlflow.operations.assembly.explaining import Impacted
    from flywheel_mlflow.operations.projects.adopting import SuggestedContract
    from flywheel_mlflow.operations.projects.project_run import LoggedRun
    from flywheel_mlflow.operations.projects.record_changes import ChangedRecords
    from flywheel_mlflow.operations.projects.running import Ran
    from flywheel_mlflow.tracking import Adopted


def show_error(error: FlywheelError, *, verbose: bool, as_json: bool = False) -> None:
    """An error on standard error: what, where, what to try; its cause when asked, and for machines as JSON too."""
    console = open_console(stderr=True)
    say(console, f"error: {error.diagnostics()}")
    if as_json:
        from flywheel_mlflow.operations.acts.act_errors import error_document

        print_json(error_document(error))
    if verbose:
        say(console, redacted("".join(traceback.format_exception(error))))


def show_defect(error: Exception, *, verbose: bool) -> None:
    """A defect of the tool itself."""
    console = open_console(stderr=True)
    say(console, redacted(f"error: the tool failed: {type(error).__name__}: {error}"))
    say(console, "  try:   run it again with --verbose and report what it shows")
    if verbose:
        say(console, redacted("".join(traceback.format_exception(error))))


def joined(producers: Sequence[str], iteration: int) -> None:
    """Which projects run although nobody named them, on standard error."""
    if producers:
        names, verb = ", ".join(producers), "runs" if len(producers) == 1 else "run"
        say(open_console(stderr=True), f"{names} {verb} too: needed in iteration {iteration}, and cannot be carried")


def ran(found: Sequence[Ran], iteration: int, *, as_json: bool) -> None:
    """What became of each pipeline."""
    if as_json:
        print_json({"iteration": iteration, "projects": found})
        return
    rows = [
        (
            item.project_id,
            "logged" if item.run_id else "failed",
            item.run_id or "",
            "yes" if item.consumable else "no",
            f"{item.duration_s:.1f}",
            item.reason or "; ".join(item.reasons[:2]),
        )
        for item in found
    ]
    console = open_console()
    columns = ("project", "outcome", "run", "consumable", "seconds", "why not")
    console.print(table(f"pipelines of iteration {iteration}", columns, rows))
    good = sum(item.run_id is not None for item in found)
    say(console, f"{good} of {len(found)} pipelines logged a valid run")


def failed_pipelines(failed: Sequence[Ran]) -> None:
    """Which pipelines failed and why, on standard error: an assembly that cannot be made does not hide it."""
    for item in failed:
        say(open_console(stderr=True), f"the pipeline of {item.project_id} failed: {item.reason}")


def flywheel(found: Flywheel, *, as_json: bool) -> None:
    """What a valid flywheel promises."""
    if as_json:
        document = {
            "flywheel": found.name,
            "blueprint_digest": found.blueprint.digest,
            "projects": {name: contract.digest for name, contract in found.contracts.items()},
            "warnings": list(map(str, found.warnings)),
        }
        print_json(document)
        return
    warn(found.warnings)
    rows = [
        (
            contract.id,
            contract.title,
            contract.owner,
            contract.phase,
            ", ".join(contract.stages),
            len(contract.interfaces_out),
            len(contract.interfaces_in),
            len(contract.kpis),
        )
        for contract in found.contracts.values()
    ]
    columns = ("id", "title", "owner", "phase", "stages", "makes", "reads", "KPIs")
    open_console().print(table(f"{found.name}: {counted(len(rows), 'contract')}, no faults", columns, rows))


def warn(lines: Iterable[object]) -> None:
    """What a person should look at, a line each on standard error."""
    console = open_console(stderr=True)
    for line in lines:
        say(console, f"warning: {line}")


def sent(events: Sent) -> None:
    """How many OpenLineage events went out."""
    if events.total or events.why:
        say(open_console(stderr=True), f"{'warning: ' if events.why else ''}{events}")


def logged(run: LoggedRun, *, as_json: bool) -> None:
    """A logged run, and whether its contract holds."""
    entry = run.entry
    summary = entry.evidence.checks if entry.evidence else None
    if as_json:
        document = {
            "run_id": run.run_id,
            "project_id": entry.project_id,
            "consumable": entry.consumable,
            "reasons": list(entry.reasons),
            "notes": list(entry.notes),
            "passed_checks": summary.passed if summary else None,
            "total_checks": summary.total if summary else None,
            "findings": run.findings,
            "kpis": {item.kpi.name: item.value for item in entry.kpis},
            "interfaces": {item.promise.name: item.version for item in entry.interfaces},
            "missing": run.missing,
        }
        print_json(document)
        return
    console = open_console()
    say(console, f"logged {entry.project_id} as run {run.run_id}")
    if summary:
        say(console, f"checks: {summary.passed} of {summary.total} passed")
        for check in run.findings:
            say(console, f"  {check.outcome.value}: {check.name}" + (f": {check.message}" if check.message else ""))
    rows = [
        (
            item.kpi.name,
            format_value(item.value, item.kpi.unit),
            format_value(item.kpi.target, item.kpi.unit),
            item.kpi.direction,
            format_value(item.attainment, "ratio"),
        )
        for item in entry.kpis
    ]
    console.print(table("KPIs", ("name", "value", "target", "better", "attained"), rows))
    made = [
        (
            item.promise.name,
            item.version.digest if item.version else "none",
            format_value(item.version.rows if item.version else None, "records"),
            yes(item.promise.required),
        )
        for item in entry.interfaces
    ]
    console.print(table("Interfaces", ("name", "version", "rows", "required"), made))
    say(console, "consumable: " + yes(entry.consumable))
    for reason in entry.reasons:
        say(console, f"  {reason}")
    warn(run.missing)


def adopted(found: Adopted, project_id: str, *, dry_run: bool, as_json: bool) -> None:
    """Which runs were tagged, and which were left alone."""
    if as_json:
        document = {"project_id": project_id, "dry_run": dry_run, "adopted": found.run_ids}
        told = {"left_alone": found.left_alone, "sources": found.sources, "missing": found.missing}
        told |= {"evaluated": found.evaluated}
        print_json(document | told | {"counts": found.counts, "collisions": found.collisions})
        return
    console = open_console()
    verb = "would adopt" if dry_run else "adopted"
    say(console, f"{verb} {counted(len(found.run_ids), 'run')} for {project_id}")
    for run_id in found.run_ids:
        say(console, f"  {run_id}")
    if len(found.run_ids) > 1:
        say(console, "  a project has one run in an iteration: of these the one that ended last counts")
    for item in found.left_alone:
        say(console, f"  left alone {item.run_id}: {item.reason}")
    for what, names in found.sources.items():
        if names:
            say(console, f"  {what} <- {', '.join(names)}")
    for line in found.evaluated:
        say(console, f"  evaluated {line}")
    warn((*found.missing, *found.collisions))


def suggested(found: SuggestedContract, *, as_json: bool) -> None:
    """The contract that was written from a run."""
    if as_json:
        print_json(found)
        return
    here = Path.cwd()
    place = found.path.relative_to(here) if found.path.is_relative_to(here) else found.path
    print(f"wrote {place} from run {found.run_id}")
    for name, metric in found.kpis.items():
        say(open_console(), f"  {name} <- {metric}")
    print("next: look at each direction and unit, then run `flywheel validate`, and `flywheel adopt` with --dry-run")


def collected(found_for: Flywheel, found: Collected, rewritten: Sequence[str] = (), *, as_json: bool) -> None:
    """An iteration's evidence, and the interfaces that hold what they held before in other files."""
    if as_json:
        document = {"iteration": found.iteration, "evidence": found.evidence, "skipped": found.skipped}
        print_json(document | {"rewritten": list(rewritten)})
        return
    rows = []
    for contract in found_for.contracts.values():
        evidence = found.evidence.get(contract.id)
        if contract.is_assembly:
            rows.append((contract.id, "self-evidence", "comes with `flywheel assemble`", "", ""))
        elif evidence is None:
            rows.append((contract.id, "without evidence", "", "", ""))
        else:
            state = f"carried from {evidence.carried_from}" if evidence.carried_from else evidence.kind.value
            state += "" if evidence.is_verified else ", not verified"
            checks = f"{evidence.checks.passed}/{evidence.checks.total}"
            rows.append((contract.id, state, evidence.run_id or "", checks, str(len(evidence.interfaces_out))))
    console = open_console()
    columns = ("project", "evidence", "run", "checks", "interface versions")
    console.print(table(f"iteration {found.iteration}", columns, rows))
    for name in rewritten:
        say(console, f"{name}: {SAME_RECORDS}")
    for item in found.skipped:
        who = f"skipped {item.run_id} of {item.project_id}: " if item.run_id else ""
        say(console, f"{who}{item.reason}")


def _state(entry: RegistryEntry) -> str:
    """What stands behind a project: the kind of its evidence, or that it is carried or missing."""
    measured_now = entry.evidence is not None and entry.evidence.carried_from is None
    return entry.evidence.kind.value if entry.evidence and measured_now else entry.state.value


def assembled(
    found: Assembled,
    settings: Settings,
    failed: Sequence[Ran] = (),
    unrecorded: Mapping[str, FlywheelError] | None = None,
    *,
    as_json: bool,
) -> None:
    """What was assembled, and how to open it."""
    assembly = found.assembly
    value = assembly.metrics.value
    if as_json:
        document = {
            "iteration": assembly.iteration,
            "run_id": found.run_id,
            "unchanged": found.unchanged,
            "digest": found.digest,
            "metrics": {
                name: metric.value for name, metric in assembly.metrics.items() if name.startswith("flywheel.")
            },
            "stages": {run.stage.id: {"status": run.status.value, "score": run.score} for run in assembly.stage_runs},
            "bottlenecks": [item.rule.id for item in assembly.bottlenecks],
            "consumable": [item.project_id for item in assembly.registry.values() if item.consumable],
            "contradictions": [check.name for check in found.contradictions],
            "failed_pipelines": {item.project_id: item.reason for item in failed},
            "lost_tasks": {item.task: item.why for item in assembly.absorption.lost},
            "unrecorded_tasks": {name: error.what for name, error in (unrecorded or {}).items()},
        }
        print_json(document)
        return
    console = open_console()
    rows = [
        (
            entry.project_id,
            entry.contract.title,
            _state(entry),
            f"{entry.evidence.checks.passed}/{entry.evidence.checks.total}" if entry.evidence else "unknown",
            format_value(value(f"{entry.project_id}.score"), "score 0..1"),
            yes(entry.consumable),
            entry.reasons[0] if entry.reasons else "",
        )
        for entry in assembly.registry.values()
    ]
    columns = ("project", "title", "evidence", "checks", "score", "consumable", "first reason")
    console.print(table(f"{assembly.flywheel.name}, iteration {assembly.iteration}", columns, rows))
    stages = [
        (
            run.stage.title,
            run.status.value,
            format_value(run.score, "score 0..1"),
            run.reasons[0] if run.reasons else "",
        )
        for run in assembly.stage_runs
    ]
    console.print(table("Stages", ("stage", "status", "score", "first reason"), stages))
    fired = [
        (item.rule.id, item.rule.severity, item.rule.when, _values(item.values), item.reach, f"{item.rank:.2f}")
        for item in assembly.bottlenecks
    ]
    headings = ("bottleneck", "severity", "rule", "values", "projects downstream", "rank")
    if fired:
        console.print(table("Bottlenecks, most pressing first", headings, fired))
    else:
        say(console, "no bottleneck rule fired")
    if assembly.undecided:
        open_rules = ", ".join(rule.id for rule in assembly.undecided)
        say(console, f"not decided, because a value they read is unknown: {open_rules}")
    for line in _closing_lines(found, settings):
        say(console, line)


def _values(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} = {'unknown' if value is None else f'{value:g}'}" for name, value in values.items())


def _not_counted(found: Assembled) -> str:
    """How many upstream checks neither passed nor count against anybody."""
    entries = (entry for entry in found.assembly.registry.values() if not entry.contract.is_assembly)
    summaries = [entry.evidence.checks for entry in entries if entry.evidence]
    parts = {"skipped": sum(item.skipped for item in summaries), "only warn": sum(item.warned for item in summaries)}
    told = ", ".join(f"{count} {word}" for word, count in parts.items() if count)
    return f" ({told})" if told else ""


def _closing_lines(found: Assembled, settings: Settings) -> Iterator[str]:
    value = found.assembly.metrics.value
    projects = value("flywheel.project_count")
    yield (
        f"{projects} {'project' if projects == 1 else 'projects'} registered, "
        f"{value('flywheel.evidenced_count')} with evidence, "
        f"{value('flywheel.consumable_count')} consumable; upstream checks {value('flywheel.upstream_checks_passed')} "
        f"of {value('flywheel.upstream_check_count')} passed{_not_counted(found)}"
    )
    passed = len(found.checks) - len(found.contradictions)
    yield f"the assembly's own checks: {passed} of {len(found.checks)} passed"
    for check in found.contradictions:
        yield f"  {check.outcome.value}: {check.name}: {check.message}"
    word = "nothing changed since" if found.unchanged else "written as"
    yield f"{word} run {found.run_id}"
    page = f"/#/experiments/{found.experiment_id}/runs/{found.run_id}?workflowType=machine_learning"
    if settings.is_server:
        yield from _addresses(settings.shown_uri.rstrip("/"), page, found.table, pages=found.pages)
    else:
        from flywheel_mlflow.operations.serving import server_environment, server_words

        yield "look at it: flywheel ui"
        setting = " ".join(f"{name}={quote(value)}" for name, value in server_environment(settings).items())
        lines = [join(words) for words in server_words(settings, uri=settings.shown_uri)]
        yield f"serve it: {setting} " + " \\\n          ".join(lines)
        yield from _addresses(f"http://{UI_HOST}:{UI_PORT}", page, found.table, pages=True)


def _addresses(server: str, run: str, table: str, *, pages: bool) -> Iterator[str]:
    from flywheel_mlflow.tables.addresses import Addresses

    yield f"open it:  {server}{run}"
    yield f"compare:  {server}/{table}"
    if pages:
        yield f"console:  {server}{Addresses().overview()}"


def checked(found: Checked, *, junit: Path | None, as_json: bool) -> bool:
    """The outcome of the assembly's checks; whether all passed."""
    from flywheel_mlflow.base.writing import write_files
    from flywheel_mlflow.reports.checks import junit_xml, results_document

    if junit is not None:
        write_files({junit.name: junit_xml(found.checks)}, junit.parent)
    if as_json:
        print_json({"iteration": found.iteration, "run_id": found.run_id} | results_document(found.checks))
        return found.passed
    console = open_console()
    rows = [(check.outcome.value, check.name, _first_line(check)) for check in found.checks]
    console.print(table(f"iteration {found.iteration}, run {found.run_id}", ("outcome", "check", "message"), rows))
    good = sum(check.outcome is Outcome.PASSED for check in found.checks)
    say(console, f"{good} of {len(found.checks)} checks passed")
    return found.passed


def _first_line(check: Check) -> str:
    return check.message.splitlines()[0][:200] if check.message else ""


def proofs(found: Sequence[Proof], *, as_json: bool) -> bool:
    """Which checks turned red under their faults; whether all did that had something to break."""
    from flywheel_mlflow.consistency import all_proved

    held = all_proved(found)
    proved, idle = sum(proof.proved for proof in found), sum(not proof.applicable for proof in found)
    if as_json:
        print_json({"proved": proved, "not_applicable": idle, "total": len(found), "proofs": found})
        return held
    rows = [
        (yes(proof.proved) if proof.applicable else "-", proof.name, _faults_found(proof), proof.fault or proof.message)
        for proof in found
    ]
    console = open_console()
    columns = ("turned red", "check", "faults found", "one of them")
    console.print(table("Each check under seeded faults", columns, rows))
    rest = f"; {idle} {'has' if idle == 1 else 'have'} nothing to break here" if idle else ""
    say(console, f"{proved} of {len(found)} checks can fail{rest}")
    return held


def _faults_found(proof: Proof) -> str:
    return f"{sum(trial.found for trial in proof.trials)} of {len(proof.trials)}"


def explanation(found: Explanation, *, as_json: bool) -> None:
    """The tree behind a number."""
    if as_json:
        print_json(found)
        return
    open_console().print(_branch(found))


def _branch(found: Explanation) -> Tree:
    metric = found.metric
    tree = Tree(clean(f"{metric.name} = {format_value(metric.value, metric.unit)} ({metric.unit})"), guide_style="dim")
    if found.repeated:
        tree.add(clean("shown above"))
        return tree
    tree.add(clean(f"rule: {metric.rule}"))
    if metric.note:
        tree.add(clean(f"note: {metric.note}"))
    if metric.source:
        source = metric.source
        place = f", {source.place}" if source.place else ""
        digest = f", digest {source.digest[:16]}" if source.digest else ""
        tree.add(clean(f"from {source.kind} {source.ref}{place}{digest}"))
    for item in found.inputs:
        tree.children.append(_branch(item))
    return tree


def impacted(found: Impacted, iteration: int | None, changed: ChangedRecords | None = None, *, as_json: bool) -> None:
    """Everything downstream of a change, and the records that changed where somebody asked."""
    if as_json:
        document = {"changed": found.changed, "producer": found.producer, "reached": found.reached}
        print_json({"iteration": iteration} | document | ({"records": changed} if changed else {}))
        return
    rows = [
        (
            "this" if item.turns == 0 else f"+{item.turns}",
            item.distance,
            item.project_id,
            " -> ".join([item.through[0].producer, *(f"[{step.interface}] {step.consumer}" for step in item.through)]),
            item.through[-1].made or "none",
            f"{item.through[-1].state.value}{f', {SAME_RECORDS}' if item.through[-1].same_records else ''}",
        )
        for item in found.reached
    ]
    when = f"in iteration {iteration}" if iteration else "by contract: nothing was assembled yet"
    console = open_console()
    columns = ("iteration", "steps", "project", "way", "version", "state")
    maker = "" if found.changed == found.producer else f" (made by {found.producer})"
    console.print(table(f"a change of {found.changed}{maker} reaches, {when}", columns, rows))
    now = sum(item.turns == 0 for item in found.reached)
    say(console, f"{counted(len(found.reached), 'project')} downstream, {now} of them in the same iteration")
    if changed is not None:
        say(console, f"records since iteration {changed.since}: {changed.changes}")
        for kind, names in changed.changes.named.items():
            if names:
                say(console, f"  {kind}: {', '.join(names)}")
