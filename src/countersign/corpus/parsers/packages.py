"""Reading parts of an office package (a zip of XML) with limits of our own and no document types."""

from __future__ import annotations

import io
import posixpath
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from typing import BinaryIO, cast

from countersign.corpus.parsers.decoding import read_all
from countersign.corpus.zygote import Refusal

MAX_PART_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 400
_ENTITY = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ENTITY_WIDE = ("<!DOCTYPE".encode("utf-16-le"), "<!DOCTYPE".encode("utf-16-be"))


class Package:
    """An open office package. Missing parts are None; broken XML is a `Refusal` (`corrupt`)."""

    def __init__(self, source: int) -> None:
        try:
            self._zip = zipfile.ZipFile(cast(BinaryIO, io.BytesIO(read_all(source))))
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            raise Refusal("corrupt", "archive_directory") from None
        self.names = set(self._zip.namelist())

    def read(self, name: str) -> bytes | None:
        if name not in self.names:
            return None
        try:
            with self._zip.open(name) as member:
                data = member.read(MAX_PART_BYTES + 1)
        except (
            zipfile.BadZipFile,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise Refusal("corrupt", "archive_entry") from error
        except Exception as error:
            raise Refusal("corrupt", "archive_entry") from error
        if len(data) > MAX_PART_BYTES:
            raise Refusal("refused_limit", "part_size")
        return data

    def xml(self, name: str) -> ElementTree.Element | None:
        """The part's root element. A part with a document type is refused: office files never need one."""
        data = self.read(name)
        if data is None:
            return None
        if _ENTITY.search(data[:4096]) or any(mark in data[:4096] for mark in _ENTITY_WIDE):
            raise Refusal("corrupt", "document_type")
        try:
            return _parse(data)
        except ElementTree.ParseError:
            raise Refusal("corrupt", "xml") from None

    def related(self, name: str) -> dict[str, str]:
        """Relationship id → part name, for relations inside the package."""
        folder, base = posixpath.split(name)
        root = self.xml(f"{folder}/_rels/{base}.rels")
        targets: dict[str, str] = {}
        for relation in root if root is not None else ():
            if relation.get("TargetMode") != "External":
                target = relation.get("Target", "")
                full = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
                )
                targets[relation.get("Id", "")] = full
        return targets

    def title(self) -> str:
        root = self.xml("docProps/core.xml")
        found = root.find("{http://purl.org/dc/elements/1.1/}title") if root is not None else None
        return (found.text or "").strip() if found is not None else ""


class _Guarded(ElementTree.TreeBuilder):
    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str]) -> ElementTree.Element:  # type: ignore[override]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refusal("refused_limit", "nesting")
        return super().start(tag, attrs)

    def end(self, tag: str) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def _parse(data: bytes) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_Guarded())  # noqa: S314 - confined child, document types refused above
    parser.feed(data)
    return parser.close()
