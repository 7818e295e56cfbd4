"""Whether the text is what its author wrote, in which languages, and whether some of it cannot be seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from countersign.corpus.parsers.decoding import mojibake as repaired
from countersign.corpus.readiness.phrases import phrase
from countersign.corpus.readiness.subject import Subject, note
from countersign.domain.documents import Element
from countersign.domain.readiness import ReadinessFinding

_SECOND_LANGUAGE: Final = 0.2
_MIN_LETTERS: Final = 200
"""Fewer letters say too little about a language."""
_BROKEN: Final = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010fffd]")
_LATIN_FOR_CYRILLIC: Final = re.compile("[À-ÿ]{3,}")
_CYRILLIC_FOR_UTF8: Final = re.compile(
    "(?:[РС][\u0080-\u00bf\u0400-\u040f\u0450-\u045f\u2010-\u2122°±µ¶·№»ёЃѓ]){3,}|(?:[ÐÑ][\u0080-\u00ff\u2010-\u2122]){3,}|(?:Р.С.){3,}"
)
_ZERO_WIDTH: Final = re.compile("(?<=\\w)[\u200b\u2060-\u2064\u180e\ufeff](?=\\w)")
_RARE_LETTER: Final = re.compile("[ \t]*[\u0370-\u03ff\u0530-\u1fff\u2c00-\u2dff\ua000-\uabff]")
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]+")
_SMUGGLED: Final = re.compile(
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}|[\u200b-\u200d\u2060-\u2064\ufeff]{8,}"
)
"""One of them belongs to the sign before it; a row of them is a text of its own."""
_UNKNOWN: Final = re.compile(r"\?{2,}")
_UNKNOWN_LEAST: Final = 20
_FREQUENT: Final = frozenset("оеаинтсрвлкыОЕАИНТСРВЛКЫ")
_CROSSED: Final = (("cp1251", "koi8-r"), ("cp1251", "cp866"), ("koi8-r", "cp1251"), ("cp866", "cp1251"))
"""(read as, was): old pages of one script, taken for each other."""
_CROSSED_LEAST: Final = 40
_REVERSED: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")


def text(subject: Subject) -> list[ReadinessFinding]:
    shown = subject.shown
    return [
        *_mojibake(subject, shown),
        *_garbled(subject, shown),
        *_languages(subject, shown),
        *_unseen(subject),
    ]


def _mojibake(subject: Subject, shown: Iterable[Element]) -> list[ReadinessFinding]:
    """UTF-8 read as cp1251 or Latin, or cp1251 read as Latin. What the reader of the file told already is not said twice."""
    if any(finding.code == "mojibake" for finding in subject.parsed.findings):
        return []
    hits = [element for element in shown if _is_mojibake(element.text)]
    if not hits:
        return []
    total = sum(len(element.text) for element in subject.parsed.elements)
    share = sum(len(element.text) for element in hits) / max(1, total)
    return [
        note(
            subject, "mojibake", hits[0].text, severity="error" if share >= 0.1 else "warning",
            page=hits[0].page, count=len(hits),
        )
    ]  # fmt: skip


def _is_mojibake(line: str) -> bool:
    if line.isascii():
        return False
    if _CYRILLIC_FOR_UTF8.search(line) and (repaired(line) or len(_CYRILLIC_FOR_UTF8.findall(line)) >= 3):
        return True
    runs = _LATIN_FOR_CYRILLIC.findall(line)
    if not runs:
        return _is_crossed(line)
    letters = sum(map(str.isalpha, line))
    return sum(map(len, runs)) > 0.5 * max(8, letters) and _reads_as_cyrillic("".join(runs))


def _is_crossed(line: str) -> bool:
    """Cyrillic with the letters of another order: `оПЮБХКЮ` for `Правила`."""
    if _share_of_frequent(line) >= 0.5:
        return False
    for read_as, was in _CROSSED:
        try:
            again = line[:2_000].encode(read_as).decode(was)
        except UnicodeError:
            continue
        if _share_of_frequent(again) > 0.62 and sum(map(str.islower, again)) > 0.7 * sum(
            map(str.isalpha, again)
        ):
            return True
    return False


def _share_of_frequent(line: str) -> float:
    """Of what is not Latin; 1 when there is too little of Cyrillic to say."""
    strange = [char for char in line[:2_000] if not char.isascii() and not char.isspace()]
    if sum("\u0400" <= char <= "\u04ff" for char in strange) < _CROSSED_LEAST:
        return 1.0
    return sum(char in _FREQUENT for char in strange) / len(strange)


def _reads_as_cyrillic(run: str) -> bool:
    try:
        text = run.encode("latin-1").decode("cp1251").lower()
    except UnicodeError:
        return False
    common = sum(1 for char in text if char in "оеаинтсрвлкмдпуыәіңғқү")
    return len(text) >= 8 and common > 0.6 * len(text)


def _garbled(subject: Subject, shown: Iterable[Element]) -> list[ReadinessFinding]:
    """Replacement and private characters, or words without a vowel, over a good part of the text."""
    broken = letters = 0
    worst: Element | None = None
    unknown = _unknown(subject, shown)
    if unknown:
        return unknown
    for element in shown:
        letters += sum(map(str.isalnum, element.text))
        if element.text.isascii():
            continue
        here = len(_BROKEN.findall(element.text))
        broken += here
        if here and (worst is None or here > len(_BROKEN.findall(worst.text))):
            worst = element
    if worst is None or broken < 5 or broken < 0.01 * max(1, letters):
        return []
    grave = broken > 0.15 * max(1, letters)
    severity = "error" if grave else "warning"
    return [note(subject, "garbled_text", worst.text, severity=severity, page=worst.page, count=broken)]


def _unknown(subject: Subject, shown: Iterable[Element]) -> list[ReadinessFinding]:
    """`???????`: a system without these letters wrote a question mark for each."""
    lost = letters = 0
    first: Element | None = None
    for element in shown:
        letters += sum(map(str.isalnum, element.text))
        here = sum(map(len, _UNKNOWN.findall(element.text))) if "??" in element.text else 0
        first = first or (element if here >= _UNKNOWN_LEAST else None)
        lost += here
    if first is None or lost < 0.3 * (letters + lost):
        return []
    return [note(subject, "garbled_text", first.text, severity="error", page=first.page, count=lost)]


def _languages(subject: Subject, shown: Iterable[Element]) -> list[ReadinessFinding]:
    sizes: Counter[str] = Counter()
    for element in shown:
        if element.language != "und" and element.kind not in ("header", "footer"):
            sizes[element.language] += sum(map(str.isalpha, element.text))
    total = sum(sizes.values())
    if total < _MIN_LETTERS:
        return []
    found: list[ReadinessFinding] = []
    shares = [(language, size / total) for language, size in sizes.most_common()]
    said = ", ".join(f"{language} {share:.0%}" for language, share in shares[:4])
    if len(shares) > 1 and shares[1][1] >= _SECOND_LANGUAGE:
        found.append(note(subject, "language_mixed", said))
    if subject.served and sum(share for language, share in shares if language not in subject.served) > 0.5:
        found.append(note(subject, "language_unserved", said))
    return found


def _unseen(subject: Subject) -> list[ReadinessFinding]:
    """Tag characters and letters parted by nothing visible; hidden elements were told by the reader."""
    found: list[ReadinessFinding] = []
    for element in subject.parsed.elements:
        if element.text.isascii():
            continue
        tags = "".join(_TAGS.findall(element.text))
        gaps = len(_ZERO_WIDTH.findall(element.text))
        turns = len(_REVERSED.findall(element.text))
        foreign = _RARE_LETTER.search(element.text) is not None
        if tags:
            said = "".join(chr(ord(char) - 0xE0000) for char in tags)
            found.append(
                note(
                    subject, "hidden_text", phrase("tag_characters", said), page=element.page, count=len(tags)
                )
            )
            continue
        smuggled = sum(map(len, _SMUGGLED.findall(element.text)))
        if smuggled or ((gaps >= 3 or turns >= 2) and not foreign):
            unseen = max(smuggled, gaps + turns)
            seen = phrase("invisible_characters", unseen, element.text)
            found.append(note(subject, "hidden_text", seen, page=element.page, count=unseen))
    return found[:20]
