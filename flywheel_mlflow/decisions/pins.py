"""Pins: which exact version of an interface a release holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pin:
    """One interface version of a release: where it is, what it is, who made it, under which licence.

    ``uri`` names it by run, ``address`` is where the artifact store keeps it, which saves asking for the run.
    ``digest`` and ``schema_digest`` are the first 32 hex digits of a sha256; ``licence`` and ``rows`` are None where
    nobody stated them; ``iteration`` is the one whose run made it, which an older one may be.
    """

    interface: str
    project: str
    uri: str
    digest: str
    schema_digest: str
    licence: str | None
    rows: int | None
    iteration: int
    run_id: str
    address: str | None = None
