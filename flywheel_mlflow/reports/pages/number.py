"""The page of one number: its history, what it rests on, and who may have changed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.documents import Kpi
from flywheel_mlflow.drawings.lines import LARGE, Point
from flywheel_mlflow.drift.wording import Tone, number_word, tone_of, word_of
from flywheel_mlflow.evidence.provenance import Direction
from flywheel_mlflow.reports.dashboard_blocks import Card, Cards, Chart, Charts, Choice, Command, Field, Form, Section
from flywheel_mlflow.reports.dashboard_charts import number_chart, production_marks
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_trends import how_to_read, kpi_target, over
from flywheel_mlflow.reports.pages.explained import explanation_table
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.texts import format_change, moment_text, with_unit

if TYPE_CHECKING:
    from flywheel_mlflow.drift.suspects import Suspect

#: Suspects that hold less are counted alone, as `flywheel explain --between` has it.
SHOWN_FROM = 0.01
#: Between the interfaces from the number's side to the suspect.
_FROM = " ← "
#: Changes of one suspect; the command has all of them.
MOST_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Localisation:
    """Who may have changed a number from one iteration to another, most suspected first.

    ``unknown`` says why nobody can be named, ``notes`` what could not be read or compared.
    """

    reference: int
    iteration: int
    suspects: tuple[Suspect, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """Everything the page says; ``between`` is None until somebody asks for suspects."""

    name: str
    page: DashboardFacts
    between: Localisation | None = None

    @property
    def project_id(self) -> str:
        """The project it belongs to; empty for the flywheel's own numbers and those of stages."""
        return next((item.project_id for item in self.page.record.projects if self._is_of(item.project_id)), "")

    @property
    def kpi(self) -> Kpi | None:
        """The KPI it is; None for any other number."""
        project = self.page.record.project(self.project_id)
        return project.kpis.get(self.name.removeprefix(f"{self.project_id}.")) if project else None

    @property
    def unit(self) -> str:
        """Its unit."""
        return self.kpi.unit if self.kpi else self.page.record.metrics[self.name].unit

    @property
    def direction(self) -> Direction | None:
        """Which way is better."""
        return self.kpi.direction if self.kpi else self.page.record.direction(self.name)

    @property
    def values(self) -> dict[int, float | None]:
        """The number by iteration, oldest first."""
        now = self.kpi.value if self.kpi else self.page.record.value(self.name)
        return over(self.name, now, self.page)

    def _is_of(self, project_id: str) -> bool:
        return self.name.startswith(f"{project_id}.")


def number_page(facts: NumberFacts, addresses: Addresses) -> Page:
    """One number in an iteration; equal facts give equal pages."""
    page = facts.page
    project = page.record.project(facts.project_id)
    trail = [Cell("Projects", href=addresses.projects())]
    if project is not None:
        trail.append(Cell(project.project_id, href=page.links.project(project.project_id)))
    return Page(
        title=facts.name,
        part="projects" if project else "iterations",
        subtitle=f"In iteration {page.iteration}, as of {moment_text(page.now)}",
        trail=(*(trail if project else [Cell("Iterations", href=addresses.iterations())]), Cell(facts.name)),
        lead=tuple(_lead(facts)),
        sections=(
            _history(facts),
            _suspects(facts, addresses),
            Section(
                "rests",
                "What it rests on",
                tables=(explanation_table(page.record, facts.name, page.links, folded=False),),
            ),
            _commands(facts),
        ),
    )


def _lead(facts: NumberFacts) -> Iterator[Cell]:
    *_, now = facts.values.values()
    kpi, report = facts.kpi, facts.page.drift.report
    target = f", target {kpi_target(kpi)}" if kpi and kpi.target is not None else ""
    sample = f", from {kpi.n:,} samples" if kpi and kpi.n is not None else ""
    told = f"{with_unit(now, facts.unit)} in iteration {facts.page.iteration}{sample}{target}."
    yield Cell(told, Tone.UNKNOWN if now is None else Tone.NONE)
    found = next((item for item in report.kpis if item.subject == facts.name), None) if report else None
    if found is not None and report is not None:
        yield Cell(f"{word_of(found)} against iteration {report.reference.iteration}: {found.text}", tone_of(found))


def _history(facts: NumberFacts) -> Section:
    kpi, values = facts.kpi, facts.values
    target = Point(0, kpi.target, kpi_target(kpi)) if kpi and kpi.target is not None else None
    chart: Chart = number_chart(
        facts.name,
        Cell(facts.name),
        facts.unit,
        values,
        facts.page,
        direction=facts.direction,
        target=target,
        frame=LARGE,
    )
    marks = {mark.iteration: mark.sentence for mark in production_marks(facts.page)}
    pairs = pairwise([(0, None), *values.items()])
    rows = tuple(
        (
            Cell(str(iteration), href=facts.page.links.turn(iteration)),
            number(with_unit(value, facts.unit), Tone.UNKNOWN if value is None else Tone.NONE),
            _change(before, value, facts),
            Cell(marks.get(iteration, "")),
        )
        for (_, before), (iteration, value) in pairs
    )
    columns = ("iteration", "value", "against the one before", "release")
    return Section(
        "history",
        "Over the iterations",
        notes=(Cell(how_to_read(facts.page)),),
        charts=(Charts("", (chart,)),),
        tables=(Table("The same in numbers, newest first", columns, tuple(reversed(rows)), "", folded=True),),
    )


def _change(before: float | None, value: float | None, facts: NumberFacts) -> Cell:
    if before is None or value is None:
        return Cell("")
    if before == value:
        return Cell("same")
    return Cell(f"{format_change(before, value, facts.unit)} {number_word(before, value, facts.direction)}")


def _suspects(facts: NumberFacts, addresses: Addresses) -> Section:
    """The choice of two iterations; once asked, who may have changed the number between them."""
    title = "Who changed it"
    turns = list(facts.values)
    if len(turns) < 2 and facts.between is None:
        return Section("suspects", title, notes=(Cell("There is no earlier iteration to compare with."),))
    found = facts.between
    first, second = (found.reference, found.iteration) if found else (turns[-2], turns[-1])
    choices = tuple(Choice(str(turn), f"iteration {turn}") for turn in sorted({*turns, first, second}, reverse=True))
    form = Form(
        action=f"{addresses.number(facts.name)}#suspects",
        title="Suspects between two iterations",
        button="Find suspects",
        why="",
        fields=(
            Field("first", "Before", "choice", str(first), choices),
            Field("second", "After", "choice", str(second), choices),
        ),
    )
    if found is None:
        note = Cell("What changed upstream between two iterations is read from the runs when asked for.")
        return Section("suspects", title, notes=(note,), filters=(form,))
    notes = [Cell(f"Nobody can be named: {found.unknown}.", Tone.UNKNOWN)] if found.unknown else []
    notes += [Cell(note, Tone.UNKNOWN) for note in found.notes]
    shown = [item for item in found.suspects if item.suspicion >= SHOWN_FROM]
    hidden = len(found.suspects) - len(shown)
    more = f"; {hidden} below {SHOWN_FROM:.0%} left out" if hidden else ""
    caption = f"From iteration {first} to iteration {second}, most suspected first{more}"
    return Section(
        "suspects",
        title,
        notes=tuple(notes),
        filters=(form,),
        cards=(Cards(caption, tuple(_suspect(item, facts) for item in shown)),),
    )


def _suspect(item: Suspect, facts: NumberFacts) -> Card:
    when = "" if item.lag == 0 else f", iteration {item.iteration}"
    own = "It is the number's own project." if item.project == facts.project_id else "The number rests on its own ones."
    way = f"By way of {_FROM.join(item.through)}." if item.through else own
    more = len(item.changes) - MOST_CHANGES
    changes = [f"{change.kind.value} {change.subject}: {change.text}" for change in item.changes[:MOST_CHANGES]]
    return Card(
        title=Cell(f"{item.project}{when}", href=facts.page.links.at(item.iteration).project(item.project)),
        badge=Cell(f"{item.suspicion:.0%} of the suspicion", Tone.ATTENTION if item.suspicion >= 0.5 else Tone.NONE),
        notes=(
            Cell(f"{item.why[:1].upper()}{item.why[1:]}."),
            Cell(way),
            *(Cell(text) for text in changes or ["Nothing that is in the evidence changed."]),
            *((Cell(f"and {more} more changes"),) if more > 0 else ()),
        ),
        command=item.next[0] if item.next else "",
    )


def _commands(facts: NumberFacts) -> Section:
    name, turns = facts.name, list(facts.values)
    commands = [
        Command(f"flywheel explain {name} --iteration {facts.page.iteration}", "the tree behind it, to the last run")
    ]
    if len(turns) > 1:
        first, second = (facts.between.reference, facts.between.iteration) if facts.between else (turns[-2], turns[-1])
        commands.append(Command(f"flywheel explain {name} --between {first} {second}", "who may have changed it"))
    return Section("commands", "The same at a terminal", commands=tuple(commands))
