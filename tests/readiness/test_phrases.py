"""What a check says in its own words: the same in English everywhere, and in the reader's language on a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from countersign.corpus.readiness.check_origin import origin
from countersign.corpus.readiness.check_reading import reading
from countersign.corpus.readiness.phrases import OF_NOTICE, OF_REASON, PHRASES, phrase
from countersign.corpus.readiness.report_json import finding_from, finding_to_json
from countersign.corpus.readiness.rows import finding_from_json
from countersign.corpus.readiness.rows import finding_to_json as finding_to_row
from countersign.corpus.readiness.subject import Subject
from countersign.domain.documents import Finding, ParsedDocument, ParseStatus, Rights, SourceDocument
from countersign.domain.readiness import DocumentKey, ReadinessFinding
from countersign.web import i18n
from countersign.web.readiness_view import evidence

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = DocumentKey("files", "a.pdf")
DOCUMENT = SourceDocument(
    source="files", external_id="a.pdf", tenant="main", title="A", filename="a.pdf", mime="application/pdf",
    rights=Rights.of(["group:hr"]), rights_origin="rule **",
)  # fmt: skip


def said_of(status: ParseStatus, reason: str = "", *findings: Finding, pages: int = 3) -> ReadinessFinding:
    parsed = ParsedDocument(status=status, reason=reason, pages=pages, findings=findings)
    return reading(Subject(DOCUMENT, parsed))[0]


def worded(finding: ReadinessFinding, language: str) -> str:
    return evidence(i18n.load_translations(language).gettext, finding)


def test_every_name_leads_to_words() -> None:
    assert {*OF_REASON.values(), *OF_NOTICE.values()} <= PHRASES.keys()


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_every_phrase_has_its_places_in_every_language(language: str) -> None:
    translate = i18n.load_translations(language).gettext
    for text in PHRASES.values():
        assert sorted(re.findall(r"\{\d\}", translate(text))) == sorted(re.findall(r"\{\d\}", text)), text
        assert translate(text) != text


def test_what_could_not_be_read_says_why_in_the_readers_language() -> None:
    scan = said_of(ParseStatus.NEEDS_OCR)
    assert (scan.evidence, scan.said) == ("pages without text: 3", ("pages_without_text", "3"))
    assert worded(scan, "ru") == "страниц без текста: 3"
    assert worded(scan, "kk") == "мәтіні жоқ беттер: 3"
    locked = said_of(ParseStatus.ENCRYPTED, "password")
    assert (locked.evidence, worded(locked, "ru")) == ("a password is asked for", "спрашивается пароль")
    broken = said_of(ParseStatus.CORRUPT, "pdf_structure")
    assert "pdf structure" in broken.evidence and "pdf structure" in worded(broken, "kk")
    slow = said_of(ParseStatus.TIMEOUT, "wall")
    assert slow.evidence == "reading took longer than allowed"


def test_what_reading_noticed_is_worded_and_what_it_quotes_is_quoted() -> None:
    doubt = said_of(ParseStatus.OK, "", Finding("ocr_low_confidence", "warning", "low", 2, "0.41"))
    assert (doubt.evidence, worded(doubt, "ru")) == (
        "recognised with confidence 0.41", "распознано с уверенностью 0.41",
    )  # fmt: skip
    quoted = said_of(ParseStatus.OK, "", Finding("hidden_text", "warning", "white", 1, "скрытый текст"))
    assert (quoted.evidence, quoted.said, worded(quoted, "kk")) == ("скрытый текст", (), "скрытый текст")


def test_what_the_source_says_is_worded() -> None:
    [ended] = origin(replace(DOCUMENT, valid_to=datetime(2025, 1, 31, tzinfo=UTC)), NOW, rights_known=True)
    assert (ended.evidence, worded(ended, "ru")) == ("valid to 2025-01-31", "действует по 2025-01-31")
    [aside] = origin(replace(DOCUMENT, quarantine="rights_unsupported"), NOW, rights_known=True)
    assert worded(aside, "kk") == "оның құқықтарын өрнектеу мүмкін емес (rule **)"


def test_words_are_kept_with_a_finding_and_never_do_harm() -> None:
    scan = said_of(ParseStatus.NEEDS_OCR)
    assert finding_from(finding_to_json(scan)).said == scan.said
    kept = finding_from_json(json.loads(finding_to_row(scan)), scan.document)
    assert kept.said == scan.said
    odd = ReadinessFinding("stale", "warning", KEY, evidence="as it was", said=("changed_on",))
    unknown = ReadinessFinding("stale", "warning", KEY, evidence="as it was", said=("of_tomorrow", "1"))
    assert worded(odd, "ru") == worded(unknown, "ru") == "as it was"
    assert phrase("tag_characters", "{0.__class__}").english == "tag characters: {0.__class__}"


def test_a_source_that_could_not_hand_it_over_is_told_by_its_code() -> None:
    gone = ReadinessFinding(
        "unreadable", "error", KEY, evidence="source file gone", said=("source_problem", "source_file_gone")
    )
    assert worded(gone, "ru") not in ("", gone.evidence)
