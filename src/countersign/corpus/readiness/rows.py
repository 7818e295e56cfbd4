"""Values of an audit as rows and JSON of its working file, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from countersign.corpus.readiness.checks import Contents
from countersign.corpus.readiness.seams import Profile, Statement
from countersign.corpus.readiness.subject import key_of
from countersign.domain.clock import from_iso, iso
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.readiness import DocumentKey, ReadinessFinding

_COLUMNS: Final = (
    "text_sha256", "signature", "words", "title", "language", "mime", "status", "reason", "pages", "links",
    "statements", "findings",
)  # fmt: skip
CONTENT_COLUMNS: Final = ", ".join(f"content.{name}" for name in _COLUMNS)
INSERT_CONTENT: Final = (
    f"INSERT INTO content (doc, {', '.join(_COLUMNS)}) VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})"  # noqa: S608
)
_TEXTS: Final = (
    "source", "external_id", "tenant", "title", "filename", "mime", "rights_origin", "residency", "classification",
    "owner", "supersedes", "parent", "quarantine",
)  # fmt: skip
_TIMES: Final = ("modified", "valid_from", "valid_to")


def document_to_json(document: SourceDocument) -> str:
    return json.dumps(_document(document), ensure_ascii=False)


def _document(document: SourceDocument) -> dict[str, Any]:
    said: dict[str, Any] = {name: getattr(document, name) for name in _TEXTS if getattr(document, name)}
    for name in _TIMES:
        moment: datetime | None = getattr(document, name)
        if moment is not None:
            said[name] = iso(moment)
    said["rights"] = document.rights.canonical()
    if document.parts:
        said["parts"] = [_document(part) for part in document.parts]
    return said


def document_from_json(text: str) -> SourceDocument:
    return _from(json.loads(text))


def _from(said: dict[str, Any]) -> SourceDocument:
    texts: dict[str, Any] = {name: str(said.get(name, "")) for name in _TEXTS}
    times: dict[str, Any] = {name: from_iso(said[name]) if name in said else None for name in _TIMES}
    parts = tuple(_from(part) for part in said.get("parts", ()))
    return SourceDocument(rights=Rights.from_canonical(said["rights"]), parts=parts, **texts, **times)


def contents_to_row(contents: Contents) -> tuple[Any, ...]:
    told = json.dumps([_statement(s) for s in contents.statements], ensure_ascii=False)
    found = json.dumps([_finding(f) for f in contents.findings], ensure_ascii=False)
    return (
        contents.text_sha256, contents.signature, contents.words, contents.title, contents.language, contents.mime,
        contents.status, contents.reason, contents.pages, json.dumps(contents.links, ensure_ascii=False), told, found,
    )  # fmt: skip


def contents_from_row(row: Sequence[Any], document: SourceDocument) -> Contents:
    """Statements are left out: they are asked for one document at a time."""
    said = dict(zip(_COLUMNS, row, strict=True))
    key = key_of(document)
    said["findings"] = tuple(finding_from_json(found, key) for found in json.loads(said["findings"]))
    said["links"] = tuple(json.loads(said["links"]))
    said["statements"] = ()
    return Contents(**said)


def profile(document: SourceDocument, sha256: str, carrier: str, row: Sequence[Any]) -> Profile:
    text_sha256, signature, words, title, language = row
    return Profile(
        key_of(document), title, sha256, text_sha256, signature, words, language, document.rights.canonical(),
        document.modified, document.valid_from, document.valid_to, document.supersedes, document.parent or carrier,
    )  # fmt: skip


def _statement(statement: Statement) -> list[Any]:
    return [statement.subject, statement.value, statement.kind, statement.text, statement.page]


def statements_from_json(text: str) -> tuple[Statement, ...]:
    return tuple(Statement(*told) for told in json.loads(text))


def finding_to_json(finding: ReadinessFinding) -> str:
    return json.dumps(_finding(finding), ensure_ascii=False)


def _finding(finding: ReadinessFinding) -> dict[str, Any]:
    said: dict[str, Any] = {"code": finding.code, "severity": finding.severity, "evidence": finding.evidence}
    if finding.count != 1:
        said["count"] = finding.count
    if finding.page is not None:
        said["page"] = finding.page
    if finding.said:
        said["said"] = list(finding.said)
    if finding.other is not None:
        said["other"] = [finding.other.source, finding.other.external_id, finding.other.tenant]
        said["other_page"], said["other_evidence"] = finding.other_page, finding.other_evidence
    return said


def finding_from_json(said: dict[str, Any], key: DocumentKey) -> ReadinessFinding:
    found = ReadinessFinding(
        said["code"], said["severity"], key, said.get("page"), said["evidence"], said.get("count", 1),
        said=tuple(said.get("said", ())),
    )  # fmt: skip
    if "other" not in said:
        return found
    other = DocumentKey(*cast(list[str], said["other"]))
    return replace(found, other=other, other_page=said["other_page"], other_evidence=said["other_evidence"])
