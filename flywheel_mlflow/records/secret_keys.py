"""Finds keys and tokens that open something, by the forms their issuers give them.

Most forms are those of detect-secrets. Passwords have no form, and are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module

#: What every form below has, short enough to be looked for in every record; in the syntax of RE2 and of Python.
KEY_LIKE = (
    r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20}|github_pat_|gl[a-z]{2,5}-[A-Za-z0-9_\-]{20}|GR1348941"
    r"|xox[abposr]-[0-9]|hooks\.slack\.com/services/T|[rs]k_live_|sk-[A-Za-z0-9_\-]{20}|sq0csp-|SG\.[A-Za-z0-9_\-]{20}"
    r"|eyJ[A-Za-z0-9_\-=]{8}|PRIVATE KEY-|pypi-Ag|npm_[A-Za-z0-9]{20}|AIza[0-9A-Za-z_\-]{20}|hf_[A-Za-z]{20}"
    r"|AccountKey=|:[0-9A-Za-z_\-]{35}|-us[0-9]|SK[0-9a-f]{20}"
    r"""|['"][0-9a-zA-Z/+]{40}['"]"""
)
_KEY_LIKE = re.compile(KEY_LIKE)

#: Kinds whose forms detect-secrets knows, with the name of its plug-in.
_OF_DETECT_SECRETS = {
    "aws_key": "aws",
    "github_token": "github_token",
    "gitlab_token": "gitlab_token",
    "slack_token": "slack",
    "stripe_key": "stripe",
    "openai_key": "openai",
    "square_secret": "square_oauth",
    "sendgrid_key": "sendgrid",
    "mailchimp_key": "mailchimp",
    "telegram_token": "telegram_token",
    "pypi_token": "pypi_token",
    "azure_storage_key": "azure_storage_key",
    "jwt": "jwt",
}
#: Forms it does not know, or knows by less: GitHub's fine-grained tokens, keys of language models by their issuers'
#: prefixes, Google's, npm's and Twilio's. A private key counts with its body; the line that announces one is no secret.
_MORE = {
    "github_token": r"github_pat_[A-Za-z0-9_]{60,100}",
    "openai_key": r"sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_\-]{40,200}|[A-Za-z0-9]{32,64})",
    "anthropic_key": r"sk-ant-[A-Za-z0-9_\-]{24,200}",
    "google_api_key": r"AIza[0-9A-Za-z_\-]{35}",
    "hugging_face_token": r"hf_[A-Za-z]{34}",
    "npm_token": r"npm_[A-Za-z0-9]{36}",
    "twilio_key": r"SK[0-9a-f]{32}",
    "private_key": r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s|\\r|\\n)+(?:[A-Za-z\-]+: [^\n\\]{1,80}(?:\s|\\r|\\n)+){0,4}[A-Za-z0-9+/=]{24,}",
}

#: The kinds of secrets, in the order in which they are looked for.
SECRET_KINDS = tuple(dict.fromkeys((*_MORE, *_OF_DETECT_SECRETS)))

_Form = tuple[str, re.Pattern[str], Callable[[str], bool]]


@cache
def _forms() -> tuple[_Form, ...]:
    """Kind, form and judgement of each; detect-secrets takes a tenth of a second to load, so late."""
    return tuple(_own_forms()) + tuple(_library_forms())


def _own_forms() -> Iterator[_Form]:
    for kind, form in _MORE.items():
        yield kind, re.compile(form), bool


def _library_forms() -> Iterator[_Form]:
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.jwt import JwtTokenDetector

    for kind, name in _OF_DETECT_SECRETS.items():
        module = import_module(f"detect_secrets.plugins.{name}")
        (plugin,) = (
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, RegexBasedDetector) and value is not RegexBasedDetector
        )
        valid = JwtTokenDetector.is_formally_valid if kind == "jwt" else bool
        for form in plugin().denylist:
            yield kind, form, valid


def take_secrets(text: str, found: set[str], mark: str) -> str:
    """The text with ``mark`` in place of the secrets in it, whose kinds are added to those found."""
    if not _KEY_LIKE.search(text):
        return text
    for kind, form, valid in _forms():
        text = form.sub(lambda match, kind=kind, valid=valid: _taken(match, kind, valid, found, mark), text)  # type: ignore[misc]
    return text


def _taken(match: re.Match[str], kind: str, valid: Callable[[str], bool], found: set[str], mark: str) -> str:
    before, after = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
    if _continues(before) or (_continues(after) and _continues(match[0][-1:])) or not valid(match[0]):
        return match[0]
    found.add(kind)
    return mark


def _continues(char: str) -> bool:
    """Whether a character may belong to a longer token."""
    return char.isascii() and (char.isalnum() or char == "_")
