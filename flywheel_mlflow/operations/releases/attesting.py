"""States what was released as an in-toto attestation, which other people's verifiers read.

A DSSE envelope (https://github.com/secure-systems-lab/dsse) holds an in-toto statement (ITE-6) about every file of an
exported release, with our own predicate: which release it is, how far it got, and who decided what.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json, sha256_text
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.base.signing import Signature, is_signed
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import Release

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
#: Names the predicate, as in-toto wants it: a URI nobody else uses. docs/releases.md says what it holds.
PREDICATE_TYPE = "urn:flywheel-mlflow:release:v1"


def release_statement(
    flywheel: str, release: Release, stage: str, files: Mapping[str, str], events: Sequence[Event]
) -> str:
    """The statement about an exported release, as canonical JSON.

    ``files`` are the export's by path; ``events`` the ledger's, oldest first; ``stage`` is where the release stands.
    """
    decided = [
        {"event": item.number, "at": item.at.isoformat(), "by": item.actor.name, "kind": item.kind}
        for item in events
        if item.body.get("version") == release.version
    ]
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": sha256_text(text)}} for name, text in sorted(files.items())
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "flywheel": flywheel,
                "version": release.version,
                "iteration": release.iteration,
                "bundle": release.bundle,
                "stage": stage,
                "author": release.author.name,
                "ledger": {"events": len(events), "head": events[-1].digest if events else ""},
                "decisions": decided,
            },
        }
    )


def signed_words(statement: str) -> str:
    """What a signature of the envelope signs: DSSE's pre-authentication encoding."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(statement.encode())} {statement}"


def envelope(statement: str, signature: Signature) -> dict[str, Any]:
    """The DSSE envelope around a signed statement; the key's id is the public key as flywheel.yaml holds it."""
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(statement.encode()).decode(),
        "signatures": [{"keyid": signature.public_key, "sig": signature.value}],
    }


def attestation_fault(text: str, files: Mapping[str, str], keys: Iterable[str]) -> str | None:
    """What is wrong with an envelope about exported files; None when one of the keys signed that they are these."""
    try:
        document = parse_json(text, name="the attestation")
        statement = base64.b64decode(document["payload"], validate=True).decode()
        signatures = [Signature(str(item["keyid"]), str(item["sig"])) for item in document["signatures"]]
        subjects = {str(item["name"]): item["digest"]["sha256"] for item in parse_json(statement, name="it")["subject"]}
        is_ours = document["payloadType"] == PAYLOAD_TYPE
    except (DocumentError, KeyError, TypeError, ValueError, binascii.Error):
        return "it cannot be read"
    if not is_ours or not any(is_signed(signed_words(statement), item, keys) for item in signatures):
        return "no key of a server or person that is believed signed it"
    found = {name: sha256_text(content) for name, content in files.items()}
    differing = sorted(name for name in {*found, *subjects} if found.get(name) != subjects.get(name))
    return f"it speaks of other files: {', '.join(differing[:5])}" if differing else None
