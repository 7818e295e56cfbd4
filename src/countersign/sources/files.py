"""The files connector: a folder of this machine, a bucket, a share or a server, with rights from a manifest, rules or modes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.described import Describer
from countersign.sources.options import Option
from countersign.sources.registry import Surroundings
from countersign.sources.stores import STORE_OPTIONS, objections, open_tree

_BINARY = frozenset(
    [
        "pdf",
        "docx",
        "xlsx",
        "pptx",
        "docm",
        "xlsm",
        "pptm",
        "odt",
        "ods",
        "odp",
        "epub",
        "zip",
        "png",
        "jpg",
        "jpeg",
        "tif",
        "tiff",
        "gif",
        "webp",
    ]
)
"""Formats that never begin as HTML does. Old `.doc` and `.xls` are missing: many programs write HTML under these names."""
_PAGE_STARTS = (b"<!doctype html", b"<html")


class FilesConnector:
    """A relative `url` starts in the workspace's folder."""

    OPTIONS: tuple[Option, ...] = STORE_OPTIONS
    NEEDS_URL = True
    objections = staticmethod(objections)

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        self._settings = settings
        self._tenants = around.tenants
        self._tree = open_tree(settings, around.root)

    def list(self) -> Iterator[Listed]:
        self._tree.connect()
        describer = Describer(self._settings, self._tenants, self._tree)
        for entry in self._tree.entries():
            listed = describer.listed(entry)
            if listed is not None:
                yield listed

    def read(self, external_id: str, max_bytes: int) -> bytes:
        content = self._tree.read(external_id, max_bytes)
        if len(content) > max_bytes:
            raise SourceError(
                f"{external_id} is larger than {max_bytes} bytes",
                code="source_file_too_large",
                hint="Raise `parsing.max_bytes`, or split the file.",
            )
        if self._tree.kind == "remote" and is_error_page(external_id, content):
            raise SourceError(
                f"{external_id} came as a page of HTML",
                code="source_error_page",
                hint="A sign-in page or a proxy answered in its place. The version that was read before stays.",
            )
        return content

    def close(self) -> None:
        self._tree.close()


def is_error_page(name: str, content: bytes) -> bool:
    """Whether a server sent a web page under the name of something that cannot be one."""
    ending = posixpath.splitext(name)[1].removeprefix(".").lower()
    return ending in _BINARY and content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(
        _PAGE_STARTS
    )
