"""Where a text speaks of a stretch of time, in Kazakh, Russian and English: a day, month, quarter, half, season or year,
written out or told from today ("last year", "два месяца назад", "былтыр").
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from countersign.answer.facts import MONTH_PATTERN, month_of

_M = MONTH_PATTERN.format("w") + r"(?!\w)"
_Y = r"(?P<y>(?:19|20)\d\d)(?!\d)"
_RU = r"(?:(?:-?(?:го|м|ом))?\s*(?:года|году|год|г\.|г\b))?"
_KK = r"(?P<y>(?:19|20)\d\d)\s*-?\s*(?:жылғы|жылдың|жылы|ж\.)"
_ORD = (
    r"(?<!\w)(?P<n>[1-4]|i{1,3}|iv|first|second|third|fourth|перв\w{2,3}|втор\w{2,3}|трет\w{2,4}|четв[её]рт\w{2,3}|"
    r"бірінші|екінші|үшінші|төртінші)(?:\s*-?(?:st|nd|rd|th|й|м|ом|ый|го|ші|шы|інші)\b)?"
)
_ORDINALS = {
    1: ("1", "first", "перв", "бірінші"),
    2: ("2", "second", "втор", "екінші"),
    3: ("3", "third", "трет", "үшінші"),
    4: ("4", "fourth", "четв", "төртінші"),
}
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}
_COUNTS = {
    1: "a an one один одна одну бір",
    2: "two два две екі",
    3: "three три үш",
    4: "four четыре төрт",
    5: "five пять бес",
    6: "six шесть алты",
}
_COUNT = {word: count for count, names in _COUNTS.items() for word in names.split()}
_MANY = r"(?P<k>\d{1,2}|" + "|".join(_COUNT) + ")"
_UNITS = {
    "year": r"years?|год\w{0,2}|лет|жыл\w{0,4}",
    "quarter": r"quarters?|квартал\w{0,3}|тоқсан\w{0,4}",
    "month": r"months?|месяц\w{0,3}|ай(?:да|дың|дағы|ы)?",
    "week": r"weeks?|недел\w{1,3}|апта\w{0,4}",
    "day": r"days?|день|дня|дней|күн\w{0,3}",
}
_UNIT = "(?P<u>" + "|".join(_UNITS.values()) + r")(?!\w)"


@dataclass(frozen=True, slots=True)
class Mention:
    """Days `first` to `last`, both included; `start`/`end` are offsets into the text. `grain` is the unit written."""

    first: date
    last: date
    start: int
    end: int
    grain: str
    dated: bool = True
    """False where no year is written: the last such day or month that has begun."""
    relative: bool = False


def mentions(text: str, today: date) -> tuple[Mention, ...]:
    """All mentions in `text`, which must be in small letters, in their order; longer forms win over their parts."""
    found: list[Mention] = []
    for pattern, read in _PATTERNS:
        for match in pattern.finditer(text):
            if any(match.start() < other.end and other.start < match.end() for other in found):
                continue
            mention = _read(match, read, today)
            if mention is not None:
                found.append(mention)
    return tuple(sorted(found, key=lambda mention: mention.start))


_Span = tuple[date, date, str]
_Reader = Callable[[dict[str, str], date], "_Span | None"]


def _read(match: re.Match[str], read: _Reader, today: date) -> Mention | None:
    groups = {name: value for name, value in match.groupdict().items() if value}
    try:
        span = read(groups, today)
    except (ValueError, OverflowError):  # 31 February, or before the calendar begins
        return None
    if span is None:
        return None
    relative = read in (_last, _ago, _yesterday, _last_edge)
    return Mention(*span[:2], match.start(), match.end(), span[2], relative or "y" in groups, relative)


def _month_span(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year, month, monthrange(year, month)[1])


def _months(year: int, first: int, last: int) -> tuple[date, date]:
    return _month_span(year, first)[0], _month_span(year, last)[1]


def _day(groups: dict[str, str], today: date) -> _Span | None:
    month = month_of(groups["w"]) if "w" in groups else int(groups["m"])
    if not month:
        return None
    if "y" in groups:
        day = date(int(groups["y"]), month, int(groups["d"]))
    else:
        day = date(today.year, month, int(groups["d"]))
        day = day if day <= today else date(today.year - 1, month, int(groups["d"]))
    return day, day, "day"


def _month(groups: dict[str, str], today: date) -> _Span | None:
    month = month_of(groups["w"])
    if not month:
        return None
    year = int(groups["y"]) if "y" in groups else today.year - (month > today.month)
    return *_month_span(year, month), "month"


def _quarter(groups: dict[str, str], _: date) -> _Span | None:
    number = _ordinal(groups["n"])
    return (*_months(int(groups["y"]), 3 * number - 2, 3 * number), "quarter") if number else None


def _half(groups: dict[str, str], _: date) -> _Span | None:
    number = _ordinal(groups["n"])
    return (*_months(int(groups["y"]), 6 * number - 5, 6 * number), "half") if number in (1, 2) else None


def _season(groups: dict[str, str], _: date) -> _Span:
    starts = {"sp": 3, "ве": 3, "кө": 3, "su": 6, "ле": 6, "жа": 6, "au": 9, "fa": 9, "ос": 9, "кү": 9}
    first = starts[groups["s"][:2]]
    return *_months(int(groups["y"]), first, first + 2), "season"


def _year(groups: dict[str, str], _: date) -> _Span:
    return *_months(int(groups["y"]), 1, 12), "year"


def _edge(groups: dict[str, str], today: date) -> _Span | None:
    """The first, middle or last day of what follows: "at the end of March 2025"."""
    whole = _month(groups, today) if "w" in groups else _year(groups, today)
    return None if whole is None else _edge_of(groups["e"], whole)


def _edge_of(word: str, whole: _Span) -> _Span:
    first, last, _ = whole
    if word.startswith(("beg", "start", "early", "нач", "бас")):
        return first, first, "edge"
    if word.startswith(("mid", "сер", "орт")):
        middle = first + (last - first) // 2
        return middle, middle, "edge"
    return last, last, "edge"


def _last(groups: dict[str, str], today: date) -> _Span:
    """The whole unit before the one that today is in."""
    unit = _unit(groups["u"]) if "u" in groups else "year"
    if unit == "year":
        return *_months(today.year - 1, 1, 12), unit
    if unit == "quarter":
        quarter = (today.month - 1) // 3 + 1
        year, quarter = (today.year, quarter - 1) if quarter > 1 else (today.year - 1, 4)
        return *_months(year, 3 * quarter - 2, 3 * quarter), unit
    if unit == "month":
        return *_month_span(*_months_back(today, 1)), unit
    if unit == "week":
        monday = today - timedelta(days=today.weekday() + 7)
        return monday, monday + timedelta(days=6), unit
    return today - timedelta(days=1), today - timedelta(days=1), unit


def _last_edge(groups: dict[str, str], today: date) -> _Span:
    return _edge_of(groups["e"], _last(groups, today))


def _ago(groups: dict[str, str], today: date) -> _Span:
    count = int(groups["k"]) if groups.get("k", "").isdigit() else _COUNT.get(groups.get("k", ""), 1)
    unit = _unit(groups["u"])
    if unit in ("day", "week"):
        day = today - timedelta(days=count * (7 if unit == "week" else 1))
    else:
        year, month = _months_back(today, count * {"year": 12, "quarter": 3, "month": 1}[unit])
        day = date(year, month, min(today.day, monthrange(year, month)[1]))
    return day, day, "day"


def _yesterday(groups: dict[str, str], today: date) -> _Span:
    day = today - timedelta(days=2 if groups["day"] in ("позавчера", "алдыңгүні") else 1)
    return day, day, "day"


def _months_back(today: date, count: int) -> tuple[int, int]:
    number = 12 * today.year + today.month - 1 - count
    return number // 12, number % 12 + 1


def _unit(word: str) -> str:
    return next(unit for unit, pattern in _UNITS.items() if re.fullmatch(pattern, word))


def _ordinal(word: str) -> int:
    if word in _ROMAN:
        return _ROMAN[word]
    return next((number for number, names in _ORDINALS.items() if word.startswith(names)), 0)


def _compiled(patterns: Iterable[tuple[_Reader, str]]) -> tuple[tuple[re.Pattern[str], _Reader], ...]:
    return tuple((re.compile(pattern), read) for read, pattern in patterns)


_DAY = r"(?<![\d.,])(?P<d>\d{1,2})(?:st|nd|rd|th|-го|-е|-ое)?\s+(?:of\s+)?"
_EDGE_EN = r"\b(?P<e>beginning|start|end|middle|early|late|mid)(?:\s+of)?(?:\s+the)?[\s-]+"
_EDGE_RU = r"\b(?P<e>начал[оеау]|конец|конц[еау]|середин[аеуы])\s+"
_PATTERNS = _compiled(
    (
        (_day, r"(?<!\d)" + _Y + r"-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)"),
        (_day, r"(?<![\d.])(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./]" + _Y + _RU),
        (_edge, _EDGE_EN + r"(?:" + _M + r",?\s+(?:of\s+)?)?" + _Y),
        (_edge, _EDGE_RU + r"(?:" + _M + r"\s+)?" + _Y + _RU),
        (_edge, _KK + r"\s*(?:" + _M + r"\s+(?:айының\s+)?)?(?P<e>бас|соңы|аяғы|орта)\w{0,5}"),
        (_day, _KK + r",?\s*(?P<d>\d{1,2})\s*-?\s*(?:ші|шы|інші|ыншы)?\s*" + _M),
        (_day, _DAY + _M + r",?\s+" + _Y + _RU),
        (_day, r"\b" + _M + r"\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?(?!\d),?\s+" + _Y),
        (_quarter, r"\bq(?P<n>[1-4])(?:\s*,?\s*|\s+of\s+)" + _Y),
        (_quarter, _Y + r"\s*q(?P<n>[1-4])\b"),
        (_quarter, _ORD + r"\s+quarter\s+(?:of\s+)?" + _Y),
        (_quarter, _ORD + r"\s+квартал\w{0,3}\s+" + _Y + _RU),
        (_quarter, _KK + r"\s*" + _ORD + r"\s*тоқсан\w{0,6}"),
        (_half, r"\bh(?P<n>[12])(?:\s*,?\s*|\s+of\s+)" + _Y),
        (_half, _ORD + r"\s+half\s+(?:of\s+)?" + _Y),
        (_half, _ORD + r"\s+(?:полугоди\w{1,2}|половин\w{1,2})\s+" + _Y + _RU),
        (_half, _KK + r"\s*" + _ORD + r"\s*(?:жартысы|жартыжылды)\w{0,6}"),
        (_season, r"\b(?P<s>spring|summer|autumn|fall)\s+(?:of\s+)?" + _Y),
        (_season, r"\b(?P<s>весной|весна|весны|летом|осенью|осень|осени)\s+" + _Y + _RU),
        (_season, _KK + r"\s*(?P<s>көктем|жаз|күз)(?:і|ы)?(?:нде|нда|де|да)?(?!\w)"),
        (_month, _KK + r"\s*" + _M + r"(?:\s+ай\w{0,6})?"),
        (_month, r"\b" + _M + r"\s+ай\w{0,6},?\s+" + _Y),
        (_month, r"\b" + _M + r",?\s+(?:of\s+)?" + _Y + _RU),
        (_last_edge, _EDGE_EN + r"(?:last|previous)\s+" + _UNIT),
        (_last_edge, _EDGE_RU + r"прошл\w{2,3}\s+" + _UNIT),
        (_last_edge, r"\bөткен\s+" + _UNIT + r"\s+(?P<e>бас|соңы|аяғы|орта)\w{0,5}"),
        (_last, r"\b(?:last|previous)\s+" + _UNIT),
        (_last, r"\b(?:прошл|предыдущ)\w{2,3}\s+" + _UNIT),
        (_last, r"\bөткен\s+" + _UNIT),
        (_last, r"\bбылтыр\w{0,3}"),
        (_ago, r"\b" + _MANY + r"\s+" + _UNIT + r"\s+(?:ago|earlier|назад|бұрын)\b"),
        (_ago, r"\b" + _UNIT + r"\s+(?:назад|бұрын)\b"),
        (_yesterday, r"\b(?P<day>yesterday|вчера|позавчера|кеше)\b"),
        (_year, r"\b" + _KK),
        (_year, r"(?<![\d.,/№#-])" + _Y + r"(?![/-]?\d|[.,]\d)" + _RU),
        (_day, _DAY + _M),
        (_day, r"\b" + _M + r"\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?(?!\d)"),
        (_month, r"\b" + _M + r"(?:\s+ай\w{0,6})?"),
    )
)
