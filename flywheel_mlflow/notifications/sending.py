"""Sends notices on channels: secrets from the environment, each sending in a thread that nobody waits for too long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.notifications.memory import Delivery
from flywheel_mlflow.notifications.services import (
    CONTACT,
    INSTALL,
    address_for,
    is_installed,
    is_understood,
    send_by_apprise,
)
from flywheel_mlflow.notifications.webhook import key_bytes, send_webhook
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.notify import Channel, variable_named

_LOG = logging.getLogger(__name__)
#: What these log while a notice is sent may hold addresses, which are secrets.
_TALKATIVE = ("apprise", "urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
_quiet = threading.local()


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel with what the environment says about it; neither is ever shown."""

    channel: Channel
    address: str = field(repr=False)
    key: bytes = field(repr=False, default=b"")

    @property
    def summary(self) -> str:
        """What can be said about it without its address."""
        if self.channel.kind == "webhook":
            return "an address and a key" + ("; http: anybody on the way can read it" if _is_open(self.address) else "")
        return "an address for apprise"

    def send(self, delivery: Delivery, *, contact: str | None, flywheel: str, now: datetime, until: float) -> str:
        """Send one notice; why it was not delivered, empty when it was.

        After ``until``, by ``time.monotonic``, nothing is tried again.
        """
        if self.channel.kind == "webhook":
            return send_webhook(self.address, self.key, delivery, flywheel=flywheel, now=now, until=until)
        address = address_for(self.address, contact)
        return send_by_apprise(address, delivery.notice)


def _is_open(address: str) -> bool:
    """Whether a message crosses a network unencrypted."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1")


def open_channel(channel: Channel, environ: Mapping[str, str]) -> OpenChannel:
    """The channel with its secrets.

    Raises:
        InputError: the environment lacks a variable, holds a key or an address that cannot be used, or apprise is not
            installed. No value is repeated.
    """
    where = f"notify.channels.{channel.id}"
    missing = [name for name in channel.variables if not environ.get(name)]
    if missing:
        raise InputError(
            f"the environment has no {' and no '.join(missing)}",
            where=where,
            hint="set it where the command or server runs",
        )
    name = channel.variables[0]
    address = environ[name]
    if channel.kind == "webhook":
        if not address.startswith(("https://", "http://")):
            raise InputError(f"{name} holds no http(s) address", where=where, hint="a webhook is an HTTP address")
        try:
            return OpenChannel(channel, address, key_bytes(environ[channel.variables[1]]))
        except ValueError as error:
            raise InputError(f"{channel.variables[1]}: {error}", where=where, hint=_NEW_KEY) from None
    if channel.contact and CONTACT not in address:
        raise InputError(
            f"{name} does not say where {CONTACT} goes", where=where, hint="docs/notifications.md has examples"
        )
    if not is_installed():
        raise InputError("apprise is not installed", where=where, hint=INSTALL)
    with _silent():
        if not is_understood(address):
            raise InputError(f"apprise does not understand the address in {name}", where=where, hint=_SERVICES)
    return OpenChannel(channel, address)


_SERVICES = "its forms are listed at https://appriseit.com/services/"
_NEW_KEY = 'make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'


def contact_of(blueprint: Blueprint, channel: Channel, person: str, environ: Mapping[str, str]) -> str | None:
    """Where a channel reaches a person; None where the person has no such contact, or the environment lacks it."""
    found = next((item.contacts.get(channel.contact or "") for item in blueprint.people if item.id == person), None)
    variable = variable_named(found) if found else None
    return environ.get(variable) or None if variable else found


def send_all(
    steps: Sequence[Callable[[float], str]], *, wait_s: float, late: Callable[[int, str], None]
) -> list[str | None]:
    """Do every sending at once; for each why it was not delivered, empty when it was, None while nobody knows.

    Each gets the moment, by ``time.monotonic``, until when it is waited for. One that does not return by then goes on
    in its thread, which ends with the process at the latest; ``late`` is told its place and how it ended.
    """
    until = time.monotonic() + wait_s
    results: list[str | None] = [None] * len(steps)
    lock, is_over = threading.Lock(), False

    def run(place: int) -> None:
        with _silent():
            try:
                why = steps[place](until)
            except Exception as error:  # noqa: BLE001 - another library failed, and its text may hold the address
                why = f"it could not be sent ({type(error).__name__})"
        with lock:
            if not is_over:
                results[place] = why
                return
        late(place, why)

    threads = [
        threading.Thread(target=run, args=(place,), name=f"notification-{place}", daemon=True)
        for place in range(len(steps))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
    with lock:
        is_over = True
        return list(results)


@contextmanager
def _silent() -> Iterator[None]:
    """Within this block this thread logs nothing of the libraries that send."""
    _quiet.on = True
    try:
        yield
    finally:
        _quiet.on = False


def _may_be_logged(_record: logging.LogRecord) -> bool:
    return not getattr(_quiet, "on", False)


for _name in _TALKATIVE:
    logging.getLogger(_name).addFilter(_may_be_logged)
