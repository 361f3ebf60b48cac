"""Writes what stands on a release's page in the model registry."""

from __future__ import annotations

from flywheel_mlflow.assembly.bundle import Bundle
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.reports.escaping import Markdown
from flywheel_mlflow.reports.rendering import render_markdown
from flywheel_mlflow.tables.texts import format_value


def release_description(
    flywheel: Flywheel, iteration: int, recorded: RecordedAssembly, bundle: Bundle, author: str, links: str
) -> str:
    """The description of a model version as Markdown: what it pins, what it leaves out, how the iteration stood.

    ``links`` is a line of Markdown that leads to its bundle and its verdicts.
    """
    shown = ("consumable_count", "project_count", "mean_stage_score", "interface_mapping", "bottleneck_count")
    numbers = [(name, recorded.metrics.get(f"flywheel.{name}")) for name in shown]
    return render_markdown(
        "release.md.j2",
        title=flywheel.blueprint.title,
        iteration=iteration,
        author=author,
        links=Markdown(links),
        bundle=bundle,
        run_id=recorded.run_id,
        numbers=[(name, "unknown" if value is None else f"{value:g}") for name, value in numbers],
        pins=[
            (pin.interface, pin.project, pin.digest, format_value(pin.rows, "count"), pin.licence or "unknown")
            for pin in bundle.pins
        ],
        left_out=sorted(bundle.left_out.items()),
    )
