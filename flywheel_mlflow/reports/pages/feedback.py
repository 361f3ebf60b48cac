"""The feedback board of an iteration: what came in, where it waits, what it became, whether that helped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.owners import Owner
from flywheel_mlflow.feedback.measures import Age
from flywheel_mlflow.promises.routes import UNROUTABLE
from flywheel_mlflow.reports.dashboard_blocks import Command, Form, Pair, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.deciding import choice_field, ledger_notes
from flywheel_mlflow.reports.pages.feedback_events import EventsFacts, event_section
from flywheel_mlflow.reports.pages.feedback_themes import ThemesFacts, task_section, theme_section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.texts import UNKNOWN, format_value, moment_text

#: Ingestions of one table, the newest first.
MOST_INGESTIONS = 50


@dataclass(frozen=True, slots=True)
class Ingestion:
    """One file that was taken in: when (UTC), by which run, and how many of its events are new, repeated, refused."""

    file: str
    at: datetime
    run_id: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class QueuesFacts:
    """Where the events of the iteration go by the rules of today and by decisions.

    ``to`` and ``rules`` count events; ``changed`` those that went elsewhere by the rules of the day they came in,
    ``rerouted`` those that people sent elsewhere. Rates are shares (0..1), None where nothing could be counted.
    ``answered`` are events that tasks answer, ``absorbed`` those whose task was absorbed. ``age`` is that at ``as_of``.
    """

    total: int
    to: Mapping[str, int]
    rules: Mapping[str, int]
    changed: int
    rerouted: int
    unroutable_rate: float | None
    misroute_rate: float | None
    answered: int
    absorbed: int
    reflux_rate: float | None
    age: Age | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class FeedbackBoardFacts:
    """Everything the page says at ``now`` (UTC).

    ``iterations`` are those with feedback, newest first; ``queues`` and ``events`` are None where ``unknown`` says why
    the stored events cannot be read. ``owners`` answer for the projects, by project.
    """

    iterations: tuple[int, ...]
    iteration: int | None
    ingestions: tuple[Ingestion, ...]
    queues: QueuesFacts | None
    events: EventsFacts | None
    unknown: str
    themes: ThemesFacts
    ledger: LedgerFacts
    now: datetime
    addresses: Addresses
    said: tuple[Cell, ...] = ()
    owners: Mapping[str, Owner] = field(default_factory=dict)


def feedback_page(facts: FeedbackBoardFacts) -> Page:
    """The board; equal facts give equal pages."""
    if facts.iteration is None or not facts.ingestions:
        return _nothing(facts)
    return Page(
        title=f"Feedback of iteration {facts.iteration}",
        part="feedback",
        subtitle=f"As of {moment_text(facts.now)}",
        said=facts.said,
        lead=(*ledger_notes(facts.ledger), *_lead(facts)),
        sections=(
            _choose(facts),
            _counts(facts),
            *((_queues(facts, facts.queues),) if facts.queues else ()),
            theme_section(facts.themes, facts.iteration),
            task_section(facts.themes, facts.iteration),
            *((event_section(facts.events),) if facts.events else ()),
            _ingestions(facts),
        ),
    )


def _nothing(facts: FeedbackBoardFacts) -> Page:
    turn = facts.iteration if facts.iteration is not None else "N"
    of = f" of iteration {facts.iteration}" if facts.iteration is not None else ""
    commands = (
        Command(f"flywheel feedback ingest FILE --iteration {turn}", "takes a file of observations in"),
        Command(f"flywheel feedback pull-findings --iteration {turn}", "takes in what the flywheel itself found"),
    )
    tasks = (task_section(facts.themes, facts.iteration),) if facts.iteration is not None and facts.themes.tasks else ()
    return Page(
        title="Feedback" + of,
        part="feedback",
        said=facts.said,
        lead=(*ledger_notes(facts.ledger), Cell(f"No feedback{of} was taken in yet.", Tone.UNKNOWN)),
        sections=(
            *((_choose(facts),) if facts.iterations else ()),
            *tasks,
            Section("commands", "Next commands", commands=commands),
        ),
    )


def _lead(facts: FeedbackBoardFacts) -> Iterator[Cell]:
    """How much came in, what nobody takes, and what came back."""
    queues = facts.queues
    if queues is None:
        yield Cell(f"Where the events go is unknown: {facts.unknown}.", Tone.UNKNOWN)
        return
    lost = queues.to.get(UNROUTABLE, 0)
    tone = Tone.ATTENTION if lost else Tone.GOOD
    told = f"{_events(queues.total)} taken in; {lost:,} of them no rule takes ({_share(queues.unroutable_rate)})."
    yield Cell(told, tone, href=facts.addresses.feedback(facts.iteration, project=UNROUTABLE) if lost else "")
    back = Tone.GOOD if queues.absorbed else Tone.ATTENTION
    yield Cell(
        f"{_events(queues.absorbed)} came back as absorbed tasks: share acted on {_share(queues.reflux_rate)}; "
        f"tasks answer {_events(queues.answered)}.",
        back,
    )
    waiting = facts.themes.waiting
    if waiting:
        yield Cell(f"{len(waiting)} of {len(facts.themes.themes)} themes wait for a decision.", Tone.ATTENTION)


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1%}"


def _choose(facts: FeedbackBoardFacts) -> Section:
    turns = [(str(turn), f"iteration {turn}") for turn in facts.iterations]
    if facts.iteration is not None and facts.iteration not in facts.iterations:
        turns.append((str(facts.iteration), f"iteration {facts.iteration}"))
    form = Form(
        facts.addresses.feedback(),
        "Choose an iteration",
        "Show",
        "",
        (choice_field("iteration", "Feedback of", turns, value=str(facts.iteration or "")),),
    )
    links = (Cell("the iteration itself", href=facts.addresses.iteration(facts.iteration)),) if facts.iteration else ()
    return Section("choose", "Which feedback", notes=links, filters=(form,))


def _counts(facts: FeedbackBoardFacts) -> Section:
    """What came in, and the rates that say how well it goes."""
    taken = {
        name: sum(item.counts.get(name, 0) for item in facts.ingestions)
        for name in ("events", "repeated", "conflicts", "dead_letters")
    }
    dead = taken["dead_letters"]
    return Section(
        "counts",
        "Counts",
        pairs=(
            Pair("Files taken in", number(format_value(len(facts.ingestions), "count"))),
            Pair("Events, each once", number(format_value(taken["events"], "count"))),
            Pair("Repeated", number(format_value(taken["repeated"], "count"))),
            Pair("Conflicts", number(format_value(taken["conflicts"], "count"), _toned(taken["conflicts"]))),
            Pair("Dead letters", number(format_value(dead, "count"), _toned(dead))),
            *(_rates(facts.queues) if facts.queues else ()),
        ),
    )


def _toned(count: int) -> Tone:
    return Tone.ATTENTION if count else Tone.NONE


def _rates(queues: QueuesFacts) -> Iterator[Pair]:
    yield Pair("Unroutable", number(_share(queues.unroutable_rate), _toned(queues.to.get(UNROUTABLE, 0))))
    yield Pair("Misrouted", number(f"{_share(queues.misroute_rate)}, {queues.rerouted:,} sent elsewhere by people"))
    yield Pair("Elsewhere by the rules of their day", number(format_value(queues.changed, "count")))
    yield Pair("Reflux rate", number(f"{_share(queues.reflux_rate)} (n = {queues.total:,})"))
    age = queues.age
    told = (
        f"median {age.median:.1f} days, 90 % within {age.p90:.1f}, oldest {age.oldest:.1f}, "
        f"as of {moment_text(queues.as_of)}"
        if age
        else UNKNOWN
    )
    yield Pair("Age of the events", Cell(told))


def _queues(facts: FeedbackBoardFacts, queues: QueuesFacts) -> Section:
    """The queues by project, and the one nobody takes."""
    rows = tuple(_queue(facts, queues, to, count) for to, count in queues.to.items())
    rules = tuple((Cell(rule), number(f"{count:,}")) for rule, count in queues.rules.items() if rule != UNROUTABLE)
    return Section(
        "queues",
        "Queues",
        tables=(
            Table(
                "Where the events go", ("to", "events", "share", "who answers", "project"), rows, "there is no event."
            ),
            Table("By which rule", ("rule", "events"), rules, "no rule takes any.", folded=True),
        ),
    )


def _queue(facts: FeedbackBoardFacts, queues: QueuesFacts, to: str, count: int) -> tuple[Cell, ...]:
    shown = facts.addresses.feedback(facts.iteration, project=to)
    lost = to == UNROUTABLE
    return (
        Cell("nobody: no rule takes it" if lost else to, Tone.ATTENTION if lost else Tone.NONE, href=shown),
        number(f"{count:,}"),
        number(_share(count / queues.total if queues.total else None)),
        Cell(str(facts.owners.get(to, ""))),
        Cell("none") if lost else Cell("its page", href=facts.addresses.project(to)),
    )


def _ingestions(facts: FeedbackBoardFacts) -> Section:
    newest = facts.ingestions[::-1]
    more = len(newest) - MOST_INGESTIONS
    columns = ("file", "at", "events", "repeated", "conflicts", "dead letters", "unroutable then", "in MLflow")
    rows = tuple(
        (
            Cell(item.file),
            Cell(moment_text(item.at)),
            *(
                number(format_value(item.counts.get(name), "count"))
                for name in ("events", "repeated", "conflicts", "dead_letters", "unroutable")
            ),
            Cell("run", href=facts.addresses.ui_run_by_id(item.run_id)),
        )
        for item in newest[:MOST_INGESTIONS]
    )
    caption = "Files, the newest first" + (f"; {more} older ones are left out" if more > 0 else "")
    note = Cell("Dead letters lie on the run as dead_letters.jsonl: lines that are no events, each with the reason.")
    return Section("ingestions", "What was taken in", notes=(note,), tables=(Table(caption, columns, rows, "none."),))
