"""Sends signed JSON to a service of the user's own, as Standard Webhooks (standardwebhooks.com, 1.0) describes it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.notifications.memory import Delivery

FORMAT_VERSION = 1
#: What a key in the form of the standard begins with; base64 follows.
KEY_PREFIX = "whsec_"
#: The standard's least length of a key, in bytes; shorter ones can be guessed.
LEAST_KEY_BYTES = 24
#: The longest that one request may take to connect, and to wait for an answer, in seconds. A service may take a
#: message that it is slow to answer: who gives up early sends it twice.
REQUEST_S = 15.0
#: Seconds before the second and the third request of one attempt.
PAUSES_S = (0.3, 0.6)
#: Statuses after which the same request may succeed.
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def key_bytes(text: str) -> bytes:
    """The key in a text: base64 behind ``whsec_``, else the text's own bytes.

    Raises:
        ValueError: it is too short, or no base64; the text is not repeated.
    """
    try:
        encoded = text.removeprefix(KEY_PREFIX)
        key = base64.b64decode(encoded, validate=True) if encoded != text else text.encode("utf-8")
    except (binascii.Error, ValueError):
        raise ValueError(f"no base64 follows {KEY_PREFIX}") from None
    if len(key) < LEAST_KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, at least {LEAST_KEY_BYTES} are needed")
    return key


def webhook_document(delivery: Delivery, flywheel: str) -> dict[str, Any]:
    """What a webhook says; equal on every attempt."""
    notice = delivery.notice
    return {
        "format_version": FORMAT_VERSION,
        "id": delivery.id,
        "flywheel": flywheel,
        "event": notice.event,
        "title": notice.title,
        "lines": list(notice.lines),
        "facts": notice.facts,
        "people": list(notice.people),
        "since": notice.since.isoformat(),
        "next": notice.next or None,
        "link": notice.link or None,
    }


def signed_headers(identity: str, body: bytes, key: bytes, now: datetime) -> dict[str, str]:
    """The headers of a request; the signature is over id, time (seconds since 1970) and body."""
    at = str(int(now.timestamp()))
    digest = hmac.new(key, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode('ascii')}",
    }


def send_webhook(url: str, key: bytes, delivery: Delivery, *, flywheel: str, now: datetime, until: float) -> str:
    """Send a notice; why it was not delivered, empty when it was.

    The address stands in no message: it is often a secret. After ``until``, by ``time.monotonic``, no other try begins.
    """
    from flywheel_mlflow import __version__

    body = canonical_json(webhook_document(delivery, flywheel)).encode("utf-8")
    headers = {"User-Agent": f"flywheel-mlflow/{__version__}", **signed_headers(delivery.id, body, key, now)}
    why, again = _post(url, body, headers)
    for pause in PAUSES_S:
        if not again or time.monotonic() + pause >= until:
            break
        time.sleep(pause)
        why, again = _post(url, body, headers)
    return why


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Why a request was not taken, empty when it was, and whether the same one may be taken later."""
    import requests

    try:
        # What the receiver says is not read: its status tells whether it took the notice.
        with requests.post(
            url, data=body, headers=dict(headers), timeout=REQUEST_S, allow_redirects=False, stream=True
        ) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        return _in_words(error), True
    if 200 <= status < 300:
        return "", False
    if 300 <= status < 400:
        return f"it answered {status}, and redirects are not followed", False
    return f"it answered {status}", status in _AGAIN


def _in_words(error: Exception) -> str:
    """What went wrong, without the address that the error's own text holds."""
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was refused"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"the request could not be made ({type(error).__name__})"
