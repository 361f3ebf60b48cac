"""The page of one interface: its schema, its data card, its versions, who reads it and who is hit when it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.assembly.documents import EdgeLine, Entry, Output
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.lineage import Edge, EdgeState, Impact, impact
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schema_paths import is_in_list, need_path
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceIn, InterfaceOut
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.reports.dashboard_blocks import Command, Pair, Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_sections import EDGE_TONES
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.interface_data import (
    PastVersion,
    ShownRows,
    load_section,
    profile_section,
    rows_section,
    versions_section,
)
from flywheel_mlflow.reports.pages.interfaces import change_cell, reading
from flywheel_mlflow.reports.view import text_bar
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value, moment_text

#: Fields of a schema shown; a record has a dozen, a free row may have thousands.
MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """One interface in one iteration.

    ``contracts`` are those of today; ``versions`` those of the iterations up to this one, oldest first. ``card`` and
    ``profile`` are what its run logged beside the data; None with a reason in ``card_unknown`` and ``profile_unknown``.
    ``rows`` are the first ones, or the one whose id is ``record``; ``server`` is its own address, for programs.
    """

    name: str
    contracts: Mapping[str, Contract]
    page: DashboardFacts
    versions: tuple[PastVersion, ...]
    card: DataCard | None = None
    card_unknown: str = ""
    profile: Profile | None = None
    profile_unknown: str = ""
    rows: ShownRows | None = None
    record: str = ""
    server: str = ""

    @property
    def producer(self) -> Entry | None:
        """The project that makes it, as recorded."""
        return next((i for i in self.page.record.projects if any(o.name == self.name for o in i.interfaces_out)), None)

    @property
    def recorded(self) -> Output | None:
        """Its entry in the registry of the iteration."""
        found = self.producer
        return next((i for i in found.interfaces_out if i.name == self.name), None) if found else None

    @property
    def promise(self) -> InterfaceOut | None:
        """What today's contract says of it; None when nobody promises it any more."""
        found = (contract.interface(self.name) for contract in self.contracts.values())
        return next((item for item in found if item is not None), None)

    @property
    def edges(self) -> tuple[EdgeLine, ...]:
        """Its consumers."""
        return tuple(edge for edge in self.page.record.edges if edge.interface == self.name)


def interface_page(facts: InterfaceFacts, addresses: Addresses) -> Page:
    """One interface in one iteration."""
    producer, recorded = facts.producer, facts.recorded
    title = facts.promise.title if facts.promise else recorded.title if recorded else ""
    links = facts.page.links
    return Page(
        title=f"{facts.name}: {title}",
        part="interfaces",
        subtitle=f"In iteration {facts.page.iteration}, as of {moment_text(facts.page.now)}",
        trail=(Cell("Interfaces", href=addresses.interfaces(links.iteration)), Cell(facts.name)),
        lead=tuple(_lead(facts)),
        sections=(
            _version(facts, producer, addresses),
            rows_section(facts.rows, facts.record, addresses.interface(facts.name, links.iteration)),
            load_section(facts.name, facts.page, facts.server, loadable=_is_loadable(recorded)),
            versions_section(facts.name, facts.versions, facts.page, producer.project_id if producer else ""),
            _schema(facts),
            profile_section(facts.profile, facts.profile_unknown),
            _card(facts),
            _consumers(facts),
            _impact(facts),
            _commands(facts),
        ),
    )


def promised_interface_page(name: str, contract: Contract, contracts: Mapping[str, Contract], at: Addresses) -> Page:
    """Before the first assembly: what the contracts alone say."""
    promise = contract.interface(name)
    pairs = [Pair("Made by", Cell(f"{contract.id} {contract.title}", href=at.project(contract.id)))]
    pairs += _promised(promise) if promise else []
    rows = tuple(
        (Cell(reader, href=at.project(reader)), Cell(", ".join(field_types(wanted.fields)) or "none named"))
        for reader, wanted in _wanted(name, contracts).items()
    )
    columns = ("project", "fields it cannot do without")
    table = Table("Who is declared to read it", columns, rows, "Nobody.")
    title = f"{name}: {promise.title}" if promise else name
    return nothing_assembled(
        title,
        "interfaces",
        Section("version", "What is promised", pairs=tuple(pairs)),
        Section("consumers", "Who reads it", tables=(table,)),
    )


def _wanted(name: str, contracts: Mapping[str, Contract]) -> dict[str, InterfaceIn]:
    return {
        project_id: wanted
        for project_id, contract in contracts.items()
        for wanted in contract.interfaces_in
        if wanted.name == name
    }


def _promised(promise: InterfaceOut) -> Iterator[Pair]:
    yield Pair("Format", Cell(f"{promise.format}, schema {promise.record_schema}"))
    yield Pair("Role", Cell(promise.role))
    yield Pair("Every run must have a version", Cell("yes" if promise.required else "no"))
    if promise.group_key:
        yield Pair("Splits are kept apart by", code(promise.group_key))


def _lead(facts: InterfaceFacts) -> Iterator[Cell]:
    recorded = facts.recorded
    if recorded is None:
        yield Cell(f"It was not promised when iteration {facts.page.iteration} was assembled.", Tone.UNKNOWN)
        return
    if facts.promise is None:
        yield Cell("No contract promises it any more; this is what was recorded.", Tone.ATTENTION)
    if recorded.version is None:
        yield Cell("It has no version: its data were never logged in this iteration.", Tone.ATTENTION)
    lacking = [edge for edge in facts.edges if edge.missing_fields]
    for edge in lacking:
        yield Cell(f"{edge.consumer} cannot use it: {', '.join(edge.missing_fields or ())} is missing.", Tone.BAD)
    found = reading(facts.edges)
    yield Cell(f"Declared consumers: {found.text}.", found.tone)


def _version(facts: InterfaceFacts, producer: Entry | None, addresses: Addresses) -> Section:
    links, recorded = facts.page.links, facts.recorded
    pairs: list[Pair] = []
    if producer is not None:
        href = links.project(producer.project_id)
        pairs.append(Pair("Made by", Cell(f"{producer.project_id} {producer.title}", href=href)))
    pairs += _promised(facts.promise) if facts.promise else []
    version = recorded.version if recorded else None
    if recorded is None or version is None:
        pairs.append(Pair("Version", Cell("none", Tone.UNKNOWN)))
        return Section("version", "Version", pairs=tuple(pairs))
    run_id = producer.evidence.run_id if producer and producer.evidence else None
    pairs += [
        Pair("Version", code(version.digest)),
        Pair("Against the iteration before", change_cell(recorded.change)),
        Pair("Rows", Cell("not counted: opaque") if recorded.format == "opaque" else _count(version.rows)),
        Pair("Bytes", _count(version.bytes)),
        Pair("Schema", code(version.schema_digest or UNKNOWN)),
        Pair("Where", code(version.uri)),
    ]
    if run_id and producer:
        pairs.append(Pair("Logged by run", Cell(run_id, kind="code", href=links.run(run_id, producer.project_id))))
        document = addresses.croissant(facts.name, facts.page.iteration)
        card = Cell(
            "dataset card for the Hugging Face Hub", href=addresses.dataset_card(facts.name, facts.page.iteration)
        )
        pairs.append(Pair("For dataset tools", Cell("Croissant document", href=document, also=(card,))))
    return Section("version", "Version", pairs=tuple(pairs))


def _is_loadable(recorded: Output | None) -> bool:
    return recorded is not None and recorded.version is not None


def _count(value: int | None) -> Cell:
    return Cell(format_value(value, "count"), Tone.UNKNOWN if value is None else Tone.NONE)


def _schema(facts: InterfaceFacts) -> Section:
    version = facts.recorded.version if facts.recorded else None
    fields = version.fields if version else ()
    needs: dict[str, list[str]] = {}
    for reader, wanted in _wanted(facts.name, facts.contracts).items():
        for path in field_types(wanted.fields):
            needs.setdefault(need_path(path), []).append(reader)
    promised = set(map(need_path, field_types(facts.promise.fields))) if facts.promise else set()
    rows = [
        (
            Cell(item.path),
            Cell(item.type),
            _presence(item, asked=path in promised or path in needs),
            Cell("promised" if path in promised else ""),
            Cell(", ".join(needs.get(path, ()))),
        )
        for item in fields[:MOST_FIELDS]
        for path in [need_path(item.path)]
    ]
    known = {need_path(item.path) for item in fields}
    lost = [(path, readers) for path, readers in needs.items() if path not in known]
    rows += [
        (
            Cell(path),
            Cell(""),
            Cell("not there", Tone.BAD if version else Tone.UNKNOWN),
            Cell(""),
            Cell(", ".join(readers)),
        )
        for path, readers in lost
    ]
    more = len(fields) - MOST_FIELDS
    caption = "Fields" + (f"; {more} more in the dataset of its run" if more > 0 else "")
    nothing = "this version has no schema: opaque data are not looked into." if version else "there is no version."
    columns = ("field", "type", "where", "by the contract", "needed by")
    return Section("schema", "Schema", tables=(Table(caption, columns, tuple(rows), nothing),))


def _presence(item: FieldType, *, asked: bool) -> Cell:
    """Whether every row has a field; only where somebody asked for it does it matter that some have not."""
    whole = "element" if is_in_list(item.path) else "row"
    if item.required:
        return Cell(f"in every {whole}")
    return Cell(f"in some {whole}s", Tone.ATTENTION if asked else Tone.NONE)


def _consumers(facts: InterfaceFacts) -> Section:
    links, wanted = facts.page.links, _wanted(facts.name, facts.contracts)
    rows = tuple(
        (
            Cell(edge.consumer, href=links.project(edge.consumer)),
            Cell("the iteration before" if edge.feedback else "the same iteration"),
            Cell(", ".join(field_types(wanted[edge.consumer].fields)) or "none named")
            if edge.consumer in wanted
            else Cell("not declared any more", Tone.UNKNOWN),
            _provided(edge),
            Cell(edge.state, EDGE_TONES.get(edge.state, Tone.UNKNOWN)),
            code((edge.read or "")[:SHORT] or "none"),
        )
        for edge in facts.edges
    )
    columns = ("project", "reads that of", "fields it cannot do without", "provided", "state", "version it read")
    table = Table("Who is declared to read it", columns, rows, "Nobody.")
    return Section("consumers", "Who reads it", tables=(table,))


def _provided(edge: EdgeLine) -> Cell:
    if edge.missing_fields is None:
        return Cell(UNKNOWN, Tone.UNKNOWN)
    return Cell(f"lacks {', '.join(edge.missing_fields)}", Tone.BAD) if edge.missing_fields else Cell("yes", Tone.GOOD)


def _impact(facts: InterfaceFacts) -> Section:
    edges = [_edge(item) for item in facts.page.record.edges]
    reached = impact(edges, [edge for edge in edges if edge.interface == facts.name])
    same = sum(item.turns == 0 for item in reached)
    rows = tuple(_hit(item, facts) for item in reached)
    columns = ("project", "when", "steps away", "by way of")
    caption = f"Projects hit by a change of it: {same} in the same iteration, {len(reached) - same} later"
    return Section("impact", "Impact of a change", tables=(Table(caption, columns, rows, "Nobody."),))


def _hit(item: Impact, facts: InterfaceFacts) -> tuple[Cell, ...]:
    later = f"{item.turns} {'iteration' if item.turns == 1 else 'iterations'} later"
    way = " \N{RIGHTWARDS ARROW} ".join(f"{edge.interface} to {edge.consumer}" for edge in item.through)
    return (
        Cell(item.project_id, href=facts.page.links.project(item.project_id)),
        Cell(later if item.turns else "the same iteration"),
        number(format_value(item.distance, "count")),
        Cell(way),
    )


def _edge(item: EdgeLine) -> Edge:
    known = {state.value for state in EdgeState}
    return Edge(
        interface=item.interface,
        producer=item.producer,
        consumer=item.consumer,
        from_iteration="previous" if item.feedback else "same",
        required=item.required,
        state=EdgeState(item.state) if item.state in known else EdgeState.UNVERSIONED,
        made=item.made,
        read=item.read,
        missing=item.missing_fields,
    )


def _card(facts: InterfaceFacts) -> Section:
    card = facts.card
    if card is None:
        return Section("card", "Data card", notes=(Cell(f"Unknown: {facts.card_unknown}.", Tone.UNKNOWN),))
    pairs = [Pair("Source", Cell(card.source)), Pair("Licence", Cell(card.licence))]
    pairs += [Pair("Title", Cell(card.title))] if card.title else []
    pairs += [Pair("Description", Cell(card.description))] if card.description else []
    pairs += [Pair("Hazard", Cell(text, Tone.ATTENTION)) for text in card.hazards]
    first = card.filters[0].rows_in if card.filters else 0
    rows = tuple(
        (
            Cell(note.rule),
            Cell("none" if note.constant is None else f"{note.constant}"),
            number(format_value(note.rows_in, "count")),
            number(format_value(note.rows_out, "count")),
            number(format_value((note.rows_in - note.rows_out) / note.rows_in if note.rows_in else None, "ratio")),
            Cell(text_bar(note.rows_out / first if first else None), kind="bar"),
            Cell(note.reason),
        )
        for note in card.filters
    )
    columns = ("what is dropped", "constant", "rows in", "rows out", "share dropped", "left of all", "why")
    table = Table("Filters, in the order they were applied", columns, rows, "the card names none.")
    hazards = () if card.hazards else (Cell("The card names no hazard."),)
    return Section("card", "Data card", notes=hazards, pairs=tuple(pairs), tables=(table,))


def _commands(facts: InterfaceFacts) -> Section:
    name, turn = facts.name, facts.page.iteration
    return Section(
        "commands",
        "Next commands",
        commands=(
            Command(f"flywheel impact {name} --iteration {turn}", "the same impact on the command line"),
            Command(f"flywheel resolve {name}", "where the version of the release in production is"),
            Command(f"flywheel pull {name} --out data", "its data, with a Croissant document beside them"),
        ),
    )
