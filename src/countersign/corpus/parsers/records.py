"""Small builders for what a parser writes."""

from __future__ import annotations

from collections.abc import Sequence

from countersign.corpus.parsers.decoding import SURE_BYTES, Decoded, mojibake
from countersign.corpus.parsers.grids import header_rows_of, rows_text
from countersign.corpus.zygote import Output

MAX_CELLS = 2_000_000


def element(
    output: Output,
    kind: str,
    text: str,
    *,
    level: int = 0,
    hidden: str = "",
    header_rows: int = 0,
    sheet: str = "",
) -> None:
    """One element; text that is only white space is left out."""
    if not text.strip():
        return
    value: dict[str, object] = {"kind": kind, "text": text.strip("\r\n")}
    extras = {"level": level, "hidden": hidden, "header_rows": header_rows, "sheet": sheet}
    value |= {name: extra for name, extra in extras.items() if extra}
    output.record({"element": value})


def table(
    output: Output,
    rows: Sequence[Sequence[str]],
    *,
    header_rows: int | None = None,
    hidden: str = "",
    sheet: str = "",
) -> None:
    """A table element; empty rows and columns are left out."""
    kept = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not kept:
        return
    width = max(len(row) for row in kept)
    padded = [row + [""] * (width - len(row)) for row in kept]
    used = [column for column in range(width) if any(row[column] for row in padded)]
    trimmed = [[row[column] for column in used] for row in padded]
    head = header_rows_of(trimmed) if header_rows is None else min(header_rows, len(trimmed))
    element(output, "table", rows_text(trimmed), hidden=hidden, header_rows=head, sheet=sheet)


def finding(output: Output, code: str, severity: str, message: str, evidence: str = "") -> None:
    output.record(
        {"finding": {"code": code, "severity": severity, "message": message, "evidence": evidence[:200]}}
    )


def encoding_findings(output: Output, decoded: Decoded, size: int) -> None:
    """Say so when the encoding was guessed, or when the text was broken before it reached us."""
    if decoded.confidence < 0.85:
        short = " in a short file" if size < SURE_BYTES else ""
        finding(output, "encoding_guessed", "warning", f"read as {decoded.encoding}{short}", decoded.encoding)
    elif decoded.confidence < 0.97 and not decoded.encoding.startswith("utf"):
        finding(output, "encoding_guessed", "info", f"read as {decoded.encoding}", decoded.encoding)
    if "\ufffd" in decoded.text:
        finding(output, "unreadable_characters", "warning", "some characters could not be read")
    if mojibake(decoded.text):
        finding(
            output,
            "mojibake",
            "warning",
            "the text was saved in the wrong encoding; ask its owner to save it again",
        )
