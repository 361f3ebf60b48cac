"""Tells forms that this server made for a person from those that somebody else made."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import canonical_json

if TYPE_CHECKING:
    from flywheel_mlflow.base.signing import SigningKey

#: How long a page with forms may lie open: a working day.
LIFETIME = timedelta(hours=10)
#: What clocks of workers may differ by.
SKEW = timedelta(minutes=1)
#: Far more than a token has.
MOST_CHARACTERS = 200
_PURPOSE = b"flywheel-mlflow: forms of the console, version 1"
_SECONDS = 12


class Standing(StrEnum):
    """What a token is worth."""

    GOOD = "good"
    EXPIRED = "expired"
    FOREIGN = "foreign"


class FormTokens:
    """Tokens of one flywheel: a time and its HMAC-SHA256, under a key that every worker derives from the server's own.

    A token is good for one person, for :data:`LIFETIME`; it says nothing and is kept nowhere.
    """

    def __init__(self, key: SigningKey, flywheel: str) -> None:
        self._key = key.derived(_PURPOSE)
        self._flywheel = flywheel

    def issue(self, user: str, now: datetime) -> str:
        """A token for somebody who is signed in; ``now`` in UTC."""
        seconds = f"{int(now.timestamp()):0{_SECONDS}d}"
        return f"{seconds}.{self._mac(user, seconds)}"

    def judge(self, token: str, user: str, now: datetime) -> Standing:
        """Whether this server gave the token to that person, and lately."""
        seconds, _, mac = token[:MOST_CHARACTERS].partition(".")
        if not (len(seconds) == _SECONDS and seconds.isascii() and seconds.isdecimal()):
            return Standing.FOREIGN
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(user, seconds).encode("ascii")):
            return Standing.FOREIGN
        age = timedelta(seconds=now.timestamp() - int(seconds))
        return Standing.GOOD if -SKEW <= age <= LIFETIME else Standing.EXPIRED

    def _mac(self, user: str, seconds: str) -> str:
        # Canonical JSON, so that no name can look like another one with another time.
        text = canonical_json([self._flywheel, user, seconds]).encode("utf-8")
        return base64.urlsafe_b64encode(hmac.new(self._key, text, hashlib.sha256).digest()).decode("ascii").rstrip("=")
