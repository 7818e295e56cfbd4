"""All checks over one document, joined: what its content says (kept as long as the content stays) and its profile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from countersign.corpus.readiness import check_reading, check_shape, check_text
from countersign.corpus.readiness.catalogue import SEVERITIES
from countersign.corpus.readiness.seams import Statement, TextCheck
from countersign.corpus.readiness.signature import signature
from countersign.corpus.readiness.statements import statements
from countersign.corpus.readiness.subject import Check, Subject
from countersign.domain.readiness import ReadinessFinding

VERSION: Final = "3"
"""Part of what an earlier audit's result is recognised by: another version reads everything again."""
CHECKS: Final[tuple[Check, ...]] = (check_reading.reading, check_text.text, check_shape.shape)
MAX_FINDINGS: Final = 200
"""Of one document; what is left out is in the counts of its codes only."""
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything an audit keeps of one document's content; its text is not kept. `words` and `chars` of what is shown."""

    findings: tuple[ReadinessFinding, ...]
    statements: tuple[Statement, ...]
    signature: bytes
    text_sha256: str
    words: int
    title: str
    language: str
    mime: str
    status: str
    reason: str
    pages: int | None
    links: tuple[str, ...]


def examine(subject: Subject, text_checks: Sequence[TextCheck]) -> Contents:
    """Pure and CPU-bound: about 5 ms for a page of text, most of it the text checks."""
    found = [finding for check in CHECKS for finding in check(subject)]
    for check in text_checks:
        found.extend(check(subject.key, subject.parsed.elements))
    parsed, shown = subject.parsed, subject.shown
    plain = "\n".join(element.text for element in shown if element.kind not in ("header", "footer"))
    normal = _SPACE.sub(" ", plain).strip().casefold()
    language = parsed.languages[0] if parsed.languages else "und"
    return Contents(
        findings=bounded(found),
        statements=statements(shown, language),
        signature=signature(plain),
        text_sha256=sha256(normal.encode("utf-8", "replace")).hexdigest() if normal else "",
        words=normal.count(" ") + 1 if normal else 0,
        title=subject.document.title or parsed.title or subject.document.filename,
        language=language,
        mime=parsed.mime,
        status=parsed.status.value,
        reason=parsed.reason,
        pages=parsed.pages,
        links=parsed.links,
    )


def bounded(found: Sequence[ReadinessFinding]) -> tuple[ReadinessFinding, ...]:
    """At most `MAX_FINDINGS`, worst first; the rest is added to the count of the last one kept of each code."""
    ordered = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    kept = ordered[:MAX_FINDINGS]
    last = {finding.code: place for place, finding in enumerate(kept)}
    for finding in ordered[MAX_FINDINGS:]:
        place = last.get(finding.code)
        if place is not None:
            kept[place] = replace(kept[place], count=kept[place].count + finding.count)
    return tuple(kept)
