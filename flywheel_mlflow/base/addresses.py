"""Addresses of data that stay where they are: which are taken, judged before anything is opened.

Whoever writes a contract, a result file or a manifest names places that other people's machines then open. So schemes
come from a list, an address holds no credentials, and it says the same to every reader.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import unshowable
from flywheel_mlflow.base.settings import redacted

#: What may stand in a contract, a result file and a manifest.
SCHEMES = ("s3", "hf", "https")
MAX_ADDRESS_LENGTH = 2000

_SECRET_KEY = re.compile(r"(?i)pass|token|secret|key|sig|credential|auth|^x-(amz|goog|ms)-|^(se|sp|sv|sr|st)$")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HUB = re.compile(r"datasets/[\w.-]+/[\w.-]+(@[\w.~/+-]+?)?(/.*)?")
_CREDENTIALS_HINT = "give the credentials to the library that opens it (AWS_PROFILE, HF_TOKEN ...), not to the address"


def is_address(text: str) -> bool:
    """Whether a text names a place by scheme, as ``s3://bucket/folder`` does, rather than a path of this machine."""
    return "://" in text


def checked_address(text: str, *, local: bool = False) -> str:
    """``text`` without a final slash, if it is an address that may be written down.

    ``http://`` is taken to this machine itself alone; that it may be opened is asked once more when it is.

    Args:
        text: an address with scheme.
        local: take ``file:///absolute/path`` too, as the person at this machine may name.

    Raises:
        InputError: another scheme, credentials in it, a way up (``..``), a pattern, or characters that hide something.
            The address is never quoted with what may be a secret.
    """
    shown = _shown(text)
    if len(text) > MAX_ADDRESS_LENGTH or next(unshowable(text), None) or "\\" in text or " " in text:
        raise InputError(f"{shown} is no address", hint="at most 2,000 characters, without spaces or backslashes")
    try:
        parts = urlsplit(text)
        user = parts.username is not None or parts.password is not None
    except ValueError as error:
        raise InputError(f"{shown} is no address: {redacted(str(error))}") from error
    if user or "@" in parts.netloc:
        raise InputError("an address with credentials in it, which would be kept and shown", hint=_CREDENTIALS_HINT)
    _check_scheme(parts, shown, local=local)
    _check_query(parts, shown)
    segments = unquote(parts.path).split("/")
    if ".." in segments or "." in segments or any(char in parts.path for char in "*[]{}"):
        raise InputError(f"{shown} holds a way up or a pattern", hint="name one file or one folder")
    _PLACES.get(parts.scheme, _check_host)(parts, shown)
    return text.rstrip("/") if parts.scheme != "file" or parts.path != "/" else text


def name_in(address: str) -> str:
    """The last part of an address, by which a single file is called."""
    return unquote(PurePosixPath(urlsplit(address).path).name) or "data"


def _check_scheme(parts: SplitResult, shown: str, *, local: bool) -> None:
    known = (*SCHEMES, "file") if local else SCHEMES
    if parts.scheme not in known and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise InputError(
            f"data cannot be referred to at {shown}",
            hint=f"known: {', '.join(f'{name}://' for name in known)}; http:// is taken to this machine itself alone",
        )


def _check_query(parts: SplitResult, shown: str) -> None:
    if parts.fragment or (parts.query and parts.scheme not in ("http", "https")):
        raise InputError(f"{shown} holds a query or a fragment", hint="name the file or folder alone")
    for key, _ in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET_KEY.search(key):
            raise InputError(
                f"an address whose query holds {key[:40]!r}, which may be a secret and would be kept and shown",
                hint="a signed link does not last either: name the object itself, with credentials outside the address",
            )


def _check_bucket(parts: SplitResult, shown: str) -> None:
    if not _BUCKET.fullmatch(parts.netloc) or not parts.path.strip("/"):
        raise InputError(f"{shown} is no object or folder of a bucket", hint="s3://bucket/folder")


def _check_hub(parts: SplitResult, shown: str) -> None:
    if not _HUB.fullmatch(f"{parts.netloc}{parts.path}".rstrip("/")):
        raise InputError(f"{shown} is no dataset of the Hugging Face Hub", hint="hf://datasets/owner/name/folder")


def _check_file(parts: SplitResult, shown: str) -> None:
    if parts.netloc or not parts.path.startswith("/"):
        raise InputError(f"{shown} is no absolute path", hint="file:///absolute/path")


def _check_host(parts: SplitResult, shown: str) -> None:
    try:
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise InputError(f"{shown} names no server", hint="https://host/file")


_PLACES = {"s3": _check_bucket, "hf": _check_hub, "file": _check_file}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(text: str) -> str:
    """An address that was refused, as far as it can be shown: no user, no query."""
    return repr(redacted(text.partition("?")[0].partition("#")[0])[:200])
