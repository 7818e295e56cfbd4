"""What can be told about a file from its first bytes and its directory, before any parser touches it.

Runs in the caller's process, so it does only bounded reads: no decompression but one small manifest, no recursion.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from countersign.corpus.parsers.decoding import utf16_order
from countersign.domain.documents import Finding, ParseStatus
from countersign.domain.workspace import ParseLimits

Kind = Literal[
    "pdf", "docx", "pptx", "xlsx", "ole", "rtf", "epub", "odt", "ods", "odp", "html", "eml", "text", "csv", "markdown",
    "json", "xml", "image", "unknown",
]  # fmt: skip

MIMES: dict[Kind, str] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ole": "application/x-ole-storage",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "html": "text/html",
    "eml": "message/rfc822",
    "text": "text/plain",
    "csv": "text/csv",
    "markdown": "text/markdown",
    "json": "application/json",
    "xml": "application/xml",
    "image": "image/png",
    "unknown": "application/octet-stream",
}
_SUFFIXES: dict[str, Kind] = {
    ".pdf": "pdf", ".docx": "docx", ".docm": "docx", ".dotx": "docx", ".pptx": "pptx", ".pptm": "pptx",
    ".ppsx": "pptx", ".xlsx": "xlsx", ".xlsm": "xlsx", ".xltx": "xlsx", ".doc": "ole", ".ppt": "ole", ".xls": "ole",
    ".msg": "ole", ".rtf": "rtf", ".epub": "epub", ".odt": "odt", ".ods": "ods", ".odp": "odp", ".html": "html",
    ".htm": "html", ".xhtml": "html", ".eml": "eml", ".txt": "text", ".log": "text", ".csv": "csv", ".tsv": "csv",
    ".md": "markdown", ".markdown": "markdown", ".json": "json", ".jsonl": "text", ".xml": "xml", ".png": "image",
    ".jpg": "image", ".jpeg": "image", ".tif": "image", ".tiff": "image", ".bmp": "image", ".gif": "image",
    ".webp": "image",
}  # fmt: skip
_TEXTUAL: frozenset[Kind] = frozenset({"text", "csv", "markdown", "json", "xml", "html", "eml"})
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"II*\x00": "image/tiff", b"MM\x00*": "image/tiff",
    b"GIF8": "image/gif", b"BM": "image/bmp",
}  # fmt: skip
_PICTURE = re.compile(
    r"(?i)(?:^|/)(?:media|pictures|images)/[^/]+\.(?:png|jpe?g|tiff?|bmp|gif|webp|emf|wmf)$"
)
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAIL_HEADER = re.compile(rb"\A(?:[A-Za-z][A-Za-z0-9-]{1,40}:[^\n]*\r?\n(?:[ \t][^\n]*\r?\n)*){2,}")

MAX_ENTRIES = 20_000
MAX_DIRECTORY_BYTES = 8 * 1024 * 1024
MAX_UNPACKED_BYTES = 1024**3
MAX_RATIO, RATIO_FLOOR_BYTES = 200, 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
_TAIL_BYTES = 8_192
_BROKEN_ARCHIVE = (
    zipfile.BadZipFile, zlib.error, struct.error, ValueError, OverflowError, EOFError, LookupError, RuntimeError, OSError,
)  # fmt: skip
"""Whatever a damaged or forged archive makes a reader of its directory raise."""
_PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others may ask for gigabytes before the first byte comes out."""
_CUT_SHORT = Finding("truncated", "warning", "the end of the file is missing")


@dataclass(frozen=True, slots=True)
class Preflight:
    """`kind` as the content says it; `status` set when the file must not be parsed at all, with a `reason` code."""

    kind: Kind
    mime: str
    size: int
    status: ParseStatus | None = None
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    pictures: bool = False
    """An office file with pictures: without text it is not empty."""


def inspect(source: int, filename: str, mime: str, limits: ParseLimits) -> Preflight:
    """Judge an open file before parsing. Blocking, bounded work. Raises OSError when it cannot be read."""
    with os.fdopen(os.dup(source), "rb") as file:
        size = file.seek(0, 2)
        if size == 0:
            return Preflight("unknown", mime, 0, ParseStatus.EMPTY, "no_bytes")
        if size > limits.max_bytes:
            return Preflight("unknown", mime, size, ParseStatus.REFUSED_LIMIT, "file_size")
        file.seek(0)
        head = file.read(65536)
        claimed = _claimed(filename, mime)
        verdict = _by_magic(file, head, claimed, size)
    if (
        claimed not in ("unknown", verdict.kind)
        and verdict.status is None
        and not _compatible(claimed, verdict.kind)
    ):
        differ = f"{claimed} ≠ {verdict.kind}"
        note = Finding(
            "type_mismatch", "warning", f"named as {claimed}, content is {verdict.kind}", None, differ
        )
        return _with(verdict, note)
    return verdict


def _with(verdict: Preflight, note: Finding) -> Preflight:
    return Preflight(
        verdict.kind, verdict.mime, verdict.size, verdict.status, verdict.reason, (*verdict.findings, note),
        verdict.pictures,
    )  # fmt: skip


def _claimed(filename: str, mime: str) -> Kind:
    by_name = _SUFFIXES.get(PurePosixPath(filename.replace("\\", "/")).suffix.lower())
    if by_name is not None:
        return by_name
    plain = mime.split(";")[0].strip().lower()
    if plain.startswith("image/"):
        return "image"
    if plain in ("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"):
        return "ole"
    for kind, known in MIMES.items():
        if known == plain:
            return kind
    return "unknown"


def _compatible(claimed: Kind, found: Kind) -> bool:
    return claimed in _TEXTUAL and found in _TEXTUAL


def _by_magic(file: BinaryIO, head: bytes, claimed: Kind, size: int) -> Preflight:
    if b"%PDF-" in head[:1024]:
        notes = () if b"%%EOF" in _tail(file, size) else (_CUT_SHORT,)
        return Preflight("pdf", MIMES["pdf"], size, findings=notes)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip(file, size)
    if head.startswith(_OLE_MAGIC):
        return Preflight("ole", MIMES["ole"], size)
    if head.startswith(b"{\\rtf"):
        return Preflight("rtf", MIMES["rtf"], size)
    for magic, image_mime in _IMAGES.items():
        if head.startswith(magic) and (magic != b"BM" or claimed == "image"):
            return _image(head, image_mime, size)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _image(head, "image/webp", size)
    return _textual(head, claimed, size)


def _tail(file: BinaryIO, size: int) -> bytes:
    """The last bytes: generous, because some mail systems append to what they carry."""
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read(_TAIL_BYTES)


def _textual(head: bytes, claimed: Kind, size: int) -> Preflight:
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff")) or bool(utf16_order(head[:4000]))
    if not wide and _binary_share(head) > 0.02:
        if claimed in ("unknown", *_TEXTUAL):
            return Preflight("unknown", MIMES["unknown"], size, ParseStatus.UNSUPPORTED, "unknown_format")
        return Preflight(claimed, MIMES[claimed], size, ParseStatus.CORRUPT, "wrong_magic")
    kind = claimed if claimed in _TEXTUAL else _sniff_text(head)
    if claimed not in ("unknown", *_TEXTUAL) and kind == "text":
        return Preflight(claimed, MIMES[claimed], size, ParseStatus.CORRUPT, "wrong_magic")
    return Preflight(kind, MIMES[kind], size)


def _binary_share(head: bytes) -> float:
    controls = sum(head.count(code) for code in range(32) if code not in (7, 8, 9, 10, 12, 13, 26, 27))
    return 1.0 if b"\x00" in head else controls / max(1, len(head))


def _sniff_text(head: bytes) -> Kind:
    start = head[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<body" in start:
        return "html"
    if start.startswith(b"<?xml"):
        return "xml"
    if start.startswith((b"{", b"[")):
        return "json"
    if _MAIL_HEADER.match(head) and re.search(rb"(?im)^(?:from|received|message-id):", head[:8192]):
        return "eml"
    return "text"


def _image(head: bytes, mime: str, size: int) -> Preflight:
    dimensions = image_size(head)
    if dimensions is not None and dimensions[0] * dimensions[1] > MAX_PIXELS:
        return Preflight("image", mime, size, ParseStatus.REFUSED_LIMIT, "image_pixels")
    return Preflight("image", mime, size)


def image_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels as a PNG, GIF or JPEG header claims them; None when not told there."""
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        return struct.unpack(">II", head[16:24])
    if head.startswith(b"GIF8") and len(head) >= 10:
        return struct.unpack("<HH", head[6:10])
    at = 2
    while head.startswith(b"\xff\xd8") and at + 9 < len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 2 + max(2, length)
    return None


def _zip(file: BinaryIO, size: int) -> Preflight:
    try:
        directory_bytes = _directory_bytes(file, size)
        if directory_bytes > MAX_DIRECTORY_BYTES:
            return Preflight("unknown", MIMES["unknown"], size, ParseStatus.REFUSED_LIMIT, "archive_entries")
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            return _zip_entries(archive, size)
    except _BROKEN_ARCHIVE as error:
        reason = (
            "archive_directory" if isinstance(error, zipfile.BadZipFile | struct.error) else "archive_entry"
        )
        return Preflight("unknown", MIMES["unknown"], size, ParseStatus.CORRUPT, reason)


def _directory_bytes(file: BinaryIO, size: int) -> int:
    """Size of the central directory as its end record claims it: what a reader will load into memory."""
    start = max(0, size - 65_557)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise zipfile.BadZipFile("no end record")
    claimed = int(struct.unpack("<I", tail[at + 12 : at + 16])[0])
    locator = tail.rfind(b"PK\x06\x07", 0, at)
    if locator >= 0:
        file.seek(int(struct.unpack("<Q", tail[locator + 8 : locator + 16])[0]))
        record = file.read(56)
        claimed = max(claimed if claimed != 0xFFFFFFFF else 0, int(struct.unpack("<Q", record[40:48])[0]))
    return claimed


def _zip_entries(archive: zipfile.ZipFile, size: int) -> Preflight:
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    kind = _zip_kind(archive, names)
    unpacked = sum(entry.file_size for entry in entries)
    status, reason = None, ""
    if len(entries) > MAX_ENTRIES:
        status, reason = ParseStatus.REFUSED_LIMIT, "archive_entries"
    elif unpacked > MAX_UNPACKED_BYTES:
        status, reason = ParseStatus.REFUSED_LIMIT, "archive_size"
    elif unpacked > RATIO_FLOOR_BYTES and unpacked / max(1, size) > MAX_RATIO:
        status, reason = ParseStatus.REFUSED_LIMIT, "archive_ratio"
    elif any(entry.flag_bits & 1 for entry in entries) or _odf_encrypted(archive, names):
        status, reason = ParseStatus.ENCRYPTED, "archive_password"
    elif kind == "unknown":
        status, reason = ParseStatus.UNSUPPORTED, "archive"
    pictures = any(_PICTURE.search(name) for name in names)
    return Preflight(kind, MIMES[kind], size, status, reason, tuple(_zip_findings(names)), pictures)


def _zip_kind(archive: zipfile.ZipFile, names: set[str]) -> Kind:
    for name, kind in (
        ("word/document.xml", "docx"),
        ("ppt/presentation.xml", "pptx"),
        ("xl/workbook.xml", "xlsx"),
    ):
        if name in names:
            return kind  # type: ignore[return-value]
    if "xl/workbook.bin" in names:
        return "xlsx"
    declared = _read_small(archive, names, "mimetype").decode("ascii", "replace").strip()
    for kind in ("epub", "odt", "ods", "odp"):
        if declared.startswith(MIMES[kind]):  # type: ignore[index]
            return kind  # type: ignore[return-value]
    if any(name.endswith("document.xml") and name.startswith("word") for name in names):
        return "docx"
    return "unknown"


def _read_small(archive: zipfile.ZipFile, names: set[str], name: str) -> bytes:
    if name not in names:
        return b""
    entry = archive.getinfo(name)
    if entry.flag_bits & 1 or entry.compress_type not in _PLAIN_METHODS:
        return b""
    with archive.open(entry) as member:
        return member.read(262_144)


def _odf_encrypted(archive: zipfile.ZipFile, names: set[str]) -> bool:
    return b"encryption-data" in _read_small(archive, names, "META-INF/manifest.xml")


def _zip_findings(names: set[str]) -> list[Finding]:
    found: list[Finding] = []
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        found.append(Finding("macros", "warning", "the file contains macros; they are never run"))
    packed = sorted(
        name for name in names if name.lower().endswith((".zip", ".7z", ".rar", ".gz", ".exe", ".jar"))
    )
    if packed:
        found.append(
            Finding("nested_archive", "info", "archives inside are not opened", evidence=packed[0][:100])
        )
    return found
