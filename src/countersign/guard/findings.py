"""What a guard notices: a stable code, how much it matters, and evidence that is safe to keep and to show."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Literal

Stage = Literal["question", "history", "passages", "prompt", "output"]
Severity = Literal["info", "warning", "error"]

_EVIDENCE_CHARS = 60


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """`evidence` is short and inert, and empty where only `evidence_hash` may be kept (secrets, personal data).

    `span` is in characters of the text that the check was given, when the check can tell. `score` is in [0, 1].
    """

    check: str
    stage: Stage
    code: str
    severity: Severity
    evidence: str = ""
    evidence_hash: str = ""
    span: tuple[int, int] | None = None
    count: int = 1
    score: float = 0.0
    subject: str = ""
    """The id of the passage that it is about, where there is one."""

    def facts(self) -> dict[str, str | int | float]:
        """What may be kept for ever. `evidence` is left out: it can quote a person's own words."""
        return {
            "check": self.check,
            "stage": self.stage,
            "code": self.code,
            "severity": self.severity,
            "count": self.count,
            "score": self.score,
            "subject": self.subject,
            "evidence_hash": self.evidence_hash,
        }


def inert(text: str, max_chars: int = _EVIDENCE_CHARS) -> str:
    """A short form of hostile text that can stand in a log or on a page: printable, no markup, no active address."""
    kept = "".join(
        c if c.isprintable() and unicodedata.category(c)[0] != "C" else "·" for c in text[: max_chars * 2]
    )
    kept = (
        kept.translate(str.maketrans("<>[]()`&|", "‹›⟦⟧❨❩'+¦"))
        .replace("://", "[:]//")
        .replace("www.", "www[.]")
    )
    return kept[:max_chars] + ("…" if len(kept) > max_chars or len(text) > max_chars * 2 else "")


def evidence_hash(text: str) -> str:
    """Sixteen hexadecimal digits that let two sightings of long random material be compared.

    Not for short guessable values: a hash of a 12-digit number is the number. Those are pseudonymised with a key.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
