"""A model whose replies come from a script; without one it answers from the passages that it finds in its prompt.

It has no knowledge and no cleverness: it repeats the sentences that share most words with the question and cites them
as `[n]`. What a demo or a test shows with it is therefore the work of the system around the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from countersign.testing.chat_server import ChatServer, Reply
from countersign.testing.prompts import SeenPrompt

Script = Sequence[tuple[str, str | Reply]] | Callable[[SeenPrompt], str | Reply]
"""Either (text that the question contains, what to reply), the first match wins; or a function of the prompt."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=[A-ZА-ЯЁӘҒҚҢӨҰҮҺІ«\"“(\d])|\n+")
_WORD = re.compile(r"\w+")
_CYRILLIC = re.compile(r"[Ѐ-ӿ]")
_LATIN = re.compile(r"[A-Za-z]")
_STEM = 5
_MOST_SENTENCES = 3
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "was",
        "what",
        "which",
        "who",
        "how",
        "when",
        "where",
        "why",
        "does",
        "can",
        "with",
        "from",
        "that",
        "this",
        "into",
        "have",
        "has",
        "much",
        "many",
        "как",
        "что",
        "где",
        "когда",
        "кто",
        "какой",
        "какая",
        "какие",
        "какое",
        "сколько",
        "для",
        "или",
        "при",
        "это",
        "его",
        "чем",
        "над",
        "под",
        "без",
        "все",
        "мне",
        "можно",
        "ли",
        "нужно",
        "қандай",
        "қанша",
        "қалай",
        "қашан",
        "қайда",
        "кім",
        "неше",
        "үшін",
        "және",
        "мен",
        "пен",
        "бен",
        "туралы",
        "бойынша",
        "болады",
        "бар",
        "ма",
    ]
)


class ScriptedModel(ChatServer):
    """`ScriptedModel([("tariff", "The fee is 5 % [1].")])`, `ScriptedModel(lambda prompt: …)` or `ScriptedModel()`."""

    def __init__(
        self, script: Script = (), *, port: int = 0, first_delay_s: float = 0.0, event_delay_s: float = 0.0
    ) -> None:
        super().__init__(port=port, first_delay_s=first_delay_s, event_delay_s=event_delay_s)
        self._script = script

    def reply(self, prompt: SeenPrompt) -> Reply:
        if callable(self._script):
            return _reply(self._script(prompt))
        question = prompt.question.casefold()
        for match, text in self._script:
            if match.casefold() in question:
                return _reply(text)
        return Reply(answer_from_passages(prompt))


def _reply(said: str | Reply) -> Reply:
    return Reply(said) if isinstance(said, str) else said


def answer_from_passages(prompt: SeenPrompt) -> str:
    """Sentences of the fenced passages that answer the fenced question, each with its `[n]`; else the abstain token."""
    sentences = [(n, sentence) for n, text in prompt.passages for sentence in _sentences(text)]
    if not sentences:
        return prompt.abstain_token
    if re.search(r"\bsummari[sz]e", prompt.system, re.IGNORECASE):
        chosen = _leading(sentences)
    else:
        chosen = _matching(prompt.question, sentences)
    if not chosen and not _same_script(prompt.question, sentences[0][1]):
        chosen = [sentences[0]]  # words cannot match across scripts; the first passage is the best ranked
    return " ".join(f"{sentence} [{n}]" for n, sentence in chosen) or prompt.abstain_token


def _sentences(text: str) -> list[str]:
    return [part for piece in _SENTENCE_END.split(text) if len(_WORD.findall(part := piece.strip())) > 2]


def _leading(sentences: list[tuple[int, str]]) -> list[tuple[int, str]]:
    first: dict[int, str] = {}
    for n, sentence in sentences:
        first.setdefault(n, sentence)
    return list(first.items())[:_MOST_SENTENCES]


def _matching(question: str, sentences: list[tuple[int, str]]) -> list[tuple[int, str]]:
    wanted = _stems(question)
    scored = [(len(wanted & _stems(sentence)), place) for place, (_, sentence) in enumerate(sentences)]
    best = max(score for score, _ in scored)
    if best == 0 or best * 3 < len(wanted):
        return []
    near = sorted((score, -place) for score, place in scored if score * 4 >= best * 3)[-_MOST_SENTENCES:]
    return [sentences[place] for place in sorted(-negative for _, negative in near)]


def _stems(text: str) -> frozenset[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    return frozenset(word[:_STEM] for word in words if len(word) > 2 and word not in _COMMON)


def _same_script(one: str, other: str) -> bool:
    return _mostly_cyrillic(one) == _mostly_cyrillic(other)


def _mostly_cyrillic(text: str) -> bool:
    return len(_CYRILLIC.findall(text)) > len(_LATIN.findall(text))
