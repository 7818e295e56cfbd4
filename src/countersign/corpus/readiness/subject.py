"""One document as a check sees it: what its source says of it and what reading found, and how a check writes a finding."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from countersign.corpus.readiness.catalogue import CODES
from countersign.corpus.readiness.phrases import Phrase
from countersign.domain.documents import Element, ParsedDocument, SourceDocument
from countersign.domain.readiness import DocumentKey, ReadinessFinding, Severity

MAX_EVIDENCE = 200
_MARKUP = str.maketrans("<>`|", "‹›'¦")


@dataclass(frozen=True, slots=True)
class Subject:
    """`size` in bytes; `served` are the languages of the assistants over this source, empty when anything goes."""

    document: SourceDocument
    parsed: ParsedDocument
    size: int = 0
    served: frozenset[str] = frozenset()

    @property
    def key(self) -> DocumentKey:
        return key_of(self.document)

    @property
    def shown(self) -> tuple[Element, ...]:
        """What a reader sees."""
        return tuple(element for element in self.parsed.elements if not element.hidden_reason)


Check = Callable[[Subject], list[ReadinessFinding]]
"""A pure function from a document to what is wrong with it."""


def key_of(document: SourceDocument) -> DocumentKey:
    return DocumentKey(document.source, document.external_id, document.tenant)


def note(
    subject: Subject,
    code: str,
    evidence: str | Phrase = "",
    *,
    severity: Severity | None = None,
    page: int | None = None,
    count: int = 1,
) -> ReadinessFinding:
    """A finding of `code`, as severe as the catalogue says unless told otherwise."""
    shown, said = worded(evidence)
    return ReadinessFinding(
        code, severity or CODES[code].severity, subject.key, page, shown, count=count, said=said
    )


def worded(evidence: str | Phrase) -> tuple[str, tuple[str, ...]]:
    """(`evidence`, `said`) of a finding."""
    if isinstance(evidence, str):
        return inert(evidence), ()
    safe = Phrase(evidence.name, tuple(inert(value) for value in evidence.values))
    return inert(safe.english), (safe.name, *safe.values)


def inert(text: str) -> str:
    """A quotation that can stand anywhere: one line, no invisible characters, no markup, at most 200 characters."""
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[: 4 * MAX_EVIDENCE])
    line = " ".join(kept.translate(_MARKUP).split())
    return line if len(line) <= MAX_EVIDENCE else line[: MAX_EVIDENCE - 1] + "…"
