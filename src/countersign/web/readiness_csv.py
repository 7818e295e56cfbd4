"""Findings as a table for a spreadsheet: a line for each, to sort, to filter and to hand out."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Final

from countersign.corpus.readiness.catalogue import SEVERITIES
from countersign.corpus.readiness.changes import Changes
from countersign.domain.readiness import ReadinessFinding
from countersign.web.i18n import LANGUAGES, N_, SOURCE_LANGUAGE, load_translations, show_date
from countersign.web.marks import visible
from countersign.web.readiness_view import evidence, meaning_of
from countersign.web.wording import Translate, word

MEDIA_TYPE: Final = "text/csv; charset=utf-8"
_HEADS: Final = (
    N_("Severity"), N_("What"), N_("Source"), N_("Document"), N_("Page"), N_("What was seen"), N_("The other"), N_("Page"),
    N_("What was seen"), N_("Times"), N_("Who"), N_("What to do"), N_("State"), N_("Code"),
)  # fmt: skip
_FORMULA: Final = re.compile(r"[\s\ufffd'\"]*[=+\-@|%＝＋－＠]")


def findings_csv(
    findings: Iterable[ReadinessFinding], language: str = "en", changes: Changes | None = None
) -> str:
    """Comma-separated in English, with semicolons in Russian and Kazakh, as spreadsheets of those countries expect it; begins
    with a byte order mark, so that they read it as UTF-8. No cell can become a formula."""
    chosen = language if language in LANGUAGES else SOURCE_LANGUAGE
    translate = load_translations(chosen).gettext
    out = StringIO()
    out.write("\ufeff")
    table = csv.writer(out, delimiter="," if chosen == "en" else ";", lineterminator="\r\n")
    table.writerow([translate(head) for head in _HEADS])
    for finding in sorted(findings, key=_worst_first):
        table.writerow([inert(cell) for cell in _cells(finding, translate, chosen, changes)])
    return out.getvalue()


def _worst_first(finding: ReadinessFinding) -> tuple[bool, int, str, str, str]:
    key = finding.document
    return (
        finding.accepted is not None,
        SEVERITIES.index(finding.severity),
        finding.code,
        key.source,
        key.external_id,
    )


def inert(cell: str) -> str:
    """A cell that begins as a formula would, blanks aside, begins with an apostrophe: a spreadsheet shows it and runs nothing."""
    shown = visible(cell)
    return f"'{shown}" if _FORMULA.match(shown) else shown


def _cells(
    finding: ReadinessFinding, translate: Translate, language: str, changes: Changes | None
) -> Iterator[str]:
    meaning, other = meaning_of(finding.code), finding.other
    yield word(translate, "severity", finding.severity)
    yield translate(meaning.what).replace("`", "")
    yield finding.document.source
    yield finding.document.external_id or translate(N_("withheld"))
    yield str(finding.page or "")
    yield evidence(translate, finding)
    yield (other.external_id or translate(N_("withheld"))) if other else ""
    yield str(finding.other_page or "")
    yield finding.other_evidence
    yield str(finding.count)
    yield word(translate, "owner", meaning.owner)
    yield translate(meaning.action).replace("`", "") if meaning.action else ""
    yield _state(finding, translate, language, changes)
    yield finding.code


def _state(finding: ReadinessFinding, translate: Translate, language: str, changes: Changes | None) -> str:
    if finding.accepted is not None:
        until = translate(N_("until %(day)s")) % {"day": show_date(finding.accepted.expires, language)}
        return f"{translate(N_('accepted'))} {until}"
    return translate(N_("new")) if changes and changes.is_new(finding) else ""
