"""Prints feedback and its routes; every text in them may come from anybody."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.text import fit, visible
from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table
from flywheel_mlflow.feedback.dead_letters import DEAD_LETTERS_FILE
from flywheel_mlflow.feedback.intake import EARLIEST
from flywheel_mlflow.feedback.routing import REASON, RULE, TO
from flywheel_mlflow.promises.routes import UNROUTABLE

if TYPE_CHECKING:
    from flywheel_mlflow.feedback.dead_letters import DeadLetter
    from flywheel_mlflow.feedback.routing import RouteAnswer
    from flywheel_mlflow.feedback.traces import TraceCounts
    from flywheel_mlflow.operations.assembly.noticing import Noticed, NoticedAfter
    from flywheel_mlflow.operations.feedback.feedback import Ingested
    from flywheel_mlflow.operations.feedback.routing import Explained, Routed, RulesTried

#: Columns of a table that a text may fill: users paste whole logs.
TEXT_CELLS = 70
ID_CELLS = 44
#: Dead letters of a file that are shown; `--json` lists more.
MOST_LETTERS = 5


def now() -> datetime:
    """The time of the command, UTC."""
    return datetime.now(UTC)


def moment(text: str) -> datetime | None:
    """A day or a time as the user writes it, UTC where no zone is given; None for an empty text.

    Raises:
        InputError: neither.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"cannot read the time {text[:40]!r}", hint="write 2026-10-01 or 2026-10-01T12:00:00Z"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def ingested(done: Sequence[Ingested], *, dry_run: bool, as_json: bool) -> None:
    """What became of each file."""
    if as_json:
        print_json({"dry_run": dry_run, "files": [_ingested_document(item) for item in done]})
        return
    console = open_console()
    for item in done:
        for line in _ingested_lines(item, dry_run=dry_run):
            say(console, line)


def mappings(name: str) -> None:
    """The names of the shipped mappings, or one of them as it is written."""
    from flywheel_mlflow.feedback.mapping import shipped_mappings, shipped_text

    if name:
        sys.stdout.write(shipped_text(name))
        return
    for item in shipped_mappings():
        say(open_console(), item)


def noticed(found: Noticed, *, dry_run: bool, as_json: bool) -> None:
    """What became of the flywheel's own findings, and what could not be looked at."""
    if as_json:
        print_json(_ingested_document(found.ingested) | {"dry_run": dry_run, "unread": list(found.unread)})
    else:
        ingested((found.ingested,), dry_run=dry_run, as_json=False)
    for line in found.unread:
        say(open_console(stderr=True), f"warning: not looked at: {line}")


def noticed_after_assembly(after: NoticedAfter | None) -> None:
    """One line on the findings an assembly told, on standard error: standard output is the assembly's."""
    console = open_console(stderr=True)
    if after is not None and after.failure is not None:
        say(console, f"warning: findings did not become feedback: {after.failure.what}")
        say(console, "  try `flywheel feedback pull-findings` once that is mended")
    if after is None or after.noticed is None:
        return
    taken = after.noticed.ingested.taken
    if taken.new:
        say(console, f"findings that became feedback: {counted(taken.new, 'new event')}: {_routed(taken.to)}")
    for line in after.noticed.unread:
        say(console, f"warning: not looked at for feedback: {line}")


def _routed(to: Mapping[str, int]) -> str:
    ordered = sorted(to.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{project} {count}" for project, count in ordered)


def _ingested_document(item: Ingested) -> dict[str, Any]:
    if item.failure is not None:
        from flywheel_mlflow.operations.acts.act_errors import error_document

        return {"file": item.file, "iteration": item.iteration, "run_id": None} | error_document(item.failure)
    return {
        "file": item.file,
        "iteration": item.iteration,
        "run_id": item.already.run_id if item.already else item.run_id,
        "already_ingested": item.already is not None,
        "read": item.taken.read,
        "new": item.taken.new,
        "repeated": item.taken.repeated,
        "conflicts": item.taken.conflicts,
        "passed_over": item.taken.passed_over,
        "misdated": item.already.counts.get("misdated") if item.already else item.taken.misdated,
        "dead_letter_count": item.dead,
        "dead_letters": [{"line": letter.line, "reason": letter.reason} for letter in _letters(item)],
        "to": dict(item.taken.to),
    }


def _letters(item: Ingested) -> list[DeadLetter]:
    return sorted(item.first, key=lambda letter: letter.line)


def _ingested_lines(item: Ingested, *, dry_run: bool) -> Iterator[str]:
    name = visible(item.file)
    if item.failure is not None:
        yield f"{name}: not taken in: {item.failure.what}"
        return
    taken = item.taken
    told = (
        f"{counted(taken.new, 'new event')}, {taken.repeated} known already, {counted(item.dead, 'dead letter')}"
        + (f" ({counted(taken.conflicts, 'conflict')})" if taken.conflicts else "")
        + (f", {taken.passed_over} that ask for nothing" if taken.passed_over else "")
    )  # fmt: skip
    if item.already is None:
        yield f"{name}: {told}"
    else:
        yield (
            f"{name}: nothing to add, the same file was ingested into iteration {item.iteration} "
            f"(run {item.already.run_id})"
        )
        yield f"  it had {told}"
    shown = _letters(item)[:MOST_LETTERS]
    for letter in shown:
        yield f"  line {letter.line}: {letter.reason}"
    if item.dead > len(shown):
        yield f"  and {item.dead - len(shown)} more"
    if taken.misdated:
        odd = "1 event is" if taken.misdated == 1 else f"{taken.misdated} events are"
        yield f"  {odd} dated in the future or before {EARLIEST.year}: is the time right (time_format of a mapping)?"
    run = item.already.run_id if item.already else item.run_id
    if item.dead and run:
        yield f"  what they said: artifact {DEAD_LETTERS_FILE} of run {run}"
    if item.already is not None:
        return
    if taken.new:
        yield f"  routed: {_routed(taken.to)}"
    if item.run_id:
        yield f"  run {item.run_id}"
    elif dry_run:
        yield "  dry run: nothing was written"
    else:
        yield "  nothing new: nothing was written"


def pulled(counts: TraceCounts, done: Ingested, *, dry_run: bool, as_json: bool) -> None:
    """What was said about traces, and what became of it."""
    if as_json:
        print_json(_ingested_document(done) | {"dry_run": dry_run} | asdict(counts))
        return
    console = open_console()
    say(
        console,
        f"{counted(counts.traces, 'trace')}: {counted(done.taken.read, 'observation')}, {counts.content} that ask for "
        f"nothing, {counts.replaced} replaced by their author",
    )
    for name, count in sorted(counts.failed_judges.items()):
        say(console, f"  judge {name} gave no value {count} times: it failed")
    if counts.unread:
        say(console, f"  what happened within {counted(counts.unread, 'trace')} could not be read")
    for name, count in sorted(counts.undeclared.items()):
        say(console, f"  {name}: {count} values without a meaning")
    if counts.undeclared:
        say(console, "  say under `traces` in flywheel.yaml which values are good: at_least, at_most, good, bad")
    ingested((done,), dry_run=dry_run, as_json=False)


def routed(found: Routed, *, as_json: bool) -> None:
    """Where an iteration's feedback goes."""
    if as_json:
        print_json(asdict(found))
        return
    console = open_console()
    if not found.total:
        say(console, f"no feedback of iteration {found.iteration} yet")
        say(console, f"next: flywheel feedback ingest FILE --iteration {found.iteration}")
        return
    rows = [
        (to, count, f"{count / found.total:.1%}", found.owners.get(to, "no rule takes it"))
        for to, count in found.to.items()
    ]
    console.print(table(f"feedback of iteration {found.iteration}", ("to", "events", "share", "who answers"), rows))
    rules = [(rule, count) for rule, count in found.rules.items() if rule != UNROUTABLE]
    console.print(table("by rule", ("rule", "events"), rules))
    say(
        console,
        f"{counted(found.total, 'event')}; unroutable {_share(found.unroutable_rate)}; "
        f"misrouted {_share(found.misroute_rate)}; {found.rerouted} sent elsewhere by people",
    )
    if found.age:
        say(
            console,
            f"age in days: median {found.age.median:.1f}, 90 % within {found.age.p90:.1f}, "
            f"oldest {found.age.oldest:.1f}",
        )
    if found.changed:
        say(console, f"{counted(found.changed, 'event')} went elsewhere by the rules of the day they came in")
    if found.to.get(UNROUTABLE):
        say(console, f"next: flywheel feedback list --iteration {found.iteration} --unroutable")
    for name in found.files:
        say(console, f"wrote {name}")


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def listed(total: int, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Events with where they go."""
    if as_json:
        print_json({"total": total, "events": [_plain(row) for row in rows]})
        return
    cells = [
        (
            fit(row["id"], ID_CELLS),
            row[TO] or UNROUTABLE,
            row["owner"].title if row["owner"] else "",
            row[RULE] or "",
            row["source"],
            row["severity"] or "unknown",
            fit(row["text"], TEXT_CELLS),
        )
        for row in rows
    ]
    console = open_console()
    if not total:
        say(console, "no such feedback: 0 events")
        return
    console.print(table("feedback", ("event", "to", "team", "rule", "source", "severity", "text"), cells))
    say(console, f"{len(rows)} of {counted(total, 'event')}")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def explained(found: Explained, *, as_json: bool) -> None:
    """Why one event goes where it goes."""
    event = found.event
    winner = next((item for item in found.asked if item.taken), None)
    others = [item for item in found.asked if item.taken and item is not winner]
    if as_json:
        print_json(
            {
                "event": _plain(event),
                "to": event[TO],
                "rule": event[RULE],
                "reason": event[REASON],
                "words": winner.words if winner else (),
                "would_match_too": [item.route.id for item in others],
                "first_to": event["first_to"],
                "first_rule": event["first_rule"],
                "owner": found.owner,
                "decision": found.decision,
                "iteration": found.batch.iteration,
                "run_id": found.batch.run_id,
                "file": found.batch.file,
                "line": event["line"],
            }
        )
        return
    console = open_console()
    say(console, f"{visible(event['id'])} goes to {event[TO] or UNROUTABLE}")
    for line in _explained_lines(found, winner, others):
        say(console, f"  {line}")
    _rules_table(console, found.asked)


def _explained_lines(found: Explained, winner: RouteAnswer | None, others: Sequence[RouteAnswer]) -> Iterator[str]:
    event = found.event
    yield f"text: {fit(event['text'], 2 * TEXT_CELLS)}"
    if found.owner:
        yield f"who answers: {visible(str(found.owner))}"
    if found.decision:
        decision = found.decision
        yield f"decided by {visible(decision.actor)} on {decision.at:%Y-%m-%d}: {visible(decision.reason)}"
        yield f"the rules say {event['rules_to'] or UNROUTABLE}"
    if winner:
        words = f", words: {', '.join(winner.words)}" if winner.words else ""
        yield f"rule {winner.route.id}{words}"
        yield f"because: {winner.route.why}"
    else:
        yield "no rule takes it: it waits in the queue unroutable"
    if others:
        yield f"asked later, these would take it too: {', '.join(item.route.id for item in others)}"
    if event["first_to"] != event["rules_to"]:
        first = f"{event['first_to'] or UNROUTABLE} ({event['first_rule'] or 'no rule'})"
        yield f"by the rules of the day it came in: {first}"
    yield (
        f"came in with {visible(found.batch.file)}, line {event['line']}, iteration {found.batch.iteration}, "
        f"run {found.batch.run_id}"
    )


def _rules_table(console: Console, asked: Sequence[RouteAnswer]) -> None:
    rows = [
        (
            item.route.id,
            item.route.to,
            "yes" if item.taken else "no",
            ", ".join(item.words),
            "" if item.taken else ", ".join(item.missing),
        )
        for item in asked
    ]
    console.print(
        table("Rules, in the order in which they are asked", ("rule", "to", "takes it", "words", "not met"), rows)
    )


def rerouted(decision: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    """What a person decided."""
    if as_json:
        print_json({"dry_run": dry_run, "decision": decision})
        return
    word = "would go" if dry_run else "goes"
    told = f"{visible(decision['event_id'])} {word} to {decision['to']}: {visible(decision['reason'])}"
    say(open_console(), told)


def tried(found: Sequence[RulesTried], floor: float, *, as_json: bool) -> bool:
    """How the rules did on labelled examples; whether every project reached the floor."""
    held = all(not item.below(floor) for item in found)
    if as_json:
        print_json({"passed": held, "floor": floor, "sets": [_tried_document(item) for item in found]})
        return held
    console = open_console()
    for item in found:
        _tried_tables(console, item, floor)
    say(console, f"the rules {'reach' if held else 'do not reach'} {floor:.0%}")
    return held


def _tried_document(item: RulesTried) -> dict[str, Any]:
    return {
        "held_out": item.held_out,
        "examples": len(item.tried),
        "right": sum(one.right for one in item.tried),
        "precision": item.pooled.precision,
        "recall": item.pooled.recall,
        "languages": {name: {"right": right, "examples": total} for name, (right, total) in item.languages.items()},
        "scores": [asdict(score) | {"precision": score.precision, "recall": score.recall} for score in item.scores],
        "wrong": [
            {"place": one.place, "expected": one.example.to, "got": one.got, "rule": one.rule, "text": one.example.text}
            for one in item.tried
            if not one.right
        ],
    }


def _tried_tables(console: Console, item: RulesTried, floor: float) -> None:
    title = "held-out examples, not used to write the rules" if item.held_out else "examples"
    rows = [
        (score.to, score.expected, score.got, score.right, _share(score.precision), _share(score.recall))
        for score in item.scores
    ]
    console.print(table(title, ("to", "expected", "got", "right", "precision", "recall"), rows))
    wrong = [
        (one.place, one.example.to, one.got, one.rule or "", fit(one.example.text, TEXT_CELLS))
        for one in item.tried
        if not one.right
    ]
    if wrong:
        console.print(table("gone elsewhere", ("example", "expected", "got", "rule", "text"), wrong))
    right = sum(one.right for one in item.tried)
    languages = ", ".join(f"{name} {good}/{total}" for name, (good, total) in item.languages.items())
    say(console, f"{right} of {len(item.tried)} right ({languages})")
    whole = item.pooled
    say(console, f"of what was routed {_share(whole.precision)} went right; of all {_share(whole.recall)} did")
    for score in item.below(floor):
        say(console, f"below {floor:.0%}: {score.to}")
