"""The time that a question speaks of: which versions of the documents are to answer it.

A date moves the question into the past or the future only where it says *when the thing asked about held* ("what was
the fee in March 2025", "по состоянию на 1 мая 2024", "былтыр қанша тұрды"). A date that is part of what is asked about
("when does the tariff of 2025 end", "отчёт за 2024 год", "the order of 1 May") leaves it in the present, and so does
everything in doubt. What a report tells of a period was written after it, so questions for reported figures stay, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from countersign.answer.dates import Mention, mentions

_MAX_CHARS = 400
"""A longer text is a letter or a story, whose dates are its own."""

_NOON = timedelta(hours=12)
"""Noon in UTC belongs to the same day in every time zone from -11 to +11: a document's own midnight may be in any."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days `first` to `last` that a question speaks of; its answer is what was in force on the last one."""

    first: date
    last: date
    start: int
    end: int
    """Offsets into the question of the words that say so."""

    @property
    def moment(self) -> datetime:
        return datetime.combine(self.last, datetime.min.time(), UTC) + _NOON

    @property
    def begins(self) -> datetime:
        return datetime.combine(self.first, datetime.min.time(), UTC) + _NOON

    def left_out_of(self, question: str) -> str:
        """The question without the words that say when."""
        return " ".join((question[: self.start] + " " + question[self.end :]).split())


_WHEN = re.compile(
    r"\b(?:when|since when|what (?:date|day|year)|which (?:date|day|year)|когда|с какого|до какого|в каком году|какого числа|"
    r"какой датой|дат[аыу]\b|қашан\w*|қай (?:күн|жыл|ай)\w*|қай уақыт\w*)\b"
)
_REPORTED = re.compile(
    r"\b(?:revenues?|net income|income statement|operating income|profits?|profitability|loss(?:es)?|sales|earnings|eps|ebitda\w*|margins?|"
    r"cash flows?|balance sheet|total assets|assets|liabilities|inventor\w+|receivables?|payables?|shareholders?|equity|goodwill|"
    r"pp&e|capex|capital expenditures?|expenditures?|working capital|dividends?|turnover|fiscal|fy\s?\d\d\w*|10-?[kq]\b|"
    r"filings?|reports?|reported|results?|statements?|"
    r"выручк\w+|прибыл\w+|убыт\w+|доходы|доходов|расходы|расходов|продаж\w*|оборот\w*|актив(?:ы|ов)|обязательств\w*|дивиденд\w*|"
    r"отч[её]т\w*|итог\w*|результат\w*|бюджет\w*|план(?:а|у|ом|ы|ов)?|"
    r"түсім\w*|пайда|пайдасы\w*|шығындар\w*|есеп\w*|активтер\w*|дивиденд\w*|нәтиже\w*|бюджет\w*|жоспар\w*)\b"
)
_COMPARES = re.compile(
    r"\b(?:changed?|changes|differ\w*|compar\w*|versus|vs|new|between|since|grow\w*|grew|happened|event\w*|"
    r"измени\w+|изменени[ея]|отлича\w+|сравн\w+|разниц\w+|нов(?:ое|ого|ые)|между|с тех пор|случил\w+|произош\w+|"
    r"өзгерді|өзгерген|өзгеріс\w*|айырмашылы\w*|салыстыр\w*|арасында\w*|жаңа)\b"
)
_SUPPOSES = re.compile(r"\b(?:if|suppose|assuming|если|допустим|предположим|егер)\b")

_PAST = re.compile(
    r"\b(?:was|were|did|had|used to|cost|costed|applied|charged|could|"
    r"был[аои]?|стоил[аои]?|составлял[аои]?|действовал[аои]?|взимал\w*|брал[аои]?|брали|платил[аои]?|применял\w*|полагал\w+|"
    r"давал\w*|предоставлял\w*|начислял\w*|равнял\w*|мог(?:ла|ло|ли)?|разреш\w+л\w*|требовал\w*|считал\w+|списывал\w*|"
    r"выплачивал\w*|обходил\w+|длил\w+|руководил\w*|возглавлял\w*|обслуживал\w*|"
    r"болды|болған|болатын|еді|тұрды|тұрған|тұратын|құрады|құраған|құрайтын|қолданыл\w+|алынды|алынған|алынатын|төленді|"
    r"төленген|төленетін|берілді|берілген|берілетін|ұсталды|ұсталған|созылды|есептелді)\b"
)
_FUTURE = re.compile(r"\b(?:will|shall|going to|буд(?:ет|ут)|болады|болмақ|құрайды)\b")
_NORM = (
    r"(?:fees?|rates?|prices?|tariffs?|limits?|costs?|charges?|commissions?|penalt\w+|allowances?|salar\w+|thresholds?|premiums?|"
    r"terms?|rules?|polic\w+|versions?|editions?|conditions?|"
    r"комисси\w+|ставк\w+|тариф\w*|цен[аыуе]\w*|стоимост\w+|лимит\w*|плат[аыуе]\w*|штраф\w*|пен[яию]|оклад\w*|срок\w*|правил\w*|"
    r"порядок|услови\w+|редакци\w+|верси\w+|"
    r"мөлшерлеме\w*|баға\w*|құн\w*|ақы\w*|айыппұл\w*|мерзім\w*|ереже\w*|шарттар\w*|төлем\w*)"
)
_NORM_NEXT = re.compile(r"\s*" + _NORM + r"(?!\w)")
_NORM_BEFORE = re.compile(_NORM + r"$")

_RISE = (
    r"(?:increases?|changes?|rises?|hikes?|raises?|cuts?|decreases?|reductions?|updates?|amendments?|"
    r"повышени\w|изменени\w|увеличени\w|снижени\w|уменьшени\w|подорожани\w|удешевлени\w|обновлени\w|индексаци\w|пересмотр\w?)"
)
_BEFORE_CHANGE = re.compile(
    r"\b(?:(?P<event>(?:before|prior to|до|перед)\s+(?:\w+\s+){0,2}?" + _RISE + r"|"
    r"\w*(?:көтеріл|өзгер|қымбатта|арзанда|төменде|жаңар|ұлғай|арттыр|азай)\w*\s+(?:дейін|бұрын))|"
    r"(?:previous|former|old|earlier|прежн\w{1,3}|предыдущ\w{2,3}|стар\w{2,3}|бұрынғы|ескі)\s+(?:\w+\s+){0,1}?" + _NORM + r"|"
    r"used? to\s+(?:cost|be|pay|charge)|(?:раньше|ранее|прежде|бұрын)\s+(?:\w+\s+){0,2}?" + _PAST.pattern.removeprefix(r"\b") + r"|"
    + _PAST.pattern + r"\s+(?:\w+\s+){0,3}?(?:previously|formerly|раньше|ранее|прежде)\b)"
)  # fmt: skip

_ANYWHEN = r"(?:\s+(?:the|a|about|примерно|около))?\s*$"
_AS_OF = re.compile(
    r"\b(?:as (?:of|at|on)|in (?:force|effect) (?:on|in|at|as of|during)|(?:valid|effective) (?:on|in|at|during)|back in|"
    r"по состоянию на|действова\w+ (?:на|в|во)|действующ\w+ (?:на|в|во))" + _ANYWHEN
)
_ON = re.compile(r"\b(?:in|on|at|during|throughout|over|в|во|в течение|на протяжении)" + _ANYWHEN)
_ON_DAY = re.compile(r"\bна" + _ANYWHEN)
_FROM = re.compile(r"\b(?:from|starting|starting from|с|со|начиная с)" + _ANYWHEN)
_UNTIL = re.compile(r"\b(?:before|prior to|до)" + _ANYWHEN)
_AFTER = re.compile(r"\b(?:after|после)" + _ANYWHEN)
_PREPOSITION = re.compile(
    r"\b(?:of|for|by|until|till|since|dated|to|within|за|от|к|ко|по|про|об?|из|для|under|about|than|чем|through)"
    + _ANYWHEN
)
_STATE_AFTER = re.compile(
    r"\s*(?:күнгі\s+)?(?:жағдай\w*(?:\s+бойынша)?|қолданыста\s+бол\w+|қолданылған|қолданылатын|күшінде\s+бол\w+)"
)
_DATIVE_UNTIL = re.compile(r"\s*(?:дейін|шейін)")
_ABLATIVE_FROM = re.compile(r"\s*(?:бастап)")
_ABLATIVE_AFTER = re.compile(r"\s*(?:кейін|соң)")
_ATTRIBUTE = re.compile(r"(?:дағы|дегі|тағы|тегі|ғы|гі)$")
_LOCATIVE = re.compile(r"(?:да|де|та|те|жылы|былтыр|кеше|бұрын)$")
_LATIN_OR_RUSSIAN_MADE = re.compile(
    r"(?:\b(?:signed|issued|made|dated|born|hired|bought|sold|given|taken|written|sent|end|ends|ended|expires?|expired|expiring|"
    r"begins?|began|starts?|started|due|scheduled|opened|concluded|registered|approved|published|adopted|submitted|received|held|elected)|"
    r"\w+(?:нн|вш|т)(?:ый|ая|ое|ые|ого|ой|ых|ому|ым|ыми|ую|ий|ее|ие|его|ей|их)|"
    r"\w+(?:ивш|ывш|авш)\w{2,4}|\w+(?:ан|ен|ят)[аоы]?|"
    r"(?:откры|подписа|оформи|заключи|приня|уволи|получи|купи|взя|пода|утверди|заканчива|начина|истека)\w*)$"
)
_STATE_WORDS = re.compile(
    r"(?:был\w*|действовавш\w+|применявш\w+|установлен\w*|предусмотрен\w*|разрешен\w*)$"
)
_KAZAKH_MADE = re.compile(
    r"\s*(?!болған|қолданыл|алынған|тұрған|төленген|берілген)\w+(?:ған|ген|қан|кен|атын|етін|йтын|йтін)\s+\w"
)

_Reading = Literal["on", "until", "after", ""]
_EDGES: tuple[tuple[re.Pattern[str], re.Pattern[str], _Reading], ...] = (
    (_UNTIL, _DATIVE_UNTIL, "until"),
    (_AFTER, _ABLATIVE_AFTER, "after"),
    (_FROM, _ABLATIVE_FROM, "on"),
)
"""What may stand before a date, or after it, and makes it an edge; `from` is a time of its own only in the future."""


def asks_before_change(question: str) -> bool:
    """Whether it asks for what held before the last change, without saying when that was: "до повышения"."""
    text = _small(question)
    found = _BEFORE_CHANGE.search(text) if _may_move(text) else None
    return found is not None and (not found["event"] or _PAST.search(text) is not None)


def period_of(question: str, now: datetime) -> Period | None:
    """The period that `question` speaks of, told from `now`; None = the present, which is also the answer to any doubt."""
    text, today = _small(question), now.astimezone(UTC).date()
    if not _may_move(text):
        return None
    found = [
        period for mention in mentions(text, today) if (period := _period(text, mention, today)) is not None
    ]
    different = {(period.first, period.last) for period in found}
    if len(different) != 1 or found[0].first <= today <= found[0].last:
        return None
    return found[0]


def _small(question: str) -> str:
    """Small letters at the same offsets; nothing where that cannot be had."""
    text = question.lower().replace("ё", "е")
    return text if len(text) == len(question) <= _MAX_CHARS else ""


def _may_move(text: str) -> bool:
    if not text or _WHEN.search(text) or _REPORTED.search(text) or _SUPPOSES.search(text):
        return False
    return _COMPARES.search(text) is None or _BEFORE_CHANGE.search(text) is not None


def _period(text: str, mention: Mention, today: date) -> Period | None:
    reading, start, end = _reading(text, mention, today)
    if not reading:
        return None
    first, last = mention.first, mention.last
    if reading == "until":
        first = last = first - timedelta(days=1)
    elif reading == "after":
        first = last = last + timedelta(days=1)
    return Period(first, last, start, end)


def _reading(text: str, mention: Mention, today: date) -> tuple[_Reading, int, int]:
    """How the words around a date use it, and the stretch of text that says so."""
    before, after = text[: mention.start], text[mention.end :]
    own = text[mention.start : mention.end]
    if (strong := _AS_OF.search(before)) is not None:
        return "on", strong.start(), mention.end
    if (strong := _STATE_AFTER.match(after)) is not None:
        return "on", mention.start, mention.end + strong.end()
    past = _PAST.search(text) is not None
    future = mention.first > today
    if future and not _FUTURE.search(text):
        return "", 0, 0
    if not mention.dated and not past:
        return "", 0, 0
    for pattern, match_after, reading in _EDGES:
        found = pattern.search(before)
        behind = match_after.match(after)
        if found is None and behind is None:
            continue
        start = found.start() if found else mention.start
        end = mention.end + (behind.end() if behind else 0)
        if reading == "on":
            return (reading, start, end) if future else ("", 0, 0)
        return (reading, start, end) if past and not _made(text[:start], "") else ("", 0, 0)
    return _adverbial(text, mention, own, past)


def _adverbial(text: str, mention: Mention, own: str, past: bool) -> tuple[_Reading, int, int]:
    """A date with a preposition of time, in the Kazakh locative, or told from today; or before a norm: "the 2024 fee"."""
    nothing: tuple[_Reading, int, int] = ("", 0, 0)
    before, after = text[: mention.start], text[mention.end :]
    on = _ON.search(before) or (_ON_DAY.search(before) if mention.grain in ("day", "edge") else None)
    if on is not None:
        return nothing if _made(before[: on.start()], after) else ("on", on.start(), mention.end)
    if _PREPOSITION.search(before) or _ON_DAY.search(before):
        return nothing
    if _LOCATIVE.search(own) or mention.relative or mention.grain == "season":
        return nothing if _made("", after) else ("on", mention.start, mention.end)
    if past and mention.dated and (_NORM_NEXT.match(after) or _names_version(before, own, after)):
        return "on", mention.start, mention.end
    return ("on", mention.start, mention.end) if _says_only_when(before, after) else nothing


def _names_version(before: str, own: str, after: str) -> bool:
    """`тариф 2024 года`, `наурыздағы комиссия`: the date belongs to what holds for a while."""
    if _ATTRIBUTE.search(own) and _NORM_NEXT.match(after):
        return True
    return own.endswith(("года", "г.")) and _NORM_BEFORE.search(before.rstrip()) is not None


def _says_only_when(before: str, after: str) -> bool:
    """`And March 2025?`: nothing else is asked, so the rest is what was asked before."""
    rest = re.findall(r"\w+", before + after)
    return len(rest) <= 1 and all(word in ("and", "what", "а", "и", "ал", "ше", "ға") for word in rest)


def _made(before: str, after: str) -> bool:
    """Whether the date says when something was made or happened: `signed in March`, `наурызда ашылған шот`."""
    word = before.rstrip()
    if _LATIN_OR_RUSSIAN_MADE.search(word) and not _STATE_WORDS.search(word):
        return True
    return _KAZAKH_MADE.match(after) is not None
