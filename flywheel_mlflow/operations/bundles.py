"""Fetches release bundles, and what is needed to make one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.bundle import Bundle, read_bundle
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.decisions.releases import Release, ReleaseState
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

CARDS = "flywheel/cards"


def fetch_bundle(tracking: Tracking, release: Release) -> Bundle:
    """A release's bundle, compared with the digest under which the ledger registered it.

    Raises:
        InputError: it is gone, or not what was registered.
    """
    return read_bundle(bundle_files(tracking, release), release.bundle)


def bundle_files(tracking: Tracking, release: Release) -> dict[str, str]:
    """The files of a release's bundle as they are now, whatever they say."""
    with scratch_folder() as folder:
        return tracking.artifacts.texts(release.run_id, release.place, folder)


def locate_pins(tracking: Tracking, pins: Iterable[Pin]) -> None:
    """Spare the requests for runs whose artifact address is written down in the pins."""
    for pin in pins:
        run_id, _, place = pin.uri.removeprefix("runs:/").partition("/")
        if pin.address and pin.uri.startswith("runs:/") and pin.address.endswith(f"/{place}"):
            tracking.artifacts.known(run_id, pin.address.removesuffix(f"/{place}"))


def licences(tracking: Tracking, files: Mapping[str, str]) -> tuple[dict[str, str | None], dict[str, str]]:
    """The licence of each interface by name, its data card's or those all its records state; and addresses by run."""
    found: dict[str, str | None] = {}
    addresses: dict[str, str] = {}
    for entry in parse_json(files[deliverables.REGISTRY], name=deliverables.REGISTRY):
        run_id = (entry["evidence"] or {}).get("run_id")
        if not run_id or not any(item["version"] for item in entry["interfaces_out"]):
            continue
        addresses[run_id] = tracking.artifacts.address(run_id)
        found |= licences_of_run(tracking, run_id)
    return found, addresses


def licences_of_run(tracking: Tracking, run_id: str) -> dict[str, str | None]:
    """The licence of each interface a run logged, by name: its data card's, or those all its records state."""
    found: dict[str, str | None] = {}
    with scratch_folder() as folder:
        cards = tracking.artifacts.texts(run_id, CARDS, folder)
    for name, text in cards.items():
        interface, _, kind = name.removesuffix(".json").partition(".")
        found[interface] = _stated(text) if kind == "licences" else _licence(text)
    return found


def _licence(card: str) -> str | None:
    try:
        told = value_at(parse_json(card, name="data card"), "licence")
    except DocumentError:
        return None
    return told if isinstance(told, str) else None


def _stated(licences: str) -> str | None:
    try:
        told = parse_json(licences, name="licences")
    except DocumentError:
        return None
    words = [item for item in told if isinstance(item, str)] if isinstance(told, list) else []
    return ", ".join(words) or None


@dataclass(frozen=True, slots=True)
class Reference:
    """What a release is compared with: its name in words, its release where it is one, and its assembly."""

    name: str
    release: Release | None
    recorded: RecordedAssembly | None


def reference_of(tracking: Tracking, state: ReleaseState | None, iteration: int, version: int | None) -> Reference:
    """The release in production, unless that is the release itself; else the iteration before; else nothing."""
    current = state.current["production"] if state else None
    if state is not None and current is not None and current != version:
        release = state.release(current)
        return Reference(
            f"release {current}", release, tracking.assemblies.recorded_run(release.run_id, release.iteration)
        )
    recorded = tracking.assemblies.recorded(iteration - 1) if iteration > 1 else None
    return Reference(f"iteration {iteration - 1}" if recorded else "", None, recorded)


@dataclass(frozen=True, slots=True)
class DriftDocument:
    """The drift comparison with a reference as it lies on the assembly's run; None when nobody compared."""

    text: str | None

    @property
    def digest(self) -> str:
        """sha256 of the text; empty without one."""
        return sha256_text(self.text) if self.text is not None else ""

    @property
    def document(self) -> Any:
        """The comparison as plain values, or that there is none."""
        if self.text is None:
            return {"compared": False}
        try:
            return parse_json(self.text, name="drift.json")
        except DocumentError as error:
            return {"compared": False, "why": error.what}


def drift_of(tracking: Tracking, run_id: str, reference: Reference) -> DriftDocument:
    """The drift comparison of an assembly's run with a reference."""
    if reference.recorded is None:
        return DriftDocument(None)
    with scratch_folder() as folder:
        return DriftDocument(tracking.artifacts.text(run_id, f"drift/{reference.recorded.run_id}/drift.json", folder))
