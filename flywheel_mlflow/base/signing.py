"""Signs statements with Ed25519 keys (RFC 8032), by the ``cryptography`` library."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import InputError, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREFIX = "ed25519:"
#: A private key file is about 120 bytes; anything much larger is no key.
MAX_KEY_FILE = 10_000
#: The permissions of group and others.
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed, as a public key (``ed25519:`` and base64 of 32 bytes), and the signature in base64."""

    public_key: str
    value: str


class SigningKey:
    """A private key; it never leaves the process that read it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> str:
        """The public half, as flywheel.yaml holds it."""
        return PREFIX + base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, text: str) -> Signature:
        """The signature of the UTF-8 text."""
        return Signature(self.public_key, base64.b64encode(self._key.sign(text.encode("utf-8"))).decode())

    def derived(self, purpose: bytes) -> bytes:
        """32 secret bytes for one purpose (HKDF-SHA256, RFC 5869): the same in every process that has the key."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        found: bytes = HKDF(SHA256(), 32, salt=None, info=purpose).derive(self._key.private_bytes_raw())
        return found


def new_key(path: Path) -> SigningKey:
    """Write a new private key that only its owner can read, and return it.

    Raises:
        InputError: there is a file already; a key is never overwritten.
        StorageError: the file cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(pem)
    except FileExistsError as error:
        raise InputError("there is a file already", where=str(path), hint="choose another path for the key") from error
    except OSError as error:
        raise StorageError(
            f"cannot write the key: {error.strerror or error}",
            where=str(path),
            hint="choose a place you can write to with --out",
        ) from error
    return SigningKey(key)


def read_key(path: Path) -> SigningKey:
    """The private key in a file that :func:`new_key` wrote.

    Raises:
        InputError: there is no such file, others than its owner can read it, or it holds no Ed25519 private key
            without a password.
        StorageError: the file cannot be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            pem = stream.read(MAX_KEY_FILE)
    except FileNotFoundError as error:
        raise InputError(
            "there is no such key file", where=str(path), hint="make one with `flywheel keys new --out FILE`"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot read the key: {error.strerror or error}", where=str(path)) from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    # Windows has no such modes: Python makes them up from the read-only flag.
    if os.name == "posix" and mode & OTHERS:
        raise InputError(
            f"others than its owner can get at this private key (mode {mode:04o})",
            where=str(path),
            hint=f"run `chmod 600 {shlex.quote(str(path))}`; if somebody may have read it, make a new one",
        )
    return SigningKey(key)


def _no_key(path: Path) -> InputError:
    return InputError(
        "this is not an Ed25519 private key", where=str(path), hint="make one with `flywheel keys new --out FILE`"
    )


def is_signed(text: str, signature: Signature | None, by: Iterable[str]) -> bool:
    """Whether one of the public keys ``by`` signed the text; malformed keys and signatures are simply no signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if signature is None or signature.public_key not in set(by):
        return False
    try:
        raw = base64.b64decode(signature.public_key.removeprefix(PREFIX), validate=True)
        value = base64.b64decode(signature.value, validate=True)
        if base64.b64encode(value).decode() != signature.value:
            return False  # spare bits of the last character: the same signature spelled otherwise was edited
        Ed25519PublicKey.from_public_bytes(raw).verify(value, text.encode("utf-8"))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
