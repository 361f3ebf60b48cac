"""Reads what project runs logged besides their data: profiles, data cards, outcomes of single samples, failures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.evidence.samples import KpiSamples, samples_from_json
from flywheel_mlflow.feedback.failures import KpiFailures, failures_from_json
from flywheel_mlflow.records.cards import DataCard, card_from_json
from flywheel_mlflow.records.profiles import Profile, profile_from_json
from flywheel_mlflow.tracking.artifacts import Artifacts

if TYPE_CHECKING:
    from flywheel_mlflow.records.content.profile import ContentProfile

PROFILES = "flywheel/profiles"
CONTENT = "flywheel/content"
CARDS = "flywheel/cards"
SAMPLES = "flywheel/samples"
FAILURES = "flywheel/failures"
FILES = "flywheel/files"
CHECKS = "flywheel/checks.json"


class LoggedProfiles:
    """The small files beside the data, by run; a file that is not there is nothing, one that is broken is an error."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def checks(self, run_id: str, folder: Path) -> str | None:
        """Every check the run logged, as its JSON text; None when there is none."""
        return self._artifacts.text(run_id, CHECKS, folder)

    def profile(self, run_id: str, interface: str, folder: Path) -> str | None:
        """The profile of one interface as its JSON text; None when the run logged none."""
        return self._artifacts.text(run_id, f"{PROFILES}/{interface}.json", folder)

    def card(self, run_id: str, interface: str, folder: Path) -> str | None:
        """The data card of one interface as its JSON text; None when the run logged none."""
        return self._artifacts.text(run_id, f"{CARDS}/{interface}.json", folder)

    def files(self, run_id: str, interface: str, folder: Path) -> str | None:
        """The names, sizes and digests of the data files of one interface as JSON; None when the run logged none."""
        return self._artifacts.text(run_id, f"{FILES}/{interface}.json", folder)

    def profiles(self, run_id: str, folder: Path) -> dict[str, Profile | FlywheelError]:
        """The profile of each interface the run logged, or why it cannot be read."""
        found: dict[str, Profile | FlywheelError] = {}
        for name, text in self._texts(run_id, PROFILES, folder).items():
            try:
                found[name] = profile_from_json(parse_json(text, name=f"{PROFILES}/{name}.json"))
            except FlywheelError as error:
                found[name] = error
        return found

    def contents(self, run_id: str, folder: Path) -> dict[str, ContentProfile | FlywheelError]:
        """The content profile of each interface the run logged, or why it cannot be read."""
        from flywheel_mlflow.records.content.profile import content_from_parquet

        found: dict[str, ContentProfile | FlywheelError] = {}
        for name, data in self._artifacts.files(run_id, CONTENT, folder).items():
            interface = name.removesuffix(".parquet")
            try:
                found[interface] = content_from_parquet(data, name=f"{CONTENT}/{name}")
            except FlywheelError as error:
                found[interface] = error
        return found

    def cards(self, run_id: str, folder: Path) -> dict[str, DataCard | FlywheelError]:
        """The data card of each interface the run logged, or why it cannot be read."""
        found: dict[str, DataCard | FlywheelError] = {}
        for name, text in self._texts(run_id, CARDS, folder).items():
            try:
                found[name] = card_from_json(text, name=f"{CARDS}/{name}.json")
            except FlywheelError as error:
                found[name] = error
        return found

    def samples(self, run_id: str, folder: Path) -> dict[str, KpiSamples | FlywheelError]:
        """The samples of each KPI, or why they cannot be read."""
        found: dict[str, KpiSamples | FlywheelError] = {}
        for name, text in self._texts(run_id, SAMPLES, folder).items():
            try:
                found[name] = samples_from_json(text, name=f"{SAMPLES}/{name}.json")
            except FlywheelError as error:
                found[name] = error
        return found

    def kpi_samples(self, run_id: str, kpi: str, folder: Path) -> KpiSamples | None:
        """The samples of one KPI; None when the run logged none.

        Raises:
            DocumentError: they cannot be read.
        """
        text = self._artifacts.text(run_id, f"{SAMPLES}/{kpi}.json", folder)
        return None if text is None else samples_from_json(text, name=f"{SAMPLES}/{kpi}.json")

    def kpi_failures(self, run_id: str, kpi: str, folder: Path) -> KpiFailures | None:
        """What failed among them, in words; None when the run said nothing.

        Raises:
            DocumentError: it cannot be read.
        """
        text = self._artifacts.text(run_id, f"{FAILURES}/{kpi}.json", folder)
        return None if text is None else failures_from_json(text, name=f"{FAILURES}/{kpi}.json")

    def failures(self, run_id: str, folder: Path) -> dict[str, KpiFailures | FlywheelError]:
        """The failures of each KPI the run logged any of, or why they cannot be read."""
        found: dict[str, KpiFailures | FlywheelError] = {}
        for name, text in self._texts(run_id, FAILURES, folder).items():
            try:
                found[name] = failures_from_json(text, name=f"{FAILURES}/{name}.json")
            except FlywheelError as error:
                found[name] = error
        return found

    def _texts(self, run_id: str, place: str, folder: Path) -> dict[str, str]:
        """JSON files of a folder by interface or KPI."""
        texts = self._artifacts.texts(run_id, place, folder)
        return {name.removesuffix(".json"): text for name, text in texts.items() if name.endswith(".json")}
