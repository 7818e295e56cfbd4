"""Formats read through xberg (doc, ppt, rtf, odt, odp, epub, and others as a fallback), and OLE containers told apart."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from countersign.corpus.parsers import mail
from countersign.corpus.parsers.decoding import read_all
from countersign.corpus.parsers.records import element, finding, table
from countersign.corpus.zygote import Output, Refusal

_MIMES = {
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "msg": "application/vnd.ms-outlook",
    "rtf": "application/rtf",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "epub": "application/epub+zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_KINDS = {
    "title": "heading", "heading": "heading", "list_item": "list_item", "code_block": "code", "header": "header",
    "footer": "footer", "caption": "caption",
}  # fmt: skip
_LIMIT_WORDS = ("ecurity", "limit", "exceed", "too large", "bomb", "nesting", "ratio")
_OBFUSCATED_DOC, _ENCRYPTED_PPT = 0x0100, 0xF3D1C4DF


def parse(source: int, params: Mapping[str, Any], output: Output) -> None:
    extract(source, str(params["kind"]), output)


def extract(source: int, kind: str, output: Output) -> None:
    """Elements of any format that xberg reads. Page numbers that it makes up for unpaged formats are not used."""
    document = _document(read_all(source), kind)
    output.record({"parser": "xberg", "mime": _MIMES[kind]})
    tables = [item.cells for item in document.tables]
    for item in document.elements or []:
        name = str(item.element_type).rsplit(".", 1)[-1].lower()
        if name == "table":
            _one_table(item.text, tables, output)
        elif name not in ("image", "page_break"):
            extra = getattr(item.metadata, "additional", None) or {}
            level = str(extra.get("heading_level", "1"))
            kind_of = _KINDS.get(name, "paragraph")
            if kind_of == "heading" and len(item.text) > 250:
                kind_of = "paragraph"
            element(
                output,
                kind_of,
                item.text,
                level=int(level) if kind_of == "heading" and level.isdecimal() else 0,
            )
    if not document.elements:
        element(output, "paragraph", document.content)


def _one_table(text: str, tables: list[list[list[str]]], output: Output) -> None:
    """The next table's own cells when they hold the element's text, else its lines cut at tabs."""
    if tables:
        words = set(text.split())
        if sum(1 for word in words if any(word in cell for row in tables[0] for cell in row)) >= 0.8 * len(
            words
        ):
            table(output, tables.pop(0))
            return
    table(output, [line.split("\t") for line in text.split("\n")])


def _document(data: bytes, kind: str) -> Any:
    try:
        import asyncio

        import xberg
    except ImportError:
        raise Refusal("unsupported", "extra_documents_missing") from None
    config = xberg.ExtractionConfig(
        use_cache=False, disable_ocr=True, enable_quality_processing=False, result_format="element_based",
        max_archive_depth=0, extraction_timeout_secs=None,
    )  # fmt: skip
    source = xberg.ExtractInput(kind="bytes", bytes=data, mime_type=_MIMES[kind], filename=f"file.{kind}")
    try:
        results = asyncio.run(xberg.extract(source, config)).results
    except (RuntimeError, ValueError, xberg.XbergError) as error:
        text = str(error)
        if "assword" in text or "ncrypt" in text:
            raise Refusal("encrypted", "password") from None
        limit = any(word in text for word in _LIMIT_WORDS) and "extends beyond" not in text
        raise Refusal(
            "refused_limit" if limit else "corrupt", "engine_limit" if limit else "office_structure"
        ) from None
    if not results:
        raise Refusal("corrupt", "office_structure")
    return results[0]


def parse_ole(source: int, params: Mapping[str, Any], output: Output) -> None:
    """A compound file: encrypted package, mail, workbook, document or presentation, as its streams say."""
    from countersign.corpus.parsers import sheets

    try:
        import olefile
    except ImportError:
        raise Refusal("unsupported", "extra_documents_missing") from None
    try:
        container = olefile.OleFileIO(io.BytesIO(read_all(source)))
        streams = {"/".join(parts) for parts in container.listdir(streams=True, storages=True)}
    except (OSError, ValueError, IndexError) as error:
        raise Refusal("corrupt", "ole_structure") from error
    kind = _ole_kind(container, streams)
    if any(
        name.rsplit("/", 1)[-1] in ("VBA", "Macros", "_VBA_PROJECT_CUR", "_VBA_PROJECT") for name in streams
    ):
        finding(output, "macros", "warning", "the file contains macros; they are never run")
    output.record({"mime": _MIMES[kind]})
    if kind == "msg":
        mail.outlook(container, streams, output)
    elif kind == "xls":
        sheets.parse(source, {**params, "kind": "xls"}, output)
    else:
        extract(source, kind, output)


def _ole_kind(container: Any, streams: set[str]) -> str:
    if "EncryptedPackage" in streams or "EncryptionInfo" in streams:
        raise Refusal("encrypted", "encrypted_package")
    if "WordDocument" in streams:
        header = _start(container, "WordDocument")
        if len(header) > 12 and int.from_bytes(header[10:12], "little") & _OBFUSCATED_DOC:
            raise Refusal("encrypted", "password")
        return "doc"
    if "PowerPoint Document" in streams:
        user = _start(container, "Current User") if "Current User" in streams else b""
        if int.from_bytes(user[12:16], "little") == _ENCRYPTED_PPT:
            raise Refusal("encrypted", "password")
        return "ppt"
    for name in ("Workbook", "Book"):
        if name in streams:
            if _filepass(_start(container, name)):
                raise Refusal("encrypted", "password")
            return "xls"
    if any(name.startswith("__properties_version1.0") for name in streams):
        return "msg"
    raise Refusal("unsupported", "ole_content")


def _start(container: Any, name: str) -> bytes:
    try:
        return bytes(container.openstream(name).read(4096))
    except (OSError, ValueError, IndexError) as error:
        raise Refusal("corrupt", "ole_stream") from error


def _filepass(data: bytes) -> bool:
    """Whether one of the first records of a workbook says that the rest is encrypted."""
    at = 0
    while at + 4 <= len(data):
        record, length = (
            int.from_bytes(data[at : at + 2], "little"),
            int.from_bytes(data[at + 2 : at + 4], "little"),
        )
        if record == 0x002F:
            return True
        at += 4 + length
    return False
