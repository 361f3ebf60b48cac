"""Writes the line of links that stands above a note in MLflow's user interface."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flywheel_mlflow.assembly.deliverables import REPORT
from flywheel_mlflow.reports.note import cut_note
from flywheel_mlflow.tables.addresses import Addresses

#: MLflow's pages are one document: what begins with a dot is looked for on the server that shows the note, whatever its
#: static prefix (tried in a browser, MLflow 3.17.2; links of a note open in a new tab).
_HERE = Addresses(".")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a note stands: its run and experiment; ``pages`` says that the server shows the flywheel's own pages.

    ``report`` is how the assembly's report is stored.
    """

    run_id: str
    experiment_id: str
    pages: bool
    report: str = REPORT


def with_links(links: str, note: str, artifact: str) -> str:
    """The note below its links, if any, within MLflow's limit; the rest is in ``artifact``."""
    return cut_note(f"{links}\n\n{note}" if links else note, artifact)


def assembly_links(place: Place, table: str, iteration: int, before: str | None) -> str:
    """Of an iteration's run; ``table`` is the address of all iterations, ``before`` the run of the iteration before."""
    found = [("All iterations", f"./{table}"), ("Report", _artifact(place, place.report))]
    if before is not None:
        compared = _HERE.ui_compare([before, place.run_id], [place.experiment_id])
        found.append((f"Compare with iteration {iteration - 1}", compared))
    if place.pages:
        found.append(("Page of this iteration", _HERE.iteration(iteration)))
    return _line(found)


def gate_links(place: Place, version: int, model: str, report: str) -> str:
    """Of a gate's run: the release it judged, and ``report``, the artifact that holds the whole verdict."""
    found = [(f"Release {version}", _HERE.ui_version(model, version)), ("Whole verdict", _artifact(place, report))]
    if place.pages:
        found.append(("Page of this release", _HERE.release(version)))
    return _line(found)


def release_links(place: Place, bundle: str, filter_tag: str, digest: str) -> str:
    """Of a model version: its bundle below ``bundle``, the verdicts of its gates, the iteration it was made from.

    The runs of its gates carry the bundle's ``digest`` in the tag ``filter_tag``: a description is written before the
    first verdict, and need not be written again.
    """
    gates = _HERE.ui_runs(place.experiment_id, f"tags.`{filter_tag}` = '{digest}'")
    found = [
        ("Bundle", _artifact(place, f"{bundle}/manifest.json")),
        ("Verdicts of its gates", gates),
        ("Iteration", _HERE.ui_run(place.experiment_id, place.run_id)),
        ("Report", _artifact(place, place.report)),
    ]
    if place.pages:
        found.append(("All releases", _HERE.releases()))
    return _line(found)


def project_links(place: Place, project_id: str, iteration: int) -> str:
    """Of a project's run; empty where the server shows no pages of the flywheel's own."""
    return _line([("Page of this project", _HERE.project(project_id, iteration))]) if place.pages else ""


def _artifact(place: Place, path: str) -> str:
    return _HERE.ui_run(place.experiment_id, place.run_id, path)


def _line(links: Iterable[tuple[str, str]]) -> str:
    # A parenthesis would end the address, a quote is what some sanitizers stumble over.
    return " · ".join(f"[{text}]({_closed(address)})" for text, address in links)


def _closed(address: str) -> str:
    return address.replace("(", "%28").replace(")", "%29").replace("'", "%27")
