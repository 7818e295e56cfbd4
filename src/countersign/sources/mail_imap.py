"""A mailbox over IMAP: opened for reading only, never marked as read; each pass asks for the heads of what is new.

A message is named by folder, UIDVALIDITY and UID, which the server never gives to another message.
"""

from __future__ import annotations

import base64
import imaplib
import ipaddress
import re
import ssl
import threading
import time
import weakref
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.facts import Given
from countersign.sources.mail_cache import HeadCache, Known
from countersign.sources.mail_head import HEADERS, MAX_HEAD_BYTES, Letter
from countersign.sources.registry import Surroundings

_WINDOW = 10_000
_FETCH = 200
_TRIES = 5
_LEFT_OUT = ("\\noselect", "\\nonexistent", "\\drafts", "\\junk", "\\trash", "\\all", "\\flagged")
"""Not folders, or nothing to answer from, or views of messages that lie in another folder."""
_HEAD = f"BODY.PEEK[HEADER.FIELDS ({' '.join(HEADERS).upper()})]<0.{MAX_HEAD_BYTES}>"
_NAME = re.compile(r"(?P<folder>.+)/(?P<validity>\d{1,10})-(?P<uid>\d{1,10})")
_LISTED = re.compile(rb'\((?P<flags>[^)]*)\) (?:"(?:[^"\\]|\\.)"|NIL) (?P<name>.+)', re.S)


class ImapBox:
    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        given = Given(settings.options)
        self._source = settings.name
        self._address = _Address(settings, given)
        self._folders = given.names("folders") or ("INBOX",)
        self._cache = HeadCache(around.cache)
        self._lock = threading.Lock()
        self._kept = _Kept()
        weakref.finalize(self, self._kept.hang_up)

    def close(self) -> None:
        self._kept.hang_up()

    # -- listing ------------------------------------------------------------------------------------------------
    def letters(self) -> Iterator[Letter]:
        with self._told(), self._connected() as client:
            read: list[str] = []
            for folder in self._chosen(client):
                validity, count = self._examine(client, folder)
                read.append(f"{folder}/{validity}")
                yield from self._folder(client, folder, validity, count)
            self._cache.keep_only(read)

    def _chosen(self, client: imaplib.IMAP4) -> Sequence[str]:
        if "*" not in self._folders:
            return self._folders
        _, lines = client.list()
        found: list[str] = []
        for line in lines:
            raw = b"".join(line[:2]) if isinstance(line, tuple) else line
            match = _LISTED.fullmatch(re.sub(rb" \{\d+\}", b" ", raw or b""))
            if match and not any(flag in match["flags"].decode("latin-1").lower() for flag in _LEFT_OUT):
                name = match["name"].decode("latin-1")
                found.append(_from_wire(re.sub(r"\\(.)", r"\1", name[1:-1]) if name[:1] == '"' else name))
        return sorted(found)

    def _folder(self, client: imaplib.IMAP4, folder: str, validity: int, count: int) -> Iterator[Letter]:
        uids = self._uids(client, folder, count)
        with self._cache.box(f"{folder}/{validity}") as shelf:
            for start in range(0, len(uids), _FETCH):
                chunk = [str(uid) for uid in uids[start : start + _FETCH]]
                known = shelf.known(chunk)
                new = {head.name: head for head in self._heads(client, [u for u in chunk if u not in known])}
                shelf.keep(new.values())
                found = known | new
                for uid in chunk:
                    if uid in found:
                        yield self._letter(folder, validity, found[uid])

    def _letter(self, folder: str, validity: int, known: Known) -> Letter:
        received = datetime.fromisoformat(known.received) if known.received else None
        name = f"{folder}/{validity}-{known.name}"
        return Letter(name, known.head, known.size, f"{known.size}", received)

    def _examine(self, client: imaplib.IMAP4, folder: str) -> tuple[int, int]:
        """(UIDVALIDITY, number of messages) of a folder, opened so that nothing in it changes."""
        status, data = client.select(_on_wire(folder), readonly=True)
        if status != "OK":
            raise SourceError(
                f"source {self._source}: the folder {folder!r} cannot be opened",
                code="source_folder_missing",
                hint="Check `folders` and the account's rights; nothing was removed from the index.",
            )
        _, validity = client.response("UIDVALIDITY")
        if not validity or not validity[0]:
            raise SourceError(
                f"source {self._source}: the server gives messages no lasting names",
                code="source_unsupported",
                hint="A server without UIDVALIDITY cannot be read.",
            )
        return int(validity[0]), int(data[0] or 0)

    def _uids(self, client: imaplib.IMAP4, folder: str, count: int) -> array[int]:
        """UIDs of what is not deleted. Every number up to `count` must be answered for, or the list would be short; an
        expunge meanwhile moves the numbers: then once more."""
        for _ in range(_TRIES):
            found, complete = array("L"), True
            for start in range(1, count + 1, _WINDOW):
                end = min(start + _WINDOW - 1, count)
                status, data = client.fetch(f"{start}:{end}", "(UID FLAGS)")
                self._require(status)
                told = dict(filter(None, map(_numbered, data)))
                complete = complete and told.keys() >= set(range(start, end + 1))
                found.extend(uid for uid in told.values() if uid)
            client.noop()
            if client.response("EXPUNGE")[1] == [None] and client.response("VANISHED")[1] == [None]:
                if complete:
                    return found
                raise self._garbled()
            _, count = self._examine(client, folder)
        raise SourceError(
            f"source {self._source}: the folder {folder!r} kept changing while it was read",
            code="source_changed_while_read",
            hint="The next pass reads it again; nothing was removed from the index.",
        )

    def _heads(self, client: imaplib.IMAP4, uids: Sequence[str]) -> list[Known]:
        if not uids:
            return []
        status, data = client.uid("FETCH", ",".join(uids), f"(UID RFC822.SIZE INTERNALDATE {_HEAD})")
        self._require(status)
        found = [head for head in map(_known, _replies(data)) if head is not None]
        silent = set(uids) - {head.name for head in found}
        if silent:  # gone since the search, or the server left it out: only the first is an answer
            status, data = client.uid("SEARCH", "UID", ",".join(sorted(silent)))
            self._require(status)
            if (data[0] or b"").split():
                raise self._garbled()
        return [head for head in found if head.name in uids]

    # -- reading ------------------------------------------------------------------------------------------------
    def read(self, external_id: str, max_bytes: int) -> bytes:
        match = _NAME.fullmatch(external_id)
        if match is None:
            raise SourceError(f"{external_id!r} is not in this mailbox", code="source_file_gone")
        with self._told(), self._lock:
            for attempt in (1, 2):
                try:
                    return self._content(self._keep(), match, external_id, max_bytes)
                except (
                    OSError,
                    imaplib.IMAP4.abort,
                ):  # an idle connection may have been closed: a new one tells
                    self._kept.hang_up()
                    if attempt == 2:
                        raise
        raise AssertionError("the second attempt returns or raises")

    def _keep(self) -> imaplib.IMAP4:
        if self._kept.client is None:
            self._kept.client = self._address.connect(self._source)
            self._kept.folder = ("", 0)
        return self._kept.client

    def _content(
        self, client: imaplib.IMAP4, match: re.Match[str], external_id: str, max_bytes: int
    ) -> bytes:
        folder = match["folder"]
        if self._kept.folder[0] != folder:
            self._kept.folder = ("", 0)
            self._kept.folder = (folder, self._examine(client, folder)[0])
        if self._kept.folder[1] == int(match["validity"]):
            status, data = client.uid("FETCH", match["uid"], f"(UID BODY.PEEK[]<0.{max_bytes + 1}>)")
            self._require(status)
            for told, content in _replies(data):
                if _number(rb"UID", told) == int(match["uid"]):
                    if len(content) > max_bytes:
                        raise SourceError(
                            f"{external_id} is larger than {max_bytes} bytes",
                            code="source_file_too_large",
                            hint="Raise `parsing.max_bytes`.",
                        )
                    return content
        raise SourceError(f"{external_id} is no longer in the mailbox", code="source_file_gone")

    # -- the connection -----------------------------------------------------------------------------------------
    @contextmanager
    def _connected(self) -> Generator[imaplib.IMAP4]:
        kept = _Kept()
        try:
            kept.client = self._address.connect(self._source)
            yield kept.client
        finally:
            kept.hang_up()

    @contextmanager
    def _told(self) -> Generator[None]:
        """What a server or the network does wrong, as an error of the source; its own words stay out of it."""
        try:
            yield
        except (OSError, imaplib.IMAP4.abort) as error:
            unreachable(self._source, error)
        except (imaplib.IMAP4.error, ValueError, IndexError):
            raise self._garbled() from None

    def _require(self, status: str) -> None:
        if status != "OK":
            raise self._garbled()

    def _garbled(self) -> SourceError:
        return SourceError(
            f"source {self._source}: the mail server did not answer as IMAP does",
            code="source_listing_garbled",
            hint="Look at the server; nothing was removed from the index.",
        )


class _Kept:
    """A connection that is used again, and hung up when nobody can use it any more."""

    def __init__(self) -> None:
        self.client: imaplib.IMAP4 | None = None
        self.folder: tuple[str, int] = ("", 0)

    def hang_up(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            hang_up(client)


class _Address:
    """Where the server is and how it is spoken to: TLS, unless it is this machine or `insecure` is said."""

    def __init__(self, settings: SourceSettings, given: Given) -> None:
        parts = urlsplit(settings.url)
        self._host, self._user = parts.hostname or "", unquote(parts.username or "")
        self._tls = parts.scheme.lower() == "imaps"
        self._port = parts.port or (993 if self._tls else 143)
        self._password = given.secret("password")
        self._ca_file = given.text("ca_file")
        self._insecure = given.yes("insecure")
        self._timeout_s = given.seconds("timeout", 60.0)
        if not self._host or not self._user or parts.password:
            raise ConfigError(
                f"source {settings.name}: its address is not one of a mailbox",
                hint="Write imaps://USER@HOST, with %40 for an @ in USER, and `options: {password: ${env:NAME}}`.",
            )

    def connect(self, source: str) -> imaplib.IMAP4:
        """Signed in. Raises `SourceError`, `OSError`."""
        try:
            client = self._dial(source)
        except imaplib.IMAP4.error as error:
            unreachable(source, error)
        with ExitStack() as undo:
            undo.callback(hang_up, client)
            self._sign_in(client, source)
            undo.pop_all()
        return client

    def _dial(self, source: str) -> imaplib.IMAP4:
        try:
            context = ssl.create_default_context(cafile=self._ca_file or None)
        except OSError:
            raise ConfigError(
                f"source {source}: `ca_file` cannot be read", hint="It must hold certificates in PEM."
            ) from None
        if self._tls:
            return imaplib.IMAP4_SSL(self._host, self._port, ssl_context=context, timeout=self._timeout_s)
        client = imaplib.IMAP4(self._host, self._port, timeout=self._timeout_s)
        with ExitStack() as undo:
            undo.callback(hang_up, client)
            if not self._insecure and ("STARTTLS" in client.capabilities or not self._is_here()):
                self._upgrade(client, context, source)
            undo.pop_all()
        return client

    def _upgrade(self, client: imaplib.IMAP4, context: ssl.SSLContext, source: str) -> None:
        if "STARTTLS" not in client.capabilities:
            raise SourceError(
                f"source {source}: the mail server offers no encryption",
                code="source_not_encrypted",
                hint="Use imaps://, or say `insecure: true` if the network between is trusted.",
            )
        client.starttls(context)

    def _is_here(self) -> bool:
        try:
            return self._host == "localhost" or ipaddress.ip_address(self._host).is_loopback
        except ValueError:
            return False

    def _sign_in(self, client: imaplib.IMAP4, source: str) -> None:
        try:
            if "AUTH=PLAIN" in client.capabilities:  # takes any letters, which LOGIN does not
                word = f"\0{self._user}\0{self._password}".encode()
                client.authenticate("PLAIN", lambda _: word)
            else:
                client.login(self._user, self._password)
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, UnicodeEncodeError):
            raise SourceError(
                f"source {source}: the mail server refused the account",
                code="source_login_refused",
                hint="Check the user in `url` and the secret behind `password`. Nothing was removed from the index.",
            ) from None


def hang_up(client: imaplib.IMAP4) -> None:
    with suppress(OSError):  # the other side may have done so before
        client.shutdown()


def unreachable(source: str, error: Exception) -> NoReturn:
    told = type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        raise SourceError(
            f"source {source}: the mail server's certificate is not trusted",
            code="source_certificate_untrusted",
            hint="Name the authority's certificate in `ca_file`.",
        ) from None
    raise SourceError(
        f"source {source}: the mail server cannot be read ({told})",
        hint="Check that it runs and `url`; nothing was removed from the index.",
    ) from None


# -- replies ----------------------------------------------------------------------------------------------------
def _replies(data: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """(what is told of a message, its literal). imaplib cuts a reply after each literal."""
    told, content = b"", b""
    for item in data:
        head, literal = item if isinstance(item, tuple) else (item or b"", b"")
        if re.match(rb"\d+ \(", head) and told:
            yield told, content
            told, content = b"", b""
        told, content = told + head, literal or content
    if told:
        yield told, content


def _numbered(line: Any) -> tuple[int, int] | None:
    """(number, UID) of one message; UID 0 for what is marked as deleted."""
    match = re.match(rb"(\d+) \(", line) if isinstance(line, bytes) else None
    uid = _number(rb"UID", line) if match else None
    if match is None or uid is None:
        return None
    return int(match[1]), 0 if b"\\deleted" in line.lower() else uid


def _known(reply: tuple[bytes, bytes]) -> Known | None:
    told, head = reply
    uid, size = _number(rb"UID", told), _number(rb"RFC822\.SIZE", told)
    if uid is None or size is None or b"BODY[" not in told.upper():
        return None
    return Known(str(uid), "", head, size, _received(told))


def _received(told: bytes) -> str:
    try:
        local = imaplib.Internaldate2tuple(told)
        return datetime.fromtimestamp(time.mktime(local), UTC).isoformat() if local else ""
    except (ValueError, OverflowError):
        return ""


def _number(name: bytes, told: bytes) -> int | None:
    match = re.search(rb"\b" + name + rb" (\d+)", told, re.I)
    return int(match[1]) if match else None


# -- names of folders: modified UTF-7 (RFC 3501, 5.1.3) -------------------------------------------------------------
def _on_wire(name: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", name):
        raise ConfigError("a folder's name holds a control character", hint="Check `folders`.")

    def packed(match: re.Match[str]) -> str:
        code = base64.b64encode(match[0].encode("utf-16-be")).decode("ascii")
        return f"&{code.rstrip('=').replace('/', ',')}-"

    ascii_name = re.sub(r"[^\x20-\x7e]+", packed, name.replace("&", "&-"))
    return '"' + re.sub(r'(["\\])', r"\\\1", ascii_name) + '"'


def _from_wire(name: str) -> str:
    def unpacked(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        code = match[1].replace(",", "/")
        return base64.b64decode(code + "=" * (-len(code) % 4)).decode("utf-16-be", "replace")

    return re.sub(r"&([A-Za-z0-9+,]*)-", unpacked, name)
