"""A blueprint whose people can be told."""

from __future__ import annotations

from typing import Any

from flywheels import blueprint_document


def notify_document() -> dict[str, Any]:
    """A blueprint with a webhook, a room, and mail to the people concerned."""
    document = blueprint_document()
    document["people"] = [{"id": "ana", "contacts": {"email": "ana@example.org"}}, {"id": "bo"}]
    document["roles"] = [{"id": "reviewer", "title": "Reviewer", "people": ["ana"]}]
    document["teams"][0]["people"] = ["bo"]
    document["notify"] = {
        "console": "https://mlflow.example.org/",
        "channels": [
            {"id": "ops", "kind": "webhook", "url": "${OPS_URL}", "key": "${OPS_KEY}"},
            {"id": "room", "kind": "apprise", "url": "${ROOM_URL}", "events": ["regression"]},
            {"id": "mail", "kind": "apprise", "url": "${MAIL_URL}", "contact": "email"},
        ],
    }
    return document
