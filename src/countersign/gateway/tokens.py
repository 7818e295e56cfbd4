"""Token counts without a tokenizer: characters per script, because Cyrillic costs more tokens than Latin.

Byte-pair vocabularies in use today need about 4 characters of Latin text per token, 2 to 4 of Russian, 1.5 to 3 of
Kazakh, and one or two of East Asian scripts. `estimate_tokens` takes the middle; `upper_tokens` is what is reserved, so
it takes the expensive end. The provider's own count is preferred wherever it is believable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MESSAGE_OVERHEAD_TOKENS = 8
"""Role and separators of one chat message, on the expensive side."""


_NOISE = 1e-6
"""What adding fractions may be off by."""


def _whole(tokens: float) -> int:
    return math.ceil(tokens - _NOISE)


@dataclass(frozen=True, slots=True)
class CharactersPerToken:
    """ASCII; letters of two bytes in UTF-8 (Cyrillic, Greek, accented Latin, Arabic); everything longer."""

    ascii: float
    two_byte: float
    wide: float

    def tokens(self, text: str) -> float:
        if text.isascii():
            return len(text) / self.ascii
        plain = len(text.encode("ascii", "ignore"))
        others = len(text) - plain
        # 0 for each letter of two bytes, 1 of three, 2 of four (an emoji costs more tokens than an ideograph).
        excess = len(text.encode("utf-8", "surrogatepass")) - plain - 2 * others
        return plain / self.ascii + others / self.two_byte + excess * (1 / self.wide - 1 / self.two_byte)


MIDDLE = CharactersPerToken(ascii=4.0, two_byte=3.0, wide=1.0)
EXPENSIVE = CharactersPerToken(ascii=2.5, two_byte=1.2, wide=0.5)


def estimate_tokens(text: str) -> int:
    """A middle estimate, for reporting usage that the provider did not report."""
    return _whole(MIDDLE.tokens(text))


def upper_tokens(texts: Iterable[str]) -> int:
    """A cautious estimate of a prompt made of these messages, for reserving money before the call."""
    return sum(_whole(EXPENSIVE.tokens(text)) + MESSAGE_OVERHEAD_TOKENS for text in texts)


class OutputMeter:
    """Counts generated text as it streams and says when `max_tokens` is used up, whatever the provider reports."""

    def __init__(self, max_tokens: int) -> None:
        self._max = float(max_tokens)
        self._used = 0.0
        self.cut = False

    @property
    def tokens(self) -> int:
        return _whole(self._used)

    def take(self, text: str) -> str:
        """The part of `text` that still fits; `cut` turns true when some of it did not."""
        cost = MIDDLE.tokens(text)
        if self._used + cost <= self._max + _NOISE:
            self._used += cost
            return text
        self.cut = True
        kept = _longest_prefix(text, self._max - self._used)
        self._used = self._max
        return kept


def _longest_prefix(text: str, tokens: float) -> str:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if MIDDLE.tokens(text[:middle]) <= tokens + _NOISE else (low, middle - 1)
    return text[:low]
