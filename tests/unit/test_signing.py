"""Tests of signatures."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.base.signing import MAX_KEY_FILE, PREFIX, Signature, SigningKey, is_signed, new_key, read_key


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("keys") / "ana.pem")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("keys") / "bo.pem")


def test_a_key_survives_its_file_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The key read back signs for the same public key, and nobody else may read the file."""
    path = tmp_path / "deep" / "ana.pem"
    made = new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path).public_key == made.public_key
    assert is_signed("yes", read_key(path).sign("yes"), [made.public_key])


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second key of the same name is refused, and the first one is as it was."""
    path = tmp_path / "ana.pem"
    first = new_key(path).public_key
    with pytest.raises(InputError, match="there is a file already"):
        new_key(path)
    assert read_key(path).public_key == first


def test_a_key_says_nothing_of_itself(key: SigningKey) -> None:
    """Neither its text nor its repr holds the private half."""
    assert "PRIVATE" not in f"{key!r}{key!s}"
    assert key.public_key.startswith(PREFIX)


def test_an_unwritable_and_an_absent_key_are_named(tmp_path: Path) -> None:
    """A file that cannot be written is an error of the disk, one that is not there bad input; both with their path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        new_key(tmp_path / "file" / "deeper" / "ana.pem")
    with pytest.raises(InputError, match=r"nothing\.pem\n.*flywheel keys new"):
        read_key(tmp_path / "nothing.pem")


def test_only_an_ed25519_key_without_a_password_is_a_key(tmp_path: Path) -> None:
    """A key of another kind, an encrypted one, a public one and a huge file are no keys."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    ours = Ed25519PrivateKey.generate()
    bad = {
        "curve.pem": generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "locked.pem": ours.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")),
        "public.pem": ours.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "empty.pem": b"",
        "huge.pem": b"-" * (MAX_KEY_FILE + 1),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not an Ed25519 private key"):
            read_key(tmp_path / name)


def test_only_the_keys_named_count(key: SigningKey, other: SigningKey) -> None:
    """A perfect signature by a key nobody named, and none at all, are no signature."""
    signed = key.sign("yes")
    assert is_signed("yes", signed, [other.public_key, key.public_key])
    assert not is_signed("yes", signed, [other.public_key])
    assert not is_signed("yes", signed, [])
    assert not is_signed("yes", None, [key.public_key])
    assert not is_signed("no", signed, [key.public_key])
    assert not is_signed("yes", Signature(other.public_key, signed.value), [other.public_key])


@given(st.data())
def test_any_other_character_is_no_signature(key: SigningKey, data: st.DataObject) -> None:
    """One character of the signature replaced, left out or added, and it counts no more."""
    value = key.sign("yes").value
    place = data.draw(st.integers(0, len(value) - 1))
    char = data.draw(st.characters())
    changed = data.draw(
        st.sampled_from(
            [
                value[:place] + char + value[place + 1 :],
                value[:place] + value[place + 1 :],
                value[:place] + char + value[place:],
            ]
        )
    )
    assert is_signed("yes", Signature(key.public_key, changed), [key.public_key]) is (changed == value)


@given(st.text(), st.text(), st.text())
def test_hostile_text_is_simply_no_signature(text: str, public: str, value: str) -> None:
    """Whatever stands where text, key and signature belong, nothing is raised and nothing is signed."""
    assert not is_signed(text, Signature(PREFIX + public, value), [PREFIX + public])


def test_text_that_utf8_cannot_hold_is_not_signed(key: SigningKey) -> None:
    """Half a character cannot have been signed."""
    assert not is_signed("\ud800", key.sign("yes"), [key.public_key])


def test_a_signature_has_one_spelling(key: SigningKey) -> None:
    """Base64 leaves spare bits in the last character: another character with the same bits is an edit all the same."""
    value = key.sign("yes").value
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    place = alphabet.index(value[-3])
    twins = [value[:-3] + alphabet[place ^ spare] + value[-2:] for spare in range(1, 16)]
    assert all(base64.b64decode(twin) == base64.b64decode(value) for twin in twins)
    assert not any(is_signed("yes", Signature(key.public_key, twin), [key.public_key]) for twin in twins)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o444, 0o610])
def test_a_key_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever may read the file can sign as its owner; the command that mends it is told."""
    path = tmp_path / "my key.pem"
    public = new_key(path).public_key
    path.chmod(mode)
    with pytest.raises(InputError, match=f"mode {mode:04o}") as caught:
        read_key(path)
    assert f"chmod 600 '{path}'" in (caught.value.hint or "")
    for private in (0o600, 0o400):
        path.chmod(private)
        assert read_key(path).public_key == public
