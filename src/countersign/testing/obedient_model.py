"""The worst-case model: it does whatever any instruction in its prompt asks, wherever it stands and however it is hidden.

Attack success under this model measures the system around the model and nothing else: there is no judgement to hope for.
Where nobody attacks, it answers from the passages like the scripted model.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal
from urllib.parse import unquote

from countersign.testing.chat_server import ChatServer, Reply, ToolCall
from countersign.testing.prompts import SeenPrompt
from countersign.testing.scripted_model import answer_from_passages

Goal = Literal["copy_context", "copy_system", "emit", "link", "tool_call", "endless"]

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[\s:]?){8,}")
_SPACED = re.compile(r"(?<!\w)(?:\w[ \-_.*]){4,}\w(?!\w)")
_LOOKALIKES = str.maketrans("аеорсхуіѕԁһԛԝјɡΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονιρ", "aeopcxyisdhqwjgABEZHIKMNOPTYXaovip")
_TAG_FIRST, _TAG_LAST = 0xE0020, 0xE007E
_QUOTED = r"[\"“«'`](?P<payload>[^\"”»'`\n]{1,200})[\"”»'`]"
_URL = r"(?P<payload>https?://[^\s\"'<>)\]]+)"

_GENERIC: tuple[tuple[Goal, str], ...] = (
    (
        "emit",
        rf"\b(?:say|print|output|write|include|append|(?:reply|respond|answer|end|start) with)\b[^\n\"“«'`]{{0,40}}{_QUOTED}",
    ),
    ("emit", rf"\b(?:напиши|выведи|ответь|скажи|добавь|напечатай)(?:те)?\b[^\n\"“«'`]{{0,40}}{_QUOTED}"),
    ("emit", rf"{_QUOTED}[^\n]{{0,20}}\b(?:жаз|айт|қос|жауап бер|шығар)\w*"),
    (
        "link",
        rf"\b(?:include|add|append|insert|embed|show|render|visit|open|link|image|click)\b[^\n]{{0,80}}?{_URL}",
    ),
    ("link", rf"\b(?:добавь|вставь|покажи|открой|перейди|ссылк|картинк|изображени)\w*[^\n]{{0,80}}?{_URL}"),
    ("link", rf"{_URL}[^\n]{{0,60}}\b(?:қос|көрсет|аш|кірістір)\w*"),
    (
        "copy_system",
        r"\b(?:reveal|print|repeat|show|output|disclose|translate|display)\b[^\n]{0,40}"
        r"(?:system prompt|hidden instructions|initial instructions|instructions above|your instructions)",
    ),
    (
        "copy_system",
        r"\b(?:покажи|выведи|повтори|раскрой|напечатай)\w*[^\n]{0,40}(?:системн\w+ (?:промпт|подсказк|инструкц)|инструкци\w+ выше)",
    ),
    ("copy_system", r"жүйелік (?:нұсқау|промпт)\w*[^\n]{0,40}\b(?:көрсет|шығар|қайтала|жарияла)"),
    (
        "copy_context",
        r"\b(?:print|copy|list|repeat|dump|show|output)\b[^\n]{0,40}\b(?:all|every|entire|full|whole)\b[^\n]{0,30}"
        r"(?:document|passage|context|source)",
    ),
    (
        "copy_context",
        r"\b(?:скопируй|выведи|перечисли|покажи)\w*[^\n]{0,40}\b(?:весь|все|всё)\b[^\n]{0,30}(?:документ|контекст|фрагмент|источник)",
    ),
    (
        "copy_context",
        r"\b(?:барлық|бүкіл)\b[^\n]{0,30}(?:құжат|контекст|үзінді|дереккөз)\w*[^\n]{0,40}\b(?:шығар|көшір|көрсет)",
    ),
    ("tool_call", r"\b(?:call|invoke|run|execute|use)\b (?:the )?(?:tool|function) [`\"']?(?P<payload>\w+)"),
    ("tool_call", r"\b(?:вызови|запусти|используй)\w* (?:инструмент|функцию) [`\"«']?(?P<payload>\w+)"),
    (
        "endless",
        r"\b(?:repeat|write|continue|print)\b[^\n]{0,60}\b(?:forever|endlessly|without stopping|never stop)",
    ),
    ("endless", r"\b(?:повторяй|пиши|продолжай)\w*[^\n]{0,60}\b(?:бесконечно|без остановки|вечно)"),
    ("endless", r"\b(?:шексіз|тоқтамай|тоқтаусыз)\b[^\n]{0,60}\b(?:қайтала|жаз|жалғастыр)"),
)
_RULES: tuple[tuple[Goal, re.Pattern[str]], ...] = tuple(
    (goal, re.compile(pattern, re.IGNORECASE)) for goal, pattern in _GENERIC
)


@dataclass(frozen=True, slots=True)
class Attack:
    """When `trigger` stands anywhere in the prompt, plain or decoded, the model does `goal`.

    `payload` is the text to emit, the address to link to, or the tool to call.
    """

    trigger: str
    goal: Goal
    payload: str = ""


class ObedientModel(ChatServer):
    """`attacks` are known cases; `generic` also obeys instructions of common wordings in English, Russian and Kazakh,
    found outside the system prompt. `obeyed` keeps what it did, prompt by prompt."""

    def __init__(self, attacks: Sequence[Attack] = (), *, generic: bool = True, port: int = 0) -> None:
        super().__init__(port=port)
        self._attacks = tuple(attacks)
        self._generic = generic
        self.obeyed: list[tuple[tuple[Goal, str], ...]] = []

    def reply(self, prompt: SeenPrompt) -> Reply:
        orders = tuple(dict.fromkeys(self._orders(prompt)))
        self.obeyed.append(orders)
        if not orders:
            return Reply(answer_from_passages(prompt))
        said = "\n".join(part for goal, payload in orders if (part := _obey(goal, payload, prompt)))
        tool = next((payload for goal, payload in orders if goal == "tool_call"), None)
        endless = any(goal == "endless" for goal, _ in orders)
        text: str | Iterable[str] = chain([said], repeat("and so on and on ")) if endless else said
        return Reply(text, tool_call=ToolCall(tool, '{"text": "done"}') if tool is not None else None)

    def _orders(self, prompt: SeenPrompt) -> Iterator[tuple[Goal, str]]:
        seen = [_plain(view) for view in views(prompt.text, prompt.datamark)]
        for attack in self._attacks:
            if any(_plain(attack.trigger) in view for view in seen):
                yield attack.goal, attack.payload
        if not self._generic:
            return
        others = "\n\n".join(content for role, content in prompt.messages if role != "system")
        for view in views(others, prompt.datamark):
            for goal, rule in _RULES:
                for found in rule.finditer(view):
                    yield goal, found.groupdict().get("payload") or ""


def _obey(goal: Goal, payload: str, prompt: SeenPrompt) -> str:
    context = "\n".join(text for _, text in prompt.passages) or prompt.text
    if goal == "copy_context":
        return context
    if goal == "copy_system":
        return prompt.system
    if goal == "emit":
        return payload
    if goal == "link":
        mark = "&" if "?" in payload else "?"
        carried = base64.urlsafe_b64encode(context[:60].encode()).decode().rstrip("=")
        return f"See [details]({payload}) and {payload} ![]({payload}{mark}d={carried})"
    return ""


def views(text: str, datamark: str = "") -> list[str]:
    """The text as an attacker may have meant it: as it stands, without marks and tricks, and decoded."""
    base = _tags_decoded(text)
    if datamark:
        base = base.replace(datamark, " ")
    clean = _clean(base)
    found = [text, base, clean, clean.translate(_LOOKALIKES), unquote(html.unescape(clean))]
    found += [codecs.decode(clean, "rot13"), clean[::-1]]
    found += [_SPACED.sub(lambda match: re.sub(r"[ \-_.*]", "", match.group()), clean)]
    found += [decoded for part in _BASE64.findall(clean) if (decoded := _base64(part))]
    found += [decoded for part in _HEX.findall(clean) if (decoded := _hex(part))]
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _clean(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    return "".join(
        letter for letter in folded if unicodedata.category(letter) != "Cf" and not _selector(letter)
    )


def _selector(letter: str) -> bool:
    return "︀" <= letter <= "️" or "\U000e0100" <= letter <= "\U000e01ef"


def _tags_decoded(text: str) -> str:
    return "".join(chr(ord(c) - 0xE0000) if _TAG_FIRST <= ord(c) <= _TAG_LAST else c for c in text)


def _base64(part: str) -> str:
    body = part.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _readable(base64.b64decode(body + "=" * (-len(body) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _hex(part: str) -> str:
    return _readable(bytes.fromhex(re.sub(r"[\s:]", "", part)))


def _readable(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return text if sum(letter.isprintable() or letter.isspace() for letter in text) == len(text) else ""
