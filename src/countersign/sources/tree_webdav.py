"""A folder on a WebDAV server: Nextcloud, a document management system, a web server."""

from __future__ import annotations

import email.utils
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from countersign.domain.errors import SourceError
from countersign.sources.extras import load
from countersign.sources.trees import (
    FileEntry,
    Found,
    believed,
    file_gone,
    folder_missing,
    folder_unreadable,
    refused,
    settled,
    sound_path,
    unreachable,
    walk,
)

_MAX_LISTING_BYTES = 256 * 1024 * 1024
_GRAIN_S = 120.0
_ASK = (
    '<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    "<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>"
)
_DAV = "{DAV:}"


class WebdavTree:
    """Asks for one folder at a time. A reply that is anything but a whole listing of that folder is an error: a proxy's
    page of HTML must not read as an empty folder. Redirects are not followed, so credentials reach no other server."""

    kind: Literal["local", "remote"] = "remote"

    def __init__(
        self, source: str, url: str, auth: tuple[str, str] | None, timeout_s: float, ca_file: str
    ) -> None:
        httpx = load("httpx", "WebDAV")
        http = load("webdav4.http", "WebDAV")
        self._source = source
        self._base = url.rstrip("/")
        self._failures: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
        verify: Any = True
        if ca_file:
            import ssl

            verify = ssl.create_default_context(cafile=ca_file)
        self._client = http.Client(
            auth=auth, timeout=timeout_s, follow_redirects=False, verify=verify, trust_env=False
        )

    def connect(self) -> None:
        if self._ask("", "0") is None:
            raise folder_missing(self._source)

    def entries(self) -> Iterator[FileEntry]:
        return walk(self._listing)

    def read(self, path: str, max_bytes: int) -> bytes:
        if not sound_path(path):
            raise SourceError(f"{path!r} is outside its source", code="source_file_gone")
        content = bytearray()
        with self._telling(), self._client.stream("GET", self._address(path)) as reply:
            if reply.status_code != 200:
                raise self._refusal(path, reply.status_code)
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > max_bytes:
                    break
        return bytes(content[: max_bytes + 1])

    def close(self) -> None:
        self._client.close()

    def _refusal(self, path: str, status: int) -> SourceError:
        if status in (401, 403):
            return refused(self._source)
        if status >= 500 or status == 429:
            return unreachable(self._source, OSError())
        return file_gone(path, f"HTTP {status}")

    def _address(self, path: str) -> str:
        return f"{self._base}/{quote(path)}" if path else f"{self._base}/"

    def _listing(self, folder: str) -> Iterator[Found]:
        content = self._ask(folder, "1")
        if content is None:
            if folder:  # it went away since its parent was read
                return
            raise folder_missing(self._source)
        above = _steps(self._address(folder))
        for reply in self._replies(content):
            steps = _steps(reply.findtext(f"{_DAV}href") or "")
            if steps == above:
                continue
            if steps[:-1] != above:
                raise self._garbled()
            yield self._found(steps[-1], reply)

    def _ask(self, folder: str, depth: str) -> bytes | None:
        """The server's listing; None when there is no such folder."""
        headers = {"Depth": depth, "Content-Type": "application/xml; charset=utf-8"}
        content = bytearray()
        address = self._address(folder)
        with (
            self._telling(),
            self._client.stream("PROPFIND", address, content=_ASK, headers=headers) as reply,
        ):
            if reply.status_code in (404, 410):
                return None
            if reply.status_code == 401 or (reply.status_code == 403 and not folder):
                raise refused(self._source)
            if reply.status_code == 403:
                raise folder_unreadable(self._source)
            if reply.status_code != 207:
                raise self._garbled() if reply.status_code < 500 else unreachable(self._source, OSError())
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > _MAX_LISTING_BYTES:
                    raise SourceError("a folder's listing is too large", code="source_too_large")
        return bytes(content)

    def _replies(self, content: bytes) -> list[ElementTree.Element]:
        """A listing has no document type, so there is nothing that could unfold or be fetched."""
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise self._garbled()
        try:
            tree = ElementTree.fromstring(content)  # noqa: S314 - no document type, see above
        except ElementTree.ParseError as error:
            raise self._garbled() from error
        replies = tree.findall(f"{_DAV}response")
        if tree.tag != f"{_DAV}multistatus" or not replies:
            raise self._garbled()
        return replies

    def _found(self, name: str, reply: ElementTree.Element) -> Found:
        known = {
            node.tag.removeprefix(_DAV): node
            for group in reply.iterfind(f"{_DAV}propstat")
            if " 200"
            in (group.findtext(f"{_DAV}status") or " 200")  # others tell what the server does not have
            for node in group.iterfind(f"{_DAV}prop/*")
        }
        kind = known.get("resourcetype")
        if kind is None:
            raise self._garbled()
        if kind.find(f"{_DAV}collection") is not None:
            return Found(name, is_folder=True)
        size = _text(known, "getcontentlength")
        modified = _moment(_text(known, "getlastmodified"))
        tag = _text(known, "getetag")
        length = int(size) if size.isascii() and size.isdigit() and len(size) < 16 else 0
        revision = f"{tag}-{length}" if tag and not tag.startswith("W/") else ""
        if not revision and modified is not None:
            stamp = modified.timestamp()
            revision = settled(f"{length}-{stamp:.0f}", stamp, _GRAIN_S)
        return Found(name, is_folder=False, size=length, revision=revision, modified=believed(modified))

    def _garbled(self) -> SourceError:
        return SourceError(
            f"source {self._source}: the server's reply is not a listing of a folder",
            code="source_listing_garbled",
            hint="Check that `url` is a WebDAV folder and that no sign-in page stands before it; nothing was removed.",
        )

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except self._failures as error:
            raise unreachable(self._source, error) from None  # its text may repeat the address


def _steps(address: str) -> tuple[str, ...]:
    """The names on the way to it, each decoded by itself: an escaped slash stays part of a name."""
    path = urlsplit(address).path.strip("/")
    return tuple(unquote(step, errors="surrogateescape") for step in path.split("/")) if path else ()


def _text(known: dict[str, ElementTree.Element], name: str) -> str:
    node = known.get(name)
    return "" if node is None else (node.text or "").strip()


def _moment(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
