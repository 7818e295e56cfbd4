"""What preflight and reading already said of a document, in readiness codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from countersign.corpus.readiness.catalogue import CODES, FROM_READING
from countersign.corpus.readiness.phrases import OF_NOTICE, OF_REASON, PHRASES, Phrase, of_reason, phrase
from countersign.corpus.readiness.subject import Subject, note
from countersign.domain.documents import Finding, ParsedDocument, ParseStatus
from countersign.domain.readiness import ReadinessFinding, Severity
from countersign.sources.error_page import asks_to_sign_in, error_words

_UNREAD: Final = frozenset(
    {
        ParseStatus.NEEDS_OCR,
        ParseStatus.ENCRYPTED,
        ParseStatus.CORRUPT,
        ParseStatus.REFUSED_LIMIT,
        ParseStatus.TIMEOUT,
        ParseStatus.EMPTY,
        ParseStatus.UNSUPPORTED,
    }
)
_GRAVE: Final = 0.3
"""A third of a document's pages: beyond that, what is missing matters more than what is there."""
_CUT_SHORT: Final = frozenset({"archive_directory", "truncated"})
_ERROR_WORDS: Final = re.compile(
    r"(?:\b(?:4\d\d|50\d)\b.{0,40}(?:error|not found|forbidden|unauthori[sz]ed|gateway|unavailable)|"
    r"(?:page|file|document) (?:was |could )?not (?:be )?found|access (?:is )?denied|forbidden|internal server error|"
    r"service (?:temporarily )?unavailable|bad gateway|session (?:has )?expired|(?:sign|log) ?in\b|"
    r"страниц\w* не найден\w*|доступ (?:запрещ\w*|закрыт)|ошибка \d{3}|внутренняя ошибка|сервис\w* (?:временно )?недоступ\w*|"
    r"вход в систему|авторизуйтесь|войдите|(?:бет|құжат) табылмады|қол ?жеткізу (?:шектел\w*|тыйым)|жүйеге кір\w*|қате \d{3})",
    re.IGNORECASE,
)
_PAGE_CHARS: Final = 1_500
"""An error page is short."""
_SIGN_IN_CHARS: Final = 200
"""A page whose heading bids one sign in and that says no more; what explains it to people is longer."""


def reading(subject: Subject) -> list[ReadinessFinding]:
    """Status first, then each kind of notice once, with how often and where first."""
    return [*_status(subject), *_notices(subject), *_error_page(subject)]


def _status(subject: Subject) -> list[ReadinessFinding]:
    parsed = subject.parsed
    if parsed.status is ParseStatus.PARTIAL and parsed.reason in ("page_count", "text_chars", "output_size"):
        return [note(subject, "refused_limit", of_reason(parsed.reason), severity="warning")]
    if parsed.status is ParseStatus.PARTIAL and parsed.reason not in ("pages_need_ocr", "pages_unreadable"):
        return [note(subject, "partly_unread", of_reason(parsed.reason))]
    if parsed.status not in _UNREAD:
        return []
    code = parsed.status.value
    if parsed.status is ParseStatus.CORRUPT and (
        parsed.reason in _CUT_SHORT or _has(parsed.findings, "truncated")
    ):
        code = "truncated"
    if parsed.status is ParseStatus.CORRUPT and parsed.reason == "wrong_magic":
        return [note(subject, "wrong_type", phrase("content_differs"), severity="error")]
    return [note(subject, code, _why(parsed))]


def _why(parsed: ParsedDocument) -> Phrase | str:
    pages = parsed.pages or 1
    if parsed.status is ParseStatus.NEEDS_OCR:
        return phrase("pages_without_text", pages) if pages > 1 else phrase("page_without_text")
    if parsed.status is ParseStatus.TIMEOUT:
        return phrase("took_too_long")
    if parsed.status is ParseStatus.CORRUPT and parsed.reason and parsed.reason not in OF_REASON:
        return phrase("structure_damaged", parsed.reason.replace("_", " "))
    return of_reason(parsed.reason)


def _has(findings: Sequence[Finding], code: str) -> bool:
    return any(finding.code == code for finding in findings)


def _notices(subject: Subject) -> list[ReadinessFinding]:
    found: list[ReadinessFinding] = []
    by_code: dict[str, list[Finding]] = {}
    for finding in subject.parsed.findings:
        code = FROM_READING.get(finding.code, "")
        if code and not (code == "needs_ocr" and subject.parsed.status is ParseStatus.NEEDS_OCR):
            by_code.setdefault(code, []).append(finding)
    for code, notices in by_code.items():
        if code == "truncated" and subject.parsed.status in _UNREAD:
            continue
        first = notices[0]
        severity = _severity(subject, code, notices)
        found.append(
            note(subject, code, _shown(first), severity=severity, page=first.page, count=len(notices))
        )
    return found


def _shown(notice: Finding) -> Phrase | str:
    """In our words where they say more than what was seen."""
    name = OF_NOTICE.get(notice.code, "")
    takes_value = "{0}" in PHRASES.get(name, "")
    if not name or takes_value != bool(notice.evidence):
        return notice.evidence or notice.message
    return phrase(name, notice.evidence) if takes_value else phrase(name)


def _severity(subject: Subject, code: str, notices: Sequence[Finding]) -> Severity:
    """Of what was read after all: grave only when a good part of it is missing."""
    if code == "needs_ocr":
        return "error" if len(notices) >= max(3, _GRAVE * (subject.parsed.pages or 1)) else "warning"
    if code in ("truncated", "garbled_text"):
        return "warning"
    if code == "partly_unread" and all(notice.severity == "info" for notice in notices):
        return "info"
    return CODES[code].severity


def _error_page(subject: Subject) -> list[ReadinessFinding]:
    """A page of a web server in the place of a document: told by what it says, and in the place of a file that is no page
    by a few words."""
    if not subject.parsed.mime.startswith(("text/html", "application/xhtml", "text/plain")):
        return []
    shown = subject.shown
    text = " ".join((subject.parsed.title, *(element.text for element in shown)))
    heads = (subject.parsed.title, *(element.text for element in shown[:3] if element.kind == "heading"))
    if said := error_words(heads, text):
        return [note(subject, "error_page", said)]
    if "html" in subject.parsed.mime and len(text) <= _SIGN_IN_CHARS and asks_to_sign_in(heads, text):
        return [note(subject, "error_page", text)]
    if len(text) > _PAGE_CHARS or not _has(subject.parsed.findings, "type_mismatch"):
        return []
    found = _ERROR_WORDS.search(text[:600])
    return [note(subject, "error_page", found.group())] if found else []
