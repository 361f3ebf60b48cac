"""Opens addresses through fsspec, in the one way that is safe: the only module that imports it.

What is asked is whether data are there, gone, or out of reach. Each answer is one of ours: ``SourceGone`` when the
place says that there is nothing, ``SourceUnreachable`` for every other failure, which proves nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from flywheel_mlflow.base.errors import InputError, SourceGone, SourceUnreachable
from flywheel_mlflow.base.settings import redacted

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from fsspec import AbstractFileSystem
    from fsspec.implementations.http import HTTPFileSystem

#: Seconds until a place that does not answer is given up.
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
#: What is asked for beyond what is read: requests are few, and who reads a part of a file gets little of the next.
AHEAD_BYTES = 8 << 20
#: Allows addresses that lead to this machine itself, for tests and stores that run here.
LOOPBACK_VARIABLE = "FLYWHEEL_ALLOW_LOOPBACK"

#: What clouds answer questions about the machine at, credentials among them, beside the link-local addresses.
_METADATA = tuple(map(ip_network, ("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128")))
_EXTRAS = {"s3": ("s3fs", "s3"), "hf": ("huggingface_hub", "hf")}
_ABSENT = (404, 410)


@dataclass(frozen=True, slots=True)
class Found:
    """A file at a place: size in bytes, and what changes with its bytes, None where the store says no such thing."""

    size: int
    etag: str | None


def find(address: str) -> dict[str, Found] | Found:
    """The file at an address, or the files below a folder there by their path below it.

    Raises:
        SourceGone: nothing is there. SourceUnreachable: that cannot be told.
        InputError: what opens it is not installed, or a store that does not tell a file's size.
    """
    system, path = _opened(address)
    system.invalidate_cache()  # the Hub's remembers listings whatever its arguments say (huggingface_hub 2.4)
    with _translated(address):
        info = system.info(path)
        if info["type"] == "file":
            return _found(info, address)
        if info["type"] != "directory":
            raise OSError("neither a file nor a folder")
        below = system.find(path, detail=True)
        root = str(info["name"]).rstrip("/")
        files = {
            name.removeprefix(f"{root}/"): _found(item, address)
            for name, item in below.items()
            if item["type"] == "file"
        }
        # An object whose name ends with a slash marks an empty folder; a folder of nothing is none in these stores.
        found = {name: item for name, item in files.items() if name and not name.endswith("/")}
        if not found:
            raise FileNotFoundError(path)
        return found


def open_file(address: str, size: int, *, seeks: bool = False) -> BinaryIO:
    """The file at an address, to be read once from its beginning, or anywhere if it ``seeks``.

    Reading raises what the store's library does; :func:`reading` translates it.

    Raises:
        SourceGone, SourceUnreachable, InputError: as :func:`find`.
    """
    system, path = _opened(address)
    with _translated(address):
        if urlsplit(address).scheme in ("http", "https") and not seeks:
            return cast("BinaryIO", system.open(path, "rb", block_size=0, size=size))
        return cast("BinaryIO", system.open(path, "rb", cache_type="readahead", block_size=AHEAD_BYTES))


@contextmanager
def reading(address: str) -> Iterator[None]:
    """Translates what goes wrong while a file of an address is read; errors as of :func:`find`."""
    with _translated(address):
        yield


def pinned(address: str) -> str:
    """The address with what it means today written into it: a dataset of the Hub at its commit.

    Raises:
        SourceGone, SourceUnreachable, InputError: as :func:`find`.
    """
    if urlsplit(address).scheme != "hf":
        return address
    system, path = _opened(address)
    with _translated(address):
        place = cast("Any", system).resolve_path(path)
        hub = import_module("huggingface_hub").HfApi()
        commit = hub.repo_info(place.repo_id, repo_type=place.repo_type, revision=place.revision).sha
    inside = f"/{place.path_in_repo}" if place.path_in_repo else ""
    return f"hf://datasets/{place.repo_id}@{commit}{inside}"


def _found(info: Mapping[str, Any], address: str) -> Found:
    if info.get("size") is None:
        raise InputError(
            "the server does not say how large the file is", where=address, hint="copy the data to a store that does"
        )
    return Found(int(info["size"]), _etag(info))


def _etag(info: Mapping[str, Any]) -> str | None:
    """What names the bytes in the words of the store; a weak tag names only what they mean."""
    lfs = info.get("lfs")
    told = info.get("ETag") or (lfs["sha256"] if lfs else None) or info.get("blob_id")
    return str(told).strip('"') if told and not str(told).startswith("W/") else None


def _opened(address: str) -> tuple[AbstractFileSystem, str]:
    scheme, path = urlsplit(address).scheme, address
    if scheme == "file":
        return _local(), unquote(address.removeprefix("file://"))
    if scheme == "s3":
        return _installed(scheme).S3FileSystem(use_listings_cache=False, config_kwargs=_S3_CONFIG), path
    if scheme == "hf":
        return _installed(scheme).HfFileSystem(), path
    if scheme == "https" or (scheme == "http" and _loopback_allowed()):
        return _http()(get_client=_client), path
    raise InputError(
        f"addresses of {scheme}:// are not opened",
        where=redacted(address),
        hint=f"use https://; http:// to this machine itself needs {LOOPBACK_VARIABLE}=1",
    )


_S3_CONFIG = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "read_timeout": READ_TIMEOUT_S,
    "retries": {"max_attempts": 2},
}


def _loopback_allowed() -> bool:
    return os.environ.get(LOOPBACK_VARIABLE) == "1"


def _installed(scheme: str) -> Any:
    module, extra = _EXTRAS[scheme]
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"addresses of {scheme}:// need {module}, which is not installed",
            hint=f"pip install 'flywheel-mlflow[{extra}]'",
        ) from error


def _local() -> AbstractFileSystem:
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem()


@cache
def _http() -> type[HTTPFileSystem]:
    """The HTTP of fsspec, which takes every failure for a missing file, made to tell the two apart."""
    from aiohttp import ClientResponseError
    from fsspec.implementations.http import HTTPFileSystem, _file_info

    class StrictHTTP(HTTPFileSystem):  # type: ignore[misc]  # fsspec ships no types
        async def _info(self, url: str, **_: Any) -> dict[str, Any]:
            session = await self.set_session()
            info: dict[str, Any] = {}
            for policy in ("head", "get"):
                try:
                    info = await _file_info(self.encode_url(url), session, size_policy=policy)
                except ClientResponseError as error:
                    # Some servers know no HEAD; what they say to GET counts.
                    if policy == "head" and error.status not in _ABSENT:
                        continue
                    if error.status in _ABSENT:
                        raise FileNotFoundError(url) from error
                    raise
                if info.get("size") is not None:
                    break
            return {"name": url, "size": None, **info, "type": "file"}

    return StrictHTTP


async def _client(**given: Any) -> ClientSession:
    """A session that connects to no address of this machine's inside, however a name or a redirect leads there."""
    from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig

    trace = TraceConfig()
    trace.on_request_redirect.append(_refuse_downgrade)
    timeout = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
    return ClientSession(
        connector=TCPConnector(socket_factory=_socket), trace_configs=[trace], timeout=timeout, trust_env=False, **given
    )


def _socket(about: Any) -> socket.socket:
    """A socket for an address that was looked up just now, so that no other answer can follow the question."""
    family, kind, protocol, _, place = about
    if fault := forbidden(str(place[0])):
        raise OSError(f"{fault}: data are not looked for there")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


def forbidden(host: str) -> str | None:
    """Why no data are looked for at an IP address; None when they may be."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return None if _loopback_allowed() else f"{address} is this machine itself (see {LOOPBACK_VARIABLE})"
    if address.is_link_local or any(address in network for network in _METADATA):
        return f"{address} is where clouds keep credentials of machines"
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return f"{address} is no address of a server"
    return None


async def _refuse_downgrade(_session: Any, _context: Any, told: Any) -> None:
    from yarl import URL

    onward = told.url.join(URL(told.response.headers.get("Location", "")))
    if onward.scheme != "https" and not (told.url.scheme == "http" and _loopback_allowed()):
        raise OSError(f"the server leads on to {onward.scheme}://, which is not followed")


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """The errors of the stores' libraries as ours."""
    try:
        yield
    except FileNotFoundError as error:
        if _is_denied(error):
            raise _unreachable(address, error) from error
        raise SourceGone("there is nothing at this address", where=redacted(address)) from error
    except _failures(urlsplit(address).scheme) as error:
        raise _unreachable(address, error) from error


def _is_denied(error: BaseException) -> bool:
    """Whether the Hub, which calls what it does not show anybody missing, asked for a login."""
    while (cause := error.__cause__) is not None:
        if getattr(getattr(cause, "response", None), "status_code", None) in (401, 403):
            return True
        error = cause
    return False


def _unreachable(address: str, error: BaseException) -> SourceUnreachable:
    # What aiohttp wraps has the reason; of several addresses' reasons its own words have none.
    told = str(getattr(error, "os_error", error))
    reason = redacted(" ".join(told.split()))[:300] or type(error).__name__
    return SourceUnreachable(
        f"the data cannot be reached: {reason}",
        where=redacted(address),
        hint="check network and credentials of this machine, then try again",
    )


@cache
def _failures(scheme: str) -> tuple[type[Exception], ...]:
    """What goes wrong while a store's library works: the system's errors, and its own."""
    return (OSError, ValueError, *_own_failures(scheme))


def _own_failures(scheme: str) -> tuple[type[Exception], ...]:
    if scheme == "s3":
        return (import_module("botocore.exceptions").BotoCoreError, import_module("botocore.exceptions").ClientError)
    if scheme == "hf":
        refused = import_module("huggingface_hub.errors").HfHubHTTPError
        # Its HTTP library changes (httpx, then httpx2); the base of its own error is that library's.
        return (refused, *(kind for kind in refused.__mro__ if kind.__name__ == "HTTPError"))
    if scheme in ("http", "https"):
        return (import_module("aiohttp").ClientError,)
    return ()
