"""`notify:` in the workspace file: who outside is told what, and over which way."""

from __future__ import annotations

from typing import Any

from countersign.config.kinds import choice, http, pattern, seconds, secret, text, whole
from countersign.config.reading import Key, as_said, many, section
from countersign.domain.workspace import MailSettings, WebhookSettings

_REGION = pattern("a region such as kz", r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_ADDRESS = pattern("an address such as ops@example.kz", r"[^\s@,;<>\"]{1,64}@[A-Za-z0-9.-]{1,190}")
_HOST = pattern("a host such as mail.example.kz", r"[A-Za-z0-9.:-]{1,253}")

WEBHOOK_KEYS = (
    Key("url", http, "The one address that notices are posted to; redirects are not followed.", required=True),
    Key("secret", secret, "Shared with the receiver: every notice is signed with it (HMAC-SHA256).", required=True),
    Key("region", _REGION, "Where the receiver is: a notice about documents that may not go there is not sent.", "the workspace's region"),
    Key("timeout", seconds, "How long the receiver may take.", "10s", field="timeout_s"),
)  # fmt: skip
MAIL_KEYS = (
    Key("host", _HOST, "The SMTP server.", required=True),
    Key("port", whole(1, 65_535), "Its port.", "587"),
    Key("tls", choice("starttls", "implicit", "none"), "How the connection is encrypted; the server's certificate is checked.", "starttls"),
    Key("from", _ADDRESS, "The sender's address.", required=True, field="sender"),
    Key("to", many(_ADDRESS, at_least=1), "Who gets it.", required=True),
    Key("user", text("a name"), "For servers that want a sign-in.", "none"),
    Key("password", secret, "The password of `user`, by reference.", "none"),
    Key("about", many(choice("sources", "reviews"), at_least=1), "What is told by e-mail.", "[sources]"),
    Key("region", _REGION, "Where the mailboxes are: a notice about documents that may not go there is not sent.", "the workspace's region"),
    Key("timeout", seconds, "How long the server may take.", "30s", field="timeout_s"),
)  # fmt: skip


def _webhook(**said: Any) -> WebhookSettings | None:
    """None when what is required is missing, which is reported as a problem of the file."""
    return WebhookSettings(**said) if {"url", "secret"} <= said.keys() else None


def _mail(**said: Any) -> MailSettings | None:
    return MailSettings(**said) if {"host", "sender", "to"} <= said.keys() else None


NOTIFY_KEYS = (
    Key("webhook", section(WEBHOOK_KEYS, _webhook), "Ids and a status over HTTP: when a review opens, is overdue or is decided, and when a source becomes too old or fresh again; never a text.", "nobody is notified"),
    Key("email", section(MAIL_KEYS, _mail), "The same by e-mail.", "nobody is told", field="mail"),
)  # fmt: skip
NOTIFY = section(NOTIFY_KEYS, as_said)
