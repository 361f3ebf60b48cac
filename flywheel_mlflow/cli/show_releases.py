"""Prints what commands about releases found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import ExitCode
from flywheel_mlflow.cli.console import counted, draw, draw_list, open_console, print_json, say, table, yes
from flywheel_mlflow.tables.differences import interface_changes_table, numbers_table
from flywheel_mlflow.tables.releases import ledger_table, pins_table, releases_table
from flywheel_mlflow.tables.texts import format_value

if TYPE_CHECKING:
    from flywheel_mlflow.assembly.diff import ReleaseDiff
    from flywheel_mlflow.assembly.history import LedgerLine
    from flywheel_mlflow.decisions.releases import Move
    from flywheel_mlflow.decisions.summaries import ReleaseSummary
    from flywheel_mlflow.operations.doctor import Diagnosis
    from flywheel_mlflow.operations.projects.loading import Consumable
    from flywheel_mlflow.operations.projects.resolving import Resolved
    from flywheel_mlflow.operations.reading.telling import Shown
    from flywheel_mlflow.operations.releases.auditing import Audit
    from flywheel_mlflow.operations.releases.verifying import Verification

#: What a verdict means to whoever called the command.
EXIT = {"PASS": ExitCode.PASS, "BLOCK": ExitCode.BLOCK, "INCONCLUSIVE": ExitCode.INCONCLUSIVE}
#: Decisions whose kind alone makes no sentence with the release behind it.
DECISIONS = {
    "drift_explained": "drift explained of",
    "override": "override for",
    "override_confirmed": "override confirmed for",
}


def day(moment: datetime) -> str:
    """A moment to the minute, UTC."""
    return f"{moment:%Y-%m-%d %H:%M}"


def _licence(told: str | None) -> str:
    return told or "unknown"


def created(answer: Mapping[str, Any], first_stage: str, *, as_json: bool) -> None:
    """A release that was made, or would be; ``first_stage`` is what the first gate guards."""
    if as_json:
        print_json(answer)
        return
    console = open_console()
    bundle, version = answer["bundle"], answer["version"]
    pins, left_out = bundle["pins"], bundle["left_out"]
    rows = [
        (
            pin["interface"],
            pin["project"],
            pin["digest"],
            format_value(pin["rows"], "count"),
            pin["licence"] or "unknown",
        )
        for pin in pins
    ]
    title = f"interfaces of iteration {answer['iteration']}, pinned by bundle {bundle['digest'][:16]}"
    console.print(table(title, ("interface", "made by", "digest", "rows", "licence"), rows))
    for name, why in left_out.items():
        say(console, f"left out {name}: {why}")
    if answer["existed"]:
        say(console, f"this is release {version} already")
    elif answer["dry_run"]:
        say(console, "would make a new release of these")
    else:
        say(console, f"made release {version} (event {answer['event']})")
        say(console, f"next: flywheel gate {version} --to {first_stage}")


def listed(found: Sequence[ReleaseSummary], *, as_json: bool) -> None:
    """All releases."""
    if as_json:
        print_json({"releases": found})
        return
    if not found:
        say(open_console(), "no release yet; next: flywheel release create --iteration N")
        return
    draw_list(releases_table(found))


def shown(found: Shown, *, as_json: bool) -> None:
    """One release."""
    if as_json:
        print_json(found)
        return
    console, release = open_console(), found.release
    say(console, f"release {release.version}: {found.stage}, iteration {release.iteration}, run {release.run_id}")
    say(console, f"made by {release.author.name} on {day(release.at)} UTC; bundle {release.bundle}")
    if found.faults:
        say(console, f"error: {found.faults}")
    draw(pins_table(found.pins, "it pins"))
    for name, why in found.left_out.items():
        say(console, f"left out {name}: {why}")
    for gate in release.gates:
        say(console, f"gate to {gate.to}: {gate.verdict} on {day(gate.at)} (event {gate.number}, run {gate.run_id})")
    for judged in found.approvals:
        approval = judged.approval
        proof = "verified" if judged.verified else "unverified"
        counts = f"counted for {judged.served}" if judged.served else f"counts until {day(approval.until)}"
        state = "; ".join(judged.against) or counts
        say(console, f"approved by {approval.actor.name} ({proof}) as {approval.role}: {approval.reason} -- {state}")
    for explained in release.explanations:
        subjects = ", ".join(explained.subjects)
        say(console, f"drift explained by {explained.actor.name} ({subjects}): {explained.reason}")
    for item in found.overrides:
        say(
            console,
            f"OVERRIDE to {item.to} by {item.actor.name} with {item.second} until {day(item.until)}"
            f"{'' if item.confirmed is not None else f' (pending: {item.second} has not confirmed it)'}: {item.reason}",
        )
    for move in found.moves:
        end = "open" if move.ended is None else "done" if move.done else "undone"
        word = "rolled back" if move.rollback else "promoted"
        say(console, f"{word} to {move.to} by {move.actor.name} on {day(move.at)} ({end}, event {move.number})")
    for word, event in (("rejected", release.rejected), ("retired", release.retired)):
        if event is not None:
            say(console, f"{word} by {event.actor.name} on {day(event.at)}: {event.body.get('reason', '')}")


def differing(found: ReleaseDiff, *, before: int, after: int, as_json: bool) -> None:
    """What differs between two releases."""
    if as_json:
        print_json({"before": before, "after": after, "diff": found})
        return
    console = open_console()
    if found.empty:
        say(console, f"releases {before} and {after} do not differ")
        return
    sides = (f"release {before}", f"release {after}")
    if found.numbers:
        draw(numbers_table(found.numbers, sides, "numbers that differ"))
    if any(item.kpi for item in found.numbers):
        say(console, found.judged)
    if found.interfaces:
        draw(interface_changes_table(found.interfaces, sides))
    if found.contracts:
        say(console, f"contracts changed: {', '.join(found.contracts)}")
    if found.blueprint:
        say(console, "the blueprint (flywheel.yaml) changed")


def story(found: Sequence[LedgerLine], *, as_json: bool) -> None:
    """The ledger in sentences."""
    if as_json:
        print_json({"events": found})
        return
    if not found:
        say(open_console(), "nothing was decided yet; next: flywheel release create --iteration N")
        return
    draw_list(ledger_table(found, "the ledger", ""))


def tenure(found: Move | None, when: datetime, *, as_json: bool) -> None:
    """Who put which release into production."""
    if as_json:
        print_json({"at": when, "move": found})
        return
    if found is None:
        say(open_console(), f"nothing was in production on {day(when)} UTC")
        return
    word = "rolled back" if found.rollback else "promoted"
    since = day(found.ended) if found.ended else "?"
    say(
        open_console(),
        f"release {found.version} was in production on {day(when)} UTC, {word} by {found.actor.name} on {since}"
        + (f": {found.reason}" if found.reason else ""),
    )


def decided(answer: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """A decision."""
    if as_json:
        print_json(answer)
        return
    console = open_console()
    words = f"{DECISIONS.get(answer['kind'], answer['kind'])} release {answer['version']}"
    say(console, f"would write: {words}" if dry_run else f"written as event {answer['event']}: {words}")
    for note in answer.get("notes", ()):
        say(console, f"note: {note}")


def gated(answer: Mapping[str, Any], *, as_json: bool) -> ExitCode:
    """A gate's verdict as a table; the exit code it means."""
    result = answer["result"]
    if as_json:
        print_json({key: value for key, value in answer.items() if key != "rows"})
        return EXIT[result["verdict"]]
    console = open_console()
    keys = ("verdict", "id", "value", "limit", "n", "reason", "evidence", "next")
    rows = [tuple(row[key] for key in keys) for row in answer["rows"]]
    columns = ("verdict", "criterion", "value", "limit", "n", "why", "evidence", "next")
    title = f"gate of release {result['version']} to {result['to']}: {result['verdict']}"
    console.print(table(title, columns, rows))
    if answer["event"] is None:
        say(console, "nothing was written (--dry-run)")
    else:
        say(console, f"written as event {answer['event']} and run {answer['run_id']}")
    if result["verdict"] == "PASS":
        say(console, f"next: flywheel promote {result['version']} --to {result['to']}")
    return EXIT[result["verdict"]]


def moved(answer: Mapping[str, Any], *, as_json: bool) -> None:
    """What a move did, or would do."""
    if as_json:
        print_json(answer)
        return
    console = open_console()
    if answer["dry_run"]:
        for number, step in enumerate(answer["steps"], start=1):
            say(console, f"{number}. would {step}")
    else:
        before = "no release" if answer["came_from"] is None else f"release {answer['came_from']}"
        say(console, f"{answer['to']} is now release {answer['version']}, before {before} (event {answer['event']})")
        if answer["rollback"]:
            say(console, "the rollback opened a risk: flywheel risk list")
    for note in answer["notes"]:
        say(console, f"note: {note}")


def reconciled(answer: Mapping[str, Any], *, as_json: bool) -> None:
    """What was mended."""
    if as_json:
        print_json(answer)
        return
    console = open_console()
    if not answer["mended"]:
        say(console, "ledger and server agree: nothing to mend")
    for line in answer["mended"]:
        say(console, ("would: " if answer["dry_run"] else "") + line)


def audited(found: Audit, *, as_json: bool) -> ExitCode:
    """What the audit found; the exit code it means."""
    if as_json:
        print_json(
            {
                "verdict": found.verdict,
                "findings": found.findings,
                "looked_at": found.looked_at,
                "not_looked_at": found.not_looked_at,
                "outlived": found.outlived,
            }
        )
        return EXIT[found.verdict.value]
    console = open_console()
    if found.findings:
        rows = [(item.code, item.what, item.hint) for item in found.findings]
        console.print(table(f"{counted(len(rows), 'finding')}", ("kind", "what", "what to do"), rows))
    for line in found.not_looked_at:
        say(console, f"not looked at: {line}")
    for line in found.outlived:
        say(console, f"cannot be judged any more: {line}")
    looked = ", ".join(counted(count, name.removesuffix("s")) for name, count in found.looked_at.items())
    say(console, f"{found.verdict.value}: looked at {looked}")
    return EXIT[found.verdict.value]


def examined(found: Sequence[Diagnosis], *, as_json: bool) -> ExitCode:
    """What the doctor saw; the exit code of the worst."""
    from flywheel_mlflow.decisions.gate_facts import worst

    verdict = worst(item.verdict for item in found)
    if as_json:
        print_json({"verdict": verdict, "diagnoses": found})
        return EXIT[verdict.value]
    rows = [(item.verdict.value, item.name, item.text, item.hint) for item in found]
    open_console().print(table("the flywheel's surroundings", ("verdict", "what", "found", "what to do"), rows))
    return EXIT[verdict.value]


def verified(found: Verification, *, as_json: bool) -> ExitCode:
    """What was verified; the exit code it means."""
    if as_json:
        print_json({"version": found.version, "verdict": found.verdict, "checks": found.checks, "trust": found.trust})
        return EXIT[found.verdict.value]
    rows = [("unknown" if item.holds is None else yes(item.holds), item.name, item.text) for item in found.checks]
    console = open_console()
    console.print(table(f"release {found.version}: {found.verdict.value}", ("holds", "what", "found"), rows))
    say(console, f"believed: {found.trust}")
    return EXIT[found.verdict.value]


def exported(files: Sequence[str], out: Path, *, as_json: bool) -> None:
    """Which files were written."""
    if as_json:
        print_json({"folder": str(out), "files": files})
        return
    say(open_console(), f"wrote {counted(len(files), 'file')} below {out}; check them anywhere: flywheel verify {out}")


def consumable(found: Consumable, *, as_json: bool) -> None:
    """What can be consumed, and why the rest cannot."""
    if as_json:
        print_json(found)
        return
    rows = [
        (
            item.interface,
            item.project,
            str(item.iteration),
            item.digest,
            format_value(item.rows, "count"),
            item.licence or "unknown",
        )
        for item in found.interfaces
    ]
    console = open_console()
    columns = ("interface", "made by", "iteration", "digest", "rows", "licence")
    release = next((item.release for item in found.interfaces), None)
    console.print(table(f"release {release}" if release else "", columns, rows))
    for name, reason in found.left_out.items():
        say(console, f"  left out {name}: {reason}")


def resolved(found: Resolved, *, as_json: bool) -> None:
    """Which exact data an interface is."""
    if as_json:
        print_json(found)
        return
    console = open_console()
    rows = [
        ("uri", found.uri),
        *([("stays at", found.location)] if found.location else []),
        ("digest", found.digest),
        ("schema", found.schema_digest),
        ("licence", found.licence or "unknown"),
        ("rows", format_value(found.rows, "count")),
        ("made by", f"{found.project} in iteration {found.iteration}"),
        ("release", found.release),
    ]
    console.print(table(found.interface, ("", ""), rows))


def pulled(found: Resolved, path: Path, *, as_json: bool) -> None:
    """Where the data are now."""
    if as_json:
        print_json({"path": str(path), "resolved": found})
        return
    say(
        open_console(),
        f"{found.interface} of release {found.release} is at {path}; its digest matches ({found.digest})",
    )
