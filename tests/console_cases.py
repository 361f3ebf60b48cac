"""What tests of console pages share: pages rendered and read back, assemblies as two iterations recorded them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from dashboard_cases import PageReader
from reports_flywheel import ENDED, small_assembly

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord, read_record
from flywheel_mlflow.reports.pages.comparison import Compared
from flywheel_mlflow.reports.pages.frame import Framing, Page, render_framed
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell
from flywheel_mlflow.tables.links import Links

AT = Addresses("/ml")
LINKS = Links(AT, None, {"": "1", "p01": "2", "p02": "3"})
LATER = datetime(2026, 3, 2, tzinfo=UTC)


def shown(page: Page) -> PageReader:
    """The page as a browser reads it; its headings go down one level at a time, and its anchors lead somewhere."""
    reader = PageReader(render_framed(page, Framing("small-flywheel", AT, "ana", "", "token")))
    levels = [int(tag[1]) for tag, _ in reader.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {str(attributes["href"])[1:] for attributes in reader.all("a") if str(attributes["href"]).startswith("#")}
    assert anchors <= set(ids)
    assert all(str(item["href"]).startswith(("#", "/ml/")) for item in reader.all("a"))
    assert not reader.all("script")
    assert not any("style" in attributes for _, attributes in reader.elements)
    return reader


def section(page: Page, name: str) -> Section:
    """One section of a page."""
    return next(item for item in page.sections if item.id == name)


def texts(found: Section) -> list[list[str]]:
    """The rows of all tables of a section as texts."""
    return [[cell.text for cell in row] for table in found.tables for row in table.rows]


def cells(found: Section) -> list[Cell]:
    """Every cell of all tables of a section."""
    return [cell for table in found.tables for row in table.rows for cell in row]


def pairs(found: Section) -> dict[str, Cell]:
    """The pairs of a section by name; the last one of equal names."""
    return {pair.name: pair.value for pair in found.pairs}


def links(found: Section) -> dict[str, str]:
    """Where the links of a section lead, by what they say."""
    return {cell.text: cell.href for cell in found.links}


def record_of(assembly: Assembly | None = None, **changed: Any) -> AssemblyRecord:
    """What an assembly recorded, the small flywheel's unless told otherwise, with some of it changed."""
    return replace(read_record(render_deliverables(assembly or small_assembly())), **changed)


def recorded(iteration: int, metrics: Mapping[str, float] | None = None, **changed: Any) -> RecordedAssembly:
    """An assembly of an iteration as its run holds it."""
    plain = RecordedAssembly(
        iteration, f"{iteration:032x}", "d" * 64, metrics or {}, {}, sound=True, experiment_id="1", ended=ENDED
    )
    return replace(plain, **changed)


def compared_side(iteration: int, assembly: Assembly | None = None, **changed: Any) -> Compared:
    """One side of the page of two iterations."""
    return Compared(recorded(iteration), record_of(assembly, **changed), genuine=True)
