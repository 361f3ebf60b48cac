"""The wall to apprise, which carries notices to Slack, Teams, e-mail and the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flywheel_mlflow.notifications.notices import Notice
from flywheel_mlflow.notifications.webhook import REQUEST_S

if TYPE_CHECKING:
    from apprise import Apprise

#: In the address of a channel with a contact: where the contact goes.
CONTACT = "{contact}"
INSTALL = "pip install 'flywheel-mlflow[notify]'"

#: Words that call everybody of a room, where services look for them in any text.
_CALLS = re.compile(r"@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)
#: What starts markup in the chats that read Markdown in plain text too, such as Discord.
_MARKUP = re.compile(r"([\\`*_~|\[\]()<>#])")


def address_for(address: str, contact: str | None) -> str:
    """The address with a person's contact in its place, which nothing in the contact can leave."""
    return address if contact is None else address.replace(CONTACT, quote(contact, safe="@"))


def text_of(notice: Notice) -> str:
    """A notice as plain text; what strangers wrote calls nobody."""
    following = f"next: {notice.next}" if notice.next else ""
    return _joined(map(_uncalled, notice.lines), following, notice.link)


def markdown_of(notice: Notice) -> str:
    """A notice for chats that read Markdown in any text: it shows as :func:`text_of` says it."""
    following = f"next: `{notice.next}`" if notice.next else ""
    return _joined((_MARKUP.sub(r"\\\1", _uncalled(line)) for line in notice.lines), following, notice.link)


def _uncalled(line: str) -> str:
    return _CALLS.sub("@\N{ZERO WIDTH SPACE}", line)


def _joined(lines: Iterable[str], *more: str) -> str:
    return "\n".join([*lines, *(line for line in more if line)])


def is_installed() -> bool:
    """Whether apprise can be used here."""
    from importlib.util import find_spec

    return find_spec("apprise") is not None


def is_understood(address: str) -> bool:
    """Whether apprise knows what to do with an address."""
    return bool(len(_open(address)))


def send_by_apprise(address: str, notice: Notice) -> str:
    """Send a notice; why it was not delivered, empty when it was. The address stands in no message."""
    from apprise import NotifyFormat, NotifyType

    services = _open(address)
    if not len(services):
        return "apprise does not understand the address"
    declared: Any = services[0].notify_format
    formats = tuple(declared) if isinstance(declared, tuple | list) else (declared,)
    reads_markdown = formats == (NotifyFormat.TEXT, NotifyFormat.MARKDOWN)
    # Of plain text apprise makes what a service reads (HTML, Markdown), escaped.
    done = services.notify(
        title=notice.title,
        body=markdown_of(notice) if reads_markdown else text_of(notice),
        body_format=NotifyFormat.MARKDOWN if reads_markdown else NotifyFormat.TEXT,
        notify_type=NotifyType.INFO,
    )
    return "" if done else "the service refused it or did not answer"


def _open(address: str) -> Apprise:
    """The service behind an address; nothing where apprise does not understand it."""
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(
        app_id="flywheel",
        app_desc="flywheel-mlflow",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        service_timeout=0,  # else apprise sends in threads of its own, which a process waits for at its end
    )
    found = Apprise(asset=asset)
    found.add(address)
    for service in found:
        service.socket_connect_timeout = service.socket_read_timeout = REQUEST_S
    return found
