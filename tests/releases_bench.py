"""A flywheel small enough to make many releases of, with gates that pass on their own evidence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flywheels import Document, blueprint_document, contract_document, kpi_document, write_flywheel
from workbench import Bench, Ended, bench_on, flywheel_command, fresh_name, records, write_records

from flywheel_mlflow.base.canonical import canonical_json, plain, sha256_text
from flywheel_mlflow.decisions.ledger import Identity, Ledger, write_event
from flywheel_mlflow.decisions.releases import Basis, Kind
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.operations.acts.acting import perform
from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.deciding import LedgerSnapshot, NewEvent, Session, append_decision, read_snapshot
from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.operations.releases.releasing import create_release
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.tracking.ledger import LedgerPlace

INTERFACE = "p01_data"
MANAGER, REVIEWER, OTHER = "ana", "ben", "chen"
#: Seconds that a move may take. On a busy machine it may take minutes, and still nobody else mends it meanwhile.
LEASE_S = 3600
#: What everybody may use who may move releases; ana makes and moves, ben approves.
ROLES = [
    {"id": "release_manager", "title": "Moves releases", "people": [MANAGER, REVIEWER]},
    {"id": "reviewer", "title": "Approves releases", "people": [REVIEWER, OTHER]},
]


def releases_blueprint(**more: Any) -> Document:
    """Two gates that pass when the quality is high enough, the assembly holds, and somebody approves."""
    signed = {"kind": "approval", "demand": "A reviewer who is not the author approves.", "role": "reviewer"}
    floor = {"kind": "floor", "demand": "The quality is high enough.", "metric": "p01.quality"}
    gates = [
        {
            "id": "to_staging",
            "to": "staging",
            "criteria": [
                floor | {"id": "green", "limit": 0.5},
                {"id": "consistent", "kind": "consistency", "demand": "The assembly's own checks pass."},
                signed | {"id": "signed"},
            ],
        },
        {
            "id": "to_production",
            "to": "production",
            "criteria": [
                floor | {"id": "better", "limit": 0.6},
                signed | {"id": "released"},
                {"id": "no_risks", "kind": "risks", "demand": "No high risk is overdue."},
            ],
        },
    ]
    return blueprint_document() | {
        "gates": gates,
        "routing": [],
        "bottlenecks": [],
        "people": [{"id": name} for name in (MANAGER, REVIEWER, OTHER)],
        "roles": ROLES,
        "releases": {"may_move": ["release_manager"], "move_lease_s": LEASE_S},
        **more,
    }


def releases_contracts() -> dict[str, Document]:
    """A producer of one interface, and the assembly."""
    return {
        "p01": contract_document("p01"),
        "p10": contract_document(
            "p10",
            layers=["governance"],
            stages=["last"],
            registry_role="assembly_layer",
            interfaces_out=[{"name": "p10_data", "title": "Gate", "format": "opaque", "schema": "opaque"}],
            interfaces_in=[{"name": INTERFACE}],
            kpis=[kpi_document("projects", path="project_count", target=2)],
        ),
    }


def releases_flywheel(root: Path, **more: Any) -> Flywheel:
    """The flywheel as files below ``root``, under a fresh name; ``more`` replaces parts of the blueprint."""
    document = releases_blueprint(**more) | {"name": fresh_name()}
    return load_flywheel(write_flywheel(root, blueprint=document, contracts=releases_contracts()))


@dataclass(frozen=True, slots=True)
class ReleasesBench:
    """A flywheel on a server, with what tests of releases do again and again."""

    bench: Bench

    @property
    def name(self) -> str:
        """The flywheel's name, which is the registered model's."""
        return self.bench.name

    def session(self, who: str = MANAGER, **more: Any) -> Session:
        """Where somebody acts."""
        return Session(self.bench.flywheel, self.bench.tracking, Identity(who), **more)

    def act(self, who: str, act: str, **arguments: Any) -> dict[str, Any]:
        """Do an act in somebody's name."""
        return perform(self.session(who), act, arguments)

    def snapshot(self) -> LedgerSnapshot:
        """Aliases, ledger and state as the server has them now."""
        found = read_snapshot(self.bench.tracking)
        assert found is not None
        return found

    def command(self, *arguments: str | Path, who: str = MANAGER) -> Ended:
        """``flywheel ARGUMENTS`` in somebody's name."""
        with named(who):
            return flywheel_command(*arguments, root=self.bench.flywheel.root, uri=self.bench.uri)

    def log(
        self,
        folder: Path,
        iteration: int,
        *,
        quality: float = 0.9,
        rows: int = 0,
        samples: Mapping[str, float] | None = None,
    ) -> str:
        """One iteration's run of the producer; its data differ from those of every other iteration.

        ``samples`` are outcomes behind its KPI, by sample; what failed is said of those judged 0.
        """
        path = write_records(folder / f"data-{iteration}" / "data.jsonl", records(rows or 5 + iteration))
        run = ProjectRun(self.bench.flywheel, "p01", iteration, self.bench.tracking)
        with run:
            run.log_document({"quality": quality})
            run.log_checks([Check("ready", Outcome.PASSED)])
            run.log_interface(INTERFACE, path)
            if samples:
                run.log_samples("quality", samples)
                run.log_failures("quality", {name: f"{name} was wrong" for name, value in samples.items() if not value})
        return run.run_id

    def assemble(self, iteration: int) -> str | None:
        """Assemble it; the assembly's run."""
        sources = read_sources(self.bench.flywheel)
        return assemble_iteration(self.bench.flywheel, self.bench.tracking, iteration, sources=sources).run_id

    def release(self, folder: Path, iteration: int, *, quality: float = 0.9) -> int:
        """A release of a new iteration, made by ana."""
        self.log(folder, iteration, quality=quality)
        self.assemble(iteration)
        return int(self.act(MANAGER, "create", iteration=iteration)["version"])

    def alike(self, iteration: int, count: int) -> tuple[int, ...]:
        """``count`` releases of one iteration whose bundles differ in nothing but the flywheel's title."""
        found = []
        for number in range(count):
            blueprint = self.bench.flywheel.blueprint.model_copy(update={"title": f"Copy {number}"})
            session = replace(self.session(), flywheel=replace(self.bench.flywheel, blueprint=blueprint))
            version = create_release(session, iteration).version
            assert version is not None
            found.append(version)
        return tuple(found)

    def pass_gate(self, version: int, to: str) -> int:
        """What `flywheel gate` writes about a release that passes, without evaluating anything; the event's number."""
        report = canonical_json({"verdict": "PASS"})
        release = self.snapshot().state.release(version)
        run_id = self.bench.tracking.gates.write(
            parent=release.run_id,
            version=version,
            to=to,
            verdict="PASS",
            actor=MANAGER,
            bundle=release.bundle,
            counts={},
            result=report,
            report="passed",
            note=lambda *_: "passed",
        )
        kept = {"run_id": run_id, "report": sha256_text(report)}
        blueprint = self.bench.flywheel.blueprint
        choose = lambda snapshot: NewEvent(Kind.GATE, verdict_body(blueprint, snapshot, version, to) | kept)  # noqa: E731
        return append_decision(self.session(), choose)[0].number

    def pass_gates(self, versions: Iterable[int], to: str) -> None:
        """The same for many releases in one request, without the runs."""
        snapshot = self.snapshot()
        bodies = [verdict_body(self.bench.flywheel.blueprint, snapshot, version, to) for version in versions]
        write_directly(self.bench, snapshot, [(Kind.GATE, body) for body in bodies])

    def through(self, version: int, *stages: str) -> None:
        """Promote a release through stages whose gates it is said to have passed."""
        for to in stages:
            self.pass_gate(version, to)
            self.act(MANAGER, "promote", version=version, to=to)

    def override(self, version: int, to: str) -> None:
        """Permit a promotion without a passing gate, by two people."""
        until = datetime.now(UTC) + timedelta(days=2)
        self.act(MANAGER, "override", version=version, to=to, reason="a test", until=until, second=REVIEWER)
        self.act(REVIEWER, "override-confirm", version=version, reason="a test")

    def findings(self, **options: Any) -> dict[str, list[str]]:
        """What the audit finds: sentences by code; what could not be looked at is under ``not_looked_at``."""
        from flywheel_mlflow.operations.releases.auditing import audit

        found: dict[str, list[str]] = {}
        told = audit(self.session(), **options)
        for item in told.findings:
            found.setdefault(item.code, []).append(item.what)
        return found | ({"not_looked_at": list(told.not_looked_at)} if told.not_looked_at else {})

    def ledger_run(self) -> str:
        """The run of the ledger's first segment."""
        return self.snapshot().place.first_run


def verdict_body(blueprint: Blueprint, snapshot: LedgerSnapshot, version: int, to: str) -> dict[str, object]:
    """A PASS as `flywheel gate` writes it, for a release as it is now."""
    release = snapshot.state.release(version)
    before = snapshot.state.current["production"]
    reference = f"release {before}" if before not in (None, version) else ""
    return {
        "version": version,
        "to": to,
        "verdict": "PASS",
        "basis": plain(Basis(release.bundle, blueprint.gates_digest, reference, "")),
        "until": (datetime.now(UTC) + timedelta(days=7)).isoformat(),
        "people": sorted({item.actor.name for item in release.approvals}),
        "run_id": "0" * 32,
        "report": "0" * 64,
        "criteria": {},
    }


def write_directly(
    bench: Bench,
    snapshot: LedgerSnapshot,
    decisions: Iterable[tuple[str, Mapping[str, object]]],
    *,
    who: Identity | None = None,
) -> Ledger:
    """Append events in one request, as anybody can who may write runs: no rule is asked."""
    ledger, actor = snapshot.ledger, who or Identity(MANAGER)
    texts = {}
    for kind, body in decisions:
        event = write_event(ledger, at=datetime.now(UTC), actor=actor, kind=kind, body=body, seal=None)
        texts[f"event.{event.number:06d}"] = event.text
        ledger = Ledger((*ledger.events, event), ledger.faults)
    write_params(bench, snapshot.place, texts)
    return ledger


def write_params(bench: Bench, place: LedgerPlace, texts: Mapping[str, str]) -> None:
    """Params of the ledger's first run, a hundred a request as MLflow wants it."""
    from mlflow.entities import Param

    params = [Param(key, text) for key, text in texts.items()]
    for start in range(0, len(params), 100):
        bench.client.log_batch(place.first_run, params=params[start : start + 100])


def releases_on(root: Path, uri: str, **more: Any) -> ReleasesBench:
    """The flywheel below ``root`` on the server or store at ``uri``."""
    return ReleasesBench(bench_on(releases_flywheel(root, **more), uri))


def reconnected(found: ReleasesBench, uri: str) -> ReleasesBench:
    """The same flywheel by another way to its server, such as a proxy."""
    return ReleasesBench(bench_on(found.bench.flywheel, uri))


@contextmanager
def named(who: str) -> Iterator[None]:
    """Somebody at the keyboard: the name under which commands act."""
    before = os.environ.get("MLFLOW_TRACKING_USERNAME")
    os.environ["MLFLOW_TRACKING_USERNAME"] = who
    try:
        yield
    finally:
        if before is None:
            del os.environ["MLFLOW_TRACKING_USERNAME"]
        else:
            os.environ["MLFLOW_TRACKING_USERNAME"] = before
