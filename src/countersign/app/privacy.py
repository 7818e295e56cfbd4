"""Personal data on its way to a reader: shown to the groups that the assistant names, a token for everyone else."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace

from countersign.access.principal import Principal
from countersign.answer.store import CitedPassage, StoredAnswer
from countersign.domain.answers import Answer, Claim
from countersign.domain.workspace import Assistant
from countersign.guard.pipeline import Guard


class Privacy:
    """What was written for one reader may be read by another: every read is filtered for who reads it."""

    def __init__(self, guard: Guard, assistants: Mapping[str, Assistant], server_key: bytes) -> None:
        self._guard = guard
        self._assistants = assistants
        self._server_key = server_key

    def tenant_key(self, tenant: str) -> bytes:
        """The key under which a tenant's tokens stay the same from answer to answer."""
        return hmac.digest(self._server_key, b"pseudonyms/" + tenant.encode(), "sha256")

    def sees(self, reader: Principal, assistant: str) -> bool:
        """An assistant that is no longer configured shows personal data to nobody."""
        known = self._assistants.get(assistant)
        return known is not None and bool(reader.groups & set(known.personal_visible_to))

    def text(self, reader: Principal, assistant: str, text: str) -> str:
        key = self.tenant_key(reader.tenant)
        return self._guard.redact(text, may_see_personal=self.sees(reader, assistant), tenant_key=key)

    def answer(self, reader: Principal, stored: StoredAnswer) -> StoredAnswer:
        """A stored answer as this reader may read it; claims keep pointing at their sentences."""
        kept = stored.answer
        if self.sees(reader, kept.assistant):
            return stored
        written = kept.draft or kept.text
        text, claims = self._sentences(reader, kept, written)
        citations = tuple(
            replace(c, quote=self.text(reader, kept.assistant, c.quote)) for c in kept.citations
        )
        shown = replace(kept, claims=claims, citations=citations)
        shown = replace(shown, draft=text) if kept.draft else replace(shown, text=text)
        return replace(stored, answer=shown)

    def citation(self, reader: Principal, cited: CitedPassage) -> CitedPassage:
        quote = self.text(reader, cited.assistant, cited.citation.quote)
        passage = self.text(reader, cited.assistant, cited.passage_text)
        return replace(cited, citation=replace(cited.citation, quote=quote), passage_text=passage)

    def _sentences(self, reader: Principal, kept: Answer, written: str) -> tuple[str, tuple[Claim, ...]]:
        """The text redacted piece by piece, so that each claim's offsets can be told anew."""
        out, end, claims = "", 0, []
        for claim in kept.claims:
            out += self.text(reader, kept.assistant, written[end : claim.start])
            said = self.text(reader, kept.assistant, written[claim.start : claim.end])
            claims.append(replace(claim, text=said, start=len(out), end=len(out) + len(said)))
            out, end = out + said, claim.end
        return out + self.text(reader, kept.assistant, written[end:]), tuple(claims)
