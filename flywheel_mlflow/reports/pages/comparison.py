"""The page of two iterations: what differs between them, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flywheel_mlflow.assembly.documents import Entry, Output
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.wording import (
    WORDS,
    Tone,
    compared_order,
    kpi_differs,
    number_word,
    same_number,
    word_of,
    word_order,
)
from flywheel_mlflow.evidence.runs import SAME_RECORDS, is_rewrite
from flywheel_mlflow.evidence.schemas import schema_change
from flywheel_mlflow.reports.dashboard_blocks import Pair, Section
from flywheel_mlflow.reports.dashboard_health import STATUS_TONES
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord
from flywheel_mlflow.reports.pages.compared_kpis import kpi_section
from flywheel_mlflow.reports.pages.flipped import FlippedSamples, flipped_section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.iterations import compare_section
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, counted_cells, number, sentence
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_change, format_value, with_unit

#: How interface versions are classed, for people.
VERSION_RULE = (
    "MAJOR: a field that every row had is gone or no longer in every row, or one has another type. "
    "MINOR: one was added, or an optional one dropped. PATCH: none."
)
#: Before the number of a release in the address of the page.
RELEASE = "r"
CLASS_TONES = {"MAJOR": Tone.BAD, "MINOR": Tone.ATTENTION, "PATCH": Tone.NONE, "UNKNOWN": Tone.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the two: an assembly and what it recorded.

    It is the one that counts of its iteration, or the one that ``release`` was made of.
    """

    recorded: RecordedAssembly
    record: AssemblyRecord
    genuine: bool
    release: int | None = None

    @property
    def title(self) -> str:
        """What people call it."""
        iteration = f"iteration {self.recorded.iteration}"
        return iteration if self.release is None else f"release {self.release}, {iteration}"

    @property
    def key(self) -> str:
        """What the page's address calls it."""
        return str(self.recorded.iteration) if self.release is None else f"{RELEASE}{self.release}"


@dataclass(frozen=True, slots=True)
class ComparisonFacts:
    """Two assemblies; ``kpis`` are drift's verdicts on all KPIs, ``judged`` says where they come from.

    ``flipped`` are the samples of one KPI, None where none differs; ``listed`` and ``releases`` can be chosen instead.
    """

    first: Compared
    second: Compared
    kpis: tuple[KpiFound, ...]
    judged: str
    kept: bool
    listed: tuple[RecordedAssembly, ...]
    flipped: FlippedSamples | None = None
    releases: tuple[Release, ...] = ()


def comparison_page(facts: ComparisonFacts, links: Links, addresses: Addresses) -> Page:
    """What differs from the first to the second, each part left out when nothing does."""
    before, after = facts.first, facts.second
    titles = (before.title, after.title)
    parts = [
        kpi_section(facts.kpis, facts.judged, titles, links),
        flipped_section(facts.flipped, moved(facts.kpis), (before.key, after.key), titles, links, addresses),
        _numbers(facts),
        _stages(facts),
        _projects(facts, links),
        _interfaces(facts, links),
        _readers(facts, links),
        _versions(facts, links),
        _bottlenecks(facts),
    ]
    found = tuple(section for section in parts if section.tables or section.filters)
    return Page(
        title=sentence(f"{before.title} and {after.title}"),
        part="iterations",
        subtitle=f"What differs from {before.title} to {after.title}, and nothing else",
        trail=(Cell("Iterations", href=addresses.iterations()), Cell("Two compared")),
        lead=tuple(_lead(facts, found)),
        sections=(
            *found,
            compare_section(facts.listed, addresses, facts.releases, first=before.key, second=after.key),
            _origin(facts, links, addresses),
        ),
    )


def _lead(facts: ComparisonFacts, found: Iterable[Section]) -> Iterator[Cell]:
    differing = list(found)
    if facts.first.recorded.run_id == facts.second.recorded.run_id:
        yield Cell("Nothing differs: both are the same assembly.")
    elif not differing:
        yield Cell("Nothing differs between the two.", Tone.GOOD)
    else:
        counts = counted_cells(word_of(item) for item in facts.kpis if kpi_differs(item))
        yield Cell("KPIs that differ", also=counts) if counts else Cell("No KPI differs.")
    for side in (facts.first, facts.second):
        if not side.recorded.sound:
            yield Cell(f"The assembly of {side.title} contradicts itself.", Tone.BAD)
        if not side.genuine:
            told = f"The files of {side.title} are not those that were assembled."
            yield Cell(told, Tone.BAD)


def _sides(facts: ComparisonFacts) -> tuple[str, str]:
    return facts.first.title, facts.second.title


def moved(kpis: Iterable[KpiFound]) -> list[KpiFound]:
    """The KPIs, suites left out, whose values differ, the worst first: samples can have flipped."""
    return sorted((item for item in kpis if not item.members and item.value != item.reference), key=compared_order)


def _amount(value: float | None, unit: str) -> Cell:
    return number(with_unit(value, unit), Tone.UNKNOWN if value is None else Tone.NONE)


def _section(
    name: str, title: str, caption: str, columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], *, note: str = ""
) -> Section:
    """A section with one table; without rows it has none, and is left out."""
    found = tuple(rows)
    tables = (Table(caption, columns, found, ""),) if found else ()
    return Section(name, title, notes=(Cell(note),) if note else (), tables=tables)


def _numbers(facts: ComparisonFacts) -> Section:
    """Numbers this package computes; KPIs have a section of their own."""
    old, new = facts.first.record.metrics, facts.second.record.metrics
    judged = {item.subject for item in facts.kpis}
    rows = []
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = facts.first.record.value(name), facts.second.record.value(name)
        if name in judged or same_number(before, after):
            continue
        unit = (new.get(name) or old[name]).unit
        word = number_word(before, after, (facts.second if name in new else facts.first).record.direction(name))
        change = "" if before is None or after is None else format_change(before, after, unit)
        row = (
            Cell(name.removeprefix("flywheel.")),
            Cell(word, WORDS[word]),
            _amount(before, unit),
            _amount(after, unit),
            number(change),
        )
        rows.append((not name.startswith("flywheel."), word_order(word), row))
    rows.sort(key=lambda item: item[:2])
    columns = ("number", "direction", *_sides(facts), "change")
    note = "Better and worse here are only the direction of the change; these numbers have no sample size."
    caption = "The flywheel's own, then those of stages and projects"
    return _section("numbers", "Computed numbers", caption, columns, (row for *_, row in rows), note=note)


def _stages(facts: ComparisonFacts) -> Section:
    old = {stage.stage_id: stage for stage in facts.first.record.stages}
    new = {stage.stage_id: stage for stage in facts.second.record.stages}
    rows = []
    for stage_id in dict.fromkeys([*new, *old]):
        was, now = old.get(stage_id), new.get(stage_id)
        statuses = [item.status if item else "not there" for item in (was, now)]
        scores = [item.score if item else None for item in (was, now)]
        if statuses[0] == statuses[1] and same_number(*scores):
            continue
        rows.append(
            (
                Cell(facts.second.record.title(stage_id)),
                *(Cell(status, STATUS_TONES.get(status, Tone.UNKNOWN)) for status in statuses),
                *(_amount(score, "score 0..1") for score in scores),
            )
        )
    first, second = _sides(facts)
    columns = ("stage", f"status, {first}", f"status, {second}", f"score, {first}", f"score, {second}")
    return _section("stages", "Stages", "Stages with another status or score", columns, rows)


def _projects(facts: ComparisonFacts, links: Links) -> Section:
    rows = []
    for was, now in _pairs(facts):
        item = now or was
        if item is None:
            continue
        changes = list(_project_changes(was, now))
        rows += [
            (Cell(item.project_id, href=links.project(item.project_id)), Cell(what), Cell(before), Cell(after, tone))
            for what, before, after, tone in changes
        ]
    columns = ("project", "what", *_sides(facts))
    return _section("projects", "Projects", "Projects that came, went, or stand otherwise", columns, rows)


def _pairs(facts: ComparisonFacts) -> Iterator[tuple[Entry | None, Entry | None]]:
    names = dict.fromkeys(item.project_id for side in (facts.second, facts.first) for item in side.record.projects)
    for name in sorted(names):
        yield facts.first.record.project(name), facts.second.record.project(name)


def _project_changes(was: Entry | None, now: Entry | None) -> Iterator[tuple[str, str, str, Tone]]:
    if was is None or now is None:
        there = ("not there", now.state, Tone.NONE) if now else (was.state if was else "", "not there", Tone.ATTENTION)
        yield ("registered", *there)
        return
    if was.state != now.state:
        yield "evidence", was.state, now.state, Tone.NONE if now.evidence else Tone.UNKNOWN
    kinds = [item.evidence.kind if item.evidence else "none" for item in (was, now)]
    if kinds[0] != kinds[1]:
        yield "kind of evidence", kinds[0], kinds[1], Tone.NONE
    if (was.consumable, was.reasons) != (now.consumable, now.reasons):
        told = ["yes" if item.consumable else f"no: {'; '.join(item.reasons)}" for item in (was, now)]
        yield "consumable", told[0], told[1], Tone.GOOD if now.consumable else Tone.ATTENTION
    if was.not_consumable_for != now.not_consumable_for:
        told = [_barred(item) for item in (was, now)]
        yield "not consumable for", told[0], told[1], Tone.ATTENTION if now.not_consumable_for else Tone.GOOD
    if (was.passed_checks, was.total_checks) != (now.passed_checks, now.total_checks):
        told = [UNKNOWN if i.total_checks is None else f"{i.passed_checks} of {i.total_checks}" for i in (was, now)]
        yield "checks passed", told[0], told[1], Tone.NONE


def _barred(item: Entry) -> str:
    return "; ".join(f"{name}: {why}" for name, why in item.not_consumable_for.items()) or "nobody"


def _interfaces(facts: ComparisonFacts, links: Links) -> Section:
    rows = []
    for was, now in _pairs(facts):
        old = {item.name: item for item in was.interfaces_out} if was else {}
        new = {item.name: item for item in now.interfaces_out} if now else {}
        for name in dict.fromkeys([*new, *old]):
            cells = _version_change(old.get(name), new.get(name))
            if cells:
                rows.append((Cell(name, href=links.interface(name)), *cells))
    columns = ("interface", "change", *(f"version, {side}" for side in _sides(facts)), "rows", "schema")
    note = f"{VERSION_RULE} Against each other, whatever lies between the two."
    return _section("interfaces", "Interface versions", "Interfaces with another version", columns, rows, note=note)


def _version_change(was: Output | None, now: Output | None) -> tuple[Cell, ...]:
    """The cells of an interface that differs; none where it does not."""
    old, new = (item.version if item else None for item in (was, now))
    if old is None or new is None:
        if old is new:
            return ()
        shown = old or new
        word = Cell("no version any more", Tone.BAD) if new is None else Cell("first version")
        rows = format_value(shown.rows if shown else None, "count")
        digests = (_digest(item.digest if item else None) for item in (old, new))
        return (word, *digests, number(rows), Cell(""))
    if old.digest == new.digest and old.schema_digest == new.schema_digest:
        return ()
    change = schema_change(old, new)
    rule = change.change_class.upper()
    rows = " \N{RIGHTWARDS ARROW} ".join(format_value(item.rows, "count") for item in (old, new))
    return (
        Cell(rule, CLASS_TONES[rule]),
        _digest(old.digest),
        _digest(new.digest),
        number(rows if old.rows != new.rows else format_value(new.rows, "count")),
        Cell("; ".join(change) or change.unknown or (SAME_RECORDS if is_rewrite(old, new) else "the same")),
    )


def _digest(digest: str | None) -> Cell:
    return Cell("none", Tone.UNKNOWN) if digest is None else code(digest[:SHORT])


def _readers(facts: ComparisonFacts, links: Links) -> Section:
    old = {(edge.interface, edge.consumer): edge for edge in facts.first.record.edges}
    new = {(edge.interface, edge.consumer): edge for edge in facts.second.record.edges}
    rows = []
    for key in sorted({*old, *new}):
        states = [edges[key].state if key in edges else "not declared" for edges in (old, new)]
        if states[0] != states[1]:
            interface, consumer = key
            names = [Cell(interface, href=links.interface(interface)), Cell(consumer, href=links.project(consumer))]
            rows.append((*names, *map(Cell, states)))
    columns = ("interface", "read by", *_sides(facts))
    return _section("lineage", "Who reads what", "Edges in another state", columns, rows)


def _versions(facts: ComparisonFacts, links: Links) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for was, now in _pairs(facts):
        if was is None or now is None:
            continue
        name = Cell(now.project_id, href=links.project(now.project_id))
        if was.contract_digest != now.contract_digest:
            rows.append((name, Cell("contract"), code(was.contract_digest[:SHORT]), code(now.contract_digest[:SHORT])))
        versions = [item.evidence.code_version if item.evidence else "" for item in (was, now)]
        if versions[0] != versions[1]:
            rows.append((name, Cell("code"), *(code(version[:SHORT] or UNKNOWN) for version in versions)))
    columns = ("project", "what", *_sides(facts))
    return _section("versions", "Contracts and code", "Projects with another contract or other code", columns, rows)


def _bottlenecks(facts: ComparisonFacts) -> Section:
    old = {item.name: item for item in facts.first.record.bottlenecks.bottlenecks}
    new = {item.name: item for item in facts.second.record.bottlenecks.bottlenecks}
    rows = [
        (Cell(item.title), Cell("fires now", Tone.ATTENTION), Cell(item.severity), code(item.rule), Cell(item.advice))
        for name, item in new.items()
        if name not in old
    ]
    rows += [
        (Cell(item.title), Cell("gone", Tone.GOOD), Cell(item.severity), code(item.rule), Cell(item.advice))
        for name, item in old.items()
        if name not in new
    ]
    columns = ("bottleneck", "what", "severity", "rule", "advice")
    return _section("bottlenecks", "Bottlenecks", "Rules that fire on one side only", columns, rows)


def _origin(facts: ComparisonFacts, links: Links, addresses: Addresses) -> Section:
    sides = (facts.first.recorded, facts.second.recorded)
    pairs = [
        Pair(sentence(side.title), Cell(f"run {side.recorded.run_id[:SHORT]}", href=links.run(side.recorded.run_id)))
        for side in (facts.first, facts.second)
    ]
    experiments = sorted({side.experiment_id for side in sides if side.experiment_id})
    in_mlflow = addresses.ui_compare([side.run_id for side in sides], experiments)
    more = [Cell("MLflow's own comparison of these two runs", href=in_mlflow)]
    if sides[0].run_id != sides[1].run_id:
        told = "The review of the comparison" if facts.kept else "Nobody has compared them by `flywheel drift` yet"
        more.append(Cell(told, href=addresses.drift(sides[1].iteration, sides[0].iteration)))
    versions = (facts.first.release, facts.second.release)
    if None not in versions:
        more.append(Cell("What the two bundles differ in", href=addresses.release_diff(*versions)))
    more += [Cell(f"All of iteration {side.iteration}", href=links.turn(side.iteration)) for side in sides]
    return Section("origin", "Where this comes from", pairs=tuple(pairs), links=tuple(dict.fromkeys(more)))
