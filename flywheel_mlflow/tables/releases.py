"""Tables of what people decided about releases: releases, what they pin, overrides, the ledger's events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from flywheel_mlflow.assembly.history import LedgerLine
from flywheel_mlflow.decisions.ledger import AUTHENTICATED
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.decisions.releases import STAGES, Override, ReleaseStage
from flywheel_mlflow.decisions.summaries import ReleaseSummary
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value, moment_text

STAGE_TONES = {
    ReleaseStage.PRODUCTION: Tone.GOOD,
    ReleaseStage.REJECTED: Tone.BAD,
}


def releases_table(found: Sequence[ReleaseSummary], *, most: int | None = None, links: Links = NO_LINKS) -> Table:
    """Every release, the newest first; at most ``most`` of them."""
    gates = (f"gate to {stage}" for stage in STAGES)
    columns = ("release", "stands", "iteration", "made by", "at", *gates, "approvals")
    return Table(
        "Releases, newest first",
        (*columns, "bundle"),
        tuple(_release(item, links) for item in found[:most]),
        "no release was made yet.",
        brief=columns,
    )


def _release(item: ReleaseSummary, links: Links) -> tuple[Cell, ...]:
    return (
        Cell(f"release {item.version}", href=links.release(item.version)),
        Cell(
            item.stage.value + "".join(f" (override to {to})" for to in item.overrides),
            Tone.BAD if item.overrides else STAGE_TONES.get(item.stage, Tone.NONE),
        ),
        Cell(str(item.iteration), kind="number", href=links.turn(item.iteration)),
        Cell(item.author),
        Cell(moment_text(item.at)),
        *(_verdict(item.verdicts, stage) for stage in STAGES),
        number(str(item.approvals)),
        code(item.bundle[:SHORT]),
    )


def _verdict(verdicts: Mapping[str, str], stage: str) -> Cell:
    verdict = verdicts.get(stage)
    return Cell("not evaluated") if verdict is None else Cell(verdict, VERDICT_TONES.get(verdict, Tone.UNKNOWN))


def pins_table(pins: Iterable[Pin], caption: str, *, links: Links = NO_LINKS) -> Table:
    """The interfaces of a release with their exact data."""
    columns = ("interface", "made by", "in iteration", "rows", "digest", "licence")
    rows = tuple(
        (
            Cell(item.interface, href=links.interface(item.interface)),
            Cell(item.project, href=links.project(item.project)),
            number(str(item.iteration)),
            number(format_value(item.rows, "count"), Tone.UNKNOWN if item.rows is None else Tone.NONE),
            code(item.digest),
            Cell(item.licence) if item.licence else Cell(UNKNOWN, Tone.UNKNOWN),
            Cell(f"run {item.run_id[:SHORT]}", href=links.any_run(item.run_id)),
        )
        for item in pins
    )
    return Table(caption, (*columns, "run"), rows, "it pins no interface.", brief=columns)


def overrides_table(
    overrides: Iterable[Override], running: Collection[Override], caption: str, empty: str, *, links: Links = NO_LINKS
) -> Table:
    """Gates that people overrode, the newest first; those of ``running`` are open, or wait for their second person."""
    rows = tuple(
        (
            Cell(f"event {item.number}"),
            Cell("open" if item.confirmed is not None else "pending", Tone.BAD) if item in running else Cell("closed"),
            Cell(f"release {item.version}", href=links.release(item.version)),
            Cell(item.to),
            Cell(item.actor.name),
            Cell(item.second),
            Cell(moment_text(item.at)),
            Cell(moment_text(item.until)),
            Cell(item.reason),
        )
        for item in sorted(overrides, key=lambda item: -item.number)
    )
    return Table(caption, ("override", "state", "release", "to", "by", "with", "at", "until", "reason"), rows, empty)


def ledger_table(
    story: Iterable[LedgerLine],
    caption: str,
    empty: str,
    *,
    most: int | None = None,
    links: Links = NO_LINKS,
    folded: bool = False,
) -> Table:
    """Events of the ledger in sentences.

    With ``most`` the newest of them, newest first, and the caption says how many are left out; else all, oldest first.
    """
    found = tuple(story)
    chosen = found if most is None else found[: -most - 1 : -1]
    more = f"; {len(found) - len(chosen)} older ones are left out" if len(chosen) < len(found) else ""
    rows = tuple(_event(item, links) for item in chosen)
    return Table(f"{caption}{more}", ("event", "at", "who", "name is", "what"), rows, empty, folded=folded)


def _event(item: LedgerLine, links: Links) -> tuple[Cell, ...]:
    return (
        number(str(item.number)),
        Cell(moment_text(item.at)),
        Cell(item.actor),
        Cell(item.level, Tone.GOOD if item.level == AUTHENTICATED else Tone.NONE),
        Cell(item.text, href=links.release(item.about) if item.about is not None else ""),
    )
