"""The passage stage: documents are data. They are cleaned, marked word by word and fenced with a marker that no document
can know, so that their text cannot close its own fence.

Datamarking and fencing follow the spotlighting method (Hines et al., 2024). They raise the cost of an attack; what
makes it fail is that rights, links, personal data and secrets are enforced outside the model.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from countersign.domain.documents import Passage
from countersign.domain.errors import IntegrityError
from countersign.guard.findings import GuardFinding
from countersign.guard.injection import Signal
from countersign.guard.untrusted import harmless, treat

_DATAMARKS = "¦ˆ˜‡※¬⁞⸱↦⌁"
_PRIVATE_USE = range(0xE000, 0xF8FF)
_SPEAKS_TO_ASSISTANT = frozenset({"address", "override", "exfiltrate", "conceal", "extract"})


@dataclass(frozen=True, slots=True)
class PassagePolicy:
    """`drop_at`: leave out a passage whose injection score reaches it; None keeps all (the finding is recorded)."""

    drop_at: float | None = None


@dataclass(frozen=True, slots=True)
class GuardedPassages:
    """`passages` may be put before a model; `dropped` are ids that policy left out."""

    passages: tuple[Passage, ...] = ()
    dropped: tuple[str, ...] = ()
    findings: tuple[GuardFinding, ...] = ()


def guard_passages(passages: tuple[Passage, ...], policy: PassagePolicy | None = None) -> GuardedPassages:
    """Clean passages and note those that speak to the assistant. Titles and headings are cleaned as well."""
    policy = policy or PassagePolicy()
    kept: list[Passage] = []
    dropped: list[str] = []
    findings: list[GuardFinding] = []
    for passage in passages:
        treated = treat(passage.text, "passages", subject=passage.passage_id)
        findings.extend(treated.findings)
        findings.extend(_addressed(treated.signal, passage.passage_id))
        if policy.drop_at is not None and treated.signal.score >= policy.drop_at:
            dropped.append(passage.passage_id)
            findings.append(_dropped(treated.signal, passage.passage_id))
            continue
        kept.append(_cleaned(passage, treated.text))
    return GuardedPassages(tuple(kept), tuple(dropped), tuple(findings))


def new_marker(avoid: Iterable[str] = ()) -> str:
    """A marker of 64 random bits in hexadecimal that stands in none of the texts to `avoid`."""
    texts = tuple(avoid)
    while True:
        marker = secrets.token_hex(8)
        if not any(marker in text for text in texts):
            return marker


def new_datamark(texts: Iterable[str] = ()) -> str:
    """A character for `datamark` that stands in none of `texts`, drawn at random for each request."""
    used = set("".join(texts))
    candidates = [c for c in _DATAMARKS if c not in used] or [
        chr(code) for code in _PRIVATE_USE if chr(code) not in used
    ]
    if not candidates:
        raise IntegrityError(
            "no character is free to mark the passages with",
            code="datamark_exhausted",
            hint="a passage holds every private-use character: quarantine its document",
        )
    return secrets.choice(candidates)


def datamark(text: str, char: str) -> str:
    """Every space of `text` replaced by `char`; line ends stay. `undatamark` is its exact inverse."""
    if char in text:
        raise IntegrityError("the datamark character already stands in the text", code="datamark_in_text")
    return text.replace(" ", char)


def undatamark(text: str, char: str) -> str:
    """The text before `datamark`. Applied to a model's output it also repairs words copied with their marks."""
    return text.replace(char, " ") if char else text


def fence(passages: Sequence[Passage | str], marker: str, *, char: str = "", first: int = 1) -> str:
    """Passages as a prompt shows them, numbered from `first`, each between `<<PASSAGE n MARKER>>` and `<<END n MARKER>>`.

    `char` datamarks the text. Raises `IntegrityError` when a passage holds the marker: it must never be guessable.
    """
    blocks: list[str] = []
    for number, passage in enumerate(passages, first):
        text = passage if isinstance(passage, str) else passage.text
        blocks.append(_fenced(f"PASSAGE {number}", f"END {number}", text, marker, char))
    return "\n".join(blocks)


def fence_question(text: str, marker: str) -> str:
    """The question between `<<QUESTION MARKER>>` and `<<END QUESTION MARKER>>`."""
    return _fenced("QUESTION", "END QUESTION", text, marker, "")


def _fenced(opening: str, closing: str, text: str, marker: str, char: str) -> str:
    if not marker or marker in text:
        raise IntegrityError(
            "the fence marker stands in the text that it fences", code="fence_marker_in_text"
        )
    body = datamark(text, char) if char else text
    return f"<<{opening} {marker}>>\n{body}\n<<{closing} {marker}>>"


def _cleaned(passage: Passage, text: str) -> Passage:
    title = harmless(passage.title)
    headings = tuple(harmless(heading) for heading in passage.heading_path)
    if (text, title, headings) == (passage.text, passage.title, passage.heading_path):
        return passage
    return replace(passage, text=text, title=title, heading_path=headings)


def _addressed(signal: Signal, passage_id: str) -> list[GuardFinding]:
    if not (signal.raised and signal.aims & _SPEAKS_TO_ASSISTANT):
        return []
    return [
        GuardFinding(
            "passages",
            "passages",
            "assistant_addressed",
            "warning",
            ", ".join(sorted(signal.aims)),
            score=signal.score,
            subject=passage_id,
        )
    ]


def _dropped(signal: Signal, passage_id: str) -> GuardFinding:
    return GuardFinding(
        "passages", "passages", "passage_dropped", "warning", score=signal.score, subject=passage_id
    )
