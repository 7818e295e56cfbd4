"""In which language to answer, and how to name it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from countersign.domain.documents import Language

UNDETERMINED = "und"
NAMES = {"kk": "Kazakh", "ru": "Russian", "en": "English"}

_KAZAKH = re.compile("[әғқңөұүһӘҒҚҢӨҰҮҺ]|(?<=[а-яәғқңөұүһ])і|і(?=[а-яәғқңөұүһ])", re.IGNORECASE)
_CYRILLIC = re.compile("[а-яёА-ЯЁ]")
_LATIN = re.compile("[a-zA-Z]")


def detect_by_letters(text: str) -> Language:
    """kk, ru or en by script and Kazakh letters; `und` when the text has too few letters of either script."""
    cyrillic = len(_CYRILLIC.findall(text)) + len(_KAZAKH.findall(text))
    latin = len(_LATIN.findall(text))
    if cyrillic + latin < 2:
        return UNDETERMINED
    if cyrillic >= latin or cyrillic > 12:
        return "kk" if _KAZAKH.search(text) else "ru"
    return "en"


def answer_language(question: str, *, asked_for: Language = "", languages: Sequence[Language] = ()) -> Language:
    """Explicit wish, else the question's own language, else the assistant's first; only languages it speaks.

    `languages` are the assistant's, best first; empty means any.
    """
    if asked_for and (not languages or asked_for in languages):
        return asked_for
    detected = detect_by_letters(question)
    if detected != UNDETERMINED and (not languages or detected in languages):
        return detected
    return languages[0] if languages else (detected if detected != UNDETERMINED else "en")
