"""Rebuild the demo collection: `python tools/demo_collection/make.py [TARGET]`.

Reads `texts/`, writes every file and `manifest.jsonl` under TARGET (default: the stored collection). All formats come
out the same bytes on every run with the same library and font versions, except DOC and XLS (LibreOffice dates them): these
are only written when they are missing or with `--legacy`. The encrypted PDF is written once for the same reason.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
from collections.abc import Callable
from pathlib import Path

import render_office
import render_pdf
import render_scan
import render_text
from source import Document, load, manifest_row

HERE = Path(__file__).resolve().parent
STORED = HERE.parents[1] / "src" / "countersign" / "demo" / "collection"

Renderer = Callable[[Document], bytes | None]
RENDERERS: dict[str, Renderer] = {
    "pdf": render_pdf.render,
    "scan": render_scan.render,
    "docx": render_office.render_docx,
    "pptx": render_office.render_pptx,
    "xlsx": render_office.render_xlsx,
    "doc": render_office.render_legacy,
    "xls": render_office.render_legacy,
    "html": render_text.render_html,
    "md": render_text.render_raw,
    "raw": render_text.render_raw,
    "csv": render_text.render_csv,
    "txt": render_text.render_txt,
    "rtf": render_text.render_rtf,
}
KEPT = {".doc", ".xls"}


def _mail(doc: Document) -> bytes:
    parts: list[tuple[str, str, bytes]] = []
    for part in doc.attachments:
        content = RENDERERS[part.kind](part)
        if content is None:
            raise SystemExit(f"cannot render the attachment {part.file}")
        parts.append((part.file, mimetypes.guess_type(part.file)[0] or "application/octet-stream", content))
    return render_text.render_eml(doc, parts)


def _content(doc: Document, target: Path) -> bytes | None:
    if doc.kind == "eml":
        return _mail(doc)
    if doc.kind == "copy":
        return (target / str(doc.head["copy_of"])).read_bytes()
    return RENDERERS[doc.kind](doc)


def build(target: Path, *, legacy: bool = False) -> list[str]:
    """Write everything under `target`; the names of the files written."""
    render_pdf.register_fonts()
    written: list[str] = []
    documents = load(HERE / "texts")
    for doc in sorted(documents, key=lambda each: each.kind == "copy"):
        path = target / doc.file
        if path.exists() and path.suffix in KEPT and not legacy:
            continue
        content = _content(doc, target)
        if content is None:
            print(f"left as it is (LibreOffice is not installed): {doc.file}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(doc.file)
    rows = [row for doc in documents for each in (doc, *doc.attachments) if (row := manifest_row(each))]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (target / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the demo collection from its texts.")
    parser.add_argument("target", nargs="?", type=Path, default=STORED)
    parser.add_argument("--legacy", action="store_true", help="write DOC and XLS again with LibreOffice")
    options = parser.parse_args()
    written = build(options.target, legacy=options.legacy)
    print(f"{len(written)} files written under {options.target}")


if __name__ == "__main__":
    main()
