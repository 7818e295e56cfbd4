"""Policy at the door of the index: what was found in a document decides whether it may answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from countersign.app.readiness_checks import TEXT_CHECKS
from countersign.corpus.ingest import Judged
from countersign.corpus.readiness import check_origin, check_reading, check_shape, check_text
from countersign.corpus.readiness.catalogue import CODES
from countersign.corpus.readiness.subject import Subject
from countersign.corpus.readiness.summary import PolicyOf, policy_of
from countersign.domain.clock import Clock
from countersign.domain.documents import Finding, ParsedDocument, SourceDocument
from countersign.domain.readiness import ReadinessFinding
from countersign.storage.audits import accepted_codes
from countersign.storage.database import Database

_MAX_SHOWN: Final = 40


class PolicyGate:
    """`corpus.ingest.Gate`: the checks of the audit that look at one document alone. `served` tells the languages that
    assistants over a source serve."""

    def __init__(
        self, database: Database, policy: PolicyOf, served: Callable[[str], frozenset[str]], clock: Clock
    ) -> None:
        self._database = database
        self._policy = policy
        self._served = served
        self._clock = clock

    async def judge(self, document: SourceDocument, parsed: ParsedDocument) -> Judged:
        subject = Subject(document, parsed, served=self._served(document.source))
        found = await asyncio.to_thread(self._found, subject)
        accepted = await self._database.read(accepted_codes, subject.key, self._clock.now())
        counted = [finding for finding in found if finding.code not in accepted]
        return Judged(self._shown(counted, parsed), self._quarantine(counted))

    def _found(self, subject: Subject) -> list[ReadinessFinding]:
        found = [*check_reading.reading(subject), *check_text.text(subject), *check_shape.shape(subject)]
        for check in TEXT_CHECKS:
            found.extend(check(subject.key, subject.parsed.elements))
        found += check_origin.origin(subject.document, self._clock.now(), rights_known=True)
        return found + check_origin.too_broad(subject.document, found)

    def _quarantine(self, found: Sequence[ReadinessFinding]) -> str:
        return next((f.code for f in found if policy_of([f], self._policy) == "quarantine"), "")

    def _shown(self, found: Sequence[ReadinessFinding], parsed: ParsedDocument) -> tuple[Finding, ...]:
        """What deserves a warning and is not already told by the reader under the same code; each code says what to do."""
        told = {finding.code for finding in parsed.findings}
        shown = [f for f in found if f.code not in told and policy_of([f], self._policy) != "index"]
        return tuple(_finding(f) for f in shown[:_MAX_SHOWN])


def _finding(found: ReadinessFinding) -> Finding:
    meaning = CODES[found.code]
    return Finding(
        found.code, found.severity, f"{meaning.what}. {meaning.action}.", found.page, found.evidence
    )
