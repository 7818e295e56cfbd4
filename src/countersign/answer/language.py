"""In which language to answer, and how to name it."""

from __future__ import annotations

from collections.abc import Sequence

from countersign.corpus.language import detect
from countersign.domain.documents import Language

UNDETERMINED = "und"
_NAMES = {"kk": "Kazakh", "ru": "Russian", "en": "English"}


def name_of(language: Language) -> str:
    """The English name of a language for a prompt; other codes name themselves."""
    return _NAMES.get(language, f"the language with ISO code {language}")


def answer_language(
    question: str, *, asked_for: Language = "", languages: Sequence[Language] = ()
) -> Language:
    """Explicit wish, else the question's own language, else the assistant's first; only languages it speaks.

    `languages` are the assistant's, best first; empty means any.
    """
    if asked_for and (not languages or asked_for in languages):
        return asked_for
    detected = detect(question)
    if detected != UNDETERMINED and (not languages or detected in languages):
        return detected
    if languages:
        return languages[0]
    return detected if detected != UNDETERMINED else "en"
