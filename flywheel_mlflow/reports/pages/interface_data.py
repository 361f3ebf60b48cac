"""What the page of an interface shows of the data: first rows, how to load them, signals, versions over time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.assembly.documents import Version
from flywheel_mlflow.drawings.timelines import Step, timeline_svg
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.records.profiles import Profile, Signal
from flywheel_mlflow.reports.dashboard_blocks import Charts, Section, Snippet
from flywheel_mlflow.reports.dashboard_charts import production_marks
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_sections import MOST_ROWS
from flywheel_mlflow.reports.pages.comparison import VERSION_RULE
from flywheel_mlflow.reports.pages.interfaces import change_cell
from flywheel_mlflow.reports.signals import signal_charts, told
from flywheel_mlflow.tables.cells import Cell, Drawing, Table, code, number
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value

#: Fields of a record that become columns; characters of each value.
MOST_COLUMNS, MOST_CHARACTERS = 12, 300


@dataclass(frozen=True, slots=True)
class PastVersion:
    """The version of an interface in one iteration; ``version`` None: nothing was logged, or it was not promised."""

    iteration: int
    version: Version | None
    change: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True)
class ShownRows:
    """Rows of an interface with personal data masked, of the kinds ``masked``; or ``why`` there are none to show.

    ``changed`` says that the file is not the one that was logged.
    """

    rows: tuple[dict[str, Any], ...] = ()
    masked: tuple[str, ...] = ()
    why: str = ""
    changed: bool = False


def rows_section(found: ShownRows | None, record: str, everything: str) -> Section:
    """The first rows, or the record of an id; ``everything`` is the address of the page without it."""
    title = f"Record {record}" if record else "First rows"
    back = (Cell("The first rows", href=everything),) if record else ()
    if found is None or found.why:
        why = found.why if found else "it has no version"
        tone = Tone.BAD if found and found.changed else Tone.UNKNOWN
        return Section("rows", title, notes=(Cell(f"Not shown: {why}.", tone),), links=back)
    kinds = ", ".join(name.replace("_", " ") for name in found.masked)
    note = Cell(f"Masked, as the check of personal data found it: {kinds}.", Tone.ATTENTION) if kinds else None
    known = dict.fromkeys(name for row in found.rows for name in row)
    fields = sorted(known, key=lambda name: name != "id")
    columns = tuple(fields[:MOST_COLUMNS])
    rows = tuple(tuple(_value(row.get(name)) for name in columns) for row in found.rows)
    more = f"; {len(fields) - MOST_COLUMNS} more fields" if len(fields) > MOST_COLUMNS else ""
    empty = f"its first file has no record with the id {record}." if record else "its first file has none."
    table = Table(f"Rows of its first file{more}", columns, rows, empty)
    return Section("rows", title, notes=(note,) if note else (), tables=(table,), links=back)


def _value(value: Any) -> Cell:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Cell(text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…")


def load_section(name: str, page: DashboardFacts, server: str, *, loadable: bool) -> Section:
    """How to load this very version; nothing where there is none."""
    if not loadable:
        return Section("load", "Load it", notes=(Cell("It has no version to load.", Tone.UNKNOWN),))
    given = f'"{name}", flywheel="{page.flywheel}", tracking_uri="{server}"'
    python = (
        "import flywheel_mlflow\n\n"
        f"data = flywheel_mlflow.load(\n    {given}, iteration={page.iteration}\n)\n"
        "data.to_pandas()  # or to_arrow(), to_polars(), to_hf(), iter_records()"
    )
    shell = (
        f"export MLFLOW_TRACKING_URI={server}\n"
        f"flywheel pull {name} --out data              # with a Croissant document\n"
        f"flywheel pull {name} --out data --format hf  # a folder for datasets.load_dataset"
    )
    return Section(
        "load",
        "Load it",
        notes=(Cell("Without `iteration` it is what stands in production. The data are compared with their digest."),),
        snippets=(Snippet("In Python", python), Snippet("At a terminal, what stands in production", shell)),
    )


def profile_section(profile: Profile | None, unknown: str) -> Section:
    """Every quality signal drawn, and in numbers."""
    if profile is None:
        return Section("profile", "Quality signals", notes=(Cell(f"Unknown: {unknown}.", Tone.UNKNOWN),))
    charts = signal_charts(profile)
    columns = ("signal", "values", "missing", "least", "median", "mean", "most", "most frequent texts")
    rows = tuple(map(_signal, profile.signals[:MOST_ROWS]))
    caption = f"Quality signals of {format_value(profile.rows, 'count')} rows"
    return Section(
        "profile",
        "Quality signals",
        charts=(Charts("", charts),) if charts else (),
        tables=(Table(caption, columns, rows, "its rows state none."),),
    )


def _signal(item: Signal) -> tuple[Cell, ...]:
    numbers = (
        told(value) if item.bins else "" for value in (item.minimum, item.quantile(0.5), item.mean, item.maximum)
    )
    texts = ", ".join(f"{name} ({count:,})" for name, count in item.categories[:3])
    return (
        Cell(item.name),
        number(format_value(item.count, "count")),
        number(format_value(item.missing, "count")),
        *map(number, numbers),
        Cell(texts or "none"),
    )


def versions_section(name: str, versions: Sequence[PastVersion], page: DashboardFacts, project_id: str) -> Section:
    """The versions as a timeline, and as a table, newest first."""
    links = page.links
    rows = tuple(
        _past(item, before, links.run(item.run_id, project_id), links.turn(item.iteration))
        for before, item in zip((None, *versions), versions, strict=False)
    )
    columns = ("iteration", "version", "against the iteration before", "rows", "schema", "logged by run")
    steps = tuple(_steps(versions, page))
    return Section(
        "versions",
        "Versions over the iterations",
        notes=(Cell(VERSION_RULE),),
        drawing=Drawing(timeline_svg(name, steps), f"Versions of {name}, drawn") if steps else None,
        tables=(Table("Newest first", columns, tuple(reversed(rows)), "None was logged."),),
    )


def _steps(versions: Sequence[PastVersion], page: DashboardFacts) -> Iterator[Step]:
    marks = {mark.iteration: mark.label for mark in production_marks(page)}
    for before, item in zip((None, *versions), versions, strict=False):
        size = _size(item.version)
        change = _change(item, before)
        said = {None: "no version", "same": f"the same data, {size}"}.get(change, f"{(change or '').upper()}, {size}")
        sentence = f"iteration {item.iteration}: {said}"
        yield Step(item.iteration, change, size, sentence, marks.get(item.iteration, ""))


def _size(version: Version | None) -> str:
    rows = version.rows if version else None
    if rows is not None:
        return f"{format_value(rows, 'count')} {'row' if rows == 1 else 'rows'}"
    return f"{format_value(version.bytes, 'count')} bytes" if version else UNKNOWN


def _change(item: PastVersion, before: PastVersion | None) -> str | None:
    if item.version is None:
        return None
    old = before.version if before else None
    return "same" if old is not None and old.digest == item.version.digest else item.change or UNKNOWN


def _past(item: PastVersion, before: PastVersion | None, run: str, turn: str) -> tuple[Cell, ...]:
    version = item.version
    name = Cell(str(item.iteration), href=turn)
    if version is None:
        return (name, Cell("no version", Tone.UNKNOWN), Cell(""), number(UNKNOWN, Tone.UNKNOWN), Cell(""), Cell(""))
    return (
        name,
        code(version.digest[:SHORT]),
        Cell("the same data") if _change(item, before) == "same" else change_cell(item.change),
        number(format_value(version.rows, "count")),
        code(version.schema_digest[:SHORT] or "none"),
        Cell((item.run_id or "")[:SHORT] or "none", kind="code", href=run),
    )
