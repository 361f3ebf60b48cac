"""Hands consumers released data in a folder of their own, as logged or as a dataset repository with its card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.bundle import REGISTRY
from flywheel_mlflow.assembly.documents import Output
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.operations.projects.loading import LoadedInterface
from flywheel_mlflow.operations.projects.resolving import (
    Resolved,
    consumer_settings,
    pull_interface,
    released_at,
    resolve_interface,
    writing_to,
)
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

FORMATS = ("files", "hf")


def pull(
    interface: str,
    out: str | Path,
    at: str | int = "production",
    *,
    format: str = "files",  # noqa: A002 - what the command calls it
    flywheel: str | None = None,
    root: str | Path | None = None,
    tracking_uri: str | None = None,
) -> LoadedInterface:
    """The data of a released interface in a folder of your own, compared with their digest.

    Args:
        interface: its name, such as ``foundation_corpus``.
        out: the folder to put them into, below the interface's name.
        at: ``production``, ``staging`` or a release's number.
        format: ``files`` as they were logged; ``hf`` is a folder that ``datasets.load_dataset`` opens, with its card.
        flywheel: the flywheel's name; a consumer needs nothing else of it. If left out, the one whose files are at
            ``root`` or in the nearest folder upward.
        root: a folder with the flywheel's files.
        tracking_uri: the MLflow server or store; else ``MLFLOW_TRACKING_URI``.

    Raises:
        Refused: nothing is released there, the interface is left out, or the data are not what was released.
        UnknownName: there is no such interface. InputError: no such format, or a folder that is there already.
        ServerError, StorageError: server, store or disk.
    """
    from flywheel_mlflow.tracking import connect

    settings, name = consumer_settings(flywheel, Path(root) if root else None, tracking_uri)
    return pull_released(connect(settings, name), interface, Path(out), str(at), format)


def pull_released(tracking: Tracking, interface: str, out: Path, at: str, kind: str) -> LoadedInterface:
    """The same on a server that is connected already; ``kind`` is one of ``FORMATS``."""
    if kind not in FORMATS:
        raise UnknownName("format", kind, FORMATS)
    found = resolve_interface(tracking, interface, at)
    take = pull_repository if kind == "hf" else pull_interface
    return LoadedInterface(found, take(tracking, found, out))


def pull_repository(tracking: Tracking, found: Resolved, out: Path) -> Path:
    """The data of a resolved interface as a dataset repository below ``out``: a folder of data, and ``README.md``.

    The data are fetched and compared with their digest first.

    Raises:
        Refused: the data are not what was released.
        InputError: opaque data, or there is such a folder already. StorageError: it cannot be written.
    """
    from flywheel_mlflow.records.cards import card_from_json
    from flywheel_mlflow.records.hub_repository import write_repository
    from flywheel_mlflow.records.profiles import profile_from_json
    from flywheel_mlflow.reports.dataset_card import DatasetFacts, SplitFiles, dataset_card

    target = out / found.interface
    if target.exists():
        raise InputError(f"there is a {found.interface} already", where=str(target), hint="choose another --out")
    with scratch_folder() as scratch:
        data = LoadedInterface(found, pull_interface(tracking, found, scratch / "data"))
        data_format = data.data_format()
        run_id = found.uri.removeprefix("runs:/").partition("/")[0]
        card = tracking.profiles.card(run_id, found.interface, scratch / "card")
        profile = tracking.profiles.profile(run_id, found.interface, scratch / "profile")
        promise = _promise(tracking, found, scratch / "registry")
        try:
            with writing_to(out):
                target.mkdir(parents=True)
                splits = write_repository(data.path, data_format, target)
                about = DatasetFacts(
                    interface=found.interface,
                    title=promise.title if promise else None,
                    role=promise.role if promise else None,
                    card=card_from_json(card, name="data card") if card else None,
                    licence=found.licence,
                    profile=profile_from_json(parse_json(profile, name="profile")) if profile else None,
                    fields=promise.version.fields if promise and promise.version else (),
                    splits=tuple(SplitFiles(name, *rest) for name, rest in splits.items()),
                    facts=(
                        ("interface", found.interface),
                        ("release", found.release),
                        ("made by", found.project),
                        ("iteration", found.iteration),
                        ("digest", found.digest),
                        ("schema digest", found.schema_digest),
                    ),
                )
                (target / "README.md").write_text(dataset_card(about), encoding="utf-8")
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)  # what was written half would stand in the way of the next try
            raise
    return target


def _promise(tracking: Tracking, found: Resolved, scratch: Path) -> Output | None:
    """What the release's own registry says of the interface."""
    view = released_at(tracking, str(found.release))
    place = view.source.removeprefix(f"runs:/{view.run_id}/").strip("/")
    text = tracking.artifacts.text(view.run_id, f"{place}/{REGISTRY}", scratch) if "/" in place else None
    if text is None:
        return None
    projects = deliverables.read_document(deliverables.REGISTRY, text)
    return next((item for entry in projects for item in entry.interfaces_out if item.name == found.interface), None)
