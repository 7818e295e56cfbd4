"""The mail connector: a mailbox over IMAP, an mbox file, or a folder of .eml and .msg files.

Each message is a document, and its attachments are documents inside it. Who wrote it and who got it may see it, as far
as `people` says who they are; rules and a folder's manifest can only narrow that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from countersign.domain.clock import SystemClock
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import ConfigError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.facts import Given, believable, tenant_of
from countersign.sources.mail_box import FolderBox, MboxBox
from countersign.sources.mail_head import Box, Head, Letter, People, read_head
from countersign.sources.mail_imap import ImapBox
from countersign.sources.options import Option
from countersign.sources.registry import Surroundings
from countersign.sources.sidecar import said_by_rules

logger = logging.getLogger(__name__)


class MailConnector:
    """`url` is imaps://USER@HOST, imap://USER@HOST (STARTTLS), an mbox file or a folder."""

    NEEDS_URL = True
    OPTIONS: tuple[Option, ...] = (
        Option("password", "secret", "imap: the account's password.", "none"),
        Option("folders", "names", "imap: which folders; `*` is all but drafts, junk and trash.", "[INBOX]"),
        Option(
            "people",
            "mapping",
            "address or @domain: who that is (`user:x`, `group:y`, several with commas; `user:{local}` is the part "
            "before the @). An address grants by its own entry, else by its domain's, else nobody.",
            "rules alone",
        ),
        Option("ca_file", "text", "imap: certificates to trust instead of the machine's.", "the machine's"),
        Option(
            "insecure", "yes_no", "imap: send the password in the clear to a server without TLS.", "false"
        ),
        Option("timeout", "duration", "imap: how long the server may be silent.", "60s"),
    )

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        self._settings = settings
        self._around = around
        self._tenants = settings.tenants or around.tenants
        self._people = People(Given(settings.options).mapping("people"), settings.name)
        self._unbelieved = 0
        self._box = self._open()

    def _open(self) -> Box:
        remote = self._settings.url.partition("://")[0].lower() if "://" in self._settings.url else ""
        path = self._around.root / self._settings.url
        if remote not in ("imap", "imaps") and (remote or path.is_dir()):
            return FolderBox(self._settings, self._around)
        if self._settings.rights_sidecar:
            raise ConfigError(
                f"source {self._settings.name}: a manifest can speak of a folder of messages only",
                hint="Use `people` and `rules`.",
            )
        if remote:
            return ImapBox(self._settings, self._around)
        return MboxBox(self._settings.name, path)

    def close(self) -> None:
        self._box.close()

    def list(self) -> Iterator[Listed]:
        self._unbelieved = 0
        for letter in self._box.letters():
            document = self._document(letter)
            yield Listed(document, letter.size, letter.revision, letter.problem)
        if self._unbelieved:
            logger.warning(
                "source %s: %d messages say that they were sent at a time that cannot be; that is not believed",
                self._settings.name,
                self._unbelieved,
            )

    def read(self, external_id: str, max_bytes: int) -> bytes:
        return without_blind_copies(self._box.read(external_id, max_bytes))

    def _document(self, letter: Letter) -> SourceDocument:
        head = read_head(letter.head)
        found = letter.document or self._plain(letter)
        rights, origin = self._rights(found, head)
        return replace(
            found,
            title=found.title or head.subject,
            rights=Rights() if found.quarantine else rights,
            rights_origin=origin,
            modified=self._sent(letter, head, found),
        )

    def _plain(self, letter: Letter) -> SourceDocument:
        tenant, problem = tenant_of("", self._tenants)
        ruled = said_by_rules(letter.external_id, self._settings)
        return SourceDocument(
            source=self._settings.name,
            external_id=letter.external_id,
            tenant=tenant,
            title="",
            filename=f"{letter.external_id.rpartition('/')[2]}.eml",
            mime="message/rfc822",
            rights=ruled.rights,
            rights_origin=ruled.origin,
            residency=self._settings.residency,
            quarantine=ruled.problem or problem,
        )

    def _rights(self, found: SourceDocument, head: Head) -> tuple[Rights, str]:
        """`found` carries what rules or a manifest say; where neither is configured the people of the mail decide."""
        if not self._people.known:
            return found.rights, found.rights_origin
        terms = self._people.terms(head.people)
        by_people = Rights.of(sorted(terms)) if terms else Rights()
        origin = f"sender and recipients ({len(head.people)})"
        if not (self._settings.rights_rules or self._settings.rights_sidecar):
            return by_people, origin
        return by_people.intersect(found.rights), f"{origin} and {found.rights_origin}"

    def _sent(self, letter: Letter, head: Head, found: SourceDocument) -> datetime | None:
        """The sender's date, unless it is later than the server's or than now: then it is a lie."""
        latest = letter.received or SystemClock().now()
        if head.date is not None and believable(head.date, latest):
            return head.date
        self._unbelieved += head.date is not None
        return letter.received or found.modified


def without_blind_copies(message: bytes) -> bytes:
    """The same message without its Bcc lines: who was copied blindly is nobody's to know."""
    end = min(
        (at for at in (message.find(b"\n\n"), message.find(b"\n\r\n")) if at >= 0), default=len(message)
    )
    head = message[: end + 1]
    if b"bcc" not in head.lower():
        return message
    kept: list[bytes] = []
    blind = False
    for line in head.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            blind = line.lower().replace(b" ", b"").startswith((b"bcc:", b"resent-bcc:"))
        if not blind:
            kept.append(line)
    return b"".join(kept) + message[end + 1 :]
