"""Sender, open recipients, subject and date of an Outlook `.msg`, as the header lines of a mail."""

from __future__ import annotations

import io
import re
import struct
from typing import Any

_MAX_RECIPIENTS = 1_000
_MAX_STREAM_BYTES = 64 * 1024
_BLIND = 3
"""Value of the recipient type (MS-OXOMSG 2.2.3.1) for Bcc; 1 is To, 2 is Cc."""
_RECIPIENT_TYPE = 0x0C150003


def outlook_head(content: bytes) -> bytes:
    """Header lines in UTF-8; empty for what cannot be read, which grants nobody."""
    try:
        import olefile
    except ImportError:
        return b""
    try:
        with olefile.OleFileIO(io.BytesIO(content)) as container:
            lines = _lines(container)
    except (OSError, ValueError, IndexError, TypeError, AttributeError, struct.error, RecursionError):
        return b""
    return "\n".join(lines).encode("utf-8", "replace") + b"\n"


def _lines(container: Any) -> list[str]:
    lines = [f"From: {_address(container, '')}"]
    folders = sorted(
        {entry[0] for entry in container.listdir() if entry[0].startswith("__recip_version1.0_")}
    )
    open_ones = [name for name in folders[:_MAX_RECIPIENTS] if _recipient_type(container, name) != _BLIND]
    lines += [f"To: {_address(container, f'{name}/')}" for name in open_ones]
    subject = _text(container, "__substg1.0_0037")
    date = re.search(r"(?im)^date:[ \t]*(\S.*)$", _text(container, "__substg1.0_007D"))
    return [*lines, f"Subject: {subject}", f"Date: {date[1] if date else ''}"]


def _address(container: Any, folder: str) -> str:
    """The SMTP address; for the sender under two tags, for a recipient under its own."""
    tags = ("39FE", "3003") if folder else ("5D01", "5D02", "0C1F")
    for tag in tags:
        if "@" in (found := _text(container, f"{folder}__substg1.0_{tag}")):
            return re.sub(r"[\s,;<>]", "", found)
    return ""


def _recipient_type(container: Any, folder: str) -> int:
    """Blind where it is not said."""
    data = _bytes(container, f"{folder}/__properties_version1.0")
    for at in range(8, len(data) - 15, 16):
        if int.from_bytes(data[at : at + 4], "little") == _RECIPIENT_TYPE:
            return int.from_bytes(data[at + 8 : at + 12], "little") & 0x0F
    return _BLIND


def _text(container: Any, name: str) -> str:
    wide = _bytes(container, f"{name}001F")
    text = (
        wide.decode("utf-16-le", "replace")
        if wide
        else _bytes(container, f"{name}001E").decode("cp1251", "replace")
    )
    lines = text.replace("\x00", "")
    return lines if name.endswith("007D") else " ".join(lines.split())


def _bytes(container: Any, name: str) -> bytes:
    return bytes(container.openstream(name).read(_MAX_STREAM_BYTES)) if container.exists(name) else b""
