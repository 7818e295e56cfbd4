"""Mail: RFC 822 (`eml`) by the standard library, Outlook (`msg`) from its OLE properties. Attachments are handed on."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from countersign.corpus.parsers import html, plain
from countersign.corpus.parsers.decoding import decode, read_all
from countersign.corpus.parsers.records import element, finding
from countersign.corpus.zygote import Output, Refusal

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
MAX_ATTACHMENTS = 100
MAX_ATTACHMENT_BYTES = 32 * 1024 * 1024


def parse(source: int, _params: Mapping[str, Any], output: Output) -> None:
    data = read_all(source)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:200]:
        data = decode(data).text.encode()
    output.record({"parser": "mail"})
    message = BytesParser(policy=policy.default).parsebytes(data)
    _headers({name: _header(message, name) for name in _SHOWN}, output)
    if message.get_content_type() == "multipart/encrypted" or "pkcs7-mime" in message.get_content_type():
        raise Refusal("encrypted", "encrypted_mail")
    bodies, attached = _parts(message)
    for part in bodies:
        _body(part, output)
    _attachments(attached, output)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name) or "").split())
    except (MessageError, ValueError, IndexError, AttributeError, LookupError, TypeError):
        # the standard parser raises on some malformed addresses and dates; the raw value is still worth reading
        raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
        return " ".join(str(raw).split())


def _headers(values: Mapping[str, str], output: Output) -> None:
    if values.get("Subject"):
        output.record({"title": values["Subject"][:300]})
    for name in _SHOWN:
        if values.get(name):
            element(output, "mail_header", f"{name}: {values[name]}")


def _parts(message: EmailMessage) -> tuple[list[EmailMessage], list[EmailMessage]]:
    """(parts to read as the body, parts to hand on): of alternatives the HTML one is read, with its hidden text told."""
    bodies: list[EmailMessage] = []
    attached: list[EmailMessage] = []
    stack: list[tuple[Any, int]] = [(message, 0)]
    while stack:
        part, depth = stack.pop()
        if part.get_content_disposition() == "attachment" or part.get_content_type() == "message/rfc822":
            attached.append(part)
        elif part.is_multipart():
            if depth > 20:
                raise Refusal("refused_limit", "nesting")
            children = list(part.iter_parts())
            if part.get_content_type() == "multipart/alternative" and children:
                children = [_best(children)]
            stack += [(child, depth + 1) for child in reversed(children)]
        elif part.get_content_maintype() == "text" and not part.get_filename():
            bodies.append(part)
        else:
            attached.append(part)
    return bodies, attached


def _best(children: list[Any]) -> Any:
    for wanted in ("multipart/related", "multipart/mixed", "text/html", "text/plain"):
        for child in children:
            if child.get_content_type() == wanted:
                return child
    return children[-1]


def _payload(part: Any) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _body(part: EmailMessage, output: Output) -> None:
    decoded = decode(_payload(part), part.get_content_charset() or "")
    looks_html = part.get_content_subtype() == "html" or re.match(
        r"\s*<(?:!doctype|html)\b", decoded.text, re.I
    )
    if looks_html:
        html.emit(decoded.text, output)
    else:
        plain.paragraphs(decoded.text.replace("\r\n", "\n"), output)


def _attachments(parts: list[EmailMessage], output: Output) -> None:
    for index, part in enumerate(parts):
        if index >= MAX_ATTACHMENTS:
            finding(output, "attachments_left_out", "warning", f"more than {MAX_ATTACHMENTS} attachments")
            break
        if part.get_content_type() == "message/rfc822":
            inner: Any = part.get_payload()
            content = bytes(inner[0].as_bytes()) if isinstance(inner, list) and inner else b""
            _attach(output, part.get_filename() or f"message{index + 1}.eml", "message/rfc822", content)
        else:
            name = part.get_filename() or f"part{index + 1}"
            _attach(output, name, part.get_content_type(), _payload(part))


def _attach(output: Output, name: str, mime: str, content: bytes) -> None:
    if not content:
        return
    if len(content) > MAX_ATTACHMENT_BYTES:
        finding(output, "attachments_left_out", "warning", "an attachment is too large", name)
        return
    record = {"filename": name, "mime": mime, "content": base64.b64encode(content).decode("ascii")}
    output.record({"attachment": record})


# --- Outlook -------------------------------------------------------------------------------------------------------------

_CODEPAGES = {65001: "utf-8", 1200: "utf-16-le", 20866: "koi8-r", 28595: "iso8859-5", 10007: "mac-cyrillic"}
_PROPERTIES = {"From": "0C1A", "To": "0E04", "Cc": "0E03", "Subject": "0037"}


def outlook(container: Any, streams: set[str], output: Output) -> None:
    """Headers, body and attachments of a `.msg` compound file."""
    output.record({"parser": "mail"})
    page = _codepage(container)
    values = {name: _text(container, streams, "", tag, page) for name, tag in _PROPERTIES.items()}
    sender = _text(container, streams, "", "5D01", page) or _text(container, streams, "", "0C1F", page)
    if sender and "@" in sender and sender not in values["From"]:
        values["From"] = f"{values['From']} <{sender}>".strip()
    transport = _text(container, streams, "", "007D", page)
    date = re.search(r"(?im)^date:\s*(.+)$", transport)
    values["Date"] = date.group(1).strip() if date else ""
    _headers({name: " ".join(value.split()) for name, value in values.items()}, output)
    markup = _bytes(container, streams, "", "10130102")
    body = _text(container, streams, "", "1000", page)
    if body.strip():
        plain.paragraphs(body.replace("\r\n", "\n"), output)
    elif markup:
        html.emit(decode(markup, page).text, output)
    elif "__substg1.0_10090102" in streams:
        plain.paragraphs(_rich_text(_bytes(container, streams, "", "10090102"), page), output)
    _outlook_attachments(container, streams, page, output)


def _codepage(container: Any) -> str:
    try:
        data = container.openstream("__properties_version1.0").read(65_536)
    except (OSError, ValueError, IndexError):
        return "cp1251"
    found: dict[int, int] = {}
    for at in range(32, len(data) - 15, 16):
        tag = int.from_bytes(data[at + 2 : at + 4], "little")
        if tag in (0x3FFD, 0x3FDE, 0x3FF1):
            found[tag] = int.from_bytes(data[at + 8 : at + 12], "little")
    number = found.get(0x3FFD) or found.get(0x3FDE) or (1251 if found.get(0x3FF1) in (1049, 1087) else 1252)
    return _CODEPAGES.get(number, f"cp{number}")


def _bytes(container: Any, streams: set[str], folder: str, tag: str) -> bytes:
    name = f"{folder}__substg1.0_{tag}"
    if name not in streams:
        return b""
    try:
        return bytes(container.openstream(name).read())
    except (OSError, ValueError, IndexError):
        return b""


def _text(container: Any, streams: set[str], folder: str, tag: str, page: str) -> str:
    wide = _bytes(container, streams, folder, f"{tag}001F")
    if wide:
        text = wide.decode("utf-16-le", "replace").rstrip("\x00")
        odd = sum(1 for char in text if "\ue000" <= char <= "\uf8ff" or char == "\ufffd")
        # some writers put eight-bit text where UTF-16 belongs
        return decode(wide, page).text.rstrip("\x00") if odd > 0.3 * len(text) else text
    narrow = _bytes(container, streams, folder, f"{tag}001E")
    return decode(narrow, page).text.rstrip("\x00") if narrow else ""


def _outlook_attachments(container: Any, streams: set[str], page: str, output: Output) -> None:
    folders = sorted(
        {name.split("/")[0] + "/" for name in streams if name.startswith("__attach_version1.0_")}
    )
    for index, folder in enumerate(folders[:MAX_ATTACHMENTS]):
        name = _text(container, streams, folder, "3707", page) or _text(
            container, streams, folder, "3704", page
        )
        mime = _text(container, streams, folder, "370E", page)
        content = _bytes(container, streams, folder, "37010102")
        if content:
            _attach(output, name or f"attachment{index + 1}", mime or "application/octet-stream", content)
        elif f"{folder}__substg1.0_3701000D" in streams:
            finding(output, "embedded_message", "info", "a message attached inside is not opened", name)


def _rich_text(data: bytes, page: str) -> str:
    """Plain text of a compressed RTF body."""
    if len(data) < 16 or data[8:12] not in (b"LZFu", b"MELA"):
        return ""
    rtf = data[16:] if data[8:12] == b"MELA" else _decompress(data)
    text = rtf.decode("latin-1")
    text = re.sub(
        r"\{\\\*?\\(?:fonttbl|colortbl|stylesheet|generator|pntext|info)[^{}]*(?:\{[^{}]*\}[^{}]*)*\}",
        "",
        text,
    )
    text = re.sub(r"\{\\\*\\htmltag\d*[^{}]*\}", "", text)
    text = re.sub(r"\\(?:par|line|row)\b ?", "\n", text)
    text = re.sub(r"\\u(-?\d{1,6}) ?(?:\\'[0-9a-f]{2}|\?)?", lambda m: chr(int(m[1]) % 65536), text)
    text = re.sub(
        r"(?:\\'[0-9a-f]{2})+", lambda m: bytes.fromhex(m[0].replace("\\'", "")).decode(page, "replace"), text
    )
    return (
        re.sub(r"\\[a-z]+-?\d* ?|[{}]|\\\*", "", text)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")
    )


_RTF_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans "
    b"SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab"
    b"\\tx"
)


def _decompress(data: bytes) -> bytes:
    """LZFu: a 4 096-byte ring that starts with a fixed dictionary (MS-OXRTFCP)."""
    size = min(int.from_bytes(data[4:8], "little"), 16 * 1024 * 1024)
    ring = bytearray(_RTF_DICTIONARY.ljust(4096, b"\x00"))
    write, at = len(_RTF_DICTIONARY), 16
    result = bytearray()
    while at < len(data) and len(result) < size:
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data) or len(result) >= size:
                break
            if flags >> bit & 1:
                pair = int.from_bytes(data[at : at + 2], "big")
                at += 2
                offset, length = pair >> 4, (pair & 0xF) + 2
                if offset == write:
                    return bytes(result)
                for step in range(length):
                    byte = ring[(offset + step) % 4096]
                    ring[write] = byte
                    write = (write + 1) % 4096
                    result.append(byte)
            else:
                byte = data[at]
                at += 1
                ring[write] = byte
                write = (write + 1) % 4096
                result.append(byte)
    return bytes(result)
