"""Tests of attestations: what DSSE and in-toto ask of them, and what makes one worthless."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from releases_ledger import LedgerBuilder

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.signing import SigningKey, new_key
from flywheel_mlflow.operations.releases.attesting import (
    PAYLOAD_TYPE,
    attestation_fault,
    envelope,
    release_statement,
    signed_words,
)

FILES = {"bundle/manifest.json": "{}\n", "ledger.jsonl": "événement\n"}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("key") / "key.pem")


def attested(key: SigningKey) -> dict[str, Any]:
    """The envelope of a release that was made and approved."""
    story = LedgerBuilder()
    story.register()
    story.approve()
    text = release_statement("tiny", story.release(), "candidate", FILES, story.ledger.events)
    return envelope(text, key.sign(signed_words(text)))


def test_the_signature_is_over_the_encoding_that_dsse_names(key: SigningKey) -> None:
    """A verifier that knows nothing of ours: PAE over the payload's bytes, Ed25519, standard base64."""
    found = attested(key)
    body = base64.b64decode(found["payload"])
    pae = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(body), body)
    (signature,) = found["signatures"]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.public_key.removeprefix("ed25519:")))
    public.verify(base64.b64decode(signature["sig"]), pae)


def test_the_statement_is_one_of_in_toto(key: SigningKey) -> None:
    """ITE-6: type, subjects with their digests, our predicate with who decided what."""
    statement = json.loads(base64.b64decode(attested(key)["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {item["name"]: item["digest"]["sha256"] for item in statement["subject"]} == {
        name: sha256_text(text) for name, text in FILES.items()
    }
    assert ":" in statement["predicateType"]
    decisions = statement["predicate"]["decisions"]
    assert [(item["by"], item["kind"]) for item in decisions] == [("maker", "registered"), ("ana", "approved")]


def test_what_was_signed_holds(key: SigningKey) -> None:
    """The files that were exported, and a key that is believed."""
    assert attestation_fault(json.dumps(attested(key)), FILES, [key.public_key]) is None


SPOILT: dict[str, Callable[[dict[str, Any]], object]] = {
    "payload": lambda found: found | {"payload": base64.b64encode(b'{"subject": []}').decode()},
    "type": lambda found: found | {"payloadType": "text/plain"},
    "no signature": lambda found: found | {"signatures": []},
    "no envelope": lambda found: [found],
    "no base64": lambda found: found | {"payload": "%%%"},
    "no statement": lambda found: found | {"payload": base64.b64encode(b"{}").decode()},
    "odd subjects": lambda found: found | {"payload": base64.b64encode(b'{"subject": [1]}').decode()},
}


@pytest.mark.parametrize("what", SPOILT)
def test_an_edited_envelope_is_worthless(key: SigningKey, what: str) -> None:
    """Whatever part of it is changed."""
    assert attestation_fault(json.dumps(SPOILT[what](attested(key))), FILES, [key.public_key])


@pytest.mark.parametrize("files", [{}, FILES | {"more": ""}, FILES | {"ledger.jsonl": "cut"}])
def test_it_speaks_of_these_files_alone(key: SigningKey, files: dict[str, str]) -> None:
    """A file less, more or edited is named."""
    assert "other files" in str(attestation_fault(json.dumps(attested(key)), files, [key.public_key]))


def test_a_key_that_nobody_believes_signs_nothing(key: SigningKey) -> None:
    """A forger's own key, put into the envelope."""
    assert "believed" in str(attestation_fault(json.dumps(attested(key)), FILES, []))
