"""Hold-back of fixed strings and of the system prompt's own words: the stream stops before the first character of a hit.

Fixed strings (canary, secrets) run through an Aho-Corasick automaton over letters and digits only, folded, so that
separators, case, full-width letters and look-alikes do not help. Exactly the automaton's depth is held back.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from countersign.guard.normalise import TO_LATIN

_WINDOW: Final = 12
"""A piece of this many letters and digits of a long secret counts as the secret."""
_ENCODED_STRIDE: Final = 4
"""Encodings are watched at every fourth place only: it is the automaton's size that costs."""
_MAX_SPREAD: Final = 256
"""Characters over which one occurrence may be spread by separators."""
_UNFINISHED: Final = 8
"""An output that ends after this much of a secret was repeating it."""
_MAX_WORD: Final = 64
_MAX_WORD_GAP: Final = 64


@lru_cache(maxsize=8192)
def _fold(c: str) -> str:
    """The letters and digits of `c`, lower case, look-alikes as Latin. Depends on this one character only."""
    folded = unicodedata.normalize("NFKC", c).translate(TO_LATIN).casefold()
    return "".join(x for x in folded if x.isalnum())


def folded(text: str) -> str:
    return "".join(_fold(c) for c in text)


class FixedStrings:
    """An Aho-Corasick automaton over the folded forms of some secrets and their usual encodings. Immutable, shareable.

    `secrets` maps each secret to the finding code of a hit on it.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.goto: list[dict[str, int]] = [{}]
        self.depth: list[int] = [0]
        self.hit: list[str] = [""]
        for secret, code in secrets.items():
            for pattern in _patterns(secret):
                self._add(pattern, code)
        self.fail = [0] * len(self.goto)
        self._link()

    def __bool__(self) -> bool:
        return len(self.goto) > 1

    def step(self, state: int, c: str) -> int:
        """The state after one folded character."""
        while state and c not in self.goto[state]:
            state = self.fail[state]
        return self.goto[state].get(c, 0)

    def codes_below(self, state: int) -> str:
        """The code of the first pattern that continues from `state`."""
        while not self.hit[state]:
            state = next(iter(self.goto[state].values()))
        return self.hit[state]

    def occurs_in(self, text: str) -> bool:
        state = 0
        for c in folded(text):
            state = self.step(state, c)
            if self.hit[state]:
                return True
        return False

    def _add(self, pattern: str, code: str) -> None:
        state = 0
        for c in pattern:
            if c not in self.goto[state]:
                self.goto[state][c] = len(self.goto)
                self.goto.append({})
                self.depth.append(self.depth[state] + 1)
                self.hit.append("")
            state = self.goto[state][c]
        self.hit[state] = code

    def _link(self) -> None:
        queue = deque(self.goto[0].values())
        while queue:
            state = queue.popleft()
            for c, child in self.goto[state].items():
                self.fail[child] = self.step(self.fail[state], c) if state else 0
                self.hit[child] = self.hit[child] or self.hit[self.fail[child]]
                queue.append(child)


def _patterns(secret: str) -> set[str]:
    """Every window of a long secret, or the whole of a short one, and its reverse; some windows of its encodings."""
    plain = folded(secret)
    if len(plain) < _WINDOW:
        return {plain, plain[::-1]} - {""}
    raw = secret.encode()
    encoded = [raw.hex(), *(folded(_inner_base64(raw, shift)) for shift in range(3))]
    return {
        *_windows(plain, 1),
        *_windows(plain[::-1], 1),
        *(window for form in encoded for window in _windows(form, _ENCODED_STRIDE)),
    }


def _windows(form: str, stride: int) -> list[str]:
    return [form[n : n + _WINDOW] for n in range(0, max(1, len(form) - _WINDOW + 1), stride)]


def _inner_base64(raw: bytes, shift: int) -> str:
    """The base64 characters that `raw` always produces when it starts `shift` bytes into a longer text."""
    encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
    first = (0, 2, 3)[shift]
    last = len(encoded) - (1 if (len(raw) + shift) % 3 else 0)
    return encoded[first:last]


class FixedStringHold:
    """The streaming side: holds what may be the start of a secret, and stops for good at the first hit."""

    def __init__(self, strings: FixedStrings) -> None:
        self._strings = strings
        self._state = 0
        self._held = ""
        self._starts: deque[int] = deque()
        """Offsets into `_held` of the folded characters that the current state is made of."""
        self.stopped = ""
        """The code of the hit that ended the text."""

    def feed(self, text: str) -> str:
        if self.stopped or not self._strings:
            return "" if self.stopped else text
        offset = len(self._held)
        self._held += text
        for at, c in enumerate(text, offset):
            if code := self._advance(c, at):
                return self._stop(code)
        return self._release()

    def finish(self) -> str:
        if self.stopped:
            return ""
        if self._strings and self._strings.depth[self._state] >= _UNFINISHED:
            return self._stop(self._strings.codes_below(self._state))
        rest, self._held = self._held, ""
        return rest

    def _advance(self, c: str, at: int) -> str:
        strings = self._strings
        for x in c.lower() if c.isascii() and c.isalnum() else _fold(c):
            self._state = strings.step(self._state, x)
            self._starts.append(at)
            self._trim()
            if strings.hit[self._state]:
                return strings.hit[self._state]
        while self._state and at - self._starts[0] > _MAX_SPREAD:
            self._state = strings.fail[self._state]
            self._trim()
        return ""

    def _trim(self) -> None:
        while len(self._starts) > self._strings.depth[self._state]:
            self._starts.popleft()

    def _release(self) -> str:
        keep_from = self._starts[0] if self._starts else len(self._held)
        out, self._held = self._held[:keep_from], self._held[keep_from:]
        self._starts = deque(start - keep_from for start in self._starts)
        return out

    def _stop(self, code: str) -> str:
        """What stands before the hit leaves; the hit and all after it never do."""
        self.stopped = code
        out = self._held[: self._starts[0]]
        self._held = ""
        return out


class PromptWords:
    """The words of a system prompt, ready for finding runs of `run` consecutive ones. Immutable, shareable.

    `spoken` are sentences of the prompt that the model is asked to say: repeating them is no leak.
    """

    def __init__(self, system_prompt: str, *, run: int = 8, spoken: Iterable[str] = ()) -> None:
        self.run = run
        words: list[str | None] = list(_words(system_prompt))
        for sentence in spoken:
            _blank(words, _words(sentence))
        self.words = words
        self.places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            if word is not None:
                self.places.setdefault(word, []).append(place)


def _words(text: str) -> list[str]:
    return [folded(word) for word in _WORD.findall(text)]


_WORD: Final = re.compile(rf"\w{{1,{_MAX_WORD}}}")


def _blank(words: list[str | None], sentence: list[str]) -> None:
    for start in range(len(words) - len(sentence) + 1):
        if sentence and words[start : start + len(sentence)] == sentence:
            words[start : start + len(sentence)] = [None] * len(sentence)


class PromptWordHold:
    """The streaming side: holds a run of words that continues the system prompt, stops when the run is complete."""

    def __init__(self, prompt: PromptWords) -> None:
        self._prompt = prompt
        self._held = ""
        self._read = 0
        """How much of `_held` has been read as words and gaps."""
        self._runs: dict[int, int] = {}
        """Place in the prompt → how many words up to it were repeated."""
        self._starts: list[int] = []
        """Offsets into `_held` of the last words, as many as the longest run has."""
        self.stopped = False

    def feed(self, text: str) -> str:
        if self.stopped or not self._prompt.places:
            return "" if self.stopped else text
        self._held += text
        return self._advance(final=False)

    def finish(self) -> str:
        if self.stopped:
            return ""
        out = self._advance(final=True)
        if not self.stopped:
            out, self._held = out + self._held, ""
        return out

    def _advance(self, *, final: bool) -> str:
        text = self._held
        while match := _WORD.search(text, self._read):
            complete = final or match.end() < len(text) or match.end() - match.start() == _MAX_WORD
            if not complete:
                break
            if match.start() - self._read > _MAX_WORD_GAP:
                self._runs, self._starts = {}, []
            self._read = match.end()
            if self._word(folded(match.group()), match.start()):
                return self._stop()
        return self._release()

    def _word(self, word: str, start: int) -> bool:
        self._runs = {place: self._runs.get(place - 1, 0) + 1 for place in self._prompt.places.get(word, ())}
        longest = max(self._runs.values(), default=0)
        self._starts = [*self._starts, start][-longest:] if longest else []
        return longest >= self._prompt.run

    def _release(self) -> str:
        tail = _WORD.search(self._held, self._read)
        next_word = tail.start() if tail else len(self._held)
        if next_word - self._read > _MAX_WORD_GAP:
            self._runs, self._starts = {}, []
        keep_from = self._starts[0] if self._starts else next_word
        out, self._held = self._held[:keep_from], self._held[keep_from:]
        self._read = max(0, self._read - keep_from)
        self._starts = [start - keep_from for start in self._starts]
        return out

    def _stop(self) -> str:
        self.stopped = True
        out, self._held = self._held[: self._starts[0]], ""
        return out
