"""Tests of the tokens that forms carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.signing import new_key, read_key
from flywheel_mlflow.console.tokens import LIFETIME, SKEW, FormTokens, Standing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "server.key"
    new_key(path)
    return path


@pytest.fixture(scope="module")
def tokens(key_file: Path) -> FormTokens:
    return FormTokens(read_key(key_file), "fw")


def test_workers_with_one_key_agree(key_file: Path, tokens: FormTokens) -> None:
    """A token that one process gave is good in another one that read the same key."""
    other = FormTokens(read_key(key_file), "fw")
    assert other.judge(tokens.issue("ana", NOW), "ana", NOW) is Standing.GOOD


def test_a_token_is_good_for_its_lifetime(tokens: FormTokens) -> None:
    """To the second it ends, and no longer; one from the future was made by a clock that is wrong."""
    token = tokens.issue("ana", NOW)
    for later, standing in (
        (timedelta(0), Standing.GOOD),
        (LIFETIME, Standing.GOOD),
        (LIFETIME + timedelta(seconds=1), Standing.EXPIRED),
        (-SKEW, Standing.GOOD),
        (-SKEW - timedelta(seconds=1), Standing.EXPIRED),
    ):
        assert tokens.judge(token, "ana", NOW + later) is standing, later


def test_a_token_is_for_one_person_flywheel_and_key(tokens: FormTokens, key_file: Path, tmp_path: Path) -> None:
    """Somebody else's, another flywheel's and another server's tokens are foreign, and so is what signs approvals."""
    token = tokens.issue("ana", NOW)
    assert tokens.judge(token, "ben", NOW) is Standing.FOREIGN
    assert FormTokens(read_key(key_file), "other").judge(token, "ana", NOW) is Standing.FOREIGN
    assert FormTokens(new_key(tmp_path / "k"), "fw").judge(token, "ana", NOW) is Standing.FOREIGN
    signed = read_key(key_file).sign(token.partition(".")[0]).value
    assert tokens.judge(f"{token.partition('.')[0]}.{signed}", "ana", NOW) is Standing.FOREIGN


@given(st.data(), NAMES)
def test_no_edited_token_is_good(tokens: FormTokens, data: st.DataObject, user: str) -> None:
    """Whatever is changed, cut or added, in the time as in the proof, it is foreign."""
    token = tokens.issue(user, NOW)
    assert tokens.judge(token, user, NOW) is Standing.GOOD
    place = data.draw(st.integers(0, len(token) - 1))
    edited = data.draw(
        st.sampled_from([token[:place], token[:place] + token[place + 1 :], token + "A", f" {token}"])
        | st.characters()
        .filter(lambda char: char != token[place])
        .map(lambda c: token[:place] + c + token[place + 1 :])
    )
    assert tokens.judge(edited, user, NOW) is Standing.FOREIGN


@given(st.text(max_size=300))
def test_no_text_is_a_token(tokens: FormTokens, text: str) -> None:
    """Any other text is foreign, and none breaks anything."""
    assert tokens.judge(text, "ana", NOW) is Standing.FOREIGN


@given(NAMES, NAMES)
def test_names_are_kept_apart(tokens: FormTokens, first: str, second: str) -> None:
    """A token is good for the very name it was given to."""
    good = tokens.judge(tokens.issue(first, NOW), second, NOW) is Standing.GOOD
    assert good == (first == second)
