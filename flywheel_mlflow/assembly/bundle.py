"""Release bundles: the plain JSON files that pin every interface version of an iteration, with the digest of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.base.canonical import digest_of, document_json, plain, sha256_text
from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.decisions.gate_facts import Measured
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.provenance import Direction, own_direction
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schemas import Schema
from flywheel_mlflow.feedback.absorption import NOTHING_ABSORBED
from flywheel_mlflow.promises.strict import Strict

FORMAT_VERSION = 1
FOLDER = "release"
MANIFEST = "manifest.json"
INTERFACES = "interfaces.json"
REGISTRY = "registry.json"
METRICS = "metrics.json"
CHECKS = "checks.json"
DRIFT = "drift.json"
RISKS = "risks.json"
BLUEPRINT = "blueprint.json"
TASKS = "tasks.json"

#: Which deliverable of the assembly each file of the bundle repeats, byte for byte.
_COPIED = {
    REGISTRY: deliverables.REGISTRY,
    METRICS: deliverables.METRICS,
    CHECKS: deliverables.TEST_RESULTS,
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A release's files by name, what they pin, and what they leave out with the reason.

    ``digest`` is the sha256 of the manifest, which holds the sha256 of every other file.
    """

    files: Mapping[str, str]
    digest: str
    pins: tuple[Pin, ...]
    left_out: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where the bundle lies among the artifacts of the assembly's run."""
        return f"{FOLDER}/{self.digest[:16]}"


def make_bundle(
    flywheel: Flywheel,
    iteration: int,
    run_id: str,
    assembly_digest: str,
    files: Mapping[str, str],
    *,
    licences: Mapping[str, str | None],
    addresses: Mapping[str, str],
    drift: Any,
    risks: Iterable[Risk],
) -> Bundle:
    """The bundle of an assembled iteration; equal evidence gives an equal digest.

    Args:
        flywheel: blueprint and contracts as they are now.
        iteration: the iteration.
        run_id: the assembly's run.
        assembly_digest: sha256 over the assembly's files.
        files: the assembly's files by artifact path.
        licences: the licence of each interface, by name.
        addresses: where the artifact store keeps the artifacts of a run, by run id.
        drift: the drift comparison as plain values, or why there is none.
        risks: all risks of the ledger; the open ones are kept.

    Raises:
        InputError: the assembly lacks a file that a release needs.
    """
    files = deliverables.by_name(files)
    absent = sorted(name for name in _COPIED.values() if name not in files)
    if absent:
        raise InputError(
            f"the assembly of iteration {iteration} lacks {', '.join(absent)}",
            where=f"run {run_id}",
            hint=f"run `flywheel assemble --iteration {iteration} --force`",
        )
    registry = parse_json(files[deliverables.REGISTRY], name=deliverables.REGISTRY)
    pins, left_out = _pins(registry, run_id, iteration, licences, addresses)
    documents = {
        INTERFACES: {"interfaces": pins, "left_out": left_out},
        DRIFT: drift,
        # That a gate blocked this very release is no part of it: trying again must not make another one.
        RISKS: [item for item in risks if item.closed_at is None and item.cause != Kind.GATE],
        BLUEPRINT: flywheel.blueprint,
        TASKS: _tasks(files.get(deliverables.TASKS)),
    }
    texts = {name: files[source] for name, source in _COPIED.items()}
    texts |= {name: document_json(document) for name, document in documents.items()}
    manifest = {
        "format_version": FORMAT_VERSION,
        "flywheel": flywheel.name,
        "iteration": iteration,
        "assembly": {"run_id": run_id, "digest": assembly_digest},
        "blueprint_digest": flywheel.blueprint.digest,
        "contracts": {name: contract.digest for name, contract in flywheel.contracts.items()},
        "files": {name: sha256_text(text) for name, text in sorted(texts.items())},
    }
    texts[MANIFEST] = document_json(manifest)
    return Bundle(dict(sorted(texts.items())), sha256_text(texts[MANIFEST]), pins, left_out)


def _tasks(text: str | None) -> Any:
    """What the iteration did with its tasks; one that was handed none has no document about them."""
    return parse_json(text, name=deliverables.TASKS) if text else NOTHING_ABSORBED


def _pins(
    registry: Any, run_id: str, iteration: int, licences: Mapping[str, str | None], addresses: Mapping[str, str]
) -> tuple[tuple[Pin, ...], dict[str, str]]:
    pins: list[Pin] = []
    left_out: dict[str, str] = {}
    for entry in registry:
        evidence = entry["evidence"] or {}
        for item in entry["interfaces_out"]:
            name, version = item["name"], item["version"]
            if version is None:
                left_out[name] = f"{entry['project_id']} logged no version of it"
            elif not entry["consumable"]:
                left_out[name] = f"{entry['project_id']} is not consumable: {entry['reasons'][0]}"
            else:
                uri = version["uri"] if ":/" in version["uri"] else f"runs:/{run_id}/{version['uri']}"
                pins.append(
                    Pin(
                        interface=name,
                        project=entry["project_id"],
                        uri=uri,
                        digest=version["digest"],
                        schema_digest=version["schema_digest"],
                        licence=licences.get(name),
                        rows=version["rows"],
                        iteration=evidence.get("carried_from") or evidence.get("iteration") or iteration,
                        run_id=evidence.get("run_id") or run_id,
                        address=_address(uri, addresses),
                    )
                )
    return tuple(sorted(pins, key=lambda pin: pin.interface)), dict(sorted(left_out.items()))


def _address(uri: str, addresses: Mapping[str, str]) -> str | None:
    """Where the artifact store keeps what ``runs:/RUN/PLACE`` names; None for other URIs."""
    run_id, _, place = uri.removeprefix("runs:/").partition("/")
    return f"{addresses[run_id].rstrip('/')}/{place}" if uri.startswith("runs:/") and run_id in addresses else None


def bundle_faults(files: Mapping[str, str], digest: str) -> tuple[str, ...]:
    """What differs between a bundle's files and the digest under which it was registered; empty when nothing does."""
    if MANIFEST not in files:
        return (f"{MANIFEST} is missing",)
    found = sha256_text(files[MANIFEST])
    if found != digest:
        return (f"{MANIFEST} was edited: its digest is {found[:16]}, registered was {digest[:16]}",)
    try:
        listed = value_at(parse_json(files[MANIFEST], name=MANIFEST), "files")
    except DocumentError as error:
        return tuple(str(fault) for fault in error.faults)
    if not isinstance(listed, dict):
        return (f"{MANIFEST} lists no files",)
    faults = [f"{name} is missing" for name in listed if name not in files]
    faults += [
        f"{name} was edited" for name, known in listed.items() if name in files and sha256_text(files[name]) != known
    ]
    faults += [f"{name} does not belong to the bundle" for name in files if name not in listed and name != MANIFEST]
    return tuple(sorted(faults))


def read_bundle(files: Mapping[str, str], digest: str) -> Bundle:
    """The bundle in files that were fetched from somewhere.

    Raises:
        InputError: they are not what was registered; every difference is named.
    """
    faults = bundle_faults(files, digest)
    if faults:
        raise InputError(
            f"the bundle is not the one that was registered: {'; '.join(faults[:5])}",
            hint="run `flywheel audit`; do not use its interfaces until it is explained",
        )
    try:
        document = _Interfaces.model_validate_json(files.get(INTERFACES, ""), strict=True)
    except ValueError as error:
        raise _foreign(INTERFACES) from error
    return Bundle(files, digest, document.interfaces, document.left_out)


class _Interfaces(Strict):
    """The file of pins."""

    interfaces: tuple[Pin, ...]
    left_out: dict[str, str]


def _foreign(name: str) -> InputError:
    """The digest is right and the content is not ours: somebody else than this tool registered the bundle."""
    return InputError(
        f"{name} of the bundle does not hold what a release holds",
        where=name,
        hint="run `flywheel audit`; make the release again with `flywheel release create`",
    )


def measured(bundle: Bundle) -> dict[str, Measured]:
    """Every number of the bundle by its full name, with sample sizes and directions of KPIs where they are known.

    Raises:
        InputError: the files are not shaped as a release's; no number is guessed.
    """
    try:
        return _measured(bundle)
    except (DocumentError, KeyError, TypeError, AttributeError) as error:
        raise _foreign(METRICS) from error


def _measured(bundle: Bundle) -> dict[str, Measured]:
    metrics = parse_json(bundle.files[METRICS], name=METRICS)["metrics"]
    registry = parse_json(bundle.files[REGISTRY], name=REGISTRY)
    manifest = parse_json(bundle.files[MANIFEST], name=MANIFEST)
    kpis = {
        f"{entry['project_id']}.{name}": (kpi, (entry["evidence"] or {}).get("run_id"))
        for entry in registry
        for name, kpi in entry["kpis"].items()
    }
    found: dict[str, Measured] = {}
    for name, metric in metrics.items():
        kpi, run_id = kpis.get(name, ({}, None))
        found[name] = Measured(
            value=_number(metric["value"]),
            n=kpi.get("n") if type(kpi.get("n")) is int else None,
            run_id=run_id or manifest["assembly"]["run_id"],
            direction=_direction(name, {**metric, **kpi}),
            stderr=_number(kpi.get("stderr")),
            unit=str(metric.get("unit") or ""),
        )
    return found


def bundled_schema(bundle: Bundle, interface: str) -> Schema:
    """The schema of an interface as the release's registry recorded it.

    Raises:
        InputError: the registry is not one that this product wrote.
    """
    try:
        registry = parse_json(bundle.files[REGISTRY], name=REGISTRY)
        (version,) = (
            item["version"] for entry in registry for item in entry["interfaces_out"] if item["name"] == interface
        )
        fields = (FieldType(str(item["path"]), str(item["type"]), bool(item["required"])) for item in version["fields"])
        return Schema(tuple(fields), int(version.get("schema_format", 1)))
    except (DocumentError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(REGISTRY) from error


def _direction(name: str, stated: Mapping[str, Any]) -> Direction | None:
    """The better direction as the bundle states it; bundles of before it was stated have it by the number's name."""
    found: Direction | None = stated.get("direction", own_direction(name))
    if found not in ("higher", "lower", None):
        raise TypeError("no direction")
    return found


def _number(value: object) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError("no number")
    return value


def pins_digest(pins: Iterable[Pin]) -> str:
    """sha256 over what the pins say, by which the audit compares them with a version's tags."""
    return digest_of([plain(pin) for pin in pins])
