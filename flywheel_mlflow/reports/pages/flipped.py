"""The part of a comparison that shows which samples of a KPI came out otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.flips import Flip, Flips
from flywheel_mlflow.drift.wording import Tone, word_of
from flywheel_mlflow.reports.dashboard_blocks import Choice, Field, Form, Section
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import format_value

#: Samples of one table; the file of the run has all of them.
MOST_FLIPS = 50


@dataclass(frozen=True, slots=True)
class FlippedSamples:
    """The samples of a KPI that flipped; ``flips`` is None where nobody knows, and ``unknown`` says why.

    ``texts`` say what failed, by sample; ``interface`` is that whose records the samples are, empty where they are
    none; ``traces`` are those that answered before and now, by sample; ``runs`` logged the outcomes.
    """

    kpi: KpiFound
    flips: Flips | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    interface: str = ""
    traces: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
    runs: tuple[str, str] = ("", "")
    unknown: str = ""

    @property
    def project_id(self) -> str:
        """The project whose KPI it is."""
        return self.kpi.subject.partition(".")[0]


def flipped_section(
    found: FlippedSamples | None,
    kpis: Sequence[KpiFound],
    sides: tuple[str, str],
    titles: tuple[str, str],
    links: Links,
    addresses: Addresses,
) -> Section:
    """The samples of one KPI, and the choice of another.

    Args:
        found: the samples of the KPI that was asked for, None unasked.
        kpis: those whose values differ, the worst first; without any there is nothing to choose.
        sides: the two that are compared, as the page's address names them.
        titles: the same for people.
        links: where names lead.
        addresses: of pages.
    """
    if not kpis:
        return Section("samples", "Samples that flipped")
    choice = _choice(found.kpi if found else kpis[0], kpis, sides, addresses)
    if found is None:
        note = Cell("Choose a KPI to see which of its samples came out otherwise, what failed, and the traces.")
        return Section("samples", "Samples that flipped", notes=(note,), filters=(choice,))
    return Section(
        "samples",
        "Samples that flipped",
        notes=tuple(_notes(found)),
        filters=(choice,),
        tables=tuple(_tables(found, titles, links)),
        links=tuple(_files(found, titles, links)),
    )


def _notes(found: FlippedSamples) -> Iterator[Cell]:
    flips = found.flips
    if flips is None:
        yield Cell(f"Unknown for {found.kpi.subject}: {found.unknown}.", Tone.UNKNOWN)
        return
    counts = f"{len(flips.lost)} lost, {len(flips.won)} won, {flips.same} the same"
    counts += f", {flips.only_before} only before, {flips.only_now} only now" if flips.one_sided else ""
    yield Cell(f"{found.kpi.subject}: {counts}.", Tone.BAD if word_of(found.kpi) == "worse" else Tone.NONE)


def _choice(kpi: KpiFound, kpis: Sequence[KpiFound], sides: tuple[str, str], addresses: Addresses) -> Form:
    choices = tuple(Choice(item.subject, f"{item.subject}: {word_of(item)}") for item in kpis)
    return Form(
        action=f"{addresses.compare()}#samples",
        title="Samples of a KPI",
        button="Show",
        why="",
        fields=(
            Field("first", "", "hidden", sides[0]),
            Field("second", "", "hidden", sides[1]),
            Field("samples", "KPI", "choice", kpi.subject, choices),
        ),
    )


def _tables(found: FlippedSamples, titles: tuple[str, str], links: Links) -> Iterator[Table]:
    if found.flips is None:
        return
    columns = [
        "sample",
        *titles,
        *(["what failed"] if found.texts else []),
        *(["answers"] if any(found.traces) else []),
    ]
    for caption, flips in (("Lost: they came out worse", found.flips.lost), ("Won: better", found.flips.won)):
        rows = tuple(tuple(_row(flip, found, titles, links)) for flip in flips[:MOST_FLIPS])
        more = f"; {len(flips) - MOST_FLIPS} more in the run's file" if len(flips) > MOST_FLIPS else ""
        yield Table(f"{caption}{more}", tuple(columns), rows, "none.")


def _row(flip: Flip, found: FlippedSamples, titles: tuple[str, str], links: Links) -> Iterator[Cell]:
    record = links.interface(found.interface, record=flip.sample) if found.interface else ""
    yield Cell(flip.sample, kind="code", href=record)
    yield number(format_value(flip.before, ""))
    yield number(format_value(flip.now, ""))
    if found.texts:
        yield Cell(found.texts.get(flip.sample, ""))
    if any(found.traces):
        answers = [
            Cell(title, href=address)
            for title, traces in zip(titles, found.traces, strict=True)
            if (address := links.trace(traces.get(flip.sample, ""), found.project_id))
        ]
        yield replace(answers[0], also=tuple(answers[1:])) if answers else Cell("no trace")


def _files(found: FlippedSamples, titles: tuple[str, str], links: Links) -> Iterator[Cell]:
    name = found.kpi.subject.partition(".")[2]
    for title, run_id in zip(titles, found.runs, strict=True):
        address = links.run(run_id, found.project_id, f"flywheel/samples/{name}.json")
        if address:
            yield Cell(f"All outcomes of {title}", href=address)
