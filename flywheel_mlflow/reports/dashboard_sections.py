"""What a page says about an assembly's record: projects, lineage, stages, bottlenecks, drift, feedback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flywheel_mlflow.assembly.documents import BottleneckLine, Entry, RunLine
from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone, tone_of, word_of
from flywheel_mlflow.evidence.lineage import EdgeState
from flywheel_mlflow.reports.charts import GraphEdge, GraphProject, InterfaceGraph, graph_svg
from flywheel_mlflow.reports.dashboard_blocks import Pair, Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import STATUS_TONES, regression
from flywheel_mlflow.reports.tasks import tasks_view
from flywheel_mlflow.reports.view import text_bar
from flywheel_mlflow.tables.cells import Cell, Drawing, Table, code, number, sentence
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value

#: Findings, themes and edges of one table; the command or file named beside it has all of them.
MOST_ROWS = 100

#: What the state of an edge means for a reader.
EDGE_TONES = {
    EdgeState.MATCHED.value: Tone.GOOD,
    EdgeState.STALE.value: Tone.BAD,
    EdgeState.UNREAD.value: Tone.ATTENTION,
    EdgeState.UNVERSIONED.value: Tone.UNKNOWN,
    EdgeState.NO_EVIDENCE.value: Tone.UNKNOWN,
}
_STATES = {state.value: state for state in EdgeState}


def stage_section(facts: DashboardFacts) -> Section:
    """The stages with status, score, milestone and reasons."""
    columns = ("stage", "status", "score", "", "milestone", "projects", "reasons")
    rows = tuple(_stage(stage, facts) for stage in facts.record.stages)
    return Section(
        "stages",
        "Stages",
        ("business", "engineering"),
        tables=(Table("Stages of the flywheel in this iteration", columns, rows, "No stage was evaluated."),),
    )


def _stage(stage: RunLine, facts: DashboardFacts) -> tuple[Cell, ...]:
    plan, milestone = facts.record.plans.get(stage.stage_id), facts.record.milestones.get(stage.stage_id)
    return (
        Cell(facts.record.title(stage.stage_id)),
        Cell(stage.status, STATUS_TONES.get(stage.status, Tone.UNKNOWN)),
        number(format_value(stage.score, "score 0..1"), Tone.UNKNOWN if stage.score is None else Tone.NONE),
        Cell(text_bar(stage.score), kind="bar"),
        Cell(f"{milestone.title}: {milestone.status}" if milestone else UNKNOWN),
        Cell(", ".join(plan.projects) if plan else UNKNOWN),
        Cell("; ".join(stage.reasons) or "none"),
    )


def bottleneck_section(facts: DashboardFacts) -> Section:
    """The bottlenecks, most pressing first, and the rules nobody can decide."""
    found = facts.record.bottlenecks
    columns = ("bottleneck", "severity", "numbers", "rule", "projects downstream", "advice")
    evaluated = format_value(found.rules_evaluated, "count")
    return Section(
        "bottlenecks",
        "Bottlenecks",
        ("business", "engineering"),
        tables=(
            Table(
                f"Rules that fired, of {evaluated}",
                columns,
                tuple(_bottleneck(item, facts) for item in found.bottlenecks),
                f"None of the {evaluated} rules fired." if found.rules_evaluated else "No rules defined.",
            ),
            Table(
                "Rules that cannot be decided",
                ("rule", "says", "why not"),
                tuple((Cell(i.name), code(i.rule), Cell(i.why, Tone.UNKNOWN)) for i in found.rules_not_decidable),
                "Every rule was decided.",
            ),
        ),
    )


def _bottleneck(item: BottleneckLine, facts: DashboardFacts) -> tuple[Cell, ...]:
    return (
        Cell(item.title, Tone.ATTENTION),
        Cell(item.severity),
        Cell(bottleneck_numbers(item, facts)),
        code(item.rule),
        number(format_value(item.downstream_projects, "count")),
        Cell(item.advice),
    )


def bottleneck_numbers(item: BottleneckLine, facts: DashboardFacts) -> str:
    """The numbers a rule read, with their names."""
    metrics = facts.record.metrics
    units = {name: metrics[name].unit if name in metrics else "" for name in item.values}
    return ", ".join(f"{name} = {format_value(value, units[name])}" for name, value in item.values.items())


def registry_section(facts: DashboardFacts) -> Section:
    """The project registry, and every interface with its version."""
    columns = (
        "project",
        "title",
        "owner",
        "evidence",
        "checks passed",
        "score",
        "consumable",
        "why not, or for whom not",
    )
    return Section(
        "registry",
        "Project registry",
        ("governance", "engineering"),
        tables=(
            Table(
                "Projects with the evidence behind each",
                columns,
                tuple(_project(item, facts.links) for item in facts.record.projects),
                "No project is registered.",
            ),
            Table(
                "Interfaces with their versions",
                ("interface", "of", "what it is", "rows", "digest", "read by", "where"),
                tuple(row for project in facts.record.projects for row in _interfaces(project, facts.links)),
                "No project promises an interface.",
                folded=True,
            ),
        ),
    )


def _project(item: Entry, links: Links) -> tuple[Cell, ...]:
    evidence = item.evidence
    carried = f", from iteration {evidence.carried_from}" if evidence and evidence.carried_from else ""
    total = item.total_checks
    checks = UNKNOWN if total is None else f"{item.passed_checks} of {total}"
    barred = (f"not for {consumer}: {why}" for consumer, why in item.not_consumable_for.items())
    return (
        Cell(item.project_id, href=links.project(item.project_id)),
        Cell(item.title),
        Cell(item.owner),
        Cell(
            f"{item.state}, {evidence.kind}{carried}" if evidence else item.state,
            Tone.NONE if evidence else Tone.UNKNOWN,
            href=links.run(evidence.run_id, item.project_id) if evidence else "",
        ),
        number(checks, Tone.UNKNOWN if total is None else Tone.NONE),
        number(format_value(item.score, "score 0..1"), Tone.UNKNOWN if item.score is None else Tone.NONE),
        Cell("yes", Tone.GOOD) if item.consumable else Cell("no", Tone.ATTENTION),
        Cell("; ".join((*item.reasons, *barred))),
    )


def _interfaces(project: Entry, links: Links) -> Iterator[tuple[Cell, ...]]:
    for item in project.interfaces_out:
        version = item.version
        yield (
            Cell(item.name, href=links.interface(item.name)),
            Cell(project.project_id, href=links.project(project.project_id)),
            Cell(item.title),
            number(format_value(version.rows if version else None, "count")),
            code(version.digest[:SHORT]) if version else Cell("no version", Tone.UNKNOWN),
            Cell(", ".join(item.consumers) or "nobody"),
            code(version.uri) if version else Cell(UNKNOWN, Tone.UNKNOWN),
        )


def lineage_section(facts: DashboardFacts) -> Section:
    """The interface graph as a drawing, and the same as a table."""
    edges = facts.record.edges
    counts = Counter(edge.state for edge in edges)
    told = ", ".join(f"{counts[state]} {state.value}" for state in EdgeState if counts[state]) or "none"
    rows = tuple(
        (
            Cell(edge.interface, href=facts.links.interface(edge.interface)),
            Cell(edge.producer, href=facts.links.project(edge.producer)),
            Cell(edge.consumer, href=facts.links.project(edge.consumer)),
            Cell(edge.state, EDGE_TONES.get(edge.state, Tone.UNKNOWN)),
            code((edge.made or "")[:SHORT] or "none"),
            code((edge.read or "")[:SHORT] or "none"),
        )
        for edge in edges
    )
    return Section(
        "lineage",
        "Lineage",
        ("engineering",),
        notes=(Cell(f"Interface edges: {told}."),),
        drawing=lineage_drawing(facts),
        tables=(
            Table(
                "Who reads what from whom",
                ("interface", "from", "to", "state", "made", "read"),
                rows,
                "No project reads an interface.",
                folded=True,
            ),
        ),
    )


def lineage_drawing(facts: DashboardFacts) -> Drawing:
    """The interface graph; where the page has links, its nodes lead to their projects."""
    return Drawing(graph_svg(_graph(facts), facts.links.project if facts.links.addresses else None), "Lineage, drawn")


def _graph(facts: DashboardFacts) -> InterfaceGraph:
    """The interface graph as it was recorded; what a file somebody edited says of no known project is left out."""
    record = facts.record
    hub = next((item for item in record.projects if not item.upstream), None)
    layers = {item.id: item.title for item in record.layers}
    drawn = [item for item in record.projects if item.upstream and item.layers and item.layers[0] in layers]
    known = {item.project_id for item in drawn} | ({hub.project_id} if hub else set())
    return InterfaceGraph(
        iteration=facts.iteration,
        layers=layers,
        projects=tuple(
            GraphProject(
                item.project_id,
                item.title,
                item.layers[0],
                item.state,
                item.evidence is not None,
                item.consumable,
                item.reasons,
            )
            for item in drawn
        ),
        edges=tuple(
            GraphEdge(
                edge.interface, edge.producer, edge.consumer, _STATES[edge.state], edge.from_iteration == "previous"
            )
            for edge in record.edges
            if edge.state in _STATES and {edge.producer, edge.consumer} <= known
        ),
        hub=(hub.project_id, hub.title) if hub else None,
    )


def drift_section(facts: DashboardFacts) -> Section:
    """The comparison with the reference: verdict, findings worst first."""
    report = facts.drift.report
    if report is None:
        reason = regression(facts.drift, facts.iteration)
        notes = (Cell(f"{sentence(reason.text)}.", reason.tone),)
        return Section("drift", "Drift and regressions", ("governance", "engineering"), notes=notes)
    return Section(
        "drift",
        "Drift and regressions",
        ("governance", "engineering"),
        notes=_untested(report),
        pairs=(Pair("Verdict of the comparison", Cell(report.verdict.value, VERDICT_TONES[report.verdict.value])),),
        tables=(_findings(facts, report),),
    )


def _untested(report: DriftReport) -> tuple[Cell, ...]:
    if not report.untested_signals:
        return ()
    text = f"Distributions not tested, for too few rows or nothing to compare: {report.untested_signals}."
    return (Cell(text, Tone.UNKNOWN),)


def _findings(facts: DashboardFacts, report: DriftReport) -> Table:
    explained = (
        {item.subject: by.actor.name for item, by in facts.drift.answered.explained} if facts.drift.answered else {}
    )
    more = max(0, len(report.findings) - MOST_ROWS)
    rows = tuple(
        (
            Cell(item.subject),
            Cell(word_of(item), tone_of(item)),
            Cell(item.text),
            Cell(explained.get(item.subject, "nobody")),
            code(item.next),
        )
        for item in report.findings[:MOST_ROWS]
    )
    caption = "Findings, worst first" + (f"; {more} more in drift.json" if more else "")
    return Table(caption, ("subject", "verdict", "what", "explained by", "next"), rows, "Nothing got worse.")


def feedback_section(facts: DashboardFacts) -> Section:
    """What came back from applications and people, and what became of it."""
    found, absorbed = facts.feedback, facts.record.tasks
    notes = [] if not found.unknown else [Cell(f"Feedback unknown: {found.unknown}.", Tone.UNKNOWN)]
    if not found.unknown and not found.ingestions:
        notes.append(Cell("No feedback of this iteration was taken in.", Tone.UNKNOWN))
    notes.append(
        Cell(tasks_view(absorbed, facts.iteration).summary if absorbed else "This iteration was handed no task.")
    )
    lost = absorbed.lost if absorbed else ()
    notes += [Cell(f"Lost: {item.task} for {item.project}: {item.why}.", Tone.BAD) for item in lost]
    counts = (found.counts or {}).items()
    return Section(
        "feedback",
        "Feedback and tasks",
        ("business", "engineering"),
        notes=tuple(notes),
        pairs=tuple(Pair(name.replace("_", " "), number(format_value(value, "count"))) for name, value in counts),
        tables=(theme_table(facts), task_table(facts)),
    )


def theme_table(facts: DashboardFacts, project_id: str | None = None) -> Table:
    """The themes of the iteration, or those for one project."""
    themes = facts.feedback.themes
    mine = [item for item in themes.themes if project_id in (None, item.project)] if themes else []
    found = sorted(mine, key=lambda item: -len(item.events))
    rows = []
    for item in found[:MOST_ROWS]:
        decision = facts.ledger.tasks.latest(item.id, item.iteration)
        seen = ", ".join(map(str, item.seen_in)) or "never"
        decided = Cell(decision.kind) if decision else Cell("nothing yet", Tone.ATTENTION)
        events = number(format_value(len(item.events), "count"))
        project = Cell(item.project, href=facts.links.project(item.project))
        rows.append((Cell(item.id), Cell(item.title), project, events, Cell(seen), decided))
    more = max(0, len(found) - MOST_ROWS)
    columns = ("theme", "what", "for", "events", "seen before in", "decided")
    caption = "Themes of this iteration" + (f"; {more} more" if more else "")
    nothing = "No themes were made of this iteration's feedback." if themes is None else "None."
    return Table(caption, columns, tuple(rows), nothing)


def task_table(facts: DashboardFacts, project_id: str | None = None) -> Table:
    """The tasks in the ledger, newest last, or those for one project."""
    columns = ("task", "for", "what", "due in iteration", "answers events", "absorbed in")
    lost = {item.task for item in facts.record.tasks.lost} if facts.record.tasks else set()
    rows = []
    for task in facts.ledger.tasks.tasks.values():
        if project_id not in (None, task.project):
            continue
        absorbed = task.absorbed
        late = absorbed is None and task.iteration <= facts.iteration
        if task.withdrawn:
            state = Cell(f"withdrawn by {task.withdrawn.by}: {task.withdrawn.reason}")
        elif task.id in lost:
            state = Cell(f"iteration {absorbed.iteration}, lost here" if absorbed else "lost here", Tone.BAD)
        elif absorbed:
            state = Cell(f"iteration {absorbed.iteration}", Tone.GOOD)
        else:
            state = Cell("open", Tone.ATTENTION if late else Tone.NONE)
        events, due = format_value(task.events, "count"), format_value(task.iteration, "count")
        project = Cell(task.project, href=facts.links.project(task.project))
        rows.append((Cell(task.id), project, Cell(task.text), number(due), number(events), state))
    nothing = "No theme became a task yet." if project_id is None else "None."
    return Table("Tasks in the ledger", columns, tuple(rows[-MOST_ROWS:]), nothing)
