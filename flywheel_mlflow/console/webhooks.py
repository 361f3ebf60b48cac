"""Tells MLflow's webhooks about versions and aliases that the server itself makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flywheel_mlflow.tracking import ReleaseStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flywheel_mlflow.assembly.bundle import Bundle


class AnnouncingReleases(ReleaseStore):
    """A release store inside the server.

    MLflow's webhooks are fired by the handlers of its REST routes, which our acts do not pass: what these would have
    told is told here, in the same words.
    """

    def register(self, bundle: Bundle, run_id: str, *, iteration: int, author: str, description: str) -> int:
        """Register the bundle, and announce the version."""
        version = super().register(bundle, run_id, iteration=iteration, author=author, description=description)
        made = self._client.get_model_version(self._flywheel, str(version))
        payload = {
            "name": self._flywheel,
            "version": str(version),
            "source": str(made.source),
            "run_id": str(made.run_id or "") or None,
            "tags": dict(made.tags),
            "description": made.description or None,
        }
        _announce("model_version", "created", payload)
        return version

    def point(self, alias: str, version: int, *, until: float | None = None) -> None:
        """Move the alias, and announce the move."""
        super().point(alias, version, until=until)
        payload = {"name": self._flywheel, "alias": alias, "version": str(version)}
        _announce("model_version_alias", "created", payload)

    def unpoint(self, alias: str) -> None:
        """Take the alias away, and announce it."""
        super().unpoint(alias)
        _announce("model_version_alias", "deleted", {"name": self._flywheel, "alias": alias})

    def tag(self, version: int, labels: Mapping[str, str]) -> None:
        """Set tags, and announce each."""
        super().tag(version, labels)
        for key, value in labels.items():
            payload = {"name": self._flywheel, "version": str(version), "key": key, "value": value}
            _announce("model_version_tag", "set", payload)


def _announce(entity: str, action: str, payload: dict[str, Any]) -> None:
    """Hand an event to MLflow's delivery, which works in the background and never raises."""
    from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
    from mlflow.server import handlers
    from mlflow.webhooks.delivery import deliver_webhook

    event = WebhookEvent(WebhookEntity(entity), WebhookAction(action))
    store = handlers._get_model_registry_store()  # noqa: SLF001 - the handlers' own way to it
    deliver_webhook(event=event, payload=payload, store=store)  # type: ignore[arg-type]  # MLflow's typed dictionaries
