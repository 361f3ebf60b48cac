"""Finds the rules under which a past decision was taken: today's blueprint, or one that a release's bundle holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from flywheel_mlflow.assembly.bundle import BLUEPRINT
from flywheel_mlflow.base.errors import DocumentError, FlywheelError
from flywheel_mlflow.decisions.releases import Release, ReleaseState
from flywheel_mlflow.operations.bundles import fetch_bundle
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.tracking import Tracking


def bundled_blueprint(files: Mapping[str, str]) -> Blueprint | None:
    """The blueprint in the files of a bundle; None when there is none that can be read."""
    try:
        return Blueprint.model_validate_json(files.get(BLUEPRINT, ""))
    except (ValidationError, DocumentError):
        return None


def believing(past: Blueprint, today: Blueprint) -> Blueprint:
    """The rules of the past with the servers that are believed today: a bundle cannot vouch for its own server."""
    rules = past.releases.model_copy(update={"server_keys": today.releases.server_keys})
    return past.model_copy(update={"releases": rules})


class PastRules:
    """The blueprints of a flywheel's past, each read when it is first asked for; a bundle that is gone has none."""

    def __init__(self, tracking: Tracking, state: ReleaseState, today: Blueprint) -> None:
        self._tracking = tracking
        self._today = today
        self._releases = sorted(state.releases.values(), key=lambda release: release.number)
        self._read: dict[str, Blueprint | None] = {}

    def under(self, gates: str) -> Blueprint | None:
        """The rules whose gates, roles and keys have the digest ``gates``; None when nothing holds them any more."""
        if gates == self._today.gates_digest:
            return self._today
        bundled = (self._bundled(release) for release in self._releases)
        past = next((item for item in bundled if item is not None and item.gates_digest == gates), None)
        return believing(past, self._today) if past is not None else None

    def allowed(self, number: int, test: Callable[[Blueprint], bool]) -> bool:
        """Whether rules that can have stood when event ``number`` was written pass the test.

        These are today's, and those of the releases registered last before the event and first after it: nobody
        knows when in between the file was edited.
        """
        if test(self._today):
            return True
        before = [release for release in self._releases if release.number <= number][-1:]
        after = [release for release in self._releases if release.number > number][:1]
        bundled = (self._bundled(release) for release in before + after)
        return any(test(believing(item, self._today)) for item in bundled if item is not None)

    def _bundled(self, release: Release) -> Blueprint | None:
        if release.bundle not in self._read:
            try:
                files = fetch_bundle(self._tracking, release).files
            except FlywheelError:
                files = {}
            self._read[release.bundle] = bundled_blueprint(files)
        return self._read[release.bundle]
