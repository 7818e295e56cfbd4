"""What the name and the title of a document say: its subject, its number, its period, its edition, its language.

Telling two editions of one document from two documents of one series is mostly a matter of names: `leave_policy_v1` and
`leave_policy_v2` are one document, `contract_17` and `contract_18` or a January and a February report are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from countersign.corpus.glossary import concepts
from countersign.corpus.terms import fold, is_stop_word, stem

Relation = Literal["same", "version", "dated", "translation", "variant", "unsure", "series", "other"]
"""`same` label; another `version`; the same but for a date (`dated`); one has more words (`variant`); the name says
`same` and the title `series` or the other way round (`unsure`); another number, period or subject (`series`); nothing
in common, or labels that say nothing (`other`)."""

_PART = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+")
_COPY = re.compile(r"\s*\((\d{1,2})\)\s*$")
_CAMEL = re.compile(r"(?<=[a-zа-яё])(?=[A-ZА-ЯЁ])")
_OLDER_TEXT = (
    "old older previous prev archive archived archives bak backup obsolete draft superseded стар старый старая старое старые "
    "архив прежний прежняя предыдущая предыдущий черновик отменен отменён устарел устаревший ескі мұрағат бұрынғы жоба"
)
_OLDER = frozenset(_OLDER_TEXT.split())
_NEWER_TEXT = (
    "new newest latest current final updated corrected новый новая новое новые актуальный актуальная действующий действующая "
    "финал финальный финальная итоговый обновленный обновленная исправленный исправленная жаңа соңғы қолданыстағы"
)
_NEWER = frozenset(_NEWER_TEXT.split())
_EDITION_TEXT = (
    "v ver version rev revision edition ed редакция редакции редакцией ред версия версии изм изменение нұсқа нұсқасы редакциясы "
    "басылым copy копия көшірме көшірмесі"
)
_EDITION = frozenset(_EDITION_TEXT.split())
_COPIES = frozenset({"copy", "копия", "көшірме", "көшірмесі"})
"""The number of a copy does not say that it is newer."""
_LANGUAGES = {
    name: language
    for language, names in {
        "kk": "kk kz kaz kazakh каз қаз қазақша казахский", "ru": "ru rus russian рус русский орысша",
        "en": "en eng english англ английский ағылшынша",
    }.items()
    for name in names.split()
}  # fmt: skip
_AGE = (
    (re.compile(r"(?:стар|прежн|предыдущ|устаревш|архивн|отмен[её]нн)(?:ый|ий|ая|яя|ое|ее|ые|ие|ого|его|ой|ей|ых|их)$"), -1),
    (re.compile(r"(?:нов|действующ|актуальн|обновл[её]нн|исправленн|финальн|итогов)(?:ый|ий|ая|ое|ее|ые|ие|ого|его|ой|ей|ых|их)$"), 1),
)  # fmt: skip
_GENERIC_TEXT = (
    "re fw fwd scan scanned img image photo picture pic page doc document documents docx file untitled noname new text book sheet presentation "
    "slide slides attachment message mail letter report1 скан документ файл лист книга презентация изображение фото письмо сообщение "
    "вложение безымянный название названия құжат сурет хат dsc pdf microsoft word excel powerpoint лист1 sheet1 untitled1"
)
_GENERIC = frozenset(_GENERIC_TEXT.split())
_MONTH = re.compile(
    r"(?:январ|феврал|апрел|июн|июл|август|сентябр|октябр|ноябр|декабр)\w{0,3}$|март\w?$|ма[йя]$"
    r"|(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)$"
    r"|(?:қаңтар|ақпан|наурыз|сәуір|мамыр|маусым|шілде|тамыз|қыркүйек|қазан|қараша|желтоқсан)(?:$|д|ғ|т)"
)
_QUARTER = re.compile(r"(?:q|кв|квартал\w*|quarter|тоқсан\w*|полугоди\w*|half|неделя|week|апта)$")
_SERIAL = re.compile(
    r"(?:report|minutes|statement|invoice|contract|agreement|order|act|schedule|plan|budget|statistic|newsletter|bulletin|digest"
    r"|letter|notice|application|request|ticket|payslip|timesheet|rates|forecast|results|protocol|journal|register|log|memo"
    r"|offer|claim|certificate|receipt|summary|agenda|roster|quote|transcript|complaint|survey|monitoring|campaign|promo"
    r"|отчет|отчёт|протокол|выписк|счет|счёт|договор|соглашени|приказ|распоряжени|акт|график|расписани|план|бюджет|статистик"
    r"|письм|уведомлени|заявлени|заявк|обращени|жалоб|табел|курс|прогноз|итог|журнал|реестр|справк|накладн|дайджест|сводк"
    r"|обзор|решени|постановлени|запис|служебн|акци|чек|опрос|мониторинг|выпуск"
    r"|есеп|хаттама|үзінді|шот|шарт|келісім|бұйрық|өкім|кесте|жоспар|хат|хабарлама|өтініш|өтінім|шағым|тізілім|анықтама"
    r"|шешім|қаулы|журнал|шолу|науқан)\w{0,4}$"
)
_YEAR = re.compile(r"(?:19|20)\d\d$")
_STAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")


@dataclass(frozen=True, slots=True)
class Label:
    words: frozenset[str] = frozenset()
    numbers: tuple[str, ...] = ()
    periods: frozenset[str] = frozenset()
    dates: tuple[str, ...] = ()
    edition: tuple[str, ...] = ()
    language: str = ""
    serial: bool = False
    """It is one of a series by nature: a report, an order, a contract."""
    vague: bool = False
    """It has a word such as `scan` or `document`: its number counts scans, not documents of a series."""
    age: int = 0
    """Below 0 when it says `old` or `archive`, above 0 when it says `new` or `final`."""

    @property
    def number(self) -> float:
        """Of the edition, 0 when it has none."""
        found = (float(".".join(mark.split(".")[:2])) for mark in self.edition if mark[0].isdigit())
        return max(found, default=0.0)

    @property
    def is_copy(self) -> bool:
        return not _COPIES.isdisjoint(self.edition)


@lru_cache(maxsize=16_384)
def label(text: str) -> Label:
    """Of a title, or of a file name without folders and extension."""
    parts = _PART.findall(fold(_CAMEL.sub(" ", _COPY.sub(r" copy \1", text))))
    reader = _Reader()
    place = 0
    while place < len(parts):
        place += reader.take(parts[place : place + 3])
    return reader.done()


def stem_of(external_id: str) -> str:
    """The last name in an external_id, without its extension: of `a/mail.eml#terms.pdf` it is `terms`."""
    name = re.split(r"[/\\#]", external_id.rstrip("/\\"))[-1]
    head, dot, tail = name.rpartition(".")
    return head if dot and head and 1 <= len(tail) <= 5 and tail.isalnum() and not tail.isdigit() else name


def folder_of(external_id: str) -> str:
    """Everything before that name; empty at the top."""
    return (re.split(r"[/\\#](?=[^/\\#]*$)", external_id.rstrip("/\\"))[:-1] or [""])[0]


def relation(first: Label, second: Label) -> Relation:
    """How two labels of the same sort (two names, or two titles) stand to each other."""
    if not first.words or not second.words:
        numbered = first.numbers and second.numbers and first.numbers != second.numbers
        vague = first.vague or second.vague or first.words or second.words
        return "series" if numbered and not vague else "other"
    if first.language != second.language and first.language and second.language:
        return "translation" if _alike_but_words(first, second) else "other"
    mine, theirs = first.words - second.words, second.words - first.words
    if mine and theirs:
        return "series" if first.words & second.words else "other"
    if first.periods != second.periods:
        return "series"
    if first.numbers != second.numbers:
        return "series" if first.numbers and second.numbers else "variant"
    if mine or theirs:
        return "variant"
    if first.edition != second.edition:
        return "version"
    if first.dates != second.dates:
        return "series" if first.serial else "dated"
    return "same"


def both(by_name: Relation, by_title: Relation, crossed: tuple[Relation, Relation]) -> Relation:
    """What names and titles say together; a name against a title counts only where it agrees."""
    found = {by_name, by_title}
    agreeing: set[Relation] = {"same", "version", "dated"}
    if "series" in found:
        return "unsure" if (found | set(crossed)) & agreeing else "series"
    found |= set(crossed) & agreeing
    order: tuple[Relation, ...] = ("version", "dated", "same", "translation", "variant")
    for strongest in order:
        if strongest in found:
            return strongest
    return "other"


def _alike_but_words(first: Label, second: Label) -> bool:
    same = first.numbers == second.numbers and first.periods == second.periods
    return same and (first.words == second.words or not first.words & second.words)


def _age_of(part: str) -> int:
    if part in _OLDER or part in _NEWER:
        return 1 if part in _NEWER else -1
    return next((age for pattern, age in _AGE if pattern.match(part)), 0)


class _Reader:
    """Takes one part of a label after the other; what it makes of them is in `done`."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._numbers: list[str] = []
        self._periods: set[str] = set()
        self._dates: list[str] = []
        self._edition: list[str] = []
        self._language = ""
        self._serial = False
        self._vague = False
        self._age = 0

    def take(self, parts: list[str]) -> int:
        """Reads the first of the next three parts; how many were used up."""
        part = parts[0]
        if part[0].isdigit():
            return self._figure(parts)
        if part in _EDITION:
            number = parts[1] if len(parts) > 1 and parts[1][0].isdigit() else ""
            self._edition.append(part if part in _COPIES else number or part)
            return 2 if number else 1
        age = _age_of(part)
        if age:
            self._age += age
            self._edition.append(part)
        elif part in _LANGUAGES:
            self._language = _LANGUAGES[part]
        elif _MONTH.match(part):
            self._periods.add(part[:3])
        elif _QUARTER.match(part):
            number = parts[1] if len(parts) > 1 and len(parts[1]) == 1 else ""
            self._periods.add(f"q{number}" if number else "q")
            return 2 if number else 1
        else:
            self._word(part)
        return 1

    def done(self) -> Label:
        return Label(
            frozenset(self._words), tuple(self._numbers), frozenset(self._periods), tuple(sorted(self._dates)),
            tuple(sorted(self._edition)), self._language, self._serial, self._vague, self._age,
        )  # fmt: skip

    def _figure(self, parts: list[str]) -> int:
        part = parts[0]
        after = [int(other) if other.isdigit() and len(other) <= 2 else 0 for other in (*parts[1:], "", "")][
            :2
        ]
        if _STAMP.match(part) or re.fullmatch(r"\d{1,2}\.\d{1,2}\.(?:19|20)\d\d", part):
            self._dates.append(part if "." not in part else "".join(reversed(part.split("."))))
        elif _YEAR.match(part) and 1 <= after[0] <= 12:
            if 1 <= after[1] <= 31:
                self._dates.append(f"{part}{after[0]:02d}{after[1]:02d}")
                return 3
            self._periods.add(f"{part}-{after[0]:02d}")
            return 2
        elif _YEAR.match(part):
            self._dates.append(part)
        elif len(parts) == 3 and len(part) <= 2 and 1 <= after[0] <= 12 and _YEAR.match(parts[2]):
            self._dates.append(f"{parts[2]}{after[0]:02d}{int(part):02d}")
            return 3
        elif self._edition and self._edition[-1] == "v":
            self._edition[-1] = part
        else:
            self._numbers.append(part.lstrip("0") or "0")
        return 1

    def _word(self, part: str) -> None:
        if _SERIAL.match(part):
            self._serial = True
        if part in _GENERIC:
            self._vague = True
        if part in _GENERIC or is_stop_word(part):
            return
        known = concepts(part)
        self._words.add(f"~{min(known)}" if len(known) == 1 else stem(part, ""))
